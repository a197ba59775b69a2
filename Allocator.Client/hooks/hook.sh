# Sourced by the ready-made hooks: root, input, settings and how they fail. See README.md.
# shellcheck shell=bash
set -euo pipefail
umask 077
# Ranges such as [A-Z] mean what they say.
export LC_ALL=C

self=$(realpath -- "$0")
hook=${self##*/}
fail() { echo "$hook: $*" >&2; exit 1; }

# Not root: once more, as root, where the sudo rules allow exactly this program. Its input stays unread until then.
if [ "$(id -u)" -ne 0 ]; then
  sudo -n -l -- "$self" >/dev/null 2>&1 ||
    fail "has to run as root: run the client as root, or let '$(id -un)' run $self by sudo, as the hooks' README says"
  exec sudo -n -- "$self"
fi
command -v jq >/dev/null || fail "needs jq: apt-get install jq"

conf=${HOOK_CONF:-/etc/allocator/hooks.conf}
if [ -e "$conf" ]; then
  [ -z "$(find -L "$conf" -maxdepth 0 -perm /022)" ] || fail "$conf can be written by others than its owner: chmod go-w $conf"
  wrong=$(grep -Evn '^[[:space:]]*(#|$)|^HOOK_(DESKTOP_USER|DESKTOP_SERVICE|START_HOST|VNC|VNC_USER|VNC_PASSWORD_FILE|CONNECT_URL|HOME_TEMPLATE|TEMPORARY_FOLDERS|STATE_FOLDER)=' "$conf" | cut -d= -f1 | paste -sd' ') || true
  [ -z "$wrong" ] || fail "$conf has lines that are no setting (line:name): $wrong"
fi

# The value of a setting: the environment's, else the file's, else the default.
setting() { # name [default]
  local value=${!1-}
  if [ -z "$value" ] && [ -e "$conf" ]; then
    value=$(sed -n "s/^$1=//p" "$conf" | tail -n 1)
  fi
  printf '%s' "${value:-${2-}}"
}

input=$(cat)
# A value of the assignment, or nothing. By way of a pipe: arguments can be read by everybody on the machine.
field() { printf '%s' "$input" | jq -r "$1 // empty" 2>/dev/null || fail "got no JSON on its standard input"; }

event=$(field .event)
hostname=$(field .hostname)
[[ $event =~ ^[a-z-]+$ ]] || fail "got no event on its standard input"
[[ $hostname =~ ^[A-Za-z0-9][A-Za-z0-9.-]*$ ]] || fail "the VM's name '$hostname' is no host name"

# The account that the desktop belongs to: never root's or the system's.
user=$(setting HOOK_DESKTOP_USER)
[ -n "$user" ] || fail "HOOK_DESKTOP_USER is not set, in $conf or the environment: the account that the desktop belongs to"
entry=$(getent passwd -- "$user") || fail "there is no account '$user' (HOOK_DESKTOP_USER)"
# shellcheck disable=SC2034 # gid: for the hooks.
IFS=: read -r user _ uid gid _ home _ <<<"$entry"
! [[ $uid -lt 1000 || $uid -eq 65534 ]] || fail "the account '$user' (HOOK_DESKTOP_USER) has the uid $uid: it must be a person's, 1000 or more"
as_user() { runuser -u "$user" -- env HOME="$home" USER="$user" LOGNAME="$user" "$@"; }

# What a hook has to remember, and the lock by which none runs while another, which could not be stopped, still does.
state=$(setting HOOK_STATE_FOLDER /var/lib/allocator-hooks)
mkdir -p -- "$state"
exec 9>"$state/lock"
flock -w 60 9 || fail "another hook has not ended within a minute"
