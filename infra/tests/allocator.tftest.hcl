mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                     = "allocator"
  vpc_id                   = "vpc-1"
  load_balancer_subnet_ids = ["subnet-1", "subnet-2"]
  replica_subnet_ids       = ["subnet-3"]
  trusted_proxies          = ["10.20.0.0/20", "10.20.16.0/20"]
  allowed_cidrs            = { classroom = "198.51.100.0/24", operator = "203.0.113.7/32" }
  domain                   = { name = "allocator.example.org", zone_id = "Z1" }
  image                    = "registry.example.org/allocator:1.2.0"
  database = {
    host                = "db.example.org"
    port                = 5432
    password_secret_arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1234-AbCdEf"
    redeploy_schedule   = "cron(15 3 1 * ? *)"
  }
  secret_settings = { Admin__ApiKeys__admin = 1, Enrolment__TokenHashes__0 = 1 }
  secret_values = {
    Admin__ApiKeys__admin     = "1111111111111111111111111111111111111111111111111111111111111111"
    Enrolment__TokenHashes__0 = "2222222222222222222222222222222222222222222222222222222222222222"
  }
}

run "load_balancer" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition     = aws_lb.this.idle_timeout == 60 && aws_lb.this.drop_invalid_header_fields && aws_lb.this.enable_deletion_protection && !aws_lb.this.internal
    error_message = "The load balancer has its idle timeout, drops malformed headers and is protected."
  }

  assert {
    condition     = length(aws_lb.this.access_logs) == 0
    error_message = "The load balancer logs polls only if a bucket is given."
  }

  assert {
    condition     = aws_lb_listener.https[0].protocol == "HTTPS" && aws_lb_listener.https[0].ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    error_message = "TLS 1.2 and 1.3 only."
  }

  assert {
    condition     = aws_lb_listener.https[0].port == 443 && aws_lb_listener.https[0].certificate_arn == aws_acm_certificate_validation.this[0].certificate_arn && aws_lb_listener.https[0].default_action[0].type == "forward" && aws_lb_listener.https[0].default_action[0].target_group_arn == aws_lb_target_group.this.arn
    error_message = "HTTPS is forwarded to the replicas."
  }

  assert {
    condition     = aws_lb_listener.http.default_action[0].type == "fixed-response" && aws_lb_listener.http.default_action[0].fixed_response[0].status_code == "426"
    error_message = "HTTP is refused with an explanation."
  }

  assert {
    condition     = aws_lb_listener_rule.browsers[0].listener_arn == aws_lb_listener.http.arn && aws_lb_listener_rule.browsers[0].action[0].redirect[0].protocol == "HTTPS" && one([for condition in aws_lb_listener_rule.browsers[0].condition : condition.path_pattern[0].values if length(condition.path_pattern) > 0]) == toset(["/"]) && one([for condition in aws_lb_listener_rule.browsers[0].condition : condition.http_request_method[0].values if length(condition.http_request_method) > 0]) == toset(["GET", "HEAD"])
    error_message = "Only the page / is redirected."
  }

  assert {
    condition     = aws_lb_target_group.this.load_balancing_algorithm_type == "least_outstanding_requests" && tonumber(aws_lb_target_group.this.deregistration_delay) == 15 && aws_lb_target_group.this.target_type == "ip"
    error_message = "Replicas are balanced and deregistered as configured."
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].path == "/health/ready" && aws_lb_target_group.this.health_check[0].matcher == "200"
    error_message = "A replica is healthy when it serves polls, whatever the database does."
  }

  assert {
    condition     = output.url == "https://allocator.example.org"
    error_message = "The address uses the domain."
  }
}

