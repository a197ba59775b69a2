# A deployment that stays: two zones for everything, a standby of the database, its own name with TLS, an internal load
# balancer, alarms by mail, and VMs in two pools, each with an enrolment token of its own.
terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.90, < 6.0"
    }
  }
}

provider "aws" {
  region = var.region

  default_tags {
    tags = { Deployment = var.name }
  }
}

module "allocator" {
  source = "../.."

  name       = var.name
  disposable = var.disposable

  network = { cidr = var.vpc_cidr, workload_zones = 2, nat_per_zone = true }

  # VMs are in the VPC, and people come through a portal there or a VPN: nothing has to be reached from the internet. The
  # name is public, which its certificate needs, and resolves to addresses of the VPC.
  internal      = true
  allowed_cidrs = var.people
  domain        = var.domain

  image    = var.image
  replicas = { min = 2, max = 4, cpu = 512, memory = 1024 }
  settings = {
    OTEL_SERVICE_NAME = var.name
  }

  database = {
    instance_class  = "db.t4g.medium"
    multi_az        = true
    max_connections = 150
    backup_days     = 14
    storage         = { initial = 20, most = 100 }
  }

  vms = var.vms
  vm_defaults = {
    instance_type = "t3.medium"
    image_id      = var.image_id
    disk          = 50
  }
  vm_hooks       = var.vm_hooks
  client_package = var.client_package

  secret_settings  = var.secret_settings
  secret_values    = var.secret_values
  enrolment_token  = var.enrolment_token
  enrolment_tokens = var.enrolment_tokens

  alarm_emails = var.alarm_emails
}
