#!/usr/bin/env bash
# Checks infra/ without a cloud account: format, validation of the stack, its modules and examples, and the mocked tests.
# It also runs shellcheck on every shell script, and systemd's verification on the client's unit. The last line has the
# counts: N passed, N failed.
#
# Providers come from ALLOCATOR_TERRAFORM_MIRROR (a folder made by 'terraform providers mirror'), or else from the
# configuration in TF_CLI_CONFIG_FILE, or else from such a folder in the default places, or else from the registry.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit
. ./scripts/install.sh
. ./infra/scripts/terraform.sh

passed=0 failed=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

check() { # what, command …
  local what=$1; shift
  if "$@" >"$work/log" 2>&1; then
    passed=$((passed + 1))
    echo "passed  $what"
  else
    failed=$((failed + 1))
    echo "failed  $what"
    sed 's/^/        /' "$work/log"
  fi
}
in_folder() { (cd "$1" && shift && "$@"); }

# Lists all shell scripts: by the suffix .sh, or by the first line.
shell_scripts() {
  git ls-files -co --exclude-standard | while read -r file; do
    case ${file##*/} in
      *.sh) echo "$file" ;;
      *.*) ;;
      *) if head -n 1 "$file" 2>/dev/null | grep -qE '^#!.*\b(ba)?sh\b'; then echo "$file"; fi ;;
    esac
  done
}

# Checks that the README of a module describes all its variables and outputs.
documented() {
  local name status=0
  while read -r name; do
    grep -qF "| \`$name\` |" "$1/README.md" || { echo "$1/README.md does not describe '$name'"; status=1; }
  done < <(sed -nE 's/^(variable|output) "([^"]+)" \{$/\2/p' "$1/variables.tf" "$1/outputs.tf")
  return $status
}
for folder in infra/modules/*; do
  check "$folder/README.md" documented "$folder"
done

need shellcheck shellcheck
while read -r script; do
  check "shellcheck $script" shellcheck --external-sources --severity=style "$script"
done < <(shell_scripts)

units=Allocator.Client/systemd
if [ -f "$units/allocator.service" ] && command -v systemd-analyze >/dev/null; then
  # The unit's program is not installed here, so an existing one takes its place.
  mkdir -p "$work/units/allocator.service.d"
  sed 's#/usr/bin/allocator\b#/bin/true#' "$units/allocator.service" >"$work/units/allocator.service"
  check "systemd-analyze verify allocator.service" systemd-analyze --man=no verify "$work/units/allocator.service"
  if [ -f "$units/hardened.conf" ]; then
    cp "$units/hardened.conf" "$work/units/allocator.service.d/"
    check "systemd-analyze verify allocator.service, hardened" systemd-analyze --man=no verify "$work/units/allocator.service"
  fi
fi

if ! command -v terraform >/dev/null; then
  why="Terraform 1.11 or newer is not installed (https://developer.hashicorp.com/terraform/install), so infra/ is not checked."
  if [ "${CI-}" = true ]; then failed=$((failed + 1)); echo "failed  $why"; else echo "skipped $why"; fi
else
  find_providers "$work"
  check "terraform fmt" terraform fmt -check -diff -recursive infra

  # On a copy, since terraform writes files beside a configuration.
  cp -r infra "$work/infra"
  for folder in "$work"/infra/modules/* "$work/infra" "$work"/infra/examples/*; do
    name=infra${folder#"$work/infra"}
    # Locked versions must match exactly.
    lock=() && [ ! -f "$folder/.terraform.lock.hcl" ] || lock=(-lockfile=readonly)
    check "terraform init $name" in_folder "$folder" terraform init -backend=false -input=false -no-color "${lock[@]}"
    check "terraform validate $name" in_folder "$folder" terraform validate -no-color
  done

  # Each run is counted; a crash before the last line is a failure too.
  in_folder "$work/infra" terraform test -no-color >"$work/tests" 2>&1
  status=$?
  cat "$work/tests"
  counts=$(grep -oE '^(Success|Failure)! [0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?' "$work/tests" | tail -n 1)
  number() { grep -oE "[0-9]+ $1" <<<"$counts" | grep -oE '^[0-9]+' || echo 0; }
  passed=$((passed + $(number passed)))
  test_failures=$(($(number failed) + $(number skipped)))
  if [ "$status" -ne 0 ] && [ "$test_failures" -eq 0 ]; then test_failures=1; fi
  failed=$((failed + test_failures))
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
