#!/usr/bin/env bash
# Starts the whole system on this machine: PostgreSQL, the API, and VMs as real client processes. Ctrl-C stops everything.
#
#   ./run.sh [--replicas N] [--vms N] [--port P] [--data FOLDER]
#
#   --replicas N   API processes; more than one get HAProxy in front (default 1)
#   --vms N        local VMs (default 3; 0 for none)
#   --port P       where the API listens (default 8080)
#   --data FOLDER  folder of all data; use another folder and port for a second system (default .run)
set -euo pipefail
cd "$(dirname "$0")"

replicas=1 vms=3 port=8080 data=.run
usage() { sed -n '4,9s/^# \{0,3\}//p' "$0"; }
while [ $# -gt 0 ]; do
  case $1 in
    --replicas | --vms | --port)
      [[ ${2-} =~ ^[0-9]+$ ]] || { echo "$1 needs a number" >&2; exit 2; }
      declare "${1#--}=$2"; shift 2 ;;
    --data) data=${2:?--data needs a folder}; shift 2 ;;
    -h | --help) usage; exit 0 ;;
    *) echo "unknown option '$1'" >&2; usage >&2; exit 2 ;;
  esac
done
[ "$replicas" -ge 1 ] || { echo "--replicas must be 1 or more" >&2; exit 2; }
mkdir -p "$data" && data=$(cd "$data" && pwd)

step() { printf '\033[2m%s\033[0m\n' "$*" >&2; }
. ./scripts/install.sh
need_dotnet
need_postgres
[ "$replicas" -eq 1 ] || need haproxy haproxy

