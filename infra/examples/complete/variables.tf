# What differs from one deployment to the next. What they are made of is written out in main.tf, and ../../variables.tf
# has everything that can be said there; it checks these, too.

variable "domain" {
  description = "The allocator's name, and its public Route 53 zone."
  type        = object({ name = string, zone_id = string })
}

variable "image" {
  description = "The container image of the API, by digest or version."
  type        = string
}

variable "image_id" {
  description = "The VMs' machine image. Null: Ubuntu 24.04."
  type        = string
  default     = null
}

variable "client_package" {
  description = "The client's Debian package in S3, and its SHA-256."
  type        = object({ bucket = string, key = string, sha256 = string })
}

variable "vms" {
  description = "The VMs by host name, each with what it has of its own, such as { vm-1 = {}, vm-2 = { pool = \"gpu\", instance_type = \"g4dn.xlarge\" } }. None in the first apply: the allocator has to run before it can make their enrolment tokens."
  type        = any
  default     = {}
}

variable "enrolment_token" {
  description = "The deployment's enrolment token, from scripts/new-secrets.sh, for VMs that have none of their own."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_tokens" {
  description = "Enrolment tokens by VM, each good once and for this name only."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}

variable "secret_values" {
  description = "Hashes of the admin's key and the enrolment token, from scripts/new-secrets.sh."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "alarm_emails" {
  description = "The mail addresses that receive alarms."
  type        = list(string)
}
