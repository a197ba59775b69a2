#!/usr/bin/env bash
# Builds the container image allocator:<version> and tests it: two containers run behind HAProxy, with PostgreSQL on
# loopback; a VM enrols, polls and gets a person; SIGTERM stops one container under steady polls, and no poll may fail.
# The script uses a Docker engine if there is one, otherwise buildah, as root on a Debian-like machine.
#
#   scripts/build-image.sh            build and test
#   scripts/build-image.sh --build    build only
#
# Without an engine nothing is pulled: the script makes the Dockerfile's base images in artifacts/image, under the same
# names, from Debian's packages and this machine's .NET. That tests the Dockerfile, but not the vendor's images. The
# restore in the build uses this machine's certificates and package sources.
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
  forget_containers
  for process in "${processes[@]}"; do kill -TERM "$process" 2>/dev/null || true; done
  for process in "${processes[@]}"; do wait "$process" 2>/dev/null || true; done
  rm -rf "$work"
}
# shellcheck disable=SC2317 # until there are containers
forget_containers() { :; }
trap clean_up EXIT
trap 'exit 130' INT TERM

# -- The engine, or its substitute -----------------------------------------------------------------------------------

if docker info >/dev/null 2>&1; then
  build() { docker build "${arguments[@]}" --tag "$1" "${@:2}" .; }
  field() { docker image inspect --format "{{$2}}" "$1"; }
  size() { docker images --format '{{.Size}}' "$image"; }
  run_container() { # name, variables …
    docker run --detach --name "allocator-try-$1" --network host --read-only --cap-drop ALL \
      --security-opt no-new-privileges "${@:2}" "$image" >/dev/null
  }
  inside() { docker exec "allocator-try-$1" "${@:2}"; }
  pid_of() { docker inspect --format '{{.State.Pid}}' "allocator-try-$1"; }
  stop_container() { # sets $code to its exit code; Docker's own timeout is ten seconds
    docker stop "allocator-try-$1" >/dev/null
    code=$(docker wait "allocator-try-$1")
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
    # Like the vendor's chiseled images, these have no globalization data.
    buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
      --env DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=true "$container"
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
    # With a shell, like the vendor's image, for the build and for the client's hooks.
    mkdir -p "$system/usr/share/dotnet"
    cp -a "$dotnet_folder/." "$system/usr/share/dotnet/"
    ln -sf ../share/dotnet/dotnet "$system/usr/bin/dotnet"
    commit "$system" "$(named SDK)"
    rm -rf "$system"/usr/share/dotnet/{sdk,sdk-manifests,packs,templates,metadata}
    commit "$system" "$(named RUNTIME)"
    # Chiseled: the libraries and .NET, without a shell and a package manager.
    mkdir -p "$small"/{dev,etc,proc,sys,tmp,usr/bin,usr/lib,usr/lib64,usr/share}
    ln -s usr/lib "$small/lib"; ln -s usr/lib64 "$small/lib64"; ln -s usr/bin "$small/bin"
    chmod 1777 "$small/tmp"
    # Packages name /lib, which is a link to /usr/lib in the installed system.
    chroot "$system" dpkg -L libc6 libgcc-s1 libssl3 libstdc++6 zlib1g tzdata | grep -v '/share/\(doc\|lintian\|man\)' |
      while IFS= read -r path; do
        path=${path/#\/lib/\/usr\/lib}
        [ "$path" != /. ] || continue
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
    local mounts=(--volume /etc/ssl/certs:/etc/ssl/certs:ro) sources=~/.nuget/NuGet/NuGet.Config
    [ ! -e "$sources" ] || mounts+=(--volume "$sources:/root/.nuget/NuGet/NuGet.Config:ro")
    buildah build --isolation chroot --format docker --layers --pull-never "${mounts[@]}" "${arguments[@]}" --tag "$1" "${@:2}" .
  }
  field() { buildah inspect --type image --format "{{.Docker$2}}" "$1"; }
  size() { buildah images --format '{{.Size}}' "localhost/$image"; }
  # Runs the image's files, user, variables and program in separate namespaces: read-only, without capabilities, as the
  # first process. It shares the machine's network.
  declare -A containers
  root_of() {
    [ -n "${containers[$1]-}" ] || containers[$1]=$(buildah from --pull-never "localhost/$image")
    root=$(buildah mount "${containers[$1]}")
  }
  # shellcheck disable=SC2016 # for the shell that has the namespaces
  sandbox='
    mount --bind "$root" "$root" && mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -o remount,bind,ro "$root"
    exec env -i "${variables[@]}" setpriv --no-new-privs chroot --userspec="$user" "$root" "$@"'
  in_sandbox() { # variables …, --, program …
    local variables=() user
    mapfile -t variables < <(buildah inspect --type image --format '{{range .Docker.Config.Env}}{{println .}}{{end}}' "localhost/$image" | sed '/^$/d')
    while [ "$1" != -- ]; do variables+=("$1"); shift; done
    shift
    user=$(field "$image" .Config.User)
    exec unshare --mount --pid --fork --kill-child -- \
      bash -c "root=\$1 user=\$2 variables=(\"\${@:4:\$3}\"); shift \$((3 + \$3)); $sandbox" bash "$root" "$user" ${#variables[@]} "${variables[@]}" "$@"
  }
  run_container() { # name, --env variable …
    local name=$1 root variables=() program; shift
    root_of "$name"
    while [ $# -gt 0 ]; do variables+=("$2"); shift 2; done
    program=$(buildah inspect --type image --format '{{index .Docker.Config.Entrypoint 0}}' "localhost/$image")
    in_sandbox "${variables[@]}" -- "$program" >"$work/$name.log" 2>&1 </dev/null &
    outer[$name]=$!
  }
  declare -A outer
  inside() {
    local root=
    root_of "$1"
    (in_sandbox -- "${@:2}") </dev/null
  }
  # The process whose parent created the namespaces.
  pid_of() { tr -d ' ' <"/proc/${outer[$1]}/task/${outer[$1]}/children"; }
  stop_container() {
    code=0
    kill -TERM "$(pid_of "$1")"
    wait "${outer[$1]}" || code=$?
  }
  log_of() { cat "$work/$1.log"; }
  forget_containers() {
    local name
    # The outer process ignores weaker signals; the kernel then ends the inner one.
    for name in "${!outer[@]}"; do kill -KILL "${outer[$name]}" 2>/dev/null || true; done
    for name in "${!outer[@]}"; do wait "${outer[$name]}" 2>/dev/null || true; done
    for name in "${!containers[@]}"; do buildah rm "${containers[$name]}" >/dev/null 2>&1 || true; done
  }
fi

# -- Build ------------------------------------------------------------------------------------------------------------

if declare -F make_bases >/dev/null; then
  step "Base images from Debian and .NET $(dotnet --version) of this machine"
  make_bases
fi
step "Building $image"
build "$image"
step "Building $image-client"
build "$image-client" --target client
printf '\n%s: %s\n' "$image" "$(size)"
"$try" || exit 0

# -- Test -------------------------------------------------------------------------------------------------------------

need_postgres
need haproxy haproxy
wait_for() { # what, command …
  local what=$1 i; shift
  for ((i = 0; i < 240; i++)); do "$@" >/dev/null 2>&1 && return; sleep 0.25; done
  fail "$what; the containers' logs: $(log_of 1 | tail -n 20) $(log_of 2 | tail -n 20)"
}
free_port() { while port=$((20000 + RANDOM % 10000)); (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done; echo "$port"; }

step "PostgreSQL on loopback"
# The link may be in a folder without the other binaries.
binaries=$(dirname "$(readlink -f "$(command -v postgres || printf '%s\n' /usr/lib/postgresql/*/bin/postgres | sort -V | tail -n 1)")")
# PostgreSQL refuses to run as root.
as_postgres() { if [ "$(id -u)" -eq 0 ]; then setpriv --reuid postgres --regid postgres --init-groups --pdeathsig TERM "$@"; else "$@"; fi; }
mkdir "$work/postgres"
[ "$(id -u)" -ne 0 ] || chown postgres: "$work/postgres"
database_port=$(free_port)
as_postgres "$binaries/initdb" --pgdata "$work/postgres/data" --username allocator --auth trust --no-sync >/dev/null
as_postgres "$binaries/postgres" -D "$work/postgres/data" -p "$database_port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
  -c fsync=off >"$work/postgres.log" 2>&1 </dev/null &
processes+=($!)
wait_for "PostgreSQL did not start" "$binaries/pg_isready" -h 127.0.0.1 -p "$database_port"

step "Two containers behind HAProxy"
secret() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
sha256() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }
key=$(secret) token=$(secret)
ports=()
for name in 1 2; do
  ports+=("$(free_port)")
  run_container "$name" --env "ASPNETCORE_HTTP_PORTS=${ports[-1]}" --env Proxies__Known__0=127.0.0.1 \
    --env "Database__ConnectionString=Host=127.0.0.1;Port=$database_port;Username=allocator;Database=postgres" \
    --env "Admin__ApiKeys__try=$(sha256 "$key")" --env "Enrolment__TokenHashes__0=$(sha256 "$token")"
  wait_for "container $name did not become ready" curl -fs "http://127.0.0.1:${ports[-1]}/health/ready"
done
{
  cat scripts/haproxy.cfg
  # HAProxy must not retry a failed request, since that would hide the failure.
  echo '  retries 0'
  for name in 1 2; do echo "  server api-$name 127.0.0.1:${ports[name - 1]}"; done
} >"$work/haproxy.cfg"
url=http://127.0.0.1:$(free_port)
LISTEN=${url#http://} haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 </dev/null &
processes+=($!)
wait_for "HAProxy did not start" curl -fs "$url/health/ready"

check() { # what, command …
  local what=$1; shift
  "$@" || fail "$what"
  echo "ok: $what"
}
process=$(pid_of 1)
status() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$process/status"; }
check "it runs as the image's user, $(field "$image" .Config.User)" test "$(status Uid):$(status Gid)" = "$(field "$image" .Config.User)"
check "it has no capabilities" test "$(status CapEff)" = 0000000000000000
check "it is the first process, as in any container" test "$(awk '$1 == "NSpid:" { print $NF }' "/proc/$process/status")" = 1
read_only() { awk '$5 == "/" { print $6 }' "/proc/$process/mountinfo" | tail -n 1 | grep -q '^ro\b'; }
check "its root file system is read-only" read_only
check "there is no shell in it" test ! -e "/proc/$process/root/bin/sh"
labelled() { [ "$(field "$image" ".Config.Labels" | grep -c "org.opencontainers.image.version:$version")" -eq 1 ]; }
check "it is labelled with its version" labelled
inside_health() { inside 1 /app/Allocator.Api health --urls "http://127.0.0.1:${ports[0]}"; }
check "the health check says that it is ready" inside_health
in_vain() { ! inside 1 /app/Allocator.Api health --urls http://127.0.0.1:1 2>/dev/null; }
check "the health check reports that no replica answers" in_vain

step "A VM, and a person"
api() { # method, path, token, body
  curl -sS --fail-with-body -X "$1" "$url$2" -H "Authorization: Bearer $3" -H 'Content-Type: application/json' ${4:+-d "$4"}
}
vm=$(api POST /vms "$token" '{"hostname":"vm-1","machineId":"machine-1"}' | jq -r .token)
api PUT /vms/vm-1/report "$vm" '{"status":"running"}'
api POST /assignments "" '{"email":"ada@example.org"}' >/dev/null
has_person() { api GET /assignment/vm-1 "$vm" | jq -e '.assignment.email == "ada@example.org"'; }
wait_for "the VM did not get the person" has_person
echo "ok: vm-1 enrolled, polled, and has ada@example.org"

step "SIGTERM under steady polls"
tag=$(curl -fsS -D - -o /dev/null "$url/assignment/vm-1" -H "Authorization: Bearer $vm" | tr -d '\r' | awk 'tolower($1) == "etag:" { print $2 }')
# One connection each, kept open like a VM's; a failed poll is not repeated.
polls() {
  local urls
  mapfile -t urls < <(yes "$url/assignment/vm-1" | head -n 100)
  until [ -e "$work/enough" ]; do
    curl -s -w '%{http_code}\n' -H "Authorization: Bearer $vm" -H "If-None-Match: $tag" "${urls[@]}" || true
  done >"$work/polls-$1"
}
pollers=()
for i in 1 2 3 4; do polls "$i" </dev/null & pollers+=($!); done
processes+=("${pollers[@]}")
count() { cat "$work"/polls-* | wc -l; }
polled() { [ "$(count)" -ge "$1" ]; }
wait_for "no poll was answered" polled 400
before=$(count) started=$(date +%s%N)
stop_container 1
took=$((($(date +%s%N) - started) / 1000000))
after=$(count)
wait_for "the other replica answered no poll" polled $((after + 400))
touch "$work/enough"
wait "${pollers[@]}"
check "it exited with 0 after $took ms, within Docker's ten seconds" test "$code $((took < 10000))" = "0 1"
refused=$(cat "$work"/polls-* | grep -vc '^304$' || true)
check "$(count) polls, $((after - before)) of them while it stopped; not answered with 304: $refused" test "$refused" -eq 0
drained() { log_of 1 | grep -q 'reports that it is not ready'; }
check "its log says that it drained" drained
printf '\n%s works: %s, of which the program is %s MB\n' "$image" "$(size)" \
  "$(du -sm --apparent-size "/proc/$(pid_of 2)/root/app" | cut -f1)"