run "network_access" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.replicas.referenced_security_group_id == aws_security_group.load_balancer.id && aws_vpc_security_group_ingress_rule.replicas.security_group_id == aws_security_group.replicas.id && aws_vpc_security_group_ingress_rule.replicas.cidr_ipv4 == null
    error_message = "Only the load balancer can reach replicas, and no network."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.replicas.from_port == 8080 && aws_vpc_security_group_ingress_rule.replicas.to_port == 8080 && aws_vpc_security_group_ingress_rule.replicas.ip_protocol == "tcp"
    error_message = "It can reach only the API's port, not the metrics port."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.load_balancer.referenced_security_group_id == aws_security_group.replicas.id && aws_vpc_security_group_egress_rule.load_balancer.security_group_id == aws_security_group.load_balancer.id
    error_message = "The load balancer can reach only replicas."
  }

  assert {
    condition     = aws_vpc_security_group_egress_rule.load_balancer.from_port == 8080 && aws_vpc_security_group_egress_rule.load_balancer.to_port == 8080 && aws_vpc_security_group_egress_rule.load_balancer.ip_protocol == "tcp"
    error_message = "The load balancer can reach only the replicas' API port."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.load_balancer : "${rule.cidr_ipv4} ${rule.from_port}-${rule.to_port}"]) == toset(["198.51.100.0/24 443-443", "198.51.100.0/24 80-80", "203.0.113.7/32 443-443", "203.0.113.7/32 80-80"])
    error_message = "Only the allowed networks can reach the load balancer."
  }

  assert {
    condition     = alltrue([for rule in aws_vpc_security_group_ingress_rule.load_balancer : rule.security_group_id == aws_security_group.load_balancer.id]) && aws_lb.this.security_groups == toset([aws_security_group.load_balancer.id])
    error_message = "The load balancer has these rules and no others."
  }

  assert {
    condition     = aws_ecs_service.this.network_configuration[0].security_groups == toset([aws_security_group.replicas.id]) && !aws_ecs_service.this.network_configuration[0].assign_public_ip
    error_message = "Replicas have their own security group and no public address."
  }
}

run "replica" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition = { for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.name => variable.value } == {
      ASPNETCORE_HTTP_PORTS             = "8080"
      Database__ConnectionString        = "Host=db.example.org;Port=5432;Database=allocator;Username=allocator;SSL Mode=Require"
      Database__PoolSize                = "8"
      DOTNET_EnableDiagnostics          = "0"
      DOTNET_SHUTDOWNTIMEOUTSECONDS     = "25"
      Health__Drain                     = "00:00:20"
      Kestrel__Limits__KeepAliveTimeout = "00:02:10"
      Proxies__Known__0                 = "10.20.0.0/20"
      Proxies__Known__1                 = "10.20.16.0/20"
      Telemetry__MetricsPort            = "9464"
    }
    error_message = "The settings match the rest of the deployment and contain no secret."
  }

  assert {
    condition = { for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret.name => secret.valueFrom } == {
      Database__Password        = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-1234-AbCdEf:password::"
      Admin__ApiKeys__admin     = aws_ssm_parameter.setting["Admin__ApiKeys__admin"].arn
      Enrolment__TokenHashes__0 = aws_ssm_parameter.setting["Enrolment__TokenHashes__0"].arn
    }
    error_message = "A replica gets its secrets from SSM and Secrets Manager when it starts."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].user == "10001" && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].linuxParameters.capabilities.drop == ["ALL"]
    error_message = "A replica runs as an unprivileged user with a read-only file system."
  }

  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].portMappings == [{ containerPort = 8080, hostPort = 8080, protocol = "tcp" }]
    error_message = "The container exposes only the API's port."
  }

  assert {
    condition     = aws_ecs_service.this.deployment_minimum_healthy_percent == 100 && aws_ecs_service.this.deployment_maximum_percent == 150 && aws_ecs_service.this.deployment_circuit_breaker[0].enable && aws_ecs_service.this.deployment_circuit_breaker[0].rollback
    error_message = "A deployment replaces replicas before it stops them, and rolls back on failure."
  }

  assert {
    condition     = alltrue([for parameter in aws_ssm_parameter.setting : parameter.type == "SecureString" && parameter.value_wo_version == 1])
    error_message = "Secrets are write-only, encrypted parameters."
  }
}

run "a_replica_stops_in_order" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition     = tonumber(aws_lb_target_group.this.deregistration_delay) >= 15 && tonumber(aws_lb_target_group.this.deregistration_delay) <= 20
    error_message = "Requests from the load balancer have finished when ECS stops the replica."
  }

  assert {
    condition = aws_lb_target_group.this.health_check[0].interval * aws_lb_target_group.this.health_check[0].unhealthy_threshold <= sum([for i, part in split(":", one([
      for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.value if variable.name == "Health__Drain"
    ])) : tonumber(part) * pow(60, 2 - i)])
    error_message = "The replica serves until the load balancer's checks have noticed that it is not ready."
  }

  assert {
    condition = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout > sum([for i, part in split(":", one([
      for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.value if variable.name == "Health__Drain"
      ])) : tonumber(part) * pow(60, 2 - i)]) + tonumber(one([
      for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.value if variable.name == "DOTNET_SHUTDOWNTIMEOUTSECONDS"
    ])) && jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout <= 120
    error_message = "ECS waits longer than a replica drains and finishes its requests, and at most as long as Fargate permits."
  }

  assert {
    condition     = aws_lb_target_group.this.health_check[0].timeout < aws_lb_target_group.this.health_check[0].interval
    error_message = "A check ends before the next one begins."
  }
}

