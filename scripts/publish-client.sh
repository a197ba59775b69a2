#!/usr/bin/env bash
# Publishes the client as one native program: artifacts/client/linux-x64/allocator, artifacts/client/linux-arm64/allocator.
#
#   scripts/publish-client.sh [linux-x64] [linux-arm64] [own]
#
# `own` is this machine's architecture. Without arguments both are published: this machine's must succeed; the other one is
# skipped with a message if its tools are missing. On a Debian-like machine the script installs the tools: gcc for this
# machine's architecture; clang and the other architecture's gcc (such as gcc-aarch64-linux-gnu) for the other. On a VM the
# program needs only a glibc at least as new as this machine's, and OpenSSL.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./scripts/install.sh
need_dotnet

own=linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')

publish() { # architecture
  local kind=$1 out=artifacts/client/$1 cross=() work
  if [ "$kind" = "$own" ]; then
    need gcc gcc libc6-dev
  else
    local triple debian
    read -r triple debian <<<"$([ "$kind" = linux-arm64 ] && echo aarch64-linux-gnu arm64 || echo x86_64-linux-gnu amd64)"
    need clang clang
    need "$triple-gcc" "gcc-$(tr _ - <<<"$triple")"
    [ -e "/usr/$triple/lib/Scrt1.o" ] || install_packages "libc6-dev-$debian-cross"
    cross=(-p:CppCompilerAndLinker=clang "-p:ObjCopyName=$triple-objcopy")
  fi
  work=$(mktemp -d)
  echo "Publishing $kind …" >&2
  dotnet publish Allocator.Client --configuration Release --runtime "$kind" -p:PublishAot=true "${cross[@]}" \
    --nologo --verbosity quiet --output "$work" >&2
  mkdir -p "$out"
  install -m 755 "$work/allocator" "$out/allocator"
  rm -rf "$work"
  printf '%s  %s MB\n' "$out/allocator" "$(du --apparent-size -B 1000000 "$out/allocator" | cut -f1)"
}

if [ $# -gt 0 ]; then
  for kind in "$@"; do
    case $kind in
      linux-x64 | linux-arm64) publish "$kind" ;;
      own) publish "$own" ;;
      *) echo "'$kind' is not one of linux-x64, linux-arm64 and own" >&2; exit 2 ;;
    esac
  done
else
  other=$([ "$own" = linux-x64 ] && echo linux-arm64 || echo linux-x64)
  publish "$own"
  ./scripts/publish-client.sh "$other" || echo "$other was not published; see the error above. $own was." >&2
fi
