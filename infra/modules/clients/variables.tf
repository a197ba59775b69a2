variable "name" {
  description = "The prefix of all names here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "The VMs' subnets, with internet access. A VM stays in the subnet in which it was created."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "Name at least one subnet for the VMs."
  }
}

variable "vms" {
  description = "The VMs by host name. Only a higher 'generation' replaces a VM; no other change does."
  type = map(object({
    pool          = optional(string)
    instance_type = optional(string)
    image_id      = optional(string)
    subnet_id     = optional(string)
    generation    = optional(number, 1)
  }))

  validation {
    condition     = alltrue([for hostname in keys(var.vms) : can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", hostname))])
    error_message = "A VM's name is a host name in lower case without dots: letters, digits and hyphens, at most 63, such as vm-7."
  }

  validation {
    condition     = alltrue([for vm in values(var.vms) : vm.generation >= 1 && floor(vm.generation) == vm.generation])
    error_message = "A generation starts at 1 and increases by one each time the VM is to be replaced."
  }
}

variable "instance_type" {
  description = "The default instance type, such as t3.medium, or g4dn.xlarge with a GPU."
  type        = string
  default     = "t3.medium"
}

variable "image_id" {
  description = "The default machine image: Debian or Ubuntu with cloud-init, curl 7.87 or newer, and the workshop's software. Null means Ubuntu 24.04."
  type        = string
  default     = null

  validation {
    condition     = var.image_id == null || can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "Give the id of a machine image, such as ami-0123456789abcdef0."
  }
}

variable "disk" {
  description = "The size of each VM's disk in GiB."
  type        = number
  default     = 30
}

variable "spot" {
  description = "Whether VMs are spot instances: a third of the price, but AWS may reclaim them at any time, even while in use."
  type        = bool
  default     = false
}

variable "url" {
  description = "The allocator's address for VMs."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.url))
    error_message = "Give the allocator's address without a path, such as https://allocator.example.org."
  }
}

variable "package" {
  description = "The client's Debian package in S3, and its SHA-256 (sha256sum allocator_*.deb)."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package.sha256))
    error_message = "sha256 must be 64 hexadecimal digits, as sha256sum prints them: a VM installs only a package with this hash."
  }

  validation {
    condition     = can(regex("^[a-z0-9.-]{3,63}$", var.package.bucket)) && can(regex("^[A-Za-z0-9._/-]+\\.deb$", var.package.key))
    error_message = "bucket is an S3 bucket's name, and key the package's name in it: letters, digits and ._/- only, ending in .deb."
  }
}

variable "hooks" {
  description = "Programs on the image, with their arguments, that prepare a VM for a person and clean it afterwards."
  type = object({
    assigned = optional(list(string), [])
    released = optional(list(string), [])
  })
  default = {}
}

variable "enrolment_token" {
  description = "The deployment's enrolment token, for VMs without their own token in enrolment_tokens. Ephemeral."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_tokens" {
  description = "Single-use enrolment tokens by VM, each bound to its host name: 'allocator enrolment-tokens create --hostname vm-7'. Ephemeral."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.enrolment_token != null || length(setsubtract(keys(var.vms), keys(var.enrolment_tokens))) == 0
    error_message = "Each VM needs an enrolment token: one of its own in enrolment_tokens, or else the deployment's in enrolment_token. (It is sent only for new VMs and new generations; for the others a used token is sufficient.)"
  }

  validation {
    condition     = alltrue([for token in concat(values(var.enrolment_tokens), [coalesce(var.enrolment_token, "none")]) : can(regex("^[A-Za-z0-9._-]+$", token))])
    error_message = "An enrolment token is made of letters, digits and ._- only, as 'allocator enrolment-tokens create' and 'Allocator.Api new-key' print it: its 'key', not its 'hash'."
  }
}
