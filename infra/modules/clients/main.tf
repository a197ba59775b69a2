data "aws_region" "current" {}

data "aws_partition" "current" {}

data "aws_caller_identity" "current" {}

data "aws_ssm_parameter" "ubuntu" {
  count = var.image_id == null ? 1 : 0

  name = "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id"
}

locals {
  region    = data.aws_region.current.name
  partition = data.aws_partition.current.partition
  image_id  = var.image_id != null ? var.image_id : nonsensitive(data.aws_ssm_parameter.ubuntu[0].value)

  # By name, so that adding or removing a VM does not move the others.
  subnet_ids = {
    for hostname, vm in var.vms : hostname => coalesce(vm.subnet_id, var.subnet_ids[parseint(substr(sha256(hostname), 0, 6), 16) % length(var.subnet_ids)])
  }
  token_file = "/etc/allocator/enrolment-token"
  parameters = { for hostname in keys(var.vms) : hostname => "/${var.name}/vms/${hostname}/enrolment-token" }

  # In the order in which cloud-init applies them: files, then commands.
  user_data = {
    for hostname, vm in var.vms : hostname => join("\n", ["#cloud-config", yamlencode({
      preserve_hostname = false
      hostname          = hostname
      # Session Manager is the only way to log on.
      ssh_pwauth     = false
      disable_root   = true
      package_update = true
      write_files = [
        {
          path        = "/usr/local/lib/allocator/aws"
          permissions = "0755"
          content     = file("${path.module}/files/aws.sh")
        },
        {
          path        = "/etc/allocator/client.json"
          permissions = "0644"
          content = jsonencode(merge(
            {
              Url                = var.url
              Hostname           = hostname
              EnrolmentTokenFile = local.token_file
              Hooks              = { Assigned = var.hooks.assigned, Released = var.hooks.released }
            },
            vm.pool == null ? {} : { Pool = vm.pool },
          ))
        },
        # Before each start, as root: a failed download is tried again at the next start.
        {
          path        = "/etc/systemd/system/allocator.service.d/enrolment-token.conf"
          permissions = "0644"
          content     = "[Service]\nExecStartPre=+/usr/local/lib/allocator/aws save ${local.region} ${local.parameters[hostname]} ${local.token_file}\n"
        },
      ]
      runcmd = [
        ["/usr/local/lib/allocator/aws", "install", local.region, var.package.bucket, var.package.key, var.package.sha256],
        ["systemctl", "enable", "--now", "allocator.service"],
      ]
    })])
  }
}

resource "aws_security_group" "this" {
  name_prefix            = "${var.name}-vms-"
  description            = "VMs of ${var.name}"
  vpc_id                 = var.vpc_id
  revoke_rules_on_delete = true

  tags = { Name = "${var.name}-vms" }

  lifecycle {
    create_before_destroy = true
  }
}

# No inbound access: a VM polls, and people reach it through a remote desktop that it opens itself.
resource "aws_vpc_security_group_egress_rule" "this" {
  security_group_id = aws_security_group.this.id
  description       = "Out"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

# Write-only: in no plan and no state. A new token is sent for a new generation.
resource "aws_ssm_parameter" "enrolment_token" {
  for_each = var.vms

  name             = local.parameters[each.key]
  description      = "Lets ${each.key} enrol"
  type             = "SecureString"
  value_wo         = try(var.enrolment_tokens[each.key], var.enrolment_token)
  value_wo_version = each.value.generation
}

# One role for each VM: a user of a VM can act as its role, and must not be able to read another VM's parameter.
# (AWS's managed policy AmazonSSMManagedInstanceCore would let every VM read every parameter.)
resource "aws_iam_role" "vm" {
  for_each = var.vms

  name_prefix = substr("${var.name}-vm-", 0, 38)
  description = "The VM ${each.key} of ${var.name}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "ec2.amazonaws.com" } }]
  })

  tags = { Name = "${var.name}-${each.key}" }
}

resource "aws_iam_role_policy" "vm" {
  for_each = var.vms

  name = "vm"
  role = aws_iam_role.vm[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "OwnEnrolmentToken"
        Effect   = "Allow"
        Action   = ["ssm:GetParameter"]
        Resource = ["arn:${local.partition}:ssm:${local.region}:${data.aws_caller_identity.current.account_id}:parameter${local.parameters[each.key]}"]
      },
      {
        Sid      = "Client"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["arn:${local.partition}:s3:::${var.package.bucket}/${var.package.key}"]
      },
      # Session Manager, in place of SSH; none of these actions can be restricted, and none reads a parameter.
      {
        Sid    = "Sessions"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = ["*"]
      },
    ]
  })
}

resource "aws_iam_instance_profile" "vm" {
  for_each = var.vms

  name_prefix = substr("${var.name}-vm-", 0, 38)
  role        = aws_iam_role.vm[each.key].name
}

resource "aws_launch_template" "this" {
  name_prefix            = "${var.name}-vm-"
  description            = "VMs of ${var.name}"
  image_id               = local.image_id
  instance_type          = var.instance_type
  vpc_security_group_ids = [aws_security_group.this.id]
  update_default_version = true

  # Only version 2 of the metadata service, which requires a token, and only from the VM itself: a container or a proxy
  # on the VM is one hop further.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }

  block_device_mappings {
    device_name = "/dev/sda1"

    ebs {
      volume_size           = var.disk
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  dynamic "instance_market_options" {
    for_each = var.spot ? [1] : []

    content {
      market_type = "spot"
    }
  }
}

# Only a change of this replaces a VM.
resource "terraform_data" "generation" {
  for_each = var.vms

  input = each.value.generation
}

resource "aws_instance" "vm" {
  for_each = var.vms

  ami                  = each.value.image_id
  instance_type        = each.value.instance_type
  subnet_id            = local.subnet_ids[each.key]
  iam_instance_profile = aws_iam_instance_profile.vm[each.key].name
  user_data            = local.user_data[each.key]

  launch_template {
    id      = aws_launch_template.this.id
    version = "$Latest"
  }

  tags = {
    Name = each.key
    Pool = each.value.pool
  }

  lifecycle {
    # A person may be using the VM: changes that would replace or stop it wait until its generation increases.
    ignore_changes       = [ami, instance_type, subnet_id, user_data, launch_template, iam_instance_profile]
    replace_triggered_by = [terraform_data.generation[each.key]]

    precondition {
      condition     = length(local.user_data[each.key]) <= 16384
      error_message = "EC2 limits user data to 16 KiB; the hooks' arguments are too long."
    }
  }

  depends_on = [aws_iam_role_policy.vm, aws_ssm_parameter.enrolment_token]
}
