output "topic_arn" {
  description = "The topic of all alarms, for additional subscribers."
  value       = aws_sns_topic.this.arn
}

output "dashboard" {
  description = "The dashboard."
  value       = "https://${data.aws_region.current.name}.console.aws.amazon.com/cloudwatch/home?region=${data.aws_region.current.name}#dashboards/dashboard/${aws_cloudwatch_dashboard.this.dashboard_name}"
}

output "alarm_names" {
  description = "The alarms."
  value       = sort([for alarm in merge(aws_cloudwatch_metric_alarm.simple, aws_cloudwatch_metric_alarm.calculated) : alarm.alarm_name])
}
