data "aws_region" "current" {}

locals {
  balancer = { LoadBalancer = var.metric_names.load_balancer }
  targets  = { LoadBalancer = var.metric_names.load_balancer, TargetGroup = var.metric_names.target_group }
  database = { DBInstanceIdentifier = var.database.identifier }

  # VMs poll after a time that is uniform between once and twice the max-age.
  polls_per_minute = var.expected_vms * 60 / (1.5 * var.poll_max_age)

  # Alarms on one metric each. 'missing' is the meaning of absent data: breaching if the metric is always present in
  # normal operation.
  simple = {
    database-cpu = {
      description = "The database's processor is more than 60 % busy: see Liveness:Resolution in docs/scaling.md, or choose a larger class."
      namespace   = "AWS/RDS", metric = "CPUUtilization", dimensions = local.database
      statistic   = "Average", comparison = "GreaterThanThreshold", threshold = 60, minutes = 5, missing = "breaching"
    }
    database-memory = {
      description = "Less than 30 % of the database's memory is free: choose a larger class."
      namespace   = "AWS/RDS", metric = "FreeableMemory", dimensions = local.database
      statistic   = "Average", comparison = "LessThanThreshold", threshold = floor(0.3 * var.database.memory_bytes), minutes = 5, missing = "breaching"
    }
    database-storage = {
      description = "Less than a fifth of the database's initial storage is free, and it has not grown automatically: raise storage.most."
      namespace   = "AWS/RDS", metric = "FreeStorageSpace", dimensions = local.database
      statistic   = "Minimum", comparison = "LessThanThreshold", threshold = floor(0.2 * var.database.storage_bytes), minutes = 5, missing = "breaching"
    }
    replicas-unhealthy = {
      description = "Too few replicas are ready: see AllocatorNoReplicaReady and AllocatorReplicaDown in the runbook."
      namespace   = "AWS/ApplicationELB", metric = "HealthyHostCount", dimensions = local.targets
      statistic   = "Minimum", comparison = "LessThanThreshold", threshold = var.min_replicas, minutes = 3, missing = "breaching"
    }
    bad-gateway = {
      description = "The load balancer answered 502 by itself: a replica closed a connection during a request. Kestrel's keep-alive must be longer than the load balancer's idle timeout."
      namespace   = "AWS/ApplicationELB", metric = "HTTPCode_ELB_502_Count", dimensions = local.balancer
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 5, minutes = 1, missing = "notBreaching"
    }
    slow = {
      description = "One answer in a hundred takes longer than half a second: see AllocatorFeedSlow and AllocatorClaimsFail in the runbook."
      namespace   = "AWS/ApplicationELB", metric = "TargetResponseTime", dimensions = local.balancer
      statistic   = "p99", comparison = "GreaterThanThreshold", threshold = 0.5, minutes = 5, missing = "notBreaching"
    }
    password-refused = {
      description = "The database refused a replica's password (28P01): it was changed outside the schedule. Redeploy the replicas; see 'The database's password' in infra/README.md."
      namespace   = var.name, metric = "PasswordRefused", dimensions = {}
      statistic   = "Sum", comparison = "GreaterThanThreshold", threshold = 0, minutes = 1, missing = "notBreaching"
    }
  }

  # Alarms that are calculated from several metrics.
  calculated = merge(
    {
      connections = {
        description = "More than 80 % of the database's connections are taken: see AllocatorServerConnectionsHigh in the runbook."
        expression  = "100 * connections / ${var.database.max_connections}"
        label       = "Connections in use, %"
        metrics     = { connections = { namespace = "AWS/RDS", metric = "DatabaseConnections", statistic = "Maximum", dimensions = local.database } }
        comparison  = "GreaterThanThreshold", threshold = 80, minutes = 3, missing = "breaching"
      }
      errors = {
        description = "More than 5 % of the requests fail with 5xx: see AllocatorRequestsFail in the runbook."
        expression  = "IF(requests > 0, 100 * (FILL(replicas, 0) + FILL(balancer, 0)) / requests, 0)"
        label       = "Requests that fail, %"
        metrics = {
          requests = { namespace = "AWS/ApplicationELB", metric = "RequestCount", statistic = "Sum", dimensions = local.balancer }
          replicas = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_Target_5XX_Count", statistic = "Sum", dimensions = local.balancer }
          balancer = { namespace = "AWS/ApplicationELB", metric = "HTTPCode_ELB_5XX_Count", statistic = "Sum", dimensions = local.balancer }
        }
        comparison = "GreaterThanThreshold", threshold = 5, minutes = 2, missing = "notBreaching"
      }
    },
    var.expected_vms == 0 ? {} : {
      dark = {
        description = "The VMs poll less than half as often as ${var.expected_vms} VMs should: see AllocatorPollsMissing in the runbook."
        # A minute without requests has no data point, rather than 0.
        expression = "FILL(requests, 0)"
        label      = "Requests per minute"
        metrics    = { requests = { namespace = "AWS/ApplicationELB", metric = "RequestCount", statistic = "Sum", dimensions = local.balancer } }
        comparison = "LessThanThreshold", threshold = floor(local.polls_per_minute / 2), minutes = 5, missing = "breaching"
      }
    },
  )

  alarm_arns = concat(
    [for alarm in aws_cloudwatch_metric_alarm.simple : alarm.arn],
    [for alarm in aws_cloudwatch_metric_alarm.calculated : alarm.arn],
  )
}

