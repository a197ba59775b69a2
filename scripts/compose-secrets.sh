#!/usr/bin/env bash
# Creates the secrets of compose.yaml in secrets/; existing ones are kept. The image itself makes the hashes, and is built
# first if needed. Then the script prints the next steps.
#
#   scripts/compose-secrets.sh
#
# The containers read the files as other users, so the files are readable by everybody, but only you can enter their
# folder. To change a password or token, delete it and its hash, run this script again, and recreate the replicas (docker
# compose up --force-recreate). Do not change the database's password, since the database keeps the old one.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -eq 0 ] || { sed -n '5s/^# *//p' "$0" >&2; exit 2; }
folder=secrets
(umask 077; mkdir -p "$folder")
chmod 700 "$folder"

made() { [ -s "$folder/$1" ]; }
# Writes the file completely or not at all, and never replaces an existing one.
keep() { # file; the value on standard input
  local new
  new=$(mktemp "$folder/.new.XXXXXX")
  if cat >"$new" && [ -s "$new" ] && chmod 0444 "$new" && ln -T "$new" "$folder/$1"; then
    rm "$new"
    echo "Created $folder/$1" >&2
  else
    rm -f "$new"
    return 1
  fi
}
random() { head -c 24 /dev/urandom | base64 | tr '+/' '-_' | tr -d '\n'; }
for secret in database-password admin-password enrolment-token; do
  made "$secret" || random | keep "$secret"
done
# Only people need it, no container.
chmod 0400 "$folder/admin-password"

image=$(sed -n 's/^  image: \(allocator:.*\)$/\1/p' compose.yaml)
# Runs the program without network and secrets, except the one on its standard input.
program() { docker run --rm --interactive --network none --read-only --cap-drop ALL --security-opt no-new-privileges "$image" "$@"; }
if ! made admin-password-hash; then
  docker image inspect "$image" >/dev/null 2>&1 || docker compose build api-1 >&2
  # The program reads a line, so the input must end with a newline.
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
