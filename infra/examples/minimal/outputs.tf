output "url" {
  description = "The allocator's address for people and VMs."
  value       = module.allocator.url
}

output "admin" {
  description = "How to act as an admin."
  value       = module.allocator.admin
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
