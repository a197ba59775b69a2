# Hashes of the secrets of admins and VMs. Write-only: the values are in no plan and no state, and are sent to SSM
# only when the setting's number increases.
resource "aws_ssm_parameter" "setting" {
  for_each = var.secret_settings

  name             = "/${var.name}/api/${each.key}"
  description      = "A setting of the replicas of ${var.name}"
  type             = "SecureString"
  value_wo         = var.secret_values[each.key]
  value_wo_version = each.value
}

locals {
  tasks_may_assume = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ecs-tasks.amazonaws.com" } }]
  })
}

# The execution role, which starts a replica: it pulls the image, reads the secrets and writes the log.
resource "aws_iam_role" "execution" {
  name_prefix        = "${var.name}-execution-"
  description        = "Starts replicas of ${var.name}"
  assume_role_policy = local.tasks_may_assume
}

resource "aws_iam_role_policy" "execution" {
  name = "start"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Secrets"
        Effect   = "Allow"
        Action   = ["ssm:GetParameters"]
        Resource = [for parameter in aws_ssm_parameter.setting : parameter.arn]
      },
      {
        Sid      = "Password"
        Effect   = "Allow"
        Action   = ["secretsmanager:GetSecretValue"]
        Resource = [var.database.password_secret_arn]
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
      },
      # Images in ECR; the repository's policy restricts which ones.
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:GetAuthorizationToken", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer", "ecr:BatchGetImage"]
        Resource = ["*"]
      },
    ]
  })
}

# The role of a running replica has no permissions in AWS.
resource "aws_iam_role" "replica" {
  name_prefix        = "${var.name}-replica-"
  description        = "Replicas of ${var.name}"
  assume_role_policy = local.tasks_may_assume
}
