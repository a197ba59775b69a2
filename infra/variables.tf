variable "name" {
  description = "The deployment's name; begins that of everything in it."
  type        = string
  default     = "allocator"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.name)) && !strcontains(var.name, "--")
    error_message = "The name is at most 20 lower-case letters, digits and single hyphens, beginning with a letter: load balancers and roles have no room for more."
  }
}

# Where ---------------------------------------------------------------------------------------------------------------

variable "network" {
  description = "The VPC that is made: its addresses, its zones (empty: the region's first two), in how many of them replicas and VMs run, and whether each of these has a NAT gateway of its own."
  type = object({
    cidr           = optional(string, "10.20.0.0/16")
    zones          = optional(list(string), [])
    workload_zones = optional(number, 2)
    nat_per_zone   = optional(bool, true)
  })
  default = {}
}

variable "existing_network" {
  description = "A VPC that is there already, in place of the one made by 'network'. 'load_balancer_cidrs' are the networks of the load balancer's subnets."
  type = object({
    vpc_id                   = string
    load_balancer_subnet_ids = list(string)
    load_balancer_cidrs      = list(string)
    workload_subnet_ids      = list(string)
    database_subnet_ids      = list(string)
  })
  default = null
}

variable "internal" {
  description = "The load balancer is reached from within the VPC, and from networks joined to it, only: for VMs in this VPC and people who come through a portal or VPN."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "Who may reach the load balancer. The VPC's own replicas and VMs always may, where the VPC is made here."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Name networks such as [\"198.51.100.0/24\"], or [\"0.0.0.0/0\"] for everybody."
  }
}

variable "domain" {
  description = "The allocator's name in DNS and its Route 53 zone. The record and, without certificate_arn, a certificate are made."
  type = object({
    name    = string
    zone_id = string
  })
  default = null
}

variable "certificate_arn" {
  description = "An ACM certificate that is there already, for the load balancer."
  type        = string
  default     = null
}

variable "insecure_http" {
  description = "Serve HTTP, without a certificate: addresses, PINs and tokens go over the network in clear."
  type        = bool
  default     = false

  validation {
    condition     = var.insecure_http || var.domain != null || var.certificate_arn != null
    error_message = "Name a domain or a certificate_arn for HTTPS. Without either, everything goes over the network in clear, which has to be said: insecure_http = true."
  }

  validation {
    condition     = !var.insecure_http || (var.domain == null && var.certificate_arn == null)
    error_message = "With a domain or a certificate, HTTPS is served: leave insecure_http out."
  }

  validation {
    condition     = !var.insecure_http || alltrue([for cidr in var.allowed_cidrs : try(tonumber(split("/", cidr)[1]), 0) >= 8])
    error_message = "HTTP in clear is for a network that is known: narrow allowed_cidrs down, such as to the classroom's [\"198.51.100.7/32\"]."
  }
}

# Replicas ------------------------------------------------------------------------------------------------------------

variable "image" {
  description = "The container image of the API, by digest (…@sha256:…) or version (…:1.2.0)."
  type        = string
}

variable "replicas" {
  description = "How many replicas, and how large: CPU units (1024 are a vCPU), MiB, database connections of each; during a deployment, old and new together are at most 'deployment_max_percent' of those wanted. docs/scaling.md says what how many VMs need."
  type = object({
    min                    = optional(number, 2)
    max                    = optional(number, 4)
    cpu                    = optional(number, 512)
    memory                 = optional(number, 1024)
    architecture           = optional(string, "X86_64")
    pool_size              = optional(number, 8)
    deployment_max_percent = optional(number, 150)
  })
  default = {}
}

variable "settings" {
  description = "More settings of the API, as in docs/configuration.md: { Liveness__Resolution = \"00:01:00\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = can(regex("^[0-9]{2}:[0-9]{2}:[0-9]{2}$", lookup(var.settings, "Polls__MaxAge", "00:00:15")))
    error_message = "Polls__MaxAge is a time as hh:mm:ss here, such as 00:00:30; an alarm goes by it."
  }
}

