#!/usr/bin/env bash
# Applies both examples to an AWS that is emulated on loopback: reads the results back, acts as a VM, checks what a second
# plan and a plan for another VM would change, and destroys everything again. It takes ten minutes and needs root, because
# debootstrap installs the emulator (Debian's python3-moto) in a folder of its own: ALLOCATOR_EMULATOR, by default
# ~/.cache/allocator/emulator.
#
#   infra/scripts/emulated-apply.sh [--port P]      where the emulator listens (default 45671)
#
# shellcheck disable=SC2016 # jq and dpkg expand the single-quoted text.
set -euo pipefail
cd "$(dirname "$0")/../.."
. ./scripts/install.sh
. ./infra/scripts/terraform.sh

port=45671
case "${1-}" in
  '') ;;
  --port) port=${2:?--port needs a number} ;;
  *) sed -n '7s/^# *//p' "$0" >&2; exit 2 ;;
esac
[ "$(id -u)" -eq 0 ] || { echo "Run this as root: debootstrap and chroot require it." >&2; exit 1; }
command -v terraform >/dev/null || { echo "Terraform 1.11 or newer is missing (https://developer.hashicorp.com/terraform/install)." >&2; exit 1; }
need jq jq
need curl curl

root=${ALLOCATOR_EMULATOR:-${XDG_CACHE_HOME:-$HOME/.cache}/allocator/emulator}
work=$(mktemp -d)
emulator=
end() { [ -z "$emulator" ] || kill "$emulator" 2>/dev/null || true; rm -rf "$work"; }
trap end EXIT
step() { printf '\n== %s\n' "$*"; }
fail() { echo "failed  $*" >&2; exit 1; }
passed() { echo "passed  $*"; }

step "The emulator"
if [ ! -e "$root/.complete" ]; then
  need debootstrap debootstrap
  rm -rf "$root"
  mkdir -p "$(dirname "$root")"
  debootstrap --variant=minbase trixie "$root" >"$work/log" || { tail -n 20 "$work/log" >&2; exit 1; }
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  chroot "$root" apt-get update -qq
  chroot "$root" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    python3-moto python3-flask python3-flask-cors curl ca-certificates >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }
  touch "$root/.complete"
