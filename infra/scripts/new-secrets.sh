#!/usr/bin/env bash
# Creates the secrets of a deployment, an admin's API key and an enrolment token, in the folder of the stack:
#
#   secrets.auto.tfvars.json   their hashes and the token; terraform reads it automatically, and no state or plan contains it
#   admin-api-key              the key, for ALLOCATOR_API_KEY
#
# Both are readable only by their owner and ignored by git. Store them like passwords.
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
    echo "$file already exists. To replace a secret that is in use, see 'Rotate secrets' in infra/README.md." >&2
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
echo "Created $values and $key_file." >&2
