output "url" {
  description = "The allocator's address for people and VMs."
  value       = local.url
}

output "load_balancer" {
  description = "The load balancer's name in DNS and its hosted zone, for a custom alias."
  value = {
    dns_name = aws_lb.this.dns_name
    zone_id  = aws_lb.this.zone_id
  }
}

output "metric_names" {
  description = "The CloudWatch names of the parts: arguments of the module 'alarms'."
  value = {
    load_balancer = aws_lb.this.arn_suffix
    target_group  = aws_lb_target_group.this.arn_suffix
    cluster       = aws_ecs_cluster.this.name
    service       = aws_ecs_service.this.name
    log_group     = aws_cloudwatch_log_group.this.name
  }
}

output "replica_security_group_id" {
  description = "The replicas' security group."
  value       = aws_security_group.replicas.id
}

output "secret_parameters" {
  description = "The SSM parameter of each secret setting, which contains its hash, never the secret."
  value       = { for key, parameter in aws_ssm_parameter.setting : key => parameter.name }
}
