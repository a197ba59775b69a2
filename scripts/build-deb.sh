#!/usr/bin/env bash
# Packs the client that scripts/publish-client.sh built as artifacts/deb/allocator_<version>_<architecture>.deb.
#   scripts/build-deb.sh [amd64|arm64 …]     default: every architecture with a published program
# The same commit and program give the same package, byte for byte. PROGRAMS and PACKAGES override the folders.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A rids=([amd64]=linux-x64 [arm64]=linux-arm64)
program() { echo "${PROGRAMS:-artifacts/client}/${rids[$1]}/allocator"; }

architectures=("$@")
if [ $# -eq 0 ]; then
  for architecture in amd64 arm64; do
    [ ! -x "$(program $architecture)" ] || architectures+=("$architecture")
  done
fi
if [ ${#architectures[@]} -eq 0 ]; then
  echo "There is no program to pack. Run: scripts/publish-client.sh" >&2
  exit 1
fi

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
maintainer='The Allocator authors <allocator@example.org>'
output=${PACKAGES:-artifacts/deb}
mkdir -p "$output"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022

place() { # mode, source, path in the package
  install -D -m "$1" "$2" "$root/$3"
}

for architecture in "${architectures[@]}"; do
  if [ -z "${rids[$architecture]:-}" ] || [ ! -x "$(program "$architecture")" ]; then
    echo "There is no program for $architecture. Run: scripts/publish-client.sh (architectures: ${!rids[*]})" >&2
    exit 1
  fi
  root=$work/$architecture
  place 755 "$(program "$architecture")" usr/bin/allocator
  place 644 Allocator.Client/systemd/allocator.service usr/lib/systemd/system/allocator.service
  place 644 Allocator.Client/systemd/sysusers.conf usr/lib/sysusers.d/allocator.conf
  place 644 Allocator.Client/systemd/hardened.conf usr/lib/allocator/systemd/hardened.conf
  place 644 Allocator.Client/systemd/default etc/default/allocator
  place 644 Allocator.Client/debian/completion usr/share/bash-completion/completions/allocator
  install -d -m 750 "$root/etc/allocator"
  (cd Allocator.Client && find hooks -type f -print0) | while IFS= read -r -d '' hook; do
    # A file that starts like a script is executable, even if a checkout lost its mode.
    [ "$(head -c 2 "Allocator.Client/$hook")" = '#!' ] && mode=755 || mode=644
    place "$mode" "Allocator.Client/$hook" "usr/lib/allocator/$hook"
  done
  for document in docs/client.md docs/configuration.md; do
    place 644 $document "usr/share/doc/allocator/$(basename $document)"
  done
  {
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nCopyright: %s\nLicense: Expat\n' \
      "$(sed -n 's/^Copyright (c) //p' LICENSE)"
    sed -n '/^Permission/,$ { s/^$/./; s/^/ /; p }' LICENSE
  } > "$root/usr/share/doc/allocator/copyright"
  gzip -9n < CHANGELOG.md > "$root/usr/share/doc/allocator/CHANGELOG.md.gz"
  printf 'allocator (%s) unstable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(LC_ALL=C date -uR --date="@$SOURCE_DATE_EPOCH")" | gzip -9n > "$root/usr/share/doc/allocator/changelog.gz"
  # This folder contains the enrolment token.
  mkdir -p "$root/usr/share/lintian/overrides"
  echo 'allocator: non-standard-dir-perm 0750 != 0755 [etc/allocator/]' > "$root/usr/share/lintian/overrides/allocator"

  # The minimum version of the C library, from the symbols that the program uses.
  libc=$(grep -ao 'GLIBC_2\.[0-9]*' "$root/usr/bin/allocator" | sort -uV | tail -n 1)
  mkdir "$root/DEBIAN"
  sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@MAINTAINER@/$maintainer/" -e "s/@LIBC@/${libc#GLIBC_}/" \
    -e "s/@SIZE@/$(du -sk --apparent-size "$root" | cut -f 1)/" Allocator.Client/debian/control > "$root/DEBIAN/control"
  install -m 755 Allocator.Client/debian/{postinst,prerm,postrm} "$root/DEBIAN/"
  echo /etc/default/allocator > "$root/DEBIAN/conffiles"
  (cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) > "$root/DEBIAN/md5sums"
  chmod 644 "$root"/DEBIAN/{control,conffiles,md5sums}
  find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz --build "$root" "$output/allocator_${version}_$architecture.deb"
done
