output "identifier" {
  description = "The instance's name."
  value       = aws_db_instance.this.identifier
}

output "host" {
  description = "Where the database is."
  value       = aws_db_instance.this.address
}

output "port" {
  description = "Its port."
  value       = aws_db_instance.this.port
}

output "password_secret_arn" {
  description = "The secret that RDS keeps: JSON with 'username' and 'password'."
  value       = aws_db_instance.this.master_user_secret[0].secret_arn
}

output "redeploy_schedule" {
  description = "When replicas have to be redeployed, to start with the new password: a quarter of an hour after the hour in which it changes."
  value       = "cron(15 ${var.password_rotation.hour + 1} 1 * ? *)"

  # Nothing that goes by this schedule is made before the rotation has it too.
  depends_on = [aws_secretsmanager_secret_rotation.password]
}

output "max_connections" {
  description = "As the parameter group has it."
  value       = tonumber(one([for parameter in aws_db_parameter_group.this.parameter : parameter.value if parameter.name == "max_connections"]))
}

output "memory_bytes" {
  description = "The instance's memory."
  value       = local.memory
}

output "storage_bytes" {
  description = "The storage that it begins with."
  value       = var.storage.initial * 1024 * 1024 * 1024
}

output "security_group_id" {
  description = "The database's security group."
  value       = aws_security_group.this.id
}