run "keep_alive_is_longer_than_the_load_balancers_idle_timeout" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition = aws_lb.this.idle_timeout < sum([for i, part in split(":", one([
      for variable in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].environment : variable.value if variable.name == "Kestrel__Limits__KeepAliveTimeout"
    ])) : tonumber(part) * pow(60, 2 - i)])
    error_message = "The load balancer closes idle connections before the replicas do."
  }
}

run "roles" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement[0].Resource == [for parameter in aws_ssm_parameter.setting : parameter.arn]
    error_message = "The execution role can read the replicas' secrets."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.execution.policy).Statement[1].Resource == [var.database.password_secret_arn]
    error_message = "The execution role can read only this database's password."
  }

  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.execution.policy).Statement : statement.Resource != ["*"] || alltrue([for action in statement.Action : startswith(action, "ecr:")])])
    error_message = "The execution role has no other permissions."
  }

  assert {
    condition     = aws_iam_role_policy.execution.role == aws_iam_role.execution.id && aws_ecs_task_definition.this.task_role_arn == aws_iam_role.replica.arn
    error_message = "A running replica has a role without permissions."
  }

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.redeploy.policy).Statement : [statement.Action, statement.Resource]] == [[["ecs:UpdateService"], [aws_ecs_service.this.id]]] && aws_scheduler_schedule.redeploy.target[0].role_arn == aws_iam_role.redeploy.arn
    error_message = "The schedule may only redeploy this service."
  }
}

run "scaling" {
  module {
    source = "./modules/allocator"
  }

  assert {
    condition     = aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].target_value == 1026000
    error_message = "Replicas are added at 60 % of 57,000 polls per second and vCPU, for half a vCPU, per minute."
  }

  assert {
    condition     = aws_appautoscaling_policy.requests.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].resource_label == "app/allocator/50dc6c495c0c9188/targetgroup/allocator/73e2d6bc24d8a067"
    error_message = "Autoscaling counts the requests of this target group."
  }

  assert {
    condition     = aws_appautoscaling_policy.processor.target_tracking_scaling_policy_configuration[0].target_value == 60 && aws_appautoscaling_policy.processor.target_tracking_scaling_policy_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ECSServiceAverageCPUUtilization"
    error_message = "Replicas are also added when their processors are busy."
  }

  assert {
    condition     = aws_appautoscaling_target.replicas.min_capacity == 2 && aws_appautoscaling_target.replicas.max_capacity == 4
    error_message = "The number of replicas has the given limits."
  }

  assert {
    condition = aws_scheduler_schedule.redeploy.schedule_expression == "cron(15 3 1 * ? *)" && aws_scheduler_schedule.redeploy.target[0].arn == "arn:aws:scheduler:::aws-sdk:ecs:updateService" && jsondecode(aws_scheduler_schedule.redeploy.target[0].input) == {
      Cluster = "allocator", Service = "allocator", ForceNewDeployment = true
    }
    error_message = "Replicas restart with the database's new password."
  }
}

run "terraform_leaves_the_number_of_replicas_to_autoscaling" {
  module {
    source = "./modules/allocator"
  }

  variables {
    replicas = { min = 3, max = 4 }
  }

  assert {
    condition     = aws_ecs_service.this.desired_count == 2 && aws_appautoscaling_target.replicas.min_capacity == 3
    error_message = "The configuration changes the minimum, not the current number of replicas."
  }
}

run "an_enrolment_token_replaces_another" {
  module {
    source = "./modules/allocator"
  }

  variables {
    secret_settings = { Admin__ApiKeys__admin = 1, Enrolment__TokenHashes__0 = 1, Enrolment__TokenHashes__1 = 1 }
    secret_values = {
      Admin__ApiKeys__admin     = "1111111111111111111111111111111111111111111111111111111111111111"
      Enrolment__TokenHashes__0 = "2222222222222222222222222222222222222222222222222222222222222222"
      Enrolment__TokenHashes__1 = "3333333333333333333333333333333333333333333333333333333333333333"
    }
  }

  assert {
    condition     = length([for secret in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].secrets : secret if startswith(secret.name, "Enrolment__TokenHashes__")]) == 2
    error_message = "Replicas accept both tokens during a rotation."
  }

  assert {
    condition     = jsondecode(jsondecode(aws_ecs_task_definition.this.container_definitions)[0].dockerLabels.secrets) == { Admin__ApiKeys__admin = 1, Enrolment__TokenHashes__0 = 1, Enrolment__TokenHashes__1 = 1 }
    error_message = "The task definition changes with the numbers, so that replicas restart."
  }
}

