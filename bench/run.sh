#!/usr/bin/env bash
# Measures Allocator on this machine. Prints tables and writes them to bench/results/.
#
#   bench/run.sh [--full] [allocations|paced|polls|pickup|listen|redis|lists|sign-in|client …]
#
#   Without names, runs all but the last three, which takes 7 to 10 minutes after the build, depending on other load of the
#   machine. With --full, runs all of them for longer: about 30 minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./scripts/install.sh
need_dotnet
need_postgres
need nginx nginx-light
need haproxy haproxy
need redis-server redis-server
# Compiled ahead of time (ReadyToRun) like the container image. Uses separate lock files, because those in git cover every
# platform, and a build for one platform would overwrite them.
dotnet publish bench/Allocator.Bench -c Release --use-current-runtime --self-contained false -p:PublishReadyToRun=true \
  -p:NuGetLockFilePath=obj/bench.lock.json -o bench/Allocator.Bench/bin/published --nologo -v quiet 1>&2
if [[ " $* " == *" client "* || "$*" == --full ]]; then
  need python3 python3
  /usr/bin/python3 -c 'import requests' 2>/dev/null || install_packages python3-requests
  ./scripts/publish-client.sh own 1>&2
fi
mkdir -p bench/results
# The load generator, PostgreSQL and everything else run on the second core; the measured server gets the first.
exec taskset -c 1 bench/Allocator.Bench/bin/published/Allocator.Bench "bench/results/$(date -u +%Y%m%dT%H%M%SZ).md" "$@"