fi
cp infra/tests-emulated/*.py infra/modules/clients/files/aws.sh "$root/srv/"
export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_ACCESS_KEY_ID=emulated AWS_SECRET_ACCESS_KEY=emulated AWS_EC2_METADATA_DISABLED=true
if curl --silent --output /dev/null "$AWS_ENDPOINT_URL"; then fail "Something listens on port $port already; name another: --port."; fi
# chroot executes Python in its own process.
MOTO_IAM_LOAD_MANAGED_POLICIES=true chroot "$root" python3 -u /srv/emulator.py "$port" >"$work/emulator.log" 2>&1 &
emulator=$!
for _ in $(seq 240); do
  if curl --silent --output /dev/null "$AWS_ENDPOINT_URL"; then break; fi
  kill -0 "$emulator" 2>/dev/null || { cat "$work/emulator.log" >&2; exit 1; }
  sleep 0.5
done
aws() { chroot "$root" python3 /srv/aws.py "$@"; }

# A minimal package that is downloaded, checked and installed.
mkdir -p "$root/srv/package/DEBIAN"
printf 'Package: allocator\nVersion: 1.2.0\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: stands for the client\n' >"$root/srv/package/DEBIAN/control"
chroot "$root" dpkg-deb --root-owner-group --build /srv/package /srv/allocator.deb >/dev/null
sha256=$(sha256sum "$root/srv/allocator.deb" | cut -d' ' -f1)
there=$(aws prepare /srv/allocator.deb)
zone=$(jq -r .zone <<<"$there") image=$(jq -r '.images[0]' <<<"$there") other_image=$(jq -r '.images[1]' <<<"$there")
moto=$(chroot "$root" python3 -c 'import moto; print(moto.__version__)')
passed "moto $moto answers on $AWS_ENDPOINT_URL"

find_providers "$work"
cp -r infra "$work/infra"
use() { stack=$work/infra/examples/$1; terraform init -input=false -no-color -lockfile=readonly >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }; }
row() { printf '%064d' "$1"; }
# The operator's variables of each example. All secrets here contain 't0ken' or repeat one digit.
jq -n --arg zone "$zone" --arg image "$image" --arg sha256 "$sha256" --arg admin "$(row 1)" --arg enrolment "$(row 2)" '{
  image: "registry.example.org/allocator:1.2.0", image_id: $image, alarm_emails: ["operator@example.org"],
  domain: {name: "allocator.example.org", zone_id: $zone},
  client_package: {bucket: "example-artefacts", key: "allocator/allocator_1.2.0_amd64.deb", sha256: $sha256},
  vms: {"vm-1": {}, "vm-2": {pool: "gpu", instance_type: "g4dn.xlarge"}},
  enrolment_tokens: {"vm-1": "t0ken-1", "vm-2": "t0ken-2"},
  secret_values: {Admin__ApiKeys__admin: $admin, Enrolment__TokenHashes__0: $enrolment}
}' >"$work/infra/examples/complete/wanted.auto.tfvars.json"
jq '{image, image_id, client_package, secret_values, enrolment_token: "t0ken", classroom: ["198.51.100.7/32"], vms: 2}' \
  "$work/infra/examples/complete/wanted.auto.tfvars.json" >"$work/infra/examples/minimal/wanted.auto.tfvars.json"
want() { jq "$@" "$stack/wanted.auto.tfvars.json" >"$work/wanted" && cp "$work/wanted" "$stack/wanted.auto.tfvars.json"; }
terraform() { command terraform -chdir="$stack" "$@"; }

plan() {
  terraform plan -input=false -no-color -out="$work/plan" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  terraform show -json "$work/plan" >"$work/plan.json"
}
# Attributes that the emulator does not store and Terraform would set each time: tags of scaling targets and launch templates,
# parameters of databases, descriptions of rules (and some rules of many that are made at once), three settings of
# services. Every other change in a plan is a failure.
changes() {
  jq -r '.resource_changes[] | select(.change.actions != ["no-op"] and .change.actions != ["read"]) | select(
    ((.type == "aws_appautoscaling_target" or .type == "aws_db_parameter_group" or (.type | startswith("aws_vpc_security_group_"))) and (.change.actions | index("delete") | not)
    or (.type == "aws_ecs_service" and .change.actions == ["update"] and
        ([.change.before, .change.after] | map(del(.availability_zone_rebalancing, .enable_ecs_managed_tags, .health_check_grace_period_seconds)) | .[0] == .[1]))
    or (.type == "aws_launch_template" and .change.actions == ["update"] and
        ([.change.before, .change.after] | map(del(.tag_specifications, .default_version, .latest_version)) | .[0] == .[1]))
    or (.type == "aws_cloudwatch_metric_alarm" and .change.actions == ["update"] and .change.after_unknown.metric_query != null)
  ) | not) | "\(.change.actions | join("+")) \(.address | sub("^module\\.allocator\\."; ""))"' "$work/plan.json" | sort
}
expect_changes() { # what, changes …
  local what=$1; shift
  plan
  [ "$(changes)" = "$(printf '%s\n' "$@" | sort)" ] || { changes >&2; fail "$what: the plan has other changes than $*"; }
  passed "$what: $(if [ $# -gt 0 ] && [ -n "$1" ]; then printf '%s; ' "$@"; else echo "nothing changes"; fi)"
}
apply() {
  terraform apply -input=false -no-color -auto-approve >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  grep -E '^Apply complete' "$work/log"
  if grep -qE "t0ken|$(row 1)|$(row 2)|emulated-database-password" "$stack/terraform.tfstate"; then fail "a secret is in the state"; fi
  passed "no secret is in the state"
}
# Lists everything in the emulator of the kinds that the stacks create.
inventory() { aws inventory | LC_ALL=C sort; }
only_in() { LC_ALL=C comm -23 "$work/$1" "$work/$2"; }
destroy() { # what may be left
  inventory >"$work/during"
  terraform destroy -input=false -no-color -auto-approve >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  grep -E '^Destroy complete' "$work/log"
  [ -z "$(terraform state list)" ] || fail "something is left in the state"
  inventory >"$work/after"
  [ -z "$(only_in before after)" ] || { only_in before after >&2; fail "something is gone that was there before"; }
  [ "$(only_in after before | sed -E 's/[0-9]{14}$/<time>/')" = "$1" ] || { only_in after before >&2; fail "something else is left than '$1'"; }
  passed "of the $(only_in during before | wc -l) things that it had nothing is left${1:+ but $1}; the $(wc -l <"$work/before") that were there before still are"
}
read_back() {
  jq --arg image "$image" --arg zone "$zone" '{
    name: "allocator", zone: $zone, image, secret_values,
    vms: (.enrolment_tokens as $tokens | .vms | with_entries(.key as $name | .value = {
      instance_type: .value.instance_type, image: $image, token: $tokens[$name]}))
  }' "$stack/wanted.auto.tfvars.json" >"$root/srv/expected.json"
  aws read-back /srv/expected.json
}

step "Apply examples/complete"
use complete
inventory >"$work/before"
apply
read_back

step "A second plan"
expect_changes "the same again" ''

step "As a VM"
as_vm() { chroot "$root" env AWS_ENDPOINT_URL="$AWS_ENDPOINT_URL" AWS_EC2_METADATA_SERVICE_ENDPOINT="$AWS_ENDPOINT_URL" bash /srv/aws.sh "$@"; }
[ "$(as_vm parameter eu-central-1 /allocator/vms/vm-1/enrolment-token)" = t0ken-1 ] || fail "the token is not the one that was given"
passed "it gets its enrolment token with its role's keys; the signature is right"
as_vm install eu-central-1 example-artefacts allocator/allocator_1.2.0_amd64.deb "$sha256" >"$work/log" 2>&1 || { cat "$work/log" >&2; fail "the package is not installed"; }
[ "$(chroot "$root" dpkg-query -W -f '${Version}' allocator)" = 1.2.0 ] || fail "the package is not installed"
chroot "$root" dpkg --purge allocator >/dev/null
passed "it installs the client's package"
if as_vm install eu-central-1 example-artefacts allocator/allocator_1.2.0_amd64.deb "$(row 9)" >"$work/log" 2>&1; then fail "a package with another hash is installed"; fi
if chroot "$root" dpkg-query -W allocator >/dev/null 2>&1; then fail "a package with another hash is installed"; fi
passed "it does not install another: $(tail -n 1 "$work/log")"

step "A plan with one more VM, and another image for new VMs"
want --arg image "$other_image" '.vms["vm-3"] = {} | .enrolment_tokens["vm-3"] = "t0ken-3" | .enrolment_tokens["vm-1"] = "t0ken-spent" | .image_id = $image'
clients='module.clients[0]'
of_vm() { printf "$1 $clients.%s[\"$2\"]\n" aws_iam_instance_profile.vm aws_iam_role.vm aws_iam_role_policy.vm aws_instance.vm aws_ssm_parameter.enrolment_token terraform_data.generation; }
mapfile -t new < <(of_vm create vm-3)
expect_changes "one VM more" "${new[@]}" "update $clients.aws_launch_template.this" 'update module.alarms.aws_cloudwatch_metric_alarm.calculated["dark"]'

step "Restore the database to a point in time, as in the README"
want --arg image "$image" 'del(.vms["vm-3"], .enrolment_tokens["vm-3"]) | .image_id = $image'
aws restore allocator
database=module.allocator.module.database.aws_db_instance.this
terraform state rm "$database" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
terraform import -input=false -no-color "$database" allocator >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
changed=(database.aws_db_instance.this database.aws_secretsmanager_secret_rotation.password
  allocator.aws_iam_role_policy.execution allocator.aws_ecs_task_definition.this allocator.aws_ecs_service.this)
expect_changes "the other database in the place of the first" "update module.${changed[0]}" "delete+create module.${changed[1]}" \
  "update module.${changed[2]}" "delete+create module.${changed[3]}" "update module.${changed[4]}"
# Only these: the emulator cannot change rules and launch templates.
terraform apply -input=false -no-color -auto-approve "${changed[@]/#/-target=module.allocator.module.}" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
expect_changes "the same again" ''
aws drop allocator-before

step "Remove the protection manually, as in the README, then destroy everything"
aws unprotect allocator
destroy "rds DBSnapshots allocator-final-<time>"

step "Apply examples/minimal"
use minimal
inventory >"$work/before"
apply
aws read-back-minimal
expect_changes "the same again" ''
destroy ''

echo
echo "All checks passed with moto $moto."
