variable "name" {
  description = "The prefix of all names here."
  type        = string
}

variable "emails" {
  description = "The mail addresses that receive alarms; each must confirm a mail first."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for email in var.emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", email))])
    error_message = "Name addresses such as operator@example.org."
  }
}

variable "metric_names" {
  description = "The CloudWatch names of the load balancer, the replicas and their log: an output of the module 'allocator'."
  type = object({
    load_balancer = string
    target_group  = string
    cluster       = string
    service       = string
    log_group     = string
  })
}

variable "database" {
  description = "The database: outputs of the module 'database'."
  type = object({
    identifier      = string
    max_connections = number
    memory_bytes    = number
    storage_bytes   = number
  })
}

variable "min_replicas" {
  description = "The minimum number of healthy replicas."
  type        = number
}

variable "expected_vms" {
  description = "The number of VMs that normally poll: fewer than half of their polls raise an alarm. 0 disables this alarm."
  type        = number

  validation {
    condition     = var.expected_vms >= 0 && floor(var.expected_vms) == var.expected_vms
    error_message = "Give a whole number of VMs; 0 if they are started and stopped at any time."
  }
}

variable "poll_max_age" {
  description = "The API's Polls:MaxAge in seconds. A VM polls between once and twice this."
  type        = number
  default     = 15
}

variable "runbook_url" {
  description = "The address of the runbook, for the descriptions of the alarms."
  type        = string
  default     = "docs/runbook.md"
}
