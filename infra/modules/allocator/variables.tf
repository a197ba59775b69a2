variable "name" {
  description = "The prefix of all names here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "load_balancer_subnet_ids" {
  description = "The load balancer's subnets, in two zones or more; private ones if it is internal."
  type        = list(string)

  validation {
    condition     = length(var.load_balancer_subnet_ids) >= 2
    error_message = "Name subnets in at least two zones; an application load balancer requires them."
  }
}

variable "replica_subnet_ids" {
  description = "The replicas' subnets, from which the image's registry can be reached."
  type        = list(string)

  validation {
    condition     = length(var.replica_subnet_ids) >= 1
    error_message = "Name at least one subnet for the replicas."
  }
}

variable "trusted_proxies" {
  description = "The networks of the load balancer's addresses; replicas trust their X-Forwarded-For."
  type        = list(string)
}

variable "internal" {
  description = "Whether the load balancer has only addresses in the VPC."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "The networks, by name, from which people and VMs may reach the load balancer."
  type        = map(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in values(var.allowed_cidrs) : can(cidrhost(cidr, 0))])
    error_message = "Name networks such as { classroom = \"198.51.100.0/24\" }, or 0.0.0.0/0 for everybody."
  }
}

variable "certificate_arn" {
  description = "The ACM certificate for the load balancer's name. Null creates one for 'domain'; without either, the load balancer serves HTTP."
  type        = string
  default     = null
}

variable "domain" {
  description = "The DNS name and its Route 53 zone; a certificate is created too, unless one is given."
  type = object({
    name    = string
    zone_id = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9-]+\\.)+[a-z]+$", var.domain.name))
    error_message = "The name must be fully qualified and in lower case, such as allocator.example.org."
  }
}

variable "image" {
  description = "The container image, by version or digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image)) || (can(regex(":[A-Za-z0-9_][A-Za-z0-9._-]*$", var.image)) && !endswith(var.image, ":latest"))
    error_message = "Name the image's digest (…/allocator@sha256:…) or version (…/allocator:1.2.0). With 'latest', or without a tag, replicas could start different versions."
  }
}

variable "architecture" {
  description = "The processor architecture of the image."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "The architecture must be X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "CPU units of a replica: 256, 512, 1024, 2048 or 4096; 1024 are a vCPU."
  type        = number
  default     = 512
}

variable "memory" {
  description = "MiB of a replica: 110 plus 0.45 for each thousand VMs, rounded up to a size that Fargate offers for 'cpu'."
  type        = number
  default     = 1024

  validation {
    condition = contains(lookup({
      256  = [512, 1024, 2048]
      512  = range(1024, 4097, 1024)
      1024 = range(2048, 8193, 1024)
      2048 = range(4096, 16385, 1024)
      4096 = range(8192, 30721, 1024)
    }, var.cpu, []), var.memory)
    error_message = "Fargate has no task with ${var.cpu} CPU units and ${var.memory} MiB. It offers 256 with 512, 1024 or 2048; 512 with 1024–4096; 1024 with 2048–8192; 2048 with 4096–16384; 4096 with 8192–30720; memory in steps of 1024."
  }
}

variable "replicas" {
  description = "The minimum and maximum number of replicas."
  type = object({
    min = optional(number, 2)
    max = optional(number, 4)
  })
  default = {}

  validation {
    condition     = var.replicas.min >= 1 && var.replicas.max >= var.replicas.min
    error_message = "There must be at least one replica (two for redundancy), and 'max' must not be less than 'min'."
  }
}

variable "deployment_max_percent" {
  description = "The maximum of old and new replicas together during a deployment, as a percentage of the desired number."
  type        = number
  default     = 150

  validation {
    condition     = var.deployment_max_percent > 100 && var.deployment_max_percent <= 200 && floor(var.replicas.min * var.deployment_max_percent / 100) > var.replicas.min
    error_message = "A replica is stopped only after another one has replaced it, so a deployment needs room for one more: with ${var.replicas.min} replicas at least ${ceil((var.replicas.min + 1) * 100 / var.replicas.min)} (percent), and at most 200."
  }
}

variable "pool_size" {
  description = "The maximum number of database connections of a replica."
  type        = number
  default     = 8

  validation {
    condition     = var.pool_size >= 2 && var.pool_size <= 100 && floor(var.pool_size) == var.pool_size
    error_message = "Give a whole number from 2 to 100; 8 connections are enough for any number of VMs."
  }
}

