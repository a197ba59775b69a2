output "vpc_id" {
  description = "The VPC."
  value       = aws_vpc.this.id
}

output "vpc_cidr" {
  description = "The VPC's addresses."
  value       = aws_vpc.this.cidr_block
}

output "public_subnet_ids" {
  description = "The load balancer's subnets, also for an internal one; in two zones or more."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]
}

output "public_cidrs" {
  description = "The networks of the load balancer's subnets."
  value       = [for zone in local.zones : aws_subnet.public[zone].cidr_block]
}

output "public_route_table_id" {
  description = "The route table of the public subnets."
  value       = aws_route_table.public.id
}

output "workload_subnet_ids" {
  description = "The subnets of replicas and VMs."
  value       = [for zone in local.workload_zones : aws_subnet.workload[zone].id]
}

output "database_subnet_ids" {
  description = "The database's subnets; in two zones or more."
  value       = [for zone in local.zones : aws_subnet.database[zone].id]
}

output "nat_addresses" {
  description = "The public address, by zone, from which replicas and VMs reach the internet and an internet-facing load balancer."
  value       = { for zone in local.nat_zones : zone => aws_eip.nat[zone].public_ip }
}
