variable "region" {
  description = "The AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "name" {
  description = "The deployment's name."
  type        = string
  default     = "allocator"
}

variable "disposable" {
  description = "To be destroyed, data and all."
  type        = bool
  default     = false
}

variable "vpc_cidr" {
  description = "Addresses of the VPC that is made."
  type        = string
  default     = "10.20.0.0/16"
}

variable "people" {
  description = "The networks from which people reach the load balancer, beside the VPC itself."
  type        = list(string)
  default     = ["10.0.0.0/8"]
}

variable "domain" {
  description = "The allocator's name, and its public Route 53 zone."
  type = object({
    name    = string
    zone_id = string
  })
}

variable "image" {
  description = "The container image of the API, by digest or version."
  type        = string
}

variable "vms" {
  description = "The VMs by host name; raise a VM's generation to make it anew."
  type = map(object({
    pool          = optional(string)
    instance_type = optional(string)
    image_id      = optional(string)
    subnet_id     = optional(string)
    generation    = optional(number, 1)
  }))
  default = {}
}

variable "image_id" {
  description = "The VMs' machine image. Null: Ubuntu 24.04."
  type        = string
  default     = null
}

variable "vm_hooks" {
  description = "Programs on the machine image that prepare a VM for a person and clean it afterwards."
  type = object({
    assigned = optional(list(string), [])
    released = optional(list(string), [])
  })
  default = {}
}

variable "client_package" {
  description = "The client's Debian package in S3, and its SHA-256."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })
  default = null
}

variable "secret_settings" {
  description = "The secret settings, each with a number that is raised to hand over another value."
  type        = map(number)
  default     = { Admin__ApiKeys__admin = 1, Enrolment__TokenHashes__0 = 1 }
}

variable "secret_values" {
  description = "Their values, hashes all of them."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_token" {
  description = "The deployment's enrolment token, for VMs that have none of their own."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_tokens" {
  description = "Enrolment tokens by VM, single-use and bound to its name."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}
