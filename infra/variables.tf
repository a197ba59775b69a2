variable "name" {
  description = "The deployment's name, and the prefix of all names in it."
  type        = string
  default     = "allocator"

  validation {
    condition     = can(regex("^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$", var.name)) && !strcontains(var.name, "--")
    error_message = "The name must have at most 20 lower-case letters, digits and single hyphens, and begin with a letter: the names of load balancers and roles are limited."
  }
}

# Where ---------------------------------------------------------------------------------------------------------------

variable "network" {
  description = "The VPC that is created: its network, its zones (empty means the region's first two), the number of zones in which replicas and VMs run, and whether each of these has its own NAT gateway."
  type = object({
    cidr           = optional(string, "10.20.0.0/16")
    zones          = optional(list(string), [])
    workload_zones = optional(number, 2)
    nat_per_zone   = optional(bool, true)
  })
  default = {}
}

variable "existing_network" {
  description = "An existing VPC, in place of the one created by 'network'. 'load_balancer_cidrs' are the networks of the load balancer's subnets."
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
  description = "Whether the load balancer can be reached only from the VPC and connected networks: for VMs in this VPC and people who connect through a portal or VPN."
  type        = bool
  default     = false
}

variable "allowed_cidrs" {
  description = "The networks that may reach the load balancer. Replicas and VMs always may if the VPC is created here."
  type        = list(string)
  default     = ["0.0.0.0/0"]

  validation {
    condition     = alltrue([for cidr in var.allowed_cidrs : can(cidrhost(cidr, 0))])
    error_message = "Name networks such as [\"198.51.100.0/24\"], or [\"0.0.0.0/0\"] for everybody."
  }
}

variable "domain" {
  description = "The allocator's DNS name and its Route 53 zone. The record is created and, without certificate_arn, a certificate."
  type = object({
    name    = string
    zone_id = string
  })
  default = null
}

variable "certificate_arn" {
  description = "An existing ACM certificate for the load balancer."
  type        = string
  default     = null
}

variable "insecure_http" {
  description = "Serves HTTP without a certificate: addresses, PINs and tokens are transmitted in plain text."
  type        = bool
  default     = false

  validation {
    condition     = var.insecure_http || var.domain != null || var.certificate_arn != null
    error_message = "Name a domain or a certificate_arn for HTTPS. Without either, everything is transmitted in plain text; confirm this with insecure_http = true."
  }

  validation {
    condition     = !var.insecure_http || (var.domain == null && var.certificate_arn == null)
    error_message = "With a domain or a certificate, HTTPS is served: remove insecure_http."
  }

  validation {
    condition     = !var.insecure_http || alltrue([for cidr in var.allowed_cidrs : try(tonumber(split("/", cidr)[1]), 0) >= 8])
    error_message = "Plain HTTP is only for known networks: restrict allowed_cidrs, such as to the classroom's [\"198.51.100.7/32\"]."
  }
}

# Replicas ------------------------------------------------------------------------------------------------------------

variable "image" {
  description = "The container image of the API, by digest (…@sha256:…) or version (…:1.2.0)."
  type        = string
}

variable "replicas" {
  description = "The number and size of the replicas: CPU units (1024 are a vCPU), MiB and database connections of each; during a deployment, old and new replicas together are at most 'deployment_max_percent' of the desired number. docs/scaling.md gives sizes by the number of VMs."
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
  description = "Additional settings of the API, as in docs/configuration.md: { Liveness__Resolution = \"00:01:00\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = can(regex("^[0-9]{2}:[0-9]{2}:[0-9]{2}$", lookup(var.settings, "Polls__MaxAge", "00:00:15")))
    error_message = "Give Polls__MaxAge as hh:mm:ss, such as 00:00:30; an alarm depends on it."
  }
}

variable "secret_settings" {
  description = "The names of the secret settings, each with a number; increase it to send a new value."
  type        = map(number)
  default = {
    Admin__ApiKeys__admin     = 1
    Enrolment__TokenHashes__0 = 1
  }
}

variable "secret_values" {
  description = "The hashes of the secret settings, from scripts/new-secrets.sh. Ephemeral: they are in no plan and no state."
  type        = map(string)
  ephemeral   = true
  sensitive   = true
}

# Database ------------------------------------------------------------------------------------------------------------

variable "database" {
  description = "The database: its class, storage in GiB, a standby, PostgreSQL's max_connections, days of backups, the hour (UTC) of the monthly change of its password, a snapshot to restore, and the file in the image with the certificates of RDS, which verifies the server's certificate (null: the connection is encrypted, but the certificate is not verified)."
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
  description = "For temporary deployments, such as one afternoon's workshop: 'terraform destroy' removes everything, including the data. Otherwise the load balancer and the database are protected, and a final snapshot is made."
  type        = bool
  default     = false
}

# Alarms --------------------------------------------------------------------------------------------------------------

variable "alarm_emails" {
  description = "The mail addresses that receive alarms."
  type        = list(string)
  default     = []
}

variable "expected_vms" {
  description = "The number of VMs that normally poll. Null means those created here. 0 means that VMs are started and stopped at any time, and missing polls raise no alarm."
  type        = number
  default     = null
}

# VMs -----------------------------------------------------------------------------------------------------------------

variable "vms" {
  description = "The VMs by host name; {} if they are created elsewhere. Only a higher 'generation' replaces a VM."
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
  description = "The defaults of VMs: instance type, machine image (null means Ubuntu 24.04), GiB of disk, and whether they are spot instances."
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
  description = "The client's Debian package in S3, and its SHA-256. It is required if there are VMs."
  type = object({
    bucket = string
    key    = string
    sha256 = string
  })
  default = null

  validation {
    condition     = var.client_package != null || length(var.vms) == 0
    error_message = "VMs install the client from S3: upload allocator_*.deb and give { bucket, key, sha256 }."
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
  description = "Single-use enrolment tokens by VM, each bound to its host name, in place of the deployment's token. Ephemeral."
  type        = map(string)
  default     = {}
  ephemeral   = true
  sensitive   = true
}
