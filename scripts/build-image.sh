#!/usr/bin/env bash
# Builds the container image allocator:<version>, and tries it: two containers of it behind HAProxy, on a PostgreSQL on
# loopback; a VM enrols, polls and gets a person; one container is stopped by SIGTERM under steady polls, of which not one
# may fail. With a Docker engine where there is one; else with buildah, as root on a Debian-like machine.
#
#   scripts/build-image.sh            build and try
#   scripts/build-image.sh --build    only build
#
# Without an engine nothing is pulled either: the images that the Dockerfile begins with are made here, under the same
# names, from Debian's packages and this machine's own .NET, in artifacts/image. That proves the Dockerfile, not the
# vendor's images. The restore in the build uses this machine's certificates and package sources.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./scripts/install.sh

case ${1-} in
  '') try=true ;;
  --build) try=false ;;
  *) sed -n '6,7s/^# *//p' "$0" >&2; exit 2 ;;
esac

step() { printf '\n== %s\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }

version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
image=allocator:$version
arguments=(
  --build-arg "VERSION=$version"
  --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || true)"
  --build-arg "SOURCE=$(git remote get-url origin 2>/dev/null || true)"
)
named() { sed -n "s/^ARG $1=//p" Dockerfile; }

folder=$PWD/artifacts/image
work=$(mktemp -d)
chmod 755 "$work"
processes=()
clean_up() {
  trap - EXIT
  for process in "${processes[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
  for process in "${processes[@]}"; do wait "$process" 2>/dev/null || true; done
  forget_containers
  rm -rf "$work"
}
forget_containers() { :; }
trap clean_up EXIT
trap 'exit 130' INT TERM

# -- An engine, or what stands for one --------------------------------------------------------------------------------

if docker info >/dev/null 2>&1; then
  build() { docker build "${arguments[@]}" --tag "$1" "${@:2}" .; }
  field() { docker image inspect --format "{{$2}}" "$1"; }
  size() { docker image inspect --format '{{.Size}}' "$image"; }
  run_container() { # name, variables …
    docker run --detach --name "allocator-try-$1" --network host --read-only --cap-drop ALL \
      --security-opt no-new-privileges "${@:2}" "$image" >/dev/null
  }
  inside() { docker exec "allocator-try-$1" "${@:2}"; }
  pid_of() { docker inspect --format '{{.State.Pid}}' "allocator-try-$1"; }
  stop_container() { # prints the exit code; Docker's own patience, ten seconds
    docker stop "allocator-try-$1" >/dev/null
    docker wait "allocator-try-$1"
  }
  log_of() { docker logs "allocator-try-$1" 2>&1; }
  forget_containers() { docker rm --force allocator-try-1 allocator-try-2 >/dev/null 2>&1 || true; }
else
  [ "$(id -u)" -eq 0 ] || fail "there is no Docker engine, and buildah needs root here"
  need_dotnet
  need buildah buildah
  need debootstrap debootstrap
  export STORAGE_DRIVER=${STORAGE_DRIVER:-overlay}
  mkdir -p "$folder"
  buildah() { command buildah --root "$folder/storage" --runroot "$folder/run" "$@"; }
  dotnet_folder=$(dirname "$(readlink -f "$(command -v dotnet)")")

  commit() { # folder, image
    local container
    container=$(buildah from scratch)
    buildah copy --quiet "$container" "$1" / >/dev/null
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    buildah commit --quiet --format docker "$container" "$2" >/dev/null
    buildah rm "$container" >/dev/null
    echo "$2"
  }
  make_bases() {
    local system=$folder/system small=$work/small
    if [ ! -e "$folder/system.done" ]; then
      rm -rf "$system"
      debootstrap --variant=minbase --include=ca-certificates,libssl3,libstdc++6,zlib1g,tzdata bookworm "$system" >"$folder/debootstrap.log"
      touch "$folder/system.done"
    fi
    # With a shell, as the vendor's: for the build, and for the client's hooks.
    mkdir -p "$system/usr/share/dotnet"
    cp -a "$dotnet_folder/." "$system/usr/share/dotnet/"
    ln -sf ../share/dotnet/dotnet "$system/usr/bin/dotnet"
    commit "$system" "$(named SDK)"
    rm -rf "$system"/usr/share/dotnet/{sdk,sdk-manifests,packs,templates,metadata}
    commit "$system" "$(named RUNTIME)"
    # Chiseled: the libraries and what .NET runs on, no shell and no package manager.
    mkdir -p "$small"/{dev,etc,proc,sys,tmp,usr/bin,usr/lib,usr/lib64,usr/share}
    ln -s usr/lib "$small/lib"; ln -s usr/lib64 "$small/lib64"; ln -s usr/bin "$small/bin"
    chmod 1777 "$small/tmp"
    # Debian's libraries lie in folders that are links in the system that is made of them.
    chroot "$system" dpkg -L libc6 libgcc-s1 libssl3 libstdc++6 zlib1g tzdata | grep -v '/share/\(doc\|lintian\|man\)' |
      while IFS= read -r path; do
        path=$(dirname "$path" | sed 's:^/lib:/usr/lib:')/$(basename "$path")
        [ ! -d "$system$path" ] || [ -L "$system$path" ] || continue
        mkdir -p "$small$(dirname "$path")"
        cp -a "$system$path" "$small$path"
      done
    cp -a "$system"/etc/{passwd,group,ssl,os-release,nsswitch.conf} "$small/etc/"
    cp -aL "$system/etc/ssl/certs/ca-certificates.crt" "$small/etc/ssl/certs/ca-certificates.crt" 2>/dev/null || true
    cp -a "$system/usr/share/dotnet" "$small/usr/share/dotnet"
    ln -s ../share/dotnet/dotnet "$small/usr/bin/dotnet"
    commit "$small" "$(named ASPNET)"
    rm -rf "$small"
  }

  build() {
    local mounts=(--volume /etc/ssl/certs:/etc/ssl/certs:ro) file
    for file in ~/.nuget/NuGet/NuGet.Config; do
      [ ! -e "$file" ] || mounts+=(--volume "$file:/root/.nuget/NuGet/NuGet.Config:ro")
    done
    buildah build --isolation chroot --format docker --layers --pull-never "${mounts[@]}" "${arguments[@]}" --tag "$1" "${@:2}" .
  }
  field() { buildah inspect --type image --format "{{.Docker$2}}" "$1"; }
  size() { buildah images --json "$image" | jq -r '.[0].size' ; }
  # The image's own files, user, variables and program, in namespaces of its own: read-only, without capabilities, as the
  # first process. The network is the machine's.
  declare -A containers
  root_of() {
    [ -n "${containers[$1]-}" ] || containers[$1]=$(buildah from --pull-never "localhost/$image")
    root=$(buildah mount "${containers[$1]}")
  }
  # shellcheck disable=SC2016 # for the shell that has the namespaces
  sandbox='root=$1 user=$2; shift 2
    mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev"
    mount -o remount,bind,ro "$root"
    exec setpriv --reuid "${user%:*}" --regid "${user#*:}" --clear-groups --no-new-privs --bounding-set -all --inh-caps -all \
      chroot-and-exec "$root" "$@"'
  run_container() {
    local name=$1 root variables=(); shift
    root_of "$name"
    while [ $# -gt 0 ]; do variables+=("$2"); shift 2; done
    in_sandbox "$root" "${variables[@]}" -- >"$work/$name.log" 2>&1 &
    processes+=($!)
    eval "outer_$name=$!"
  }
fi
