output "vms" {
  description = "The VMs by host name: instance, address, and the parameter with the enrolment token."
  value = {
    for hostname, vm in aws_instance.vm : hostname => {
      instance_id     = vm.id
      private_ip      = vm.private_ip
      token_parameter = local.parameters[hostname]
    }
  }
}

output "security_group_id" {
  description = "The VMs' security group."
  value       = aws_security_group.this.id
}

output "session_command" {
  description = "The command that opens a session on a VM."
  value       = "aws ssm start-session --region ${data.aws_region.current.name} --target <instance_id>"
}
