#!/usr/bin/env bash
# Measures the poll path on this machine, against a bare Kestrel in the same run. Prints a table and writes it to bench/results/.
set -euo pipefail
cd "$(dirname "$0")/.."
. ./scripts/install.sh
need_dotnet
need_postgres
need wrk wrk
dotnet build bench/Allocator.Bench -c Release --nologo -v quiet 1>&2
mkdir -p bench/results
bench/Allocator.Bench/bin/Release/net10.0/Allocator.Bench "bench/results/polls-$(date -u +%Y%m%dT%H%M%SZ).md"
