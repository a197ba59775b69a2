mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name       = "allocator"
  vpc_id     = "vpc-1"
  subnet_ids = ["subnet-1", "subnet-2", "subnet-3"]
  url        = "https://allocator.example.org"
  package = {
    bucket = "example-artefacts"
    key    = "allocator/allocator_1.2.0_amd64.deb"
    sha256 = "4444444444444444444444444444444444444444444444444444444444444444"
  }
  vms              = { vm-1 = {}, vm-2 = { pool = "gpu", instance_type = "g4dn.xlarge" } }
  enrolment_token  = "t0ken-of-the-deployment"
  enrolment_tokens = { vm-2 = "t0ken-of-vm-2" }
  hooks            = { assigned = ["/opt/workshop/assigned"], released = ["/opt/workshop/released"] }
}

run "vms" {
  module {
    source = "./modules/clients"
  }

  assert {
    condition     = aws_launch_template.this.metadata_options[0].http_tokens == "required" && aws_launch_template.this.metadata_options[0].http_put_response_hop_limit == 1 && aws_launch_template.this.metadata_options[0].http_endpoint == "enabled"
    error_message = "The metadata service requires a token, and answers only the VM itself."
  }

  assert {
    condition     = aws_launch_template.this.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "Disks are encrypted."
  }

  assert {
    condition     = aws_launch_template.this.key_name == null && aws_launch_template.this.vpc_security_group_ids == toset([aws_security_group.this.id])
    error_message = "There is no SSH key, and one security group."
  }

  assert {
    condition     = length(aws_launch_template.this.instance_market_options) == 0
    error_message = "VMs are on demand by default."
  }

  assert {
    condition     = aws_launch_template.this.image_id == "ami-0123456789abcdef0"
    error_message = "The default image is Ubuntu."
  }

  assert {
    condition     = aws_instance.vm["vm-2"].instance_type == "g4dn.xlarge" && aws_instance.vm["vm-2"].tags.Pool == "gpu" && aws_launch_template.this.instance_type == "t3.medium"
    error_message = "A VM can override the defaults."
  }

  # The function that renders the user data has no other place for a secret.
  assert {
    condition     = alltrue([for vm in aws_instance.vm : !strcontains(vm.user_data, "t0ken")])
    error_message = "No enrolment token is in user data."
  }

  assert {
    condition     = alltrue([for parameter in aws_ssm_parameter.enrolment_token : parameter.type == "SecureString" && parameter.value_wo_version == 1])
    error_message = "Enrolment tokens are write-only, encrypted parameters."
  }

  assert {
    condition = jsondecode(one([for file in yamldecode(aws_instance.vm["vm-2"].user_data).write_files : file.content if file.path == "/etc/allocator/client.json"])) == {
      Url                = "https://allocator.example.org"
      Hostname           = "vm-2"
      Pool               = "gpu"
      EnrolmentTokenFile = "/etc/allocator/enrolment-token"
      Hooks              = { Assigned = ["/opt/workshop/assigned"], Released = ["/opt/workshop/released"] }
    }
    error_message = "The client has the allocator's address, its host name and the location of its token."
  }

  assert {
    condition     = strcontains(aws_instance.vm["vm-2"].user_data, "ExecStartPre=+/usr/local/lib/allocator/aws save eu-central-1 /allocator/vms/vm-2/enrolment-token /etc/allocator/enrolment-token")
    error_message = "The client's token is fetched before it starts."
  }

  assert {
    condition     = yamldecode(aws_instance.vm["vm-1"].user_data).runcmd[0] == ["/usr/local/lib/allocator/aws", "install", "eu-central-1", "example-artefacts", "allocator/allocator_1.2.0_amd64.deb", "4444444444444444444444444444444444444444444444444444444444444444"]
    error_message = "The client's package is checked against its SHA-256."
  }

  assert {
    condition     = yamldecode(aws_instance.vm["vm-1"].user_data).runcmd[1] == ["systemctl", "enable", "--now", "allocator.service"]
    error_message = "The client is started now and after each boot."
  }

  assert {
    condition     = yamldecode(aws_instance.vm["vm-1"].user_data).ssh_pwauth == false && yamldecode(aws_instance.vm["vm-1"].user_data).disable_root == true
    error_message = "There is no login with a password or as root."
  }
}

run "each_vm_has_a_role_of_its_own" {
  module {
    source = "./modules/clients"
  }

  assert {
    condition = alltrue([
      for hostname in ["vm-1", "vm-2"] : jsondecode(aws_iam_role_policy.vm[hostname].policy).Statement[0].Action == ["ssm:GetParameter"] &&
      jsondecode(aws_iam_role_policy.vm[hostname].policy).Statement[0].Resource == ["arn:aws:ssm:eu-central-1:123456789012:parameter/allocator/vms/${hostname}/enrolment-token"]
    ])
    error_message = "A VM reads its own parameter."
  }

  assert {
    condition = alltrue(flatten([
      for policy in aws_iam_role_policy.vm : [
        for statement in jsondecode(policy.policy).Statement : statement.Resource != ["*"] || alltrue([for action in statement.Action : !can(regex("(?i)^ssm:(Get|\\*)|^s3:|^\\*", action))])
      ]
    ]))
    error_message = "A VM cannot read the parameter of another VM."
  }

  assert {
    condition     = jsondecode(aws_iam_role_policy.vm["vm-1"].policy).Statement[1].Resource == ["arn:aws:s3:::example-artefacts/allocator/allocator_1.2.0_amd64.deb"]
    error_message = "A VM can download only the client's package."
  }

  assert {
    condition = length(distinct([for profile in aws_iam_instance_profile.vm : profile.id])) == 2 && alltrue([
      for hostname, vm in aws_instance.vm : vm.iam_instance_profile == aws_iam_instance_profile.vm[hostname].name && aws_iam_instance_profile.vm[hostname].role == aws_iam_role.vm[hostname].name && aws_iam_role_policy.vm[hostname].role == aws_iam_role.vm[hostname].id
    ])
    error_message = "Each VM has its own role."
  }
}

