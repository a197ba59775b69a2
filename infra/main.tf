locals {
  network = var.existing_network != null ? var.existing_network : {
    vpc_id                   = module.network[0].vpc_id
    load_balancer_subnet_ids = module.network[0].public_subnet_ids
    load_balancer_cidrs      = module.network[0].public_cidrs
    workload_subnet_ids      = module.network[0].workload_subnet_ids
    database_subnet_ids      = module.network[0].database_subnet_ids
  }

  # VMs of this VPC reach an internal load balancer by their own address, and another by that of the NAT gateway.
  # (By name, since the addresses are known only after the apply.)
  own_cidrs = var.existing_network != null ? {} : (
    var.internal ? { vpc = module.network[0].vpc_cidr } : { for zone, address in module.network[0].nat_addresses : "nat ${zone}" => "${address}/32" }
  )

  # For an alarm: hh:mm:ss as seconds.
  poll_max_age = sum([for i, part in split(":", lookup(var.settings, "Polls__MaxAge", "00:00:15")) : tonumber(part) * pow(60, 2 - i)])
}

module "network" {
  source = "./modules/network"
  count  = var.existing_network == null ? 1 : 0

  name           = var.name
  cidr           = var.network.cidr
  zones          = var.network.zones
  workload_zones = var.network.workload_zones
  nat_per_zone   = var.network.nat_per_zone
}

module "database" {
  source = "./modules/database"

  name                      = var.name
  vpc_id                    = local.network.vpc_id
  subnet_ids                = local.network.database_subnet_ids
  replica_security_group_id = module.allocator.replica_security_group_id

  instance_class    = var.database.instance_class
  engine_version    = var.database.engine_version
  storage           = var.database.storage
  multi_az          = var.database.multi_az
  max_connections   = var.database.max_connections
  backup_days       = var.database.backup_days
  password_rotation = { hour = var.database.password_rotation_hour }
  restore_snapshot  = var.database.restore_snapshot
  disposable        = var.disposable
}

module "allocator" {
  source = "./modules/allocator"

  name                     = var.name
  vpc_id                   = local.network.vpc_id
  load_balancer_subnet_ids = local.network.load_balancer_subnet_ids
  replica_subnet_ids       = local.network.workload_subnet_ids
  trusted_proxies          = local.network.load_balancer_cidrs
  internal                 = var.internal
  allowed_cidrs            = merge({ for cidr in var.allowed_cidrs : cidr => cidr }, local.own_cidrs)
  domain                   = var.domain
  certificate_arn          = var.certificate_arn

  image                  = var.image
  architecture           = var.replicas.architecture
  cpu                    = var.replicas.cpu
  memory                 = var.replicas.memory
  replicas               = { min = var.replicas.min, max = var.replicas.max }
  pool_size              = var.replicas.pool_size
  deployment_max_percent = var.replicas.deployment_max_percent
  settings               = var.settings
  secret_settings        = var.secret_settings
  secret_values          = var.secret_values
  disposable             = var.disposable

  database = {
    host                = module.database.host
    port                = module.database.port
    password_secret_arn = module.database.password_secret_arn
    ca_file             = var.database.ca_file
    redeploy_schedule   = module.database.redeploy_schedule
  }
}

module "clients" {
  source = "./modules/clients"
  count  = length(var.vms) > 0 ? 1 : 0

  name             = var.name
  vpc_id           = local.network.vpc_id
  subnet_ids       = local.network.workload_subnet_ids
  vms              = var.vms
  instance_type    = var.vm_defaults.instance_type
  image_id         = var.vm_defaults.image_id
  disk             = var.vm_defaults.disk
  spot             = var.vm_defaults.spot
  hooks            = var.vm_hooks
  url              = module.allocator.url
  package          = var.client_package
  enrolment_token  = var.enrolment_token
  enrolment_tokens = var.enrolment_tokens
}

module "alarms" {
  source = "./modules/alarms"

  name         = var.name
  emails       = var.alarm_emails
  metric_names = module.allocator.metric_names
  database = {
    identifier      = module.database.identifier
    max_connections = module.database.max_connections
    memory_bytes    = module.database.memory_bytes
    storage_bytes   = module.database.storage_bytes
  }
  min_replicas = var.replicas.min
  expected_vms = coalesce(var.expected_vms, length(var.vms))
  poll_max_age = local.poll_max_age
}
