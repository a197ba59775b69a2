data "aws_region" "current" {}

data "aws_partition" "current" {}

locals {
  port         = 8080
  metrics_port = 9464
  tls          = var.certificate_arn != null || var.domain != null
  certificate_arn = try(coalesce(
    var.certificate_arn,
    one(aws_acm_certificate_validation.this[*].certificate_arn),
  ), null)
  url = "${local.tls ? "https" : "http"}://${var.domain == null ? aws_lb.this.dns_name : var.domain.name}"

  # Seconds. ECS removes a replica from the target group and waits for deregistration_delay before it stops the replica.
  # A replica that is stopped otherwise reports that it is not ready and serves for 'drain' longer, until the load
  # balancer's checks notice. Running requests then have shutdown_timeout to finish; after stop_timeout it is killed.
  health_check         = { interval = 5, timeout = 3, unhealthy_threshold = 3 }
  deregistration_delay = 15
  drain                = 20
  shutdown_timeout     = 25
  stop_timeout         = 50

  connection_string = join(";", concat(
    ["Host=${var.database.host}", "Port=${var.database.port}", "Database=${var.database.name}", "Username=${var.database.username}"],
    var.database.ca_file == null ? ["SSL Mode=Require"] : ["SSL Mode=VerifyFull", "Root Certificate=${var.database.ca_file}"],
  ))

  environment = merge(
    {
      ASPNETCORE_HTTP_PORTS             = tostring(local.port)
      Database__ConnectionString        = local.connection_string
      Database__PoolSize                = tostring(var.pool_size)
      DOTNET_SHUTDOWNTIMEOUTSECONDS     = tostring(local.shutdown_timeout)
      Health__Drain                     = format("00:00:%02d", local.drain)
      Kestrel__Limits__KeepAliveTimeout = format("%02d:%02d:%02d", floor(var.keep_alive_timeout / 3600), floor(var.keep_alive_timeout / 60) % 60, var.keep_alive_timeout % 60)
      # Metrics are not on the load balancer's port.
      Telemetry__MetricsPort = tostring(local.metrics_port)
      # The runtime's diagnostic files would need a writable disk.
      DOTNET_EnableDiagnostics = "0"
    },
    { for i, cidr in var.trusted_proxies : "Proxies__Known__${i}" => cidr },
    var.settings,
  )
}

resource "aws_security_group" "replicas" {
  name_prefix            = "${var.name}-replicas-"
  description            = "Replicas of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-replicas" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "replicas" {
  security_group_id            = aws_security_group.replicas.id
  description                  = "Load balancer"
  referenced_security_group_id = aws_security_group.load_balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

# Outbound: the image's registry, AWS, a telemetry collector, and the database.
resource "aws_vpc_security_group_egress_rule" "replicas" {
  security_group_id = aws_security_group.replicas.id
  description       = "Out"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/${var.name}/replicas"
  retention_in_days = var.log_days
}

resource "aws_ecs_cluster" "this" {
  name = var.name
}

resource "aws_ecs_task_definition" "this" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.replica.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }

  container_definitions = jsonencode([{
    name                   = "allocator"
    image                  = var.image
    essential              = true
    user                   = "10001"
    readonlyRootFilesystem = true
    stopTimeout            = local.stop_timeout
    portMappings           = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    environment            = [for key, value in local.environment : { name = key, value = value }]
    secrets = concat(
      [{ name = "Database__Password", valueFrom = "${var.database.password_secret_arn}:password::" }],
      [for key, parameter in aws_ssm_parameter.setting : { name = key, valueFrom = parameter.arn }],
    )
    # A replica gets its secrets when it starts; a change of these numbers makes ECS start new replicas.
    dockerLabels = { secrets = jsonencode(var.secret_settings) }
    linuxParameters = {
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = data.aws_region.current.name
        awslogs-stream-prefix = "replica"
        # A burst of log lines must not delay polls.
        mode            = "non-blocking"
        max-buffer-size = "4m"
      }
    }
  }])

  lifecycle {
    precondition {
      condition     = local.drain >= local.health_check.interval * local.health_check.unhealthy_threshold
      error_message = "A replica must continue to serve until the load balancer's checks have noticed that it is not ready."
    }

    precondition {
      condition     = local.stop_timeout > local.drain + local.shutdown_timeout && local.stop_timeout <= 120
      error_message = "ECS must wait longer than a replica takes to drain and to finish its requests, and can wait for 120 s at most."
    }
  }
}

resource "aws_ecs_service" "this" {
  name            = var.name
  cluster         = aws_ecs_cluster.this.id
  task_definition = aws_ecs_task_definition.this.arn
  launch_type     = "FARGATE"
  desired_count   = var.replicas.min

  # A replica is stopped only after another one has replaced it; a failing deployment is rolled back.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = var.deployment_max_percent

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  # A replica with a million VMs is ready after 7 s.
  health_check_grace_period_seconds = 60

  enable_ecs_managed_tags = true
  propagate_tags          = "SERVICE"

  network_configuration {
    subnets          = var.replica_subnet_ids
    security_groups  = [aws_security_group.replicas.id]
    assign_public_ip = false
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.this.arn
    container_name   = "allocator"
    container_port   = local.port
  }

  lifecycle {
    # Autoscaling changes it.
    ignore_changes = [desired_count]
  }

  depends_on = [aws_lb_listener.http, aws_lb_listener.https, aws_iam_role_policy.execution]
}
