variable "name" {
  description = "The name of the instance, and the prefix of all other names here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets in two zones or more: RDS requires two even for an instance in one zone, so that it can be moved."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "Name subnets in at least two zones; RDS requires them even for an instance in one zone."
  }
}

variable "replica_security_group_id" {
  description = "The replicas' security group; nothing else can reach the database."
  type        = string
}

variable "engine_version" {
  description = "PostgreSQL's major version, or an exact version to pin it."
  type        = string
  default     = "17"

  validation {
    condition     = can(regex("^1[5-9](\\.[0-9]+)?$", var.engine_version))
    error_message = "Allocator needs PostgreSQL 15 or newer: \"17\", or an exact version such as \"17.5\"."
  }
}

variable "instance_class" {
  description = "The class of the instance; docs/scaling.md recommends one by the number of VMs."
  type        = string
  default     = "db.t4g.small"

  validation {
    condition     = can(regex("^db\\.[a-z0-9-]+\\.[a-z0-9]+$", var.instance_class))
    error_message = "An instance class begins with 'db.', such as db.t4g.small or db.m7g.large."
  }
}

variable "max_connections" {
  description = "PostgreSQL's max_connections. It is set here instead of by RDS (memory / 9,531,392 bytes), so that the replicas' budget and the alarm use the same number."
  type        = number
  default     = 100

  validation {
    condition     = var.max_connections >= 25 && var.max_connections <= 5000 && floor(var.max_connections) == var.max_connections
    error_message = "max_connections must be a whole number from 25 to 5000; 100 is enough for seven replicas."
  }
}

variable "storage" {
  description = "The initial size of the storage in GiB, and the maximum to which it grows automatically."
  type = object({
    initial = optional(number, 20)
    most    = optional(number, 100)
  })
  default = {}

  validation {
    condition     = var.storage.initial >= 20 && var.storage.most > var.storage.initial * 1.1
    error_message = "gp3 storage starts at 20 GiB, and 'most' must exceed 'initial' by more than a tenth so that RDS can grow it."
  }
}

variable "multi_az" {
  description = "Whether there is a standby in another zone, which takes over within a minute or two. Polls are answered meanwhile."
  type        = bool
  default     = true
}

variable "backup_days" {
  description = "The number of days for which the database can be restored to any second."
  type        = number
  default     = 14

  validation {
    condition     = var.backup_days >= 1 && var.backup_days <= 35
    error_message = "Backups are kept for 1 to 35 days; 0 would turn them off."
  }
}

variable "disposable" {
  description = "For temporary databases: the database can be destroyed without a final snapshot. Otherwise it is protected."
  type        = bool
  default     = false
}

variable "restore_snapshot" {
  description = "The snapshot from which the database is created. It has no effect on an existing instance."
  type        = string
  default     = null
}

variable "password_rotation" {
  description = "The hour (UTC) of the first day of each month in which RDS changes the password. Replicas are redeployed a quarter of an hour after it."
  type = object({
    hour = optional(number, 2)
  })
  default = {}

  validation {
    condition     = var.password_rotation.hour >= 0 && var.password_rotation.hour <= 22 && floor(var.password_rotation.hour) == var.password_rotation.hour
    error_message = "Give a whole number from 0 to 22 (UTC): the redeployment after it must be on the same day."
  }
}
