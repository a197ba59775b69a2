#!/usr/bin/env bash
# Makes the secrets that compose.yaml names, in secrets/, once: what is there already stays as it is. Hashes are made by the
# image itself, which is built first if it has to be. Then says what you need next.
#
#   scripts/compose-secrets.sh
#
# The containers read them as other users than you, so the files can be read by everybody who gets to them, and nobody but
# you gets into their folder. To have another password or token, delete it and its hash, run this again, and start the
# replicas anew (docker compose up --force-recreate); the database keeps its password, which is better left alone.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 0 ] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
folder=secrets
(umask 077; mkdir -p "$folder")
chmod 700 "$folder"

made() { [ -s "$folder/$1" ]; }
# Whole or not at all, and never over one that is there.
keep() { # file; the value on standard input
  local new
  new=$(mktemp "$folder/.new.XXXXXX")
  if cat >"$new" && [ -s "$new" ] && chmod 0444 "$new" && ln -T "$new" "$folder/$1"; then
    rm "$new"
    echo "Made $folder/$1" >&2
  else
    rm -f "$new"
    return 1
  fi
}
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
for secret in database-password admin-password enrolment-token; do
  made "$secret" || random | keep "$secret"
done
# People's own.
chmod 0400 "$folder/admin-password"

image=$(sed -n 's/^  image: \(allocator:.*\)$/\1/p' compose.yaml)
# Nothing of it but the program: no network, and no secrets but the one on its standard input.
program() { docker run --rm --interactive --network none --read-only --cap-drop ALL --security-opt no-new-privileges "$image" "$@"; }
if ! made admin-password-hash; then
  docker image inspect "$image" >/dev/null 2>&1 || docker compose build api-1 >&2
  # A line, which is what the program reads.
  { cat "$folder/admin-password"; echo; } | program hash-password | keep admin-password-hash
fi
made enrolment-token-hash || sha256sum <"$folder/enrolment-token" | cut -d' ' -f1 | keep enrolment-token-hash

cat <<END

Start             docker compose up --build --wait
Then it runs at   http://127.0.0.1:8080        (OpenAPI: http://127.0.0.1:8080/openapi/v1.json)
Admin             admin, with the password in $folder/admin-password
VMs enrol with    the token in $folder/enrolment-token

Ask for a VM as a person:
  curl -s http://127.0.0.1:8080/assignments -H 'Content-Type: application/json' -d '{"email":"ada@example.org"}'
END
