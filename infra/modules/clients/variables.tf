variable "name" {
  description = "Begins the name of everything here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets of the VMs, with a way out. A VM stays where it was made."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "Name at least one subnet for the VMs."
  }
}

variable "vms" {
  description = "The VMs by their host name. To make one anew, raise its 'generation'; nothing else does, whatever changes."
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
    error_message = "A generation is 1 at first, and one more each time the VM is to be made anew."
  }
}

variable "instance_type" {
  description = "Of VMs that name none, such as t3.medium, or g4dn.xlarge with a GPU."
  type        = string
  default     = "t3.medium"
}

variable "image_id" {
  description = "Machine image of VMs that name none: a Debian or Ubuntu with cloud-init, curl 7.87 or newer, and what the workshop needs. Null: Ubuntu 24.04."
  type        = string
  default     = null

  validation {
    condition     = var.image_id == null || can(regex("^ami-[0-9a-f]+$", var.image_id))
    error_message = "A machine image is named like ami-0123456789abcdef0."
  }
}

variable "disk" {
  description = "GiB of each VM's disk."
  type        = number
  default     = 30
}

variable "spot" {
  description = "Spot instances: a third of the price, and AWS may take them back at any time, whoever has them."
  type        = bool
  default     = false
}

variable "url" {
  description = "Where VMs reach the allocator."
  type        = string

  validation {
    condition     = can(regex("^https?://[^/]+$", var.url))
    error_message = "The allocator's address without a path, such as https://allocator.example.org."
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
    error_message = "sha256 must be 64 hexadecimal digits, as sha256sum prints them: a VM installs nothing else."
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
  description = "The deployment's enrolment token, for VMs that have none of their own in enrolment_tokens. Ephemeral."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_tokens" {
  description = "Enrolment tokens by VM, single-use and bound to its name: 'allocator enrolment-tokens create --hostname vm-7'. Ephemeral."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = var.enrolment_token != null || length(setsubtract(keys(var.vms), keys(var.enrolment_tokens))) == 0
    error_message = "Each VM needs an enrolment token: one of its own in enrolment_tokens, or else the deployment's in enrolment_token. (It is sent for new VMs and new generations only; for the others a spent one will do.)"
  }

  validation {
    condition     = alltrue([for token in concat(values(var.enrolment_tokens), [coalesce(var.enrolment_token, "none")]) : can(regex("^[A-Za-z0-9._-]+$", token))])
    error_message = "An enrolment token is made of letters, digits and ._- only, as 'allocator enrolment-tokens create' and 'Allocator.Api new-key' print it: its 'key', not its 'hash'."
  }
}