run "internal_and_without_tls" {
  module {
    source = "./modules/allocator"
  }

  variables {
    internal   = true
    domain     = null
    disposable = true
  }

  assert {
    condition     = aws_lb.this.internal && length(aws_lb_listener.https) == 0 && aws_lb_listener.http.default_action[0].type == "forward" && !aws_lb.this.enable_deletion_protection
    error_message = "HTTP is served within the VPC."
  }

  assert {
    condition     = output.url == "http://allocator-1234567890.eu-central-1.elb.amazonaws.com"
    error_message = "The address uses the load balancer's own name."
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.load_balancer : rule.from_port]) == toset([80])
    error_message = "No port is open without a listener."
  }
}

run "refuses_an_image_without_version" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    image = "registry.example.org/allocator"
  }

  expect_failures = [var.image]
}

run "refuses_latest" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    image = "registry.example.org/allocator:latest"
  }

  expect_failures = [var.image]
}

run "refuses_one_subnet_of_the_load_balancer" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    load_balancer_subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.load_balancer_subnet_ids]
}

run "refuses_no_subnet_of_replicas" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    replica_subnet_ids = []
  }

  expect_failures = [var.replica_subnet_ids]
}

run "refuses_no_allowed_network" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    allowed_cidrs = {}
  }

  expect_failures = [var.allowed_cidrs]
}

run "refuses_an_address_that_is_no_network" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    allowed_cidrs = { all = "everybody" }
  }

  expect_failures = [var.allowed_cidrs]
}

run "refuses_an_unqualified_name" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    domain = { name = "allocator", zone_id = "Z1" }
  }

  expect_failures = [var.domain]
}

run "refuses_another_processor" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    architecture = "amd64"
  }

  expect_failures = [var.architecture]
}

run "refuses_memory_that_fargate_does_not_offer" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    cpu    = 256
    memory = 4096
  }

  expect_failures = [var.memory]
}

run "refuses_no_replica" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    replicas               = { min = 0, max = 2 }
    deployment_max_percent = 200
  }

  expect_failures = [var.replicas]
}

run "refuses_a_maximum_below_the_minimum" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    replicas = { min = 3, max = 2 }
  }

  expect_failures = [var.replicas]
}

run "refuses_a_deployment_without_room" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    replicas = { min = 1, max = 2 }
  }

  expect_failures = [var.deployment_max_percent]
}

run "refuses_half_a_connection" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    pool_size = 1
  }

  expect_failures = [var.pool_size]
}

run "refuses_secrets_in_settings" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    settings = { Database__Password = "x" }
  }

  expect_failures = [var.settings]
}

run "refuses_settings_of_the_deployment" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    settings = { Kestrel__Limits__KeepAliveTimeout = "00:00:30" }
  }

  expect_failures = [var.settings]
}

run "refuses_another_drain" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    settings = { Health__Drain = "00:00:05" }
  }

  expect_failures = [var.settings]
}

run "refuses_no_admin" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    secret_settings = { Enrolment__TokenHashes__0 = 1 }
  }

  expect_failures = [var.secret_settings]
}

run "refuses_no_enrolment_token" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    secret_settings = { Admin__ApiKeys__admin = 1 }
  }

  expect_failures = [var.secret_settings]
}

run "refuses_version_zero" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    secret_settings = { Admin__ApiKeys__admin = 0, Enrolment__TokenHashes__0 = 1 }
  }

  expect_failures = [var.secret_settings]
}

run "refuses_a_secret_without_value" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    secret_values = { Admin__ApiKeys__admin = "1111111111111111111111111111111111111111111111111111111111111111" }
  }

  expect_failures = [var.secret_values]
}

run "refuses_a_token_in_place_of_its_hash" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    secret_values = { Admin__ApiKeys__admin = "1111111111111111111111111111111111111111111111111111111111111111", Enrolment__TokenHashes__0 = "n0t-a-hash" }
  }

  expect_failures = [var.secret_values]
}

run "refuses_a_rate_that_was_not_measured" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    polls_per_second_per_vcpu = 1
  }

  expect_failures = [var.polls_per_second_per_vcpu]
}

run "refuses_an_idle_timeout_longer_than_keep_alive" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    idle_timeout = 130
  }

  expect_failures = [var.idle_timeout]
}

run "refuses_logs_for_eight_days" {
  module {
    source = "./modules/allocator"
  }
  command = plan

  variables {
    log_days = 8
  }

  expect_failures = [var.log_days]
}
