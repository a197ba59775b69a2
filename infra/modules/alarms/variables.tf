variable "name" {
  description = "Begins the name of everything here."
  type        = string
}

variable "emails" {
  description = "Who is told; each gets a mail first that asks whether they want to be."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "Name addresses such as operator@example.org."
  }
}

variable "metric_names" {
  description = "By which CloudWatch knows the load balancer, the replicas and their log, as the module 'allocator' puts them out."
  type = object({
    load_balancer = string
    target_group  = string
    cluster       = string
    service       = string
    log_group     = string
  })
}

variable "database" {
  description = "The database, as the module 'database' puts it out."
  type = object({
    identifier      = string
    max_connections = number
    memory_bytes    = number
    storage_bytes   = number
  })
}

variable "min_replicas" {
  description = "So many replicas have to be healthy."
  type        = number
}

variable "expected_vms" {
  description = "How many VMs poll when all is well: half as many polls as they should make is an alarm. 0: no such alarm."
  type        = number

  validation {
    condition     = var.expected_vms >= 0 && floor(var.expected_vms) == var.expected_vms
    error_message = "A whole number of VMs; 0 where they are started and stopped at any time."
  }
}

variable "poll_max_age" {
  description = "Seconds; the API's Polls:MaxAge. A VM polls between once and twice this."
  type        = number
  default     = 15
}

variable "runbook_url" {
  description = "Where the runbook is, for the descriptions of the alarms."
  type        = string
  default     = "docs/runbook.md"
}
