# For one afternoon: the smallest sizes, one zone wherever AWS allows it, no data kept.
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
    tags = { Deployment = "workshop" }
  }
}

module "allocator" {
  source = "../.."

  name       = "workshop"
  disposable = true

  # Replicas and VMs run in one zone and share a NAT gateway. The load balancer and the database's subnet group are in two
  # because AWS requires it; the database itself is one instance in one zone.
  network = { workload_zones = 1, nat_per_zone = false }

  # A public certificate needs a domain. Without one this is HTTP, for a known network.
  insecure_http = true
  allowed_cidrs = var.classroom

  image = var.image
  # One replica, and room for its replacement.
  replicas = { min = 1, max = 1, cpu = 256, memory = 512, deployment_max_percent = 200 }
  database = { instance_class = "db.t4g.micro", multi_az = false, backup_days = 1 }

  vms            = { for i in range(1, var.vms + 1) : format("vm-%02d", i) => {} }
  vm_defaults    = { instance_type = var.instance_type, image_id = var.image_id, spot = var.spot }
  client_package = var.client_package

  secret_values   = var.secret_values
  enrolment_token = var.enrolment_token
}
