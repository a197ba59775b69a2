mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name   = "allocator"
  emails = ["operator@example.org"]
  metric_names = {
    load_balancer = "app/allocator/1"
    target_group  = "targetgroup/allocator/2"
    cluster       = "allocator"
    service       = "allocator"
    log_group     = "/allocator/replicas"
  }
  database = {
    identifier      = "allocator"
    max_connections = 150
    memory_bytes    = 4294967296
    storage_bytes   = 21474836480
  }
  min_replicas = 2
  expected_vms = 300
}

run "alarms" {
  module {
    source = "./modules/alarms"
  }

  assert {
    condition = {
      for name, alarm in merge(aws_cloudwatch_metric_alarm.simple, aws_cloudwatch_metric_alarm.calculated) :
      name => "${alarm.comparison_operator} ${alarm.threshold} for ${alarm.evaluation_periods}, missing ${alarm.treat_missing_data}"
      } == {
      bad-gateway        = "GreaterThanThreshold 5 for 1, missing notBreaching"
      connections        = "GreaterThanThreshold 80 for 3, missing breaching"
      dark               = "LessThanThreshold 400 for 5, missing breaching"
      database-cpu       = "GreaterThanThreshold 60 for 5, missing breaching"
      database-memory    = "LessThanThreshold 1288490188 for 5, missing breaching"
      database-storage   = "LessThanThreshold 4294967296 for 5, missing breaching"
      errors             = "GreaterThanThreshold 5 for 2, missing notBreaching"
      password-refused   = "GreaterThanThreshold 0 for 1, missing notBreaching"
      replicas-unhealthy = "LessThanThreshold 2 for 3, missing breaching"
      slow               = "GreaterThanThreshold 0.5 for 5, missing notBreaching"
    }
    error_message = "Each alarm has its threshold and its treatment of missing data. (300 VMs poll 800 times a minute.)"
  }

  assert {
    condition = {
      for name, alarm in aws_cloudwatch_metric_alarm.simple :
      name => "${coalesce(alarm.statistic, alarm.extended_statistic)} of ${alarm.namespace} ${alarm.metric_name} in ${alarm.period} s, ${join(", ", values(alarm.dimensions))}"
      } == {
      bad-gateway        = "Sum of AWS/ApplicationELB HTTPCode_ELB_502_Count in 60 s, app/allocator/1"
      database-cpu       = "Average of AWS/RDS CPUUtilization in 60 s, allocator"
      database-memory    = "Average of AWS/RDS FreeableMemory in 60 s, allocator"
      database-storage   = "Minimum of AWS/RDS FreeStorageSpace in 60 s, allocator"
      password-refused   = "Sum of allocator PasswordRefused in 60 s, "
      replicas-unhealthy = "Minimum of AWS/ApplicationELB HealthyHostCount in 60 s, app/allocator/1, targetgroup/allocator/2"
      slow               = "p99 of AWS/ApplicationELB TargetResponseTime in 60 s, app/allocator/1"
    }
    error_message = "Each alarm uses its metric."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.calculated["dark"].metric_query : query.expression if query.return_data]) == "FILL(requests, 0)" && one([for query in aws_cloudwatch_metric_alarm.calculated["dark"].metric_query : query.metric[0] if query.id == "requests"]).metric_name == "RequestCount"
    error_message = "A minute without data counts as 0 requests."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.calculated["errors"].metric_query : query.expression if query.return_data]) == "IF(requests > 0, 100 * (FILL(replicas, 0) + FILL(balancer, 0)) / requests, 0)"
    error_message = "The alarm is on the share of failed requests."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.calculated["connections"].metric_query : query.expression if query.return_data]) == "100 * connections / 150"
    error_message = "The share of connections uses the parameter group's max_connections."
  }

  assert {
    condition     = one([for query in aws_cloudwatch_metric_alarm.calculated["connections"].metric_query : query.metric[0] if query.id == "connections"]).metric_name == "DatabaseConnections" && one([for query in aws_cloudwatch_metric_alarm.calculated["connections"].metric_query : query.metric[0] if query.id == "connections"]).dimensions == tomap({ DBInstanceIdentifier = "allocator" })
    error_message = "The alarm counts this database's connections."
  }

  assert {
    condition     = toset([for query in aws_cloudwatch_metric_alarm.calculated["errors"].metric_query : query.metric[0].metric_name if length(query.metric) > 0]) == toset(["RequestCount", "HTTPCode_Target_5XX_Count", "HTTPCode_ELB_5XX_Count"])
    error_message = "Failures of the replicas and of the load balancer are counted."
  }

  assert {
    condition = alltrue([
      for alarm in merge(aws_cloudwatch_metric_alarm.simple, aws_cloudwatch_metric_alarm.calculated) :
      alarm.alarm_actions == toset([aws_sns_topic.this.arn]) && alarm.ok_actions == alarm.alarm_actions && strcontains(alarm.alarm_description, "docs/runbook.md")
    ])
    error_message = "Each alarm notifies the topic and names the runbook."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.simple["replicas-unhealthy"].dimensions == tomap({ LoadBalancer = "app/allocator/1", TargetGroup = "targetgroup/allocator/2" }) && aws_cloudwatch_metric_alarm.simple["slow"].extended_statistic == "p99"
    error_message = "The latency alarm uses the p99 of this target group."
  }

  assert {
    condition     = aws_cloudwatch_log_metric_filter.password_refused.pattern == "\"28P01\"" && aws_cloudwatch_log_metric_filter.password_refused.log_group_name == "/allocator/replicas" && aws_cloudwatch_log_metric_filter.password_refused.metric_transformation[0].name == "PasswordRefused" && aws_cloudwatch_log_metric_filter.password_refused.metric_transformation[0].namespace == "allocator"
    error_message = "The alarm finds a refused password in the replicas' log."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.alarms) == 10 && length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets) == 7
    error_message = "The dashboard shows all alarms and their metrics."
  }

  assert {
    condition     = toset([for subscription in aws_sns_topic_subscription.email : subscription.endpoint]) == toset(["operator@example.org"])
    error_message = "All addresses are subscribed."
  }
}

run "no_poll_alarm_without_expected_vms" {
  module {
    source = "./modules/alarms"
  }

  variables {
    expected_vms = 0
  }

  assert {
    condition     = !contains(output.alarm_names, "allocator-dark") && length(output.alarm_names) == 9
    error_message = "Missing polls raise no alarm if no VM is expected."
  }
}

run "refuses_half_a_vm" {
  module {
    source = "./modules/alarms"
  }
  command = plan

  variables {
    expected_vms = 0.5
  }

  expect_failures = [var.expected_vms]
}

run "refuses_an_invalid_mail_address" {
  module {
    source = "./modules/alarms"
  }
  command = plan

  variables {
    emails = ["operator"]
  }

  expect_failures = [var.emails]
}
