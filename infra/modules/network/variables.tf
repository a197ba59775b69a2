variable "name" {
  description = "Begins the name of everything here."
  type        = string
}

variable "cidr" {
  description = "Addresses of the VPC: a private network of 65,536 addresses (/16), of which each subnet gets a sixteenth."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "The VPC's addresses must be a /16 network, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Availability zones, such as [\"eu-central-1a\", \"eu-central-1b\"]. Empty: the region's first two."
  type        = list(string)
  default     = []

  validation {
    condition     = length(var.zones) == 0 || (length(var.zones) >= 2 && length(var.zones) <= 4 && length(distinct(var.zones)) == length(var.zones))
    error_message = "Name two to four different zones, or none for the region's first two: a load balancer and a database's subnet group each need two."
  }
}

variable "workload_zones" {
  description = "In how many of the zones replicas and VMs run."
  type        = number
  default     = 2

  validation {
    condition     = var.workload_zones >= 1 && var.workload_zones <= max(2, length(var.zones))
    error_message = "Replicas and VMs run in at least one zone, and in no more than there are."
  }
}

variable "nat_per_zone" {
  description = "A NAT gateway in each zone with replicas and VMs: twice the price, and no zone depends on another. Otherwise one for all."
  type        = bool
  default     = true
}