run "one_more_vm" {
  module {
    source = "./modules/clients"
  }

  variables {
    vms = { vm-0 = {}, vm-1 = {}, vm-2 = { pool = "gpu", instance_type = "g4dn.xlarge" } }
  }

  assert {
    condition     = output.vms["vm-1"].instance_id == run.vms.vms["vm-1"].instance_id && output.vms["vm-2"].instance_id == run.vms.vms["vm-2"].instance_id
    error_message = "The other VMs do not change."
  }
}

run "another_image_and_other_defaults" {
  module {
    source = "./modules/clients"
  }

  variables {
    vms           = { vm-0 = {}, vm-1 = {}, vm-2 = { pool = "gpu", instance_type = "g5.xlarge", image_id = "ami-0123456789abcdef9" } }
    image_id      = "ami-0fedcba9876543210"
    instance_type = "t3.large"
    subnet_ids    = ["subnet-9"]
    hooks         = { assigned = ["/opt/workshop/other"] }
  }

  assert {
    condition     = { for hostname, vm in output.vms : hostname => vm.instance_id } == { for hostname, vm in run.one_more_vm.vms : hostname => vm.instance_id }
    error_message = "No existing VM is replaced."
  }

  assert {
    condition     = aws_instance.vm["vm-2"].instance_type == "g4dn.xlarge"
    error_message = "No existing VM is stopped to change its size."
  }

  # A mocked provider never replaces resources: changes that would replace a VM must not reach it.
  assert {
    condition     = aws_instance.vm["vm-2"].ami != "ami-0123456789abcdef9" && alltrue([for vm in aws_instance.vm : vm.subnet_id != "subnet-9" && !strcontains(vm.user_data, "/opt/workshop/other")])
    error_message = "Another image, network or hook does not change an existing VM."
  }
}

run "a_higher_generation" {
  module {
    source = "./modules/clients"
  }

  variables {
    vms           = { vm-0 = {}, vm-1 = {}, vm-2 = { pool = "gpu", instance_type = "g5.xlarge", generation = 2 } }
    image_id      = "ami-0fedcba9876543210"
    instance_type = "t3.large"
    subnet_ids    = ["subnet-9"]
    hooks         = { assigned = ["/opt/workshop/other"] }
  }

  assert {
    condition     = output.vms["vm-2"].instance_id != run.one_more_vm.vms["vm-2"].instance_id && aws_instance.vm["vm-2"].instance_type == "g5.xlarge" && strcontains(aws_instance.vm["vm-2"].user_data, "/opt/workshop/other")
    error_message = "A VM with a higher generation is replaced, with the current configuration."
  }

  assert {
    condition     = output.vms["vm-1"].instance_id == run.one_more_vm.vms["vm-1"].instance_id && output.vms["vm-0"].instance_id == run.one_more_vm.vms["vm-0"].instance_id
    error_message = "The other VMs do not change."
  }

  assert {
    condition     = aws_ssm_parameter.enrolment_token["vm-2"].value_wo_version == 2 && aws_ssm_parameter.enrolment_token["vm-1"].value_wo_version == 1
    error_message = "The replaced VM gets another enrolment token."
  }
}

run "spot" {
  module {
    source = "./modules/clients"
  }
  state_key = "spot"

  variables {
    spot = true
  }

  assert {
    condition     = aws_launch_template.this.instance_market_options[0].market_type == "spot"
    error_message = "The VMs are spot instances."
  }
}

run "refuses_a_name_with_dots" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    vms = { "vm-1.example.org" = {} }
  }

  expect_failures = [var.vms]
}

run "refuses_half_a_generation" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    vms = { vm-1 = { generation = 0.5 } }
  }

  expect_failures = [var.vms]
}

run "refuses_no_subnet" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    subnet_ids = []
  }

  expect_failures = [var.subnet_ids]
}

run "refuses_an_invalid_image" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    image_id = "ubuntu"
  }

  expect_failures = [var.image_id]
}

run "refuses_an_address_with_a_path" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    url = "https://example.org/allocator"
  }

  expect_failures = [var.url]
}

run "refuses_a_package_without_its_hash" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    package = { bucket = "example-artefacts", key = "allocator.deb", sha256 = "unknown" }
  }

  expect_failures = [var.package]
}

run "refuses_an_invalid_package" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    package = { bucket = "example-artefacts", key = "allocator.zip", sha256 = "4444444444444444444444444444444444444444444444444444444444444444" }
  }

  expect_failures = [var.package]
}

run "refuses_a_vm_without_token" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    enrolment_token = null
  }

  expect_failures = [var.enrolment_tokens]
}

run "refuses_a_token_with_blanks" {
  module {
    source = "./modules/clients"
  }
  command   = plan
  state_key = "refusals"

  variables {
    enrolment_token = "key: abc"
  }

  expect_failures = [var.enrolment_tokens]
}
