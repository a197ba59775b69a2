# shellcheck shell=bash
# Sourced by run.sh and test.sh; installs missing programs on a Debian-like machine, and names them elsewhere.

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi; }

install_packages() { # Debian package …
  if ! command -v apt-get >/dev/null; then
    echo "Missing: $*. Install it, then run this again." >&2
    exit 1
  fi
  echo "Installing $* …" >&2
  as_root apt-get update -qq >/dev/null
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

need() { # command, Debian package …
  local command=$1; shift
  command -v "$command" >/dev/null || install_packages "$@"
}

need_dotnet() {
  command -v dotnet >/dev/null && return
  echo "The .NET SDK 10 is missing. Install it (https://dot.net/download), then run this again." >&2
  exit 1
}

need_postgres() {
  need curl curl
  need jq jq
  command -v postgres >/dev/null && return
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && return
  # By default the package creates and starts a cluster; only its binaries are needed here.
  install_packages postgresql-common
  [ ! -f /etc/postgresql-common/createcluster.conf ] ||
    as_root sed -i 's/^#\?create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  install_packages postgresql
}
