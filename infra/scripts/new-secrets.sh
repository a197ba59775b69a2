#!/usr/bin/env bash
# Makes the secrets of a deployment: an admin's API key and an enrolment token. Into the folder of the stack go
#
#   secrets.auto.tfvars.json   their hashes and the token, which terraform reads by itself, into no state and no plan
#   admin-api-key              the key, for ALLOCATOR_API_KEY
#
# both readable by their owner only, and ignored by git. Keep them where you keep passwords.
#
#   infra/scripts/new-secrets.sh [FOLDER]      default: the working folder
set -euo pipefail
umask 077

case "${1-}" in
  -*) sed -n '9s/^# *//p' "$0" >&2; exit 2 ;;
esac
folder=${1-.}
values=$folder/secrets.auto.tfvars.json key_file=$folder/admin-api-key
for file in "$values" "$key_file"; do
  if [ -e "$file" ]; then
    echo "$file is there already. To replace a secret that is in use, see 'Rotate secrets' in infra/README.md." >&2
    exit 1
  fi
done

# 256 random bits, as 'Allocator.Api new-key' makes them.
key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
sha256() { printf '%s' "$1" | sha256sum | cut -d' ' -f1; }

admin=$(key) token=$(key)
printf '%s\n' "$admin" >"$key_file"
cat >"$values" <<END
{
  "secret_values": {
    "Admin__ApiKeys__admin": "$(sha256 "$admin")",
    "Enrolment__TokenHashes__0": "$(sha256 "$token")"
  },
  "enrolment_token": "$token"
}
END
echo "$values and $key_file are made." >&2
