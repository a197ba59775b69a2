output "url" {
  description = "The allocator's address for people and VMs; check <url>/health/ready first."
  value       = module.allocator.url
}

output "load_balancer" {
  description = "The load balancer's name in DNS and its hosted zone, for a custom record."
  value       = module.allocator.load_balancer
}

output "network" {
  description = "The VPC, and the route table of the load balancer's subnets, for a route to a VPN or another VPC (null for an existing network)."
  value = {
    vpc_id                       = local.network.vpc_id
    load_balancer_route_table_id = one(module.network[*].public_route_table_id)
  }
}

output "admin" {
  description = "How to act as an admin, and the location of the secret."
  value       = "export ALLOCATOR_Url=${module.allocator.url} ALLOCATOR_API_KEY=…; allocator pools list. The admin who created the key has it (scripts/new-secrets.sh: the file admin-api-key); here are hashes only: ${join(", ", [for key, parameter in module.allocator.secret_parameters : parameter if startswith(key, "Admin__")])}"
}

output "enrolment" {
  description = "How a VM that is created elsewhere enrols."
  value       = "allocator enrolment-tokens create --hostname <name> --output <name>.token, then on the VM /etc/allocator/client.json with Url ${module.allocator.url} and EnrolmentTokenFile. VMs made here find theirs in /${var.name}/vms/<name>/enrolment-token."
}

output "vms" {
  description = "The VMs created here: instance, address, and the parameter with the enrolment token."
  value       = one(module.clients[*].vms)
}

output "session_command" {
  description = "The command that opens a session on a VM."
  value       = one(module.clients[*].session_command)
}

output "dashboard" {
  description = "The dashboard."
  value       = module.alarms.dashboard
}

output "alarm_names" {
  description = "The alarms."
  value       = module.alarms.alarm_names
}

output "alarm_topic_arn" {
  description = "The topic of all alarms, for additional subscribers."
  value       = module.alarms.topic_arn
}

output "database" {
  description = "The database, and the secret with its password, which RDS manages and changes."
  value = {
    identifier          = module.database.identifier
    host                = module.database.host
    password_secret_arn = module.database.password_secret_arn
  }
}

output "redeploy_command" {
  description = "Restarts all replicas, one after another; needed after an unscheduled change of the database's password."
  value       = "aws ecs update-service --cluster ${module.allocator.metric_names.cluster} --service ${module.allocator.metric_names.service} --force-new-deployment"
}
