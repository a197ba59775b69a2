# shellcheck shell=bash
# Sourced by the scripts here; finds terraform's providers.

find_providers() { # folder for a CLI configuration file
  local mirror=${ALLOCATOR_TERRAFORM_MIRROR-} binary
  export CHECKPOINT_DISABLE=1
  if [ -z "$mirror" ] && [ -f "${TF_CLI_CONFIG_FILE-}" ]; then return; fi
  # A configured folder that does not exist would cause a warning in every command.
  unset TF_CLI_CONFIG_FILE
  if [ -z "$mirror" ]; then
    binary=$(find /opt /srv /usr/local/lib /usr/local/share /usr/share/terraform -maxdepth 8 -type f -name 'terraform-provider-aws_v*' 2>/dev/null | sort | tail -n 1 || true)
    # mirror/host/namespace/type/version/platform/binary
    [ -z "$binary" ] || mirror=$(cd "$(dirname "$binary")/../../../../.." && pwd)
  fi
  if [ -n "$mirror" ]; then
    printf 'provider_installation {\n  filesystem_mirror {\n    path    = "%s"\n    include = ["hashicorp/*"]\n  }\n}\n' "$mirror" >"$1/terraformrc"
    export TF_CLI_CONFIG_FILE=$1/terraformrc
  else
    # The provider is large, so all configurations share one copy.
    export TF_PLUGIN_CACHE_DIR=${XDG_CACHE_HOME:-$HOME/.cache}/allocator/terraform
    mkdir -p "$TF_PLUGIN_CACHE_DIR"
  fi
}
