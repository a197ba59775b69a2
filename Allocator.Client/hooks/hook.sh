# Sourced by the ready-made hooks: runs them as root, reads input and settings, and reports failures. See README.md.
# shellcheck shell=bash
set -euo pipefail
umask 077
# In other locales, a range such as [A-Z] also matches other characters.
export LC_ALL=C

self=$(realpath -- "$0")
hook=${self##*/}
fail() { echo "$hook: $*" >&2; exit 1; }

# Without root, run this program again via sudo, whose rules must allow exactly it. Its input stays unread until then.
if [ "$(id -u)" -ne 0 ]; then
  sudo -n -l -- "$self" >/dev/null 2>&1 ||
    fail "must run as root: run the client as root, or allow '$(id -un)' to run $self via sudo (see the hooks' README)"
  exec sudo -n -- "$self"
fi
command -v jq >/dev/null || fail "needs jq: apt-get install jq"

conf=${HOOK_CONF:-/etc/allocator/hooks.conf}
if [ -e "$conf" ]; then
  [ -z "$(find -L "$conf" -maxdepth 0 -perm /022)" ] || fail "$conf is writable by others than its owner. Run: chmod go-w $conf"
  wrong=$(grep -Evn '^[[:space:]]*(#|$)|^HOOK_(DESKTOP_USER|DESKTOP_SERVICE|START_HOST|VNC|VNC_USER|VNC_PASSWORD_FILE|CONNECT_URL|HOME_TEMPLATE|TEMPORARY_FOLDERS|STATE_FOLDER)=' "$conf" | cut -d= -f1 | paste -sd' ') || true
  [ -z "$wrong" ] || fail "$conf has lines that are not settings (line:name): $wrong"
fi

# Prints the value of a setting: from the environment, the file or the default.
setting() { # name [default]
  local value=${!1-}
  if [ -z "$value" ] && [ -e "$conf" ]; then
    value=$(sed -n "s/^$1=//p" "$conf" | tail -n 1)
  fi
  printf '%s' "${value:-${2-}}"
}

input=$(cat)
# Prints a value of the input, or nothing. Uses a pipe, because every user of the machine can read arguments.
field() { printf '%s' "$input" | jq -r "$1 // empty" 2>/dev/null || fail "standard input is not JSON"; }

event=$(field .event)
hostname=$(field .hostname)
[[ $event =~ ^[a-z-]+$ ]] || fail "standard input has no event"
[[ $hostname =~ ^[A-Za-z0-9][A-Za-z0-9.-]*$ ]] || fail "the VM's name '$hostname' is not a host name"

# The account that the desktop belongs to; never root or a system account.
user=$(setting HOOK_DESKTOP_USER)
[ -n "$user" ] || fail "HOOK_DESKTOP_USER is not set, in $conf or the environment: the account that the desktop belongs to"
entry=$(getent passwd -- "$user") || fail "there is no account '$user' (HOOK_DESKTOP_USER)"
# shellcheck disable=SC2034 # gid: for the hooks.
IFS=: read -r user _ uid gid _ home _ <<<"$entry"
! [[ $uid -lt 1000 || $uid -eq 65534 ]] || fail "the account '$user' (HOOK_DESKTOP_USER) has the uid $uid: it must be an account for people, 1000 or more"
as_user() { runuser -u "$user" -- env HOME="$home" USER="$user" LOGNAME="$user" "$@"; }

# State of the hooks, and a lock: no hook runs while another one, which could not be stopped, still does.
state=$(setting HOOK_STATE_FOLDER /var/lib/allocator-hooks)
mkdir -p -- "$state"
exec 9>"$state/lock"
flock -w 60 9 || fail "another hook has not ended within a minute"
