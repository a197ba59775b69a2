output "url" {
  description = "Where people and VMs reach the allocator."
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
  description = "How to get onto a VM."
  value       = module.allocator.session_command
}

output "dashboard" {
  description = "The dashboard."
  value       = module.allocator.dashboard
}
