mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name                      = "allocator"
  vpc_id                    = "vpc-1"
  subnet_ids                = ["subnet-1", "subnet-2"]
  replica_security_group_id = "sg-replicas"
}

run "a_permanent_database" {
  module {
    source = "./modules/database"
  }

  assert {
    condition     = aws_db_instance.this.manage_master_user_password == true && aws_db_instance.this.password == null
    error_message = "Only RDS stores the password."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted
    error_message = "The storage is encrypted."
  }

  assert {
    condition     = aws_db_instance.this.multi_az
    error_message = "There is a standby."
  }

  assert {
    condition     = aws_db_instance.this.deletion_protection && !aws_db_instance.this.skip_final_snapshot && startswith(aws_db_instance.this.final_snapshot_identifier, "allocator-final-")
    error_message = "The database is protected, and destroying it makes a final snapshot."
  }

  assert {
    condition     = aws_db_instance.this.backup_retention_period == 14
    error_message = "Backups are kept for 14 days."
  }

  assert {
    condition     = !aws_db_instance.this.publicly_accessible
    error_message = "The database has no public address."
  }

  assert {
    condition     = aws_db_instance.this.vpc_security_group_ids == toset([aws_security_group.this.id])
    error_message = "The instance has only the database's security group."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.replicas.referenced_security_group_id == "sg-replicas" && aws_vpc_security_group_ingress_rule.replicas.security_group_id == aws_security_group.this.id
    error_message = "Replicas can reach the database."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.replicas.from_port == 5432 && aws_vpc_security_group_ingress_rule.replicas.to_port == 5432 && aws_vpc_security_group_ingress_rule.replicas.ip_protocol == "tcp" && aws_vpc_security_group_ingress_rule.replicas.cidr_ipv4 == null
    error_message = "Replicas can reach only PostgreSQL's port, and no network can reach it."
  }

  assert {
    condition = { for parameter in aws_db_parameter_group.this.parameter : parameter.name => parameter.value } == {
      max_connections                     = "100"
      "rds.force_ssl"                     = "1"
      idle_in_transaction_session_timeout = "600000"
      statement_timeout                   = "600000"
    }
    error_message = "The parameters are those that docs/scaling.md and the replicas assume; TLS is required."
  }

  assert {
    condition     = aws_db_instance.this.parameter_group_name == aws_db_parameter_group.this.name && aws_db_instance.this.db_subnet_group_name == aws_db_subnet_group.this.name && aws_db_subnet_group.this.subnet_ids == toset(["subnet-1", "subnet-2"])
    error_message = "The database has these parameters and is in its subnets."
  }

  assert {
    condition     = output.max_connections == 100
    error_message = "The output max_connections is that of the parameter group."
  }

  assert {
    condition     = aws_secretsmanager_secret_rotation.password.rotation_rules[0].schedule_expression == "cron(0 2 1 * ? *)" && aws_secretsmanager_secret_rotation.password.rotation_rules[0].duration == "1h" && !aws_secretsmanager_secret_rotation.password.rotate_immediately
    error_message = "The password changes in a scheduled hour of the month, not when Terraform is applied."
  }

  assert {
    condition     = output.redeploy_schedule == "cron(15 3 1 * ? *)"
    error_message = "Replicas are redeployed after the hour in which the password changes."
  }
}

run "a_disposable_database" {
  state_key = "a_disposable_database"

  module {
    source = "./modules/database"
  }

  variables {
    disposable = true
    multi_az   = false
  }

  assert {
    condition     = !aws_db_instance.this.deletion_protection && aws_db_instance.this.skip_final_snapshot && aws_db_instance.this.final_snapshot_identifier == null
    error_message = "A disposable database can be destroyed."
  }

  assert {
    condition     = aws_db_instance.this.storage_encrypted && !aws_db_instance.this.publicly_accessible
    error_message = "A disposable database is otherwise as secure as any other."
  }
}

run "a_database_from_a_snapshot" {
  state_key = "a_database_from_a_snapshot"

  module {
    source = "./modules/database"
  }

  variables {
    restore_snapshot = "allocator-final-20260101"
  }

  assert {
    condition     = aws_db_instance.this.snapshot_identifier == "allocator-final-20260101" && aws_db_instance.this.manage_master_user_password == true
    error_message = "The database is created from the snapshot, and RDS manages its password."
  }
}

run "refuses_one_subnet" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    subnet_ids = ["subnet-1"]
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_an_old_postgresql" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    engine_version = "14.9"
  }

  expect_failures = [var.engine_version]
}

run "refuses_an_invalid_class" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    instance_class = "t4g.small"
  }

  expect_failures = [var.instance_class]
}

run "refuses_more_connections_than_postgresql_has" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    max_connections = 6000
  }

  expect_failures = [var.max_connections]
}

run "refuses_more_connections_than_the_class_has_memory_for" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    max_connections = 300
  }

  expect_failures = [aws_db_instance.this]
}

run "refuses_storage_that_cannot_grow" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    storage = { initial = 100, most = 105 }
  }

  expect_failures = [var.storage]
}

run "refuses_to_go_without_backups" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    backup_days = 0
  }

  expect_failures = [var.backup_days]
}

run "refuses_a_rotation_that_ends_on_another_day" {
  module {
    source = "./modules/database"
  }
  command = plan

  variables {
    password_rotation = { hour = 23 }
  }

  expect_failures = [var.password_rotation]
}
