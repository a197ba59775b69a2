mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name = "allocator"
}

run "two_zones_each_with_its_own_gateway" {
  module {
    source = "./modules/network"
  }

  assert {
    condition     = length(output.public_subnet_ids) == 2 && length(output.workload_subnet_ids) == 2 && length(output.database_subnet_ids) == 2
    error_message = "There are two zones and three kinds of subnets."
  }

  assert {
    condition     = length(distinct(concat([for s in aws_subnet.public : s.cidr_block], [for s in aws_subnet.workload : s.cidr_block], [for s in aws_subnet.database : s.cidr_block]))) == 6
    error_message = "No two subnets have the same addresses."
  }

  # Replicas trust the X-Forwarded-For of these networks, so a VM must not be in one of them.
  assert {
    condition     = toset(output.public_cidrs) == toset([for s in aws_subnet.public : s.cidr_block]) && length(setintersection(output.public_cidrs, [for s in aws_subnet.workload : s.cidr_block])) == 0
    error_message = "The load balancer's networks are those of its subnets, which hold no VM."
  }

  assert {
    condition     = alltrue([for zone, route in aws_route.workload : route.nat_gateway_id == aws_nat_gateway.this[zone].id])
    error_message = "No zone depends on another's NAT gateway."
  }

  assert {
    condition     = alltrue([for zone, gateway in aws_nat_gateway.this : gateway.subnet_id == aws_subnet.public[zone].id]) && alltrue([for zone, association in aws_route_table_association.workload : association.route_table_id == aws_route_table.workload[zone].id])
    error_message = "Each subnet is in its zone, and its route table uses that zone's gateway."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch != true])
    error_message = "No subnet assigns public addresses automatically."
  }

  assert {
    condition     = alltrue([for association in aws_route_table_association.database : association.route_table_id == aws_route_table.database.id]) && aws_route.public.route_table_id == aws_route_table.public.id && alltrue([for zone, route in aws_route.workload : route.route_table_id == aws_route_table.workload[zone].id])
    error_message = "The database's subnets have no route to the internet."
  }

  assert {
    condition     = aws_default_security_group.this.vpc_id == aws_vpc.this.id && length(aws_default_security_group.this.ingress) == 0 && length(aws_default_security_group.this.egress) == 0
    error_message = "The VPC's default security group allows no traffic."
  }
}

run "one_zone_for_an_afternoon" {
  module {
    source = "./modules/network"
  }

  variables {
    workload_zones = 1
    nat_per_zone   = false
  }

  assert {
    condition     = length(output.public_subnet_ids) == 2 && length(output.workload_subnet_ids) == 1 && length(output.database_subnet_ids) == 2 && length(output.nat_addresses) == 1
    error_message = "There are two zones where AWS requires two, and one NAT gateway."
  }
}

run "refuses_a_small_network" {
  module {
    source = "./modules/network"
  }
  command = plan

  variables {
    cidr = "10.20.0.0/24"
  }

  expect_failures = [var.cidr]
}

run "refuses_one_zone" {
  module {
    source = "./modules/network"
  }
  command = plan

  variables {
    zones = ["eu-central-1a"]
  }

  expect_failures = [var.zones]
}

run "refuses_more_zones_than_there_are" {
  module {
    source = "./modules/network"
  }
  command = plan

  variables {
    workload_zones = 3
  }

  expect_failures = [var.workload_zones]
}
