variable "name" {
  description = "The prefix of all names here."
  type        = string
}

variable "cidr" {
  description = "The VPC's network: a private /16 network of 65,536 addresses, of which each subnet gets a sixteenth."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "The VPC's addresses must be a /16 network, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones, such as [\"eu-central-1a\", \"eu-central-1b\"]. Empty means the region's first two."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) == 0 || (length(var.zones) >= 2 && length(var.zones) <= 4 && length(distinct(var.zones)) == length(var.zones))
    error_message = "Name two to four different zones, or none for the region's first two: a load balancer and a database's subnet group each need two."
  }
}

variable "workload_zones" {
  description = "The number of zones in which replicas and VMs run."
  type        = number
  default     = 2

  validation {
    condition     = var.workload_zones >= 1 && var.workload_zones <= max(2, length(var.zones))
    error_message = "Replicas and VMs need at least one zone, and at most the number of zones given."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone with replicas and VMs has its own NAT gateway: this doubles the price, but no zone depends on another. Otherwise all zones share one."
  type        = bool
  default     = true
}
