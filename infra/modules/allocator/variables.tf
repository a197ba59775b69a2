variable "name" {
  description = "Begins the name of everything here."
  type        = string
}

variable "vpc_id" {
  description = "The VPC."
  type        = string
}

variable "load_balancer_subnet_ids" {
  description = "Subnets of the load balancer, in two zones or more: public ones, or private ones if it is internal."
  type        = list(string)

  validation {
    condition     = length(var.load_balancer_subnet_ids) >= 2
    error_message = "Name subnets in at least two zones; an application load balancer takes no fewer."
  }
}

variable "replica_subnet_ids" {
  description = "Subnets of the replicas, with a way out to the image's registry."
  type        = list(string)

  validation {
    condition     = length(var.replica_subnet_ids) >= 1
    error_message = "Name at least one subnet for the replicas."
  }
}

variable "trusted_proxies" {
  description = "Networks of the load balancer's own addresses, whose X-Forwarded-For replicas believe."
  type        = list(string)
}

variable "internal" {
  description = "The load balancer has addresses of the VPC only."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer, people and VMs: networks, each under a name of its own."
  type        = map(string)

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for cidr in values(var.allowed_cidrs) : can(cidrhost(cidr, 0))])
    error_message = "Name networks such as { classroom = \"198.51.100.0/24\" }, or 0.0.0.0/0 for everybody."
  }
}

variable "certificate_arn" {
  description = "ACM certificate of the load balancer's name. Null: one is made for 'domain'; without either, HTTP is served."
  type        = string
  default     = null
}

variable "domain" {
  description = "The name in DNS, and the Route 53 zone that it is made in; a certificate for it is made too, unless one is given."
  type = object({
    name    = string
    zone_id = string
  })
  default = null

  validation {
    condition     = var.domain == null || can(regex("^([a-z0-9-]+\\.)+[a-z]+$", var.domain.name))
    error_message = "The name must be a whole one in lower case, such as allocator.example.org."
  }
}

variable "image" {
  description = "The container image, by version or digest."
  type        = string

  validation {
    condition     = can(regex("@sha256:[0-9a-f]{64}$", var.image)) || (can(regex(":[A-Za-z0-9_][A-Za-z0-9._-]*$", var.image)) && !endswith(var.image, ":latest"))
    error_message = "Name the image's digest (…/allocator@sha256:…) or version (…/allocator:1.2.0). 'latest', or no tag, would start something else with each replica."
  }
}

variable "architecture" {
  description = "What the image was built for."
  type        = string
  default     = "X86_64"

  validation {
    condition     = contains(["X86_64", "ARM64"], var.architecture)
    error_message = "The architecture is X86_64 or ARM64."
  }
}

variable "cpu" {
  description = "Of a replica: 256, 512, 1024, 2048 or 4096, a vCPU being 1024."
  type        = number
  default     = 512
}

variable "memory" {
  description = "MiB of a replica: 110 + 0.45 for each thousand VMs, and what Fargate offers with 'cpu'."
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
  description = "How many replicas there are, at least and at most."
  type = object({
    min = optional(number, 2)
    max = optional(number, 4)
  })
  default = {}

  validation {
    condition     = var.replicas.min >= 1 && var.replicas.max >= var.replicas.min
    error_message = "There has to be at least one replica (two, to have one to lose), and 'max' must not be less than 'min'."
  }
}

variable "deployment_max_percent" {
  description = "During a deployment, old and new replicas together: at most this share of those wanted."
  type        = number
  default     = 150

  validation {
    condition     = var.deployment_max_percent > 100 && var.deployment_max_percent <= 200 && floor(var.replicas.min * var.deployment_max_percent / 100) > var.replicas.min
    error_message = "No replica is stopped before another has taken its place, so a deployment needs room for one more: with ${var.replicas.min} replicas at least ${ceil((var.replicas.min + 1) * 100 / var.replicas.min)} (percent), and at most 200."
  }
}

variable "pool_size" {
  description = "Database connections of a replica, at most."
  type        = number
  default     = 8

  validation {
    condition     = var.pool_size >= 2 && var.pool_size <= 100 && floor(var.pool_size) == var.pool_size
    error_message = "A replica has a whole number of 2 to 100 connections; 8 is enough for any number of VMs."
  }
}

