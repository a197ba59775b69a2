# What AWS would have answered, where the provider or the configuration looks at its shape.
mock_data "aws_availability_zones" {
  defaults = { names = ["eu-central-1a", "eu-central-1b", "eu-central-1c"] }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_caller_identity" {
  defaults = { account_id = "123456789012" }
}

# As of a db.t4g.small.
mock_data "aws_ec2_instance_type" {
  defaults = { memory_size = 2048 }
}

mock_data "aws_ssm_parameter" {
  defaults = { value = "ami-0123456789abcdef0" }
}

mock_resource "aws_eip" {
  defaults = { public_ip = "203.0.113.10" }
}

mock_resource "aws_vpc" {
  defaults = { cidr_block = "10.20.0.0/16" }
}

mock_resource "aws_lb" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/allocator/50dc6c495c0c9188"
    arn_suffix = "app/allocator/50dc6c495c0c9188"
    dns_name   = "allocator-1234567890.eu-central-1.elb.amazonaws.com"
  }
}

mock_resource "aws_lb_target_group" {
  defaults = {
    arn        = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/allocator/73e2d6bc24d8a067"
    arn_suffix = "targetgroup/allocator/73e2d6bc24d8a067"
  }
}

mock_resource "aws_lb_listener" {
  defaults = { arn = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/allocator/50dc6c495c0c9188/f2f7dc8efc522ab2" }
}

mock_resource "aws_acm_certificate" {
  defaults = {
    arn                       = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012"
    domain_validation_options = [{ domain_name = "allocator.example.org", resource_record_name = "_a.allocator.example.org", resource_record_type = "CNAME", resource_record_value = "_b.acm-validations.aws" }]
  }
}

mock_resource "aws_acm_certificate_validation" {
  defaults = { certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012" }
}

mock_resource "aws_iam_role" {
  defaults = { arn = "arn:aws:iam::123456789012:role/allocator" }
}

mock_resource "aws_ecs_cluster" {
  defaults = { id = "arn:aws:ecs:eu-central-1:123456789012:cluster/allocator" }
}

mock_resource "aws_ecs_service" {
  defaults = { id = "arn:aws:ecs:eu-central-1:123456789012:service/allocator/allocator" }
}

mock_resource "aws_ecs_task_definition" {
  defaults = { arn = "arn:aws:ecs:eu-central-1:123456789012:task-definition/allocator:1" }
}

mock_resource "aws_cloudwatch_log_group" {
  defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/allocator/replicas" }
}

mock_resource "aws_ssm_parameter" {
  defaults = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/allocator/x" }
}

mock_resource "aws_db_instance" {
  defaults = {
    address            = "allocator.abcdefghijkl.eu-central-1.rds.amazonaws.com"
    master_user_secret = [{ kms_key_id = "alias/aws/secretsmanager", secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1234-AbCdEf", secret_status = "active" }]
  }
}

mock_resource "aws_sns_topic" {
  defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:allocator-alarms" }
}

mock_resource "aws_cloudwatch_metric_alarm" {
  defaults = { arn = "arn:aws:cloudwatch:eu-central-1:123456789012:alarm:allocator" }
}

mock_resource "aws_launch_template" {
  defaults = { id = "lt-0123456789abcdef0" }
}