resource "aws_sns_topic" "this" {
  name = "${var.name}-alarms"
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.emails)

  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.key
}

resource "aws_cloudwatch_log_metric_filter" "password_refused" {
  name           = "${var.name}-password-refused"
  log_group_name = var.metric_names.log_group
  # The PostgreSQL error code, which does not depend on the server's language.
  pattern = "\"28P01\""

  metric_transformation {
    namespace = var.name
    name      = "PasswordRefused"
    value     = "1"
  }
}

resource "aws_cloudwatch_metric_alarm" "simple" {
  for_each = local.simple

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} (${var.runbook_url})"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = startswith(each.value.statistic, "p") ? null : each.value.statistic
  extended_statistic  = startswith(each.value.statistic, "p") ? each.value.statistic : null
  period              = 60
  evaluation_periods  = each.value.minutes
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "calculated" {
  for_each = local.calculated

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.description} (${var.runbook_url})"
  evaluation_periods  = each.value.minutes
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  treat_missing_data  = each.value.missing
  alarm_actions       = [aws_sns_topic.this.arn]
  ok_actions          = [aws_sns_topic.this.arn]

  metric_query {
    id          = "result"
    label       = each.value.label
    expression  = each.value.expression
    return_data = true
  }

  dynamic "metric_query" {
    for_each = each.value.metrics

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.metric
        stat        = metric_query.value.statistic
        dimensions  = metric_query.value.dimensions
        period      = 60
      }
    }
  }
}

locals {
  graphs = [
    { title = "Requests per minute", stat = "Sum", metrics = [["AWS/ApplicationELB", "RequestCount", "LoadBalancer", var.metric_names.load_balancer]] },
    { title = "Time to answer, s", stat = "p99", metrics = [
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.metric_names.load_balancer, { stat = "p50" }],
      ["AWS/ApplicationELB", "TargetResponseTime", "LoadBalancer", var.metric_names.load_balancer, { stat = "p99" }],
    ] },
    { title = "Failures per minute", stat = "Sum", metrics = [
      ["AWS/ApplicationELB", "HTTPCode_Target_5XX_Count", "LoadBalancer", var.metric_names.load_balancer],
      ["AWS/ApplicationELB", "HTTPCode_ELB_5XX_Count", "LoadBalancer", var.metric_names.load_balancer],
      ["AWS/ApplicationELB", "HTTPCode_ELB_502_Count", "LoadBalancer", var.metric_names.load_balancer],
    ] },
    { title = "Replicas", stat = "Average", metrics = [
      ["AWS/ApplicationELB", "HealthyHostCount", "TargetGroup", var.metric_names.target_group, "LoadBalancer", var.metric_names.load_balancer, { stat = "Minimum" }],
      ["AWS/ECS", "CPUUtilization", "ClusterName", var.metric_names.cluster, "ServiceName", var.metric_names.service, { yAxis = "right" }],
      ["AWS/ECS", "MemoryUtilization", "ClusterName", var.metric_names.cluster, "ServiceName", var.metric_names.service, { yAxis = "right" }],
    ] },
    { title = "Database connections, of ${var.database.max_connections}", stat = "Maximum", metrics = [["AWS/RDS", "DatabaseConnections", "DBInstanceIdentifier", var.database.identifier]] },
    { title = "Database processor, %, and free memory", stat = "Average", metrics = [
      ["AWS/RDS", "CPUUtilization", "DBInstanceIdentifier", var.database.identifier],
      ["AWS/RDS", "FreeableMemory", "DBInstanceIdentifier", var.database.identifier, { yAxis = "right" }],
    ] },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name
  dashboard_body = jsonencode({
    widgets = concat(
      [{ type = "alarm", x = 0, y = 0, width = 24, height = 3, properties = { title = "Alarms", alarms = local.alarm_arns } }],
      [for i, graph in local.graphs : {
        type = "metric", x = 8 * (i % 3), y = 3 + 6 * floor(i / 3), width = 8, height = 6
        properties = {
          title = graph.title, region = data.aws_region.current.name, stat = graph.stat, period = 60, metrics = graph.metrics
          yAxis = { left = { min = 0 } }
        }
      }],
    )
  })
}
