#!/bin/bash
# The calls to AWS that a VM needs, made with curl alone under the VM's own role. Secrets pass through files and pipes,
# never through arguments, which every user of a machine can read.
#
#   aws parameter REGION NAME                   print a parameter of Systems Manager
#   aws save REGION NAME FILE                   write it to a file for the user allocator, unless the file exists
#   aws install REGION BUCKET KEY SHA256        fetch a Debian package from S3, check it and install it
set -euo pipefail

metadata=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254}

fail() { echo "$*" >&2; exit 1; }

# Every call can be repeated.
ask() { curl --silent --show-error --fail --retry 5 --retry-connrefused --max-time 60 --noproxy 169.254.169.254 "$@"; }

# Fetches a token, the role's name and its keys, and writes them as lines of a curl configuration file.
credentials() {
  local token role answer key secret session
  token=$(ask -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/latest/api/token")
  role=$(ask -H @- "$metadata/latest/meta-data/iam/security-credentials/" <<<"X-aws-ec2-metadata-token: $token")
  answer=$(ask -H @- "$metadata/latest/meta-data/iam/security-credentials/$role" <<<"X-aws-ec2-metadata-token: $token")
  key=$(field AccessKeyId <<<"$answer") secret=$(field SecretAccessKey <<<"$answer") session=$(field Token <<<"$answer")
  [ -n "$key" ] || fail "The metadata service gave no keys for the role '$role'."
  printf 'user = "%s:%s"\nheader = "X-Amz-Security-Token: %s"\n' "$key" "$secret" "$session"
}

# Extracts a string from a JSON object; none of the values needed contains quotes or backslashes.
field() { tr -d '\n' | sed -n 's/.*"'"$1"'" *: *"\([^"\\]*\)".*/\1/p'; }

signed() { # service, region, curl's arguments …
  local service=$1 region=$2 keys; shift 2
  keys=$(credentials)
  ask --aws-sigv4 "aws:amz:$region:$service" --config - "$@" <<<"$keys"
}

case "${1-} $#" in
  'parameter 3')
    value=$(signed ssm "$2" "${AWS_ENDPOINT_URL:-https://ssm.$2.amazonaws.com}/" \
      -H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: AmazonSSM.GetParameter' \
      --data-binary "{\"Name\":\"$3\",\"WithDecryption\":true}" | field Value)
    [ -n "$value" ] || fail "There is no parameter $3, or nothing in it."
    printf '%s\n' "$value"
    ;;
  'save 4')
    [ ! -s "$4" ] || exit 0
    umask 077
    "$0" parameter "$2" "$3" >"$4.new"
    chown allocator: "$4.new"
    mv "$4.new" "$4"
    ;;
  'install 5')
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
    package=$folder/${4##*/}
    # The hash of an empty body; the package's own hash is checked below.
    signed s3 "$2" -H 'x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855' \
      -o "$package" "${AWS_ENDPOINT_URL:-https://s3.$2.amazonaws.com}/$3/$4"
    echo "$5  $package" | sha256sum --check --quiet - >&2 || fail "$4 is not the package that was announced; nothing is installed."
    # apt reads the package as its own user.
    chmod 755 "$folder"
    chmod 644 "$package"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$package"
    ;;
  *)
    sed -n '5,7s/^# *//p' "$0" >&2
    exit 2
    ;;
esac
