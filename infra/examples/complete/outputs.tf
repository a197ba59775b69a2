output "url" {
  description = "The allocator's address for people and VMs."
  value       = module.allocator.url
}

output "admin" {
  description = "How to act as an admin."
  value       = module.allocator.admin
}

output "enrolment" {
  description = "How a VM joins that is not made here."
  value       = module.allocator.enrolment
}

output "vms" {
  description = "The VMs."
  value       = module.allocator.vms
}

output "session_command" {
  description = "The command that opens a session on a VM."
  value       = module.allocator.session_command
}

output "dashboard" {
  description = "The dashboard."
  value       = module.allocator.dashboard
}

output "database" {
  description = "The database, and the secret with its password."
  value       = module.allocator.database
}

output "redeploy_command" {
  description = "Restarts all replicas, one after another."
  value       = module.allocator.redeploy_command
}
