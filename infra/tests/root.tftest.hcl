mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  # No VMs and no tokens, unless a run sets them. (A test must set every ephemeral variable.)
  enrolment_token  = "t0ken"
  enrolment_tokens = {}
  domain           = { name = "allocator.example.org", zone_id = "Z1" }
  image            = "registry.example.org/allocator@sha256:5555555555555555555555555555555555555555555555555555555555555555"
  secret_values = {
    Admin__ApiKeys__admin     = "1111111111111111111111111111111111111111111111111111111111111111"
    Enrolment__TokenHashes__0 = "2222222222222222222222222222222222222222222222222222222222222222"
  }
  client_package = {
    bucket = "example-artefacts"
    key    = "allocator/allocator_1.2.0_amd64.deb"
    sha256 = "4444444444444444444444444444444444444444444444444444444444444444"
  }
}

run "replicas_without_vms" {
  assert {
    condition     = output.url == "https://allocator.example.org" && output.vms == null && output.session_command == null
    error_message = "No VMs are created here if they are created elsewhere."
  }

  assert {
    condition     = !contains(output.alarm_names, "allocator-dark")
    error_message = "No VMs are expected to poll."
  }

  assert {
    condition     = strcontains(output.admin, "/allocator/api/Admin__ApiKeys__admin") && !strcontains(output.admin, "1111") && strcontains(output.enrolment, "/etc/allocator/client.json")
    error_message = "The outputs name the next steps, and no secret."
  }
}

run "with_vms" {
  variables {
    vms             = { vm-1 = {}, vm-2 = {} }
    enrolment_token = "t0ken"
  }

  assert {
    condition     = keys(output.vms) == ["vm-1", "vm-2"] && output.vms["vm-1"].token_parameter == "/allocator/vms/vm-1/enrolment-token"
    error_message = "The outputs name the VMs and the parameters of their tokens."
  }

  assert {
    condition     = contains(output.alarm_names, "allocator-dark")
    error_message = "The VMs are expected to poll."
  }
}

run "an_existing_network" {
  state_key = "an_existing_network"

  variables {
    existing_network = {
      vpc_id                   = "vpc-9"
      load_balancer_subnet_ids = ["subnet-1", "subnet-2"]
      load_balancer_cidrs      = ["10.9.0.0/24", "10.9.1.0/24"]
      workload_subnet_ids      = ["subnet-3"]
      database_subnet_ids      = ["subnet-4", "subnet-5"]
    }
  }

  assert {
    condition     = output.network == { vpc_id = "vpc-9", load_balancer_route_table_id = null }
    error_message = "No other VPC is created."
  }
}

# Seven replicas during a deployment: 7 × 8 + 15 = 71 of 80. Nine would be 87.
run "pool_budget_that_fits" {
  command   = plan
  state_key = "budget"

  variables {
    replicas = { max = 4, deployment_max_percent = 175 }
  }
}

run "refuses_a_pool_budget_that_does_not_fit" {
  command   = plan
  state_key = "budget"

  variables {
    replicas = { max = 6 }
  }

  expect_failures = [var.database]
}

# 6 × 10 + 15 = 75: four fifths of 94, rounded down. Of 93 they are 74.
run "pool_budget_to_the_last_connection" {
  command   = plan
  state_key = "budget"

  variables {
    replicas = { max = 4, pool_size = 10 }
    database = { max_connections = 94 }
  }
}

run "refuses_one_connection_too_many" {
  command   = plan
  state_key = "budget"

  variables {
    replicas = { max = 4, pool_size = 10 }
    database = { max_connections = 93 }
  }

  expect_failures = [var.database]
}

run "refuses_a_long_name" {
  command   = plan
  state_key = "refusals"

  variables {
    name = "allocator-of-the-whole-world"
  }

  expect_failures = [var.name]
}

run "refuses_http_without_confirmation" {
  command   = plan
  state_key = "refusals"

  variables {
    domain = null
  }

  expect_failures = [var.insecure_http]
}

run "refuses_http_beside_https" {
  command   = plan
  state_key = "refusals"

  variables {
    insecure_http = true
    allowed_cidrs = ["198.51.100.0/24"]
  }

  expect_failures = [var.insecure_http]
}

run "refuses_http_for_everybody" {
  command   = plan
  state_key = "refusals"

  variables {
    domain        = null
    insecure_http = true
  }

  expect_failures = [var.insecure_http]
}

run "refuses_a_max_age_in_seconds" {
  command   = plan
  state_key = "refusals"

  variables {
    settings = { Polls__MaxAge = "30" }
  }

  expect_failures = [var.settings]
}

run "refuses_vms_without_a_client_package" {
  command   = plan
  state_key = "refusals"

  variables {
    vms             = { vm-1 = {} }
    enrolment_token = "t0ken"
    client_package  = null
  }

  expect_failures = [var.client_package]
}
