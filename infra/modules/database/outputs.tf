output "identifier" {
  description = "The instance's name."
  value       = aws_db_instance.this.identifier
}

output "host" {
  description = "The database's address."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "The database's port."
  value       = aws_db_instance.this.port
}

output "password_secret_arn" {
  description = "The secret that RDS manages: JSON with 'username' and 'password'."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "redeploy_schedule" {
  description = "The time at which replicas must be redeployed with the new password: a quarter of an hour after the hour in which it changes."
  value       = "cron(15 ${var.password_rotation.hour + 1} 1 * ? *)"

  # Nothing that goes by this schedule is made before the rotation has it too.
  depends_on = [aws_secretsmanager_secret_rotation.password]
}

output "max_connections" {
  description = "PostgreSQL's max_connections, as in the parameter group."
  value       = tonumber(one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "max_connections"]))
}

output "memory_bytes" {
  description = "The instance's memory."
  value       = local.memory
}

output "storage_bytes" {
  description = "The initial size of the storage."
  value       = var.storage.initial * 1024 * 1024 * 1024
}

output "security_group_id" {
  description = "The database's security group."
  value       = aws_security_group.this.id
}
