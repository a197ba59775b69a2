variable "region" {
  description = "The AWS region."
  type        = string
  default     = "eu-central-1"
}

variable "classroom" {
  description = "The networks from which people come, such as [\"198.51.100.7/32\"]."
  type        = list(string)
}

variable "image" {
  description = "The container image of the API, by digest or version."
  type        = string
}

variable "vms" {
  description = "How many VMs."
  type        = number
  default     = 3
}

variable "instance_type" {
  description = "Of the VMs, such as g4dn.xlarge with a GPU."
  type        = string
  default     = "t3.medium"
}

variable "image_id" {
  description = "Their machine image. Null: Ubuntu 24.04."
  type        = string
  default     = null
}

variable "spot" {
  description = "Spot instances."
  type        = bool
  default     = false
}

variable "client_package" {
  description = "The client's Debian package in S3, and its SHA-256."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })
}

variable "secret_values" {
  description = "Hashes of the admin's key and the enrolment token, from scripts/new-secrets.sh."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_token" {
  description = "The enrolment token, from scripts/new-secrets.sh."
  type        = string
  ephemeral   = true
  sensitive   = true
}