variable "database" {
  description = "The address of the database, and the secret with its user's name and password."
  type = object({
    host                = string
    port                = number
    name                = optional(string, "allocator")
    username            = optional(string, "allocator")
    password_secret_arn = string
    ca_file             = optional(string)
    redeploy_schedule   = string
  })
}

variable "settings" {
  description = "Additional settings of the API, as in docs/configuration.md: { Liveness__Resolution = \"00:01:00\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.settings) : !can(regex("(?i)^(Admin|Enrolment|Database__(ConnectionString|Password)|OTEL_EXPORTER_OTLP_HEADERS)", key))])
    error_message = "Secrets would be readable in the task definition and the state: give them as secret_settings and secret_values."
  }

  validation {
    condition     = alltrue([for key in keys(var.settings) : !contains(["Database__PoolSize", "Telemetry__MetricsPort", "ASPNETCORE_HTTP_PORTS", "Kestrel__Limits__KeepAliveTimeout", "Health__Drain", "DOTNET_SHUTDOWNTIMEOUTSECONDS"], key) && !startswith(key, "Proxies__Known__")])
    error_message = "Database__PoolSize, Telemetry__MetricsPort, ASPNETCORE_HTTP_PORTS, Kestrel__Limits__KeepAliveTimeout, Health__Drain, DOTNET_SHUTDOWNTIMEOUTSECONDS and Proxies__Known__… must match the rest of the deployment and are set by it."
  }
}

variable "secret_settings" {
  description = "The names of the secret settings, each with a number; increase it to send a new value: { Enrolment__TokenHashes__0 = 1 }."
  type        = map(number)

  validation {
    condition     = anytrue([for key in keys(var.secret_settings) : can(regex("^Admin__(Users|ApiKeys)__[A-Za-z0-9_-]+$", key))])
    error_message = "At least one admin is required: Admin__Users__<name> or Admin__ApiKeys__<name>."
  }

  validation {
    condition     = anytrue([for key in keys(var.secret_settings) : can(regex("^Enrolment__TokenHashes__[0-9]+$", key))])
    error_message = "VMs need an enrolment token: Enrolment__TokenHashes__0, and a second index while one token replaces the other."
  }

  validation {
    condition     = alltrue([for version in values(var.secret_settings) : version >= 1 && floor(version) == version])
    error_message = "The number of a secret setting starts at 1 and increases by one for each new value."
  }
}

variable "secret_values" {
  description = "The hashes of the secret settings. Ephemeral: they are sent to SSM and are in no plan and no state."
  type        = map(string)
  ephemeral   = true

  validation {
    condition     = length(setsubtract(keys(var.secret_settings), keys(var.secret_values))) == 0
    error_message = "secret_values must have a value for each of: ${join(", ", keys(var.secret_settings))}. (Values whose number in secret_settings is unchanged are not sent, but must be present.)"
  }

  validation {
    condition     = alltrue([for key, value in var.secret_values : can(regex("^[0-9a-f]{64}$", value)) if can(regex("^(Admin__ApiKeys__|Enrolment__)", key))])
    error_message = "Give the SHA-256 of API keys and enrolment tokens (64 hexadecimal digits, as 'Allocator.Api new-key' prints it), never the keys and tokens themselves."
  }
}

variable "polls_per_second_per_vcpu" {
  description = "The measured polls per second of a vCPU (docs/performance.md); replicas are added at 60 % of it."
  type        = number
  default     = 57000

  validation {
    condition     = var.polls_per_second_per_vcpu >= 100
    error_message = "Give the figure that 'bench/run.sh polls' measures: 57000 on the machine of docs/performance.md."
  }
}

variable "idle_timeout" {
  description = "Seconds after which the load balancer closes an idle connection: longer than the time between two polls of a VM, so that it keeps its connection."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_timeout >= 1 && var.idle_timeout < var.keep_alive_timeout
    error_message = "The load balancer must close idle connections before the replicas do (${var.keep_alive_timeout} s), or it sends requests on connections that are closing, and answers 502."
  }
}

variable "keep_alive_timeout" {
  description = "Seconds after which a replica closes an idle connection."
  type        = number
  default     = 130
}

variable "access_logs_bucket" {
  description = "The S3 bucket for the load balancer's access logs. Null disables them, since every poll would be a line."
  type        = string
  default     = null
}

variable "log_days" {
  description = "The number of days for which the replicas' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, … days."
  }
}

variable "disposable" {
  description = "For temporary deployments: the load balancer can be destroyed. Otherwise it is protected."
  type        = bool
  default     = false
}