variable "database" {
  description = "Where the database is, and the secret with its user's name and password."
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
  description = "More settings of the API, as in docs/configuration.md: { Liveness__Resolution = \"00:01:00\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.settings) : !can(regex("(?i)^(Admin|Enrolment|Database__(ConnectionString|Password)|OTEL_EXPORTER_OTLP_HEADERS)", key))])
    error_message = "Secrets would lie open in the task definition and the state: give them as secret_settings and secret_values."
  }

  validation {
    condition     = alltrue([for key in keys(var.settings) : !contains(["Database__PoolSize", "Telemetry__MetricsPort", "ASPNETCORE_HTTP_PORTS", "Kestrel__Limits__KeepAliveTimeout", "Health__Drain", "DOTNET_SHUTDOWNTIMEOUTSECONDS"], key) && !startswith(key, "Proxies__Known__")])
    error_message = "Database__PoolSize, Telemetry__MetricsPort, ASPNETCORE_HTTP_PORTS, Kestrel__Limits__KeepAliveTimeout, Health__Drain, DOTNET_SHUTDOWNTIMEOUTSECONDS and Proxies__Known__… have to agree with the rest of the deployment, and are set by it."
  }
}

variable "secret_settings" {
  description = "Names of the settings that are secret, with a number that is raised to hand over another value: { Enrolment__TokenHashes__0 = 1 }."
  type        = map(number)

  validation {
    condition     = anytrue([for key in keys(var.secret_settings) : can(regex("^Admin__(Users|ApiKeys)__[A-Za-z0-9_-]+$", key))])
    error_message = "Somebody has to be an admin: Admin__Users__<name> or Admin__ApiKeys__<name>."
  }

  validation {
    condition     = anytrue([for key in keys(var.secret_settings) : can(regex("^Enrolment__TokenHashes__[0-9]+$", key))])
    error_message = "VMs need an enrolment token: Enrolment__TokenHashes__0, and another number while one replaces the other."
  }

  validation {
    condition     = alltrue([for version in values(var.secret_settings) : version >= 1 && floor(version) == version])
    error_message = "The number beside a secret setting is 1 at first, and one more for each new value."
  }
}

variable "secret_values" {
  description = "Their values, hashes all of them. Ephemeral: they go to SSM and are in no plan and no state."
  type        = map(string)
  ephemeral   = true

  validation {
    condition     = length(setsubtract(keys(var.secret_settings), keys(var.secret_values))) == 0
    error_message = "secret_values must have a value for each of: ${join(", ", keys(var.secret_settings))}. (Values whose number in secret_settings is not raised are not sent, but have to be there.)"
  }

  validation {
    condition     = alltrue([for key, value in var.secret_values : can(regex("^[0-9a-f]{64}$", value)) if can(regex("^(Admin__ApiKeys__|Enrolment__)", key))])
    error_message = "API keys and enrolment tokens are given by their SHA-256, 64 hexadecimal digits, as 'Allocator.Api new-key' prints them; never themselves."
  }
}

variable "polls_per_second_per_vcpu" {
  description = "What a vCPU answers, measured (docs/performance.md); replicas are added at 60 % of it."
  type        = number
  default     = 57000

  validation {
    condition     = var.polls_per_second_per_vcpu >= 100
    error_message = "bench/run.sh polls measures it: 57000 on the machine of docs/performance.md."
  }
}

variable "idle_timeout" {
  description = "Seconds after which the load balancer closes a connection that nothing goes over: longer than a VM waits between two polls, so that it need not connect again."
  type        = number
  default     = 60

  validation {
    condition     = var.idle_timeout >= 1 && var.idle_timeout < var.keep_alive_timeout
    error_message = "The load balancer must close idle connections before the replicas do (${var.keep_alive_timeout} s), or it sends requests into connections that close, and answers 502."
  }
}

variable "keep_alive_timeout" {
  description = "Seconds after which a replica closes an idle connection."
  type        = number
  default     = 130
}

variable "access_logs_bucket" {
  description = "S3 bucket for the load balancer's access logs. Null: none, since each poll would be a line."
  type        = string
  default     = null
}

variable "log_days" {
  description = "For how many days the replicas' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, … days."
  }
}

variable "disposable" {
  description = "For a deployment that nobody will miss: the load balancer can be destroyed. Otherwise it is protected."
  type        = bool
  default     = false
}
