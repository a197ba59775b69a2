locals {
  major  = split(".", var.engine_version)[0]
  memory = data.aws_ec2_instance_type.this.memory_size * 1024 * 1024
}

# RDS has no API for the memory of a class; the classes are those of EC2 with the prefix 'db.'.
data "aws_ec2_instance_type" "this" {
  instance_type = trimprefix(var.instance_class, "db.")
}

resource "aws_security_group" "this" {
  name_prefix            = "${var.name}-database-"
  description            = "The database of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-database" }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_vpc_security_group_ingress_rule" "replicas" {
  security_group_id            = aws_security_group.this.id
  description                  = "Replicas"
  referenced_security_group_id = var.replica_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_subnet_group" "this" {
  name_prefix = "${var.name}-"
  description = "The database of ${var.name}"
  subnet_ids  = var.subnet_ids
}

resource "aws_db_parameter_group" "this" {
  name_prefix = "${var.name}-postgres${local.major}-"
  description = "The database of ${var.name}"
  family      = "postgres${local.major}"

  parameter {
    name         = "max_connections"
    value        = var.max_connections
    apply_method = "pending-reboot"
  }

  parameter {
    name  = "rds.force_ssl"
    value = "1"
  }

  # Milliseconds. A replica ends its own statements after Database:CommandTimeout; these two are for other clients.
  # Ten minutes, because that is how long replicas wait for each other's migrations, in a transaction that is idle.
  parameter {
    name  = "idle_in_transaction_session_timeout"
    value = "600000"
  }

  parameter {
    name  = "statement_timeout"
    value = "600000"
  }

  lifecycle {
    create_before_destroy = true
  }
}

# The time in the final snapshot's name, which must not change with every plan.
resource "terraform_data" "made" {
  input = formatdate("YYYYMMDDhhmmss", timestamp())

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_db_instance" "this" {
  identifier     = var.name
  engine         = "postgres"
  engine_version = var.engine_version
  instance_class = var.instance_class
  db_name        = var.restore_snapshot == null ? "allocator" : null
  username       = var.restore_snapshot == null ? "allocator" : null
  port           = 5432

  # RDS creates and stores it in Secrets Manager: neither the configuration nor the state contains it.
  manage_master_user_password = true

  snapshot_identifier = var.restore_snapshot

  allocated_storage     = var.storage.initial
  max_allocated_storage = var.storage.most
  storage_type          = "gp3"
  storage_encrypted     = true

  multi_az               = var.multi_az
  db_subnet_group_name   = aws_db_subnet_group.this.name
  vpc_security_group_ids = [aws_security_group.this.id]
  publicly_accessible    = false
  parameter_group_name   = aws_db_parameter_group.this.name

  # Days and times are UTC.
  backup_retention_period  = var.backup_days
  backup_window            = "00:30-01:30"
  maintenance_window       = "sun:04:30-sun:05:30"
  copy_tags_to_snapshot    = true
  delete_automated_backups = var.disposable

  deletion_protection       = !var.disposable
  skip_final_snapshot       = var.disposable
  final_snapshot_identifier = var.disposable ? null : "${var.name}-final-${terraform_data.made.output}"

  auto_minor_version_upgrade      = true
  enabled_cloudwatch_logs_exports = ["postgresql"]
  apply_immediately               = false

  lifecycle {
    # The snapshot in the configuration is used once, and must not replace a database that has changed since.
    ignore_changes = [snapshot_identifier, db_name, username]

    precondition {
      condition     = var.max_connections <= floor(local.memory / 9531392)
      error_message = "${var.instance_class} has memory for ${floor(local.memory / 9531392)} connections (memory / 9,531,392 bytes, RDS's own measure): lower max_connections, or choose a larger class."
    }
  }
}

# By default RDS changes the password every seven days at an arbitrary time. Replicas get it only when they start, so the
# time must be known: the redeployment in the module 'allocator' follows it.
resource "aws_secretsmanager_secret_rotation" "password" {
  secret_id          = aws_db_instance.this.master_user_secret[0].secret_arn
  rotate_immediately = false

  rotation_rules {
    schedule_expression = "cron(0 ${var.password_rotation.hour} 1 * ? *)"
    duration            = "1h"
  }
}
