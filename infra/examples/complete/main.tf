# A permanent deployment: two zones for everything, a standby of the database, its own name with TLS, an internal load
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
  region = "eu-central-1"

  default_tags {
    tags = { Deployment = "allocator" }
  }
}

module "allocator" {
  source = "../.."

  network = { cidr = "10.20.0.0/16", workload_zones = 2, nat_per_zone = true }

  # VMs are in the VPC, and people connect through a portal or a VPN: nothing needs to be reachable from the internet. The
  # name is public, which its certificate needs, and resolves to addresses of the VPC.
  internal      = true
  allowed_cidrs = ["10.0.0.0/8"]
  domain        = var.domain

  image    = var.image
  replicas = { min = 2, max = 4, cpu = 512, memory = 1024 }
  settings = { OTEL_SERVICE_NAME = "allocator" }

  database = {
    instance_class  = "db.t4g.medium"
    multi_az        = true
    max_connections = 150
    backup_days     = 14
    storage         = { initial = 20, most = 100 }
  }

  # With programs on the image, vm_hooks prepare a VM for a person and clean it afterwards.
  vms            = var.vms
  vm_defaults    = { instance_type = "t3.medium", image_id = var.image_id, disk = 50 }
  client_package = var.client_package

  # Increase a number to send a new value.
  secret_settings  = { Admin__ApiKeys__admin = 1, Enrolment__TokenHashes__0 = 1 }
  secret_values    = var.secret_values
  enrolment_token  = var.enrolment_token
  enrolment_tokens = var.enrolment_tokens

  alarm_emails = var.alarm_emails
}
