#!/usr/bin/env bash
# Installs what is missing and runs every test. Arguments go to the test runner, such as: ./test.sh --filter-class '*PollTests'
set -euo pipefail
cd "$(dirname "$0")"
. ./scripts/install.sh
need_dotnet
need_postgres
need haproxy haproxy
need systemd-analyze systemd
dotnet test --solution Allocator.sln --configuration Release "$@"