variable "secret_settings" {
  description = "Names of the settings that are secret, with a number that is raised to hand over another value."
  type        = map(number)
  default = {
    Admin__ApiKeys__admin     = 1
    Enrolment__TokenHashes__0 = 1
  }
}

variable "secret_values" {
  description = "Their values, hashes all of them; scripts/new-secrets.sh makes them. Ephemeral: in no plan and no state."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

# Database ------------------------------------------------------------------------------------------------------------

variable "database" {
  description = "The database: its class, storage in GiB, a standby, PostgreSQL's max_connections, days of backups, the hour (UTC) of the monthly change of its password, a snapshot to begin with, and the file in the image with the certificates of RDS, to check the server's by (null: it is encrypted and not checked)."
  type = object({
    instance_class         = optional(string, "db.t4g.small")
    engine_version         = optional(string, "17")
    storage                = optional(object({ initial = optional(number, 20), most = optional(number, 100) }), {})
    multi_az               = optional(bool, true)
    max_connections        = optional(number, 100)
    backup_days            = optional(number, 14)
    password_rotation_hour = optional(number, 2)
    restore_snapshot       = optional(string)
    ca_file                = optional(string)
  })
  default = {}

  # Fifteen for those who look after it, RDS itself among them; a fifth is left.
  validation {
    condition     = ceil(var.replicas.max * var.replicas.deployment_max_percent / 100) * var.replicas.pool_size + 15 <= floor(0.8 * var.database.max_connections)
    error_message = "During a deployment ${ceil(var.replicas.max * var.replicas.deployment_max_percent / 100)} replicas may take ${ceil(var.replicas.max * var.replicas.deployment_max_percent / 100) * var.replicas.pool_size} connections, and 15 are for others: together more than 80 % of ${var.database.max_connections}. Raise database.max_connections to ${ceil((ceil(var.replicas.max * var.replicas.deployment_max_percent / 100) * var.replicas.pool_size + 15) / 0.8)}, or lower replicas.max or replicas.pool_size."
  }
}

variable "disposable" {
  description = "For a deployment that nobody will miss, as after a workshop of an afternoon: 'terraform destroy' takes it away, data and all. Otherwise the load balancer and the database are protected, and a last snapshot is made."
  type        = bool
  default     = false
}

# Alarms --------------------------------------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "Who is told of alarms."
  type        = list(string)
  default     = []
}

variable "expected_vms" {
  description = "How many VMs poll when all is well. Null: those made here. 0: they are started and stopped at any time, and silence is no alarm."
  type        = number
  default     = null
}

# VMs -----------------------------------------------------------------------------------------------------------------

variable "vms" {
  description = "The VMs by host name; {} where they are made elsewhere. To make one anew, raise its 'generation'; nothing else does."
  type = map(object({
    pool          = optional(string)
    instance_type = optional(string)
    image_id      = optional(string)
    subnet_id     = optional(string)
    generation    = optional(number, 1)
  }))
  default = {}
}

variable "vm_defaults" {
  description = "What VMs are that say nothing else: instance type, machine image (null: Ubuntu 24.04), GiB of disk, spot instances or not."
  type = object({
    instance_type = optional(string, "t3.medium")
    image_id      = optional(string)
    disk          = optional(number, 30)
    spot          = optional(bool, false)
  })
  default = {}
}

variable "vm_hooks" {
  description = "Programs on the machine image, with their arguments, that prepare a VM for a person and clean it afterwards."
  type = object({
    assigned = optional(list(string), [])
    released = optional(list(string), [])
  })
  default = {}
}

variable "client_package" {
  description = "The client's Debian package in S3, and its SHA-256. Needed where there are VMs."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })
  default = null

  validation {
    condition     = var.client_package != null || length(var.vms) == 0
    error_message = "VMs install the client from S3: upload allocator_*.deb and name { bucket, key, sha256 }."
  }
}

variable "enrolment_token" {
  description = "The deployment's enrolment token, whose hash is in secret_values. Ephemeral."
  type        = string
  default     = null
  ephemeral   = true
  sensitive   = true
}

variable "enrolment_tokens" {
  description = "Enrolment tokens by VM, single-use and bound to its name, in place of the deployment's. Ephemeral."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}
