resource "aws_security_group" "load_balancer" {
  name_prefix            = "${var.name}-load-balancer-"
  description            = "The load balancer of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-load-balancer" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "load_balancer" {
  for_each = merge([
    for name, cidr in var.allowed_cidrs : { for port in local.tls ? [443, 80] : [80] : "${name} ${port}" => { cidr = cidr, port = port } }
  ]...)

  security_group_id = aws_security_group.load_balancer.id
  description       = "People and VMs"
  cidr_ipv4         = each.value.cidr
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
}

resource "aws_vpc_security_group_egress_rule" "load_balancer" {
  security_group_id            = aws_security_group.load_balancer.id
  description                  = "Replicas"
  referenced_security_group_id = aws_security_group.replicas.id
  ip_protocol                  = "tcp"
  from_port                    = local.port
  to_port                      = local.port
}

resource "aws_lb" "this" {
  name               = var.name
  load_balancer_type = "application"
  internal           = var.internal
  subnets            = var.load_balancer_subnet_ids
  security_groups    = [aws_security_group.load_balancer.id]

  idle_timeout               = var.idle_timeout
  drop_invalid_header_fields = true
  desync_mitigation_mode     = "defensive"
  enable_deletion_protection = !var.disposable

  dynamic "access_logs" {
    for_each = var.access_logs_bucket == null ? [] : [var.access_logs_bucket]

    content {
      bucket  = access_logs.value
      prefix  = var.name
      enabled = true
    }
  }
}

resource "aws_lb_target_group" "this" {
  name        = var.name
  vpc_id      = var.vpc_id
  target_type = "ip"
  protocol    = "HTTP"
  port        = local.port

  # All polls cost the same; replicas differ only in how busy they are.
  load_balancing_algorithm_type = "least_outstanding_requests"
  # Requests take milliseconds. ECS waits for this before it stops a replica.
  deregistration_delay = local.deregistration_delay

  # The check only asks whether the process serves polls. If it depended on the database, a failover would remove every
  # replica at once, although all of them can answer from memory.
  health_check {
    path                = "/health/ready"
    matcher             = "200"
    interval            = local.health_check.interval
    timeout             = local.health_check.timeout
    healthy_threshold   = 2
    unhealthy_threshold = local.health_check.unhealthy_threshold
  }
}

resource "aws_lb_listener" "https" {
  count = local.tls ? 1 : 0

  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTPS"
  port              = 443
  ssl_policy        = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn   = local.certificate_arn

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.this.arn
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  protocol          = "HTTP"
  port              = 80

  # With HTTPS, nothing is served here. A load balancer can redirect only with 301 and 302, which turn a POST into a GET;
  # so everything is refused with an explanation, except the address that a person types into a browser.
  default_action {
    type             = local.tls ? "fixed-response" : "forward"
    target_group_arn = local.tls ? null : aws_lb_target_group.this.arn

    dynamic "fixed_response" {
      for_each = local.tls ? [1] : []

      content {
        status_code  = "426"
        content_type = "text/plain"
        message_body = "Here is nothing but HTTPS: ask for https:// instead. A token that was sent has gone over the network in clear."
      }
    }
  }
}

resource "aws_lb_listener_rule" "browsers" {
  count = local.tls ? 1 : 0

  listener_arn = aws_lb_listener.http.arn
  priority     = 1

  condition {
    path_pattern {
      values = ["/"]
    }
  }

  condition {
    http_request_method {
      values = ["GET", "HEAD"]
    }
  }

  action {
    type = "redirect"

    redirect {
      protocol    = "HTTPS"
      port        = "443"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_acm_certificate" "this" {
  count = var.domain != null && var.certificate_arn == null ? 1 : 0

  domain_name       = var.domain.name
  validation_method = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_route53_record" "validation" {
  count = length(aws_acm_certificate.this)

  zone_id         = var.domain.zone_id
  name            = one(aws_acm_certificate.this[0].domain_validation_options).resource_record_name
  type            = one(aws_acm_certificate.this[0].domain_validation_options).resource_record_type
  records         = [one(aws_acm_certificate.this[0].domain_validation_options).resource_record_value]
  ttl             = 60
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "this" {
  count = length(aws_acm_certificate.this)

  certificate_arn         = aws_acm_certificate.this[0].arn
  validation_record_fqdns = aws_route53_record.validation[*].fqdn
}

resource "aws_route53_record" "this" {
  count = var.domain == null ? 0 : 1

  zone_id = var.domain.zone_id
  name    = var.domain.name
  type    = "A"

  alias {
    name                   = aws_lb.this.dns_name
    zone_id                = aws_lb.this.zone_id
    evaluate_target_health = false
  }
}