database=() api=() proxy=() vms_running=()
stop() {
  trap - EXIT INT TERM
  # Users of a service stop before it.
  end "${vms_running[@]}"; end "${proxy[@]}"; end "${api[@]}"; end "${database[@]}"
  rm -f "$data/state.json"
}
# A process that was stopped with SIGSTOP must continue before it can end.
end() { [ $# -eq 0 ] || { kill -TERM "$@"; kill -CONT "$@"; wait "$@"; } 2>/dev/null || true; }
trap 'stop; exit 130' INT
trap 'stop; exit 143' TERM
trap stop EXIT

step "Building …"
dotnet build Allocator.sln -c Release --nologo -v quiet 1>&2
allocator_api=$PWD/Allocator.Api/bin/Release/net10.0/Allocator.Api
allocator=$PWD/Allocator.Client/bin/Release/net10.0/allocator

# Each child runs in a session of its own, so a Ctrl-C reaches only this script, which then stops the children in order.
# If this script is killed, the kernel stops them.
start() { # list of processes, log, command …
  local -n processes=$1
  local log=$2; shift 2
  setpriv --pdeathsig TERM setsid "$@" >"$data/$log.log" 2>&1 </dev/null &
  processes+=($!)
}
wait_for() { # what, its log, its process, command …
  local what=$1 log=$data/$2.log process=$3; shift 3
  for _ in $(seq 240); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "$process" 2>/dev/null || break
    sleep 0.25
  done
  echo "$what did not start; see $log:" >&2
  tail -n 20 "$log" >&2
  exit 1
}

step "Starting PostgreSQL …"
start database postgres "$PWD/Allocator.DevDatabase/bin/Release/net10.0/Allocator.DevDatabase" "$data"
wait_for PostgreSQL postgres "${database[0]}" grep -q '^Host=' "$data/postgres.log"
Database__ConnectionString=$(grep -m1 '^Host=' "$data/postgres.log")
# Through the environment: arguments can be read by every user of the machine.
export Database__ConnectionString Database__DataFolder=$data

# Secrets are created once and kept. The API gets their hashes through the environment.
secret() { [ -s "$data/$1" ] || (umask 077; head -c 24 /dev/urandom | base64 | tr '+/' '-_' >"$data/$1"); cat "$data/$1"; }
admin_password=$(secret admin-password)
enrolment_token=$(secret enrolment-token)
Admin__Users__admin=$(printf '%s\n' "$admin_password" | "$allocator_api" hash-password)
Enrolment__TokenHashes__0=$(printf '%s' "$enrolment_token" | sha256sum | cut -d' ' -f1)
export Admin__Users__admin Enrolment__TokenHashes__0 Telemetry__PublicMetrics=true
# The same heap size as in the container image.
export DOTNET_GCgen0size=0x400000

step "Starting $replicas API replica(s) …"
url=http://127.0.0.1:$port
# With a load balancer, the client address comes from its X-Forwarded-For header.
[ "$replicas" -eq 1 ] || export Proxies__Known__0=127.0.0.1
replica_urls=()
for i in $(seq "$replicas"); do
  replica_port=$([ "$replicas" -eq 1 ] && echo "$port" || echo $((port + i)))
  replica_urls+=("http://127.0.0.1:$replica_port")
  start api "api-$i" "$allocator_api" --urls "http://127.0.0.1:$replica_port"
  wait_for "The API" "api-$i" "${api[-1]}" curl -fs "http://127.0.0.1:$replica_port/health/ready"
done
# What follows needs neither the database nor an admin's password.
unset Database__ConnectionString Database__DataFolder Admin__Users__admin Enrolment__TokenHashes__0 Telemetry__PublicMetrics
if [ "$replicas" -gt 1 ]; then
  {
    cat scripts/haproxy.cfg
    for i in $(seq "$replicas"); do echo "  server api-$i 127.0.0.1:$((port + i))"; done
  } >"$data/haproxy.cfg"
  LISTEN=127.0.0.1:$port start proxy haproxy haproxy -db -f "$data/haproxy.cfg"
  wait_for HAProxy haproxy "${proxy[0]}" curl -fs "$url/health/ready"
fi

step "Starting $vms VM(s) …"
export ALLOCATOR_EnrolmentTokenFile=$data/enrolment-token ALLOCATOR_Url=$url ALLOCATOR_FirstPollWithin=00:00:01
for i in $(seq "$vms"); do
  folder=$data/vms/vm-$i
  mkdir -p "$folder"
  ALLOCATOR_Hostname=vm-$i ALLOCATOR_StateFolder=$folder \
    ALLOCATOR_Hooks__Assigned__0=$PWD/Allocator.Client/hooks/write-down.sh ALLOCATOR_Hooks__Assigned__1=$folder/hooks.jsonl \
    ALLOCATOR_Hooks__Released__0=$PWD/Allocator.Client/hooks/write-down.sh ALLOCATOR_Hooks__Released__1=$folder/hooks.jsonl \
    start vms_running "vms/vm-$i" "$allocator" run
  echo "${vms_running[-1]}" >"$folder/pid"
done
if [ "$vms" -gt 0 ]; then
  ready() { curl -fs -K - "$url/vms?limit=1000" <<<"user = \"admin:$admin_password\"" | jq -e --argjson n "$vms" '[.items[] | select(.status == "running")] | length >= $n'; }
  wait_for "The VMs" vms/vm-1 "${vms_running[0]}" ready
fi

(
  umask 077
  # Through the environment: arguments can be read by every user of the machine.
  printf '%s\n' "${replica_urls[@]}" | url=$url password=$admin_password token=$enrolment_token jq -nR \
    '{url: env.url, replicas: [inputs], adminUser: "admin", adminPassword: env.password, enrolmentToken: env.token}' >"$data/state.json"
)
cat <<END

Allocator runs at   $url        (OpenAPI: $url/openapi/v1.json)
Admin               admin / $admin_password
VMs                 $vms polling; the input of their hooks: $data/vms/*/hooks.jsonl
As JSON             $data/state.json

Ask for a VM as a person:
  curl -s $url/assignments -H 'Content-Type: application/json' -d '{"email":"ada@example.org"}'

Ctrl-C stops everything.
END
# If one process ends, everything stops.
while sleep 1; do
  for process in "${database[@]}" "${api[@]}" "${proxy[@]}" "${vms_running[@]}"; do
    kill -0 "$process" 2>/dev/null || { echo "process $process ended unexpectedly; the logs are in $data" >&2; exit 1; }
  done
done
