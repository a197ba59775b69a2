"""Prepares the emulated AWS for the examples, and checks what they created there.

    aws.py prepare DEB              the zone, the bucket with the package, two machine images; prints them as JSON
    aws.py read-back EXPECTED       checks the resources of examples/complete against a file of expectations
    aws.py read-back-minimal        checks the resources of examples/minimal
    aws.py inventory                prints all resources, one per line
    aws.py restore NAME             replaces a deployment's database with a copy
    aws.py drop DATABASE            deletes a database without a final snapshot
    aws.py unprotect NAME           removes the protection of a deployment's database and load balancer
"""

import base64
import json
import sys
from datetime import datetime

import boto3

REGION = "eu-central-1"
checks = 0


def client(service):
    return boto3.client(service, region_name=REGION)


def check(what, found, expected=True):
    global checks
    checks += 1
    if found != expected:
        sys.exit(f"failed  {what}\n        found    {found!r}\n        expected {expected!r}")
    print(f"passed  {what}")


def prepare(package):
    zone = client("route53").create_hosted_zone(Name="example.org", CallerReference=str(datetime.now()))
    s3 = client("s3")
    s3.create_bucket(Bucket="example-artefacts", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.upload_file(package, "example-artefacts", "allocator/allocator_1.2.0_amd64.deb")
    images = sorted(image["ImageId"] for image in client("ec2").describe_images()["Images"])
    print(json.dumps({"zone": zone["HostedZone"]["Id"].split("/")[-1], "images": images[:2]}))


def read_back(expected):
    name, vms = expected["name"], expected["vms"]
    elb, ecs, rds, ec2, ssm, iam, watch = (client(s) for s in ("elbv2", "ecs", "rds", "ec2", "ssm", "iam", "cloudwatch"))

    balancer = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]
    check("the load balancer is internal, in two zones", (balancer["Scheme"], len(balancer["AvailabilityZones"])), ("internal", 2))
    attributes = {a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]}
    check("it closes idle connections after 60 s", attributes["idle_timeout.timeout_seconds"], "60")
    check("it drops malformed headers", attributes["routing.http.drop_invalid_header_fields.enabled"], "true")
    listeners = {l["Port"]: l for l in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]}
    check("HTTPS is served", (listeners[443]["Protocol"], listeners[443]["SslPolicy"]), ("HTTPS", "ELBSecurityPolicy-TLS13-1-2-2021-06"))
    certificate = client("acm").describe_certificate(CertificateArn=listeners[443]["Certificates"][0]["CertificateArn"])["Certificate"]
    check("the certificate has the deployment's name", (certificate["DomainName"], certificate["Status"]), ("allocator.example.org", "ISSUED"))
    check("HTTP is refused", listeners[80]["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"], "426")
    group = elb.describe_target_groups(Names=[name])["TargetGroups"][0]
    check("the health check requests /health/ready", (group["HealthCheckPath"], group["Matcher"]["HttpCode"]), ("/health/ready", "200"))
    attributes = {a["Key"]: a["Value"] for a in elb.describe_target_group_attributes(TargetGroupArn=group["TargetGroupArn"])["Attributes"]}
    check("replicas are deregistered after 15 s", attributes["deregistration_delay.timeout_seconds"], "15")
    check("the least busy replica gets the request", attributes["load_balancing.algorithm.type"], "least_outstanding_requests")
    records = client("route53").list_resource_record_sets(HostedZoneId=expected["zone"])["ResourceRecordSets"]
    check("the name is an alias of the load balancer", [r["AliasTarget"]["DNSName"].rstrip(".") for r in records if r["Type"] == "A"], [balancer["DNSName"]])

    service = ecs.describe_services(cluster=name, services=[name])["services"][0]
    check("the desired number of replicas is two", service["desiredCount"], 2)
    task = ecs.describe_task_definition(taskDefinition=service["taskDefinition"])["taskDefinition"]
    container = task["containerDefinitions"][0]
    check("replicas run the image", container["image"], expected["image"])
    check("replicas are read-only and unprivileged", (container["readonlyRootFilesystem"], container["user"]), (True, "10001"))
    secret = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["MasterUserSecret"]["SecretArn"]
    arns = {p["Name"]: p["ARN"] for p in parameters(ssm, f"/{name}/")}
    check(
        "with the secrets from where they are kept",
        {s["name"]: s["valueFrom"] for s in container["secrets"]},
        {"Database__Password": f"{secret}:password::"} | {key: arns[f"/{name}/api/{key}"] for key in expected["secret_values"]},
    )
    environment = {v["name"]: v["value"] for v in container["environment"]}
    check("the connection string has no password", environment["Database__ConnectionString"].split(";")[1:], ["Port=5432", "Database=allocator", "Username=allocator", "SSL Mode=Require"])
    kept = json.loads(client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
    check("RDS manages the password", sorted(kept), ["password", "username"])

    database = rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]
    check("the database is encrypted, has a standby and is not public", (database["StorageEncrypted"], database["MultiAZ"], database["PubliclyAccessible"]), (True, True, False))
    check("the backups are kept for 14 days", database["BackupRetentionPeriod"], 14)
    rotation = client("secretsmanager").describe_secret(SecretId=secret)
    check("the password changes on the first of the month", rotation["RotationRules"]["ScheduleExpression"], "cron(0 2 1 * ? *)")
    schedule = client("scheduler").get_schedule(Name=f"{name}-redeploy")
    check("the replicas restart after that", (schedule["ScheduleExpression"], schedule["Target"]["Arn"]), ("cron(15 3 1 * ? *)", "arn:aws:scheduler:::aws-sdk:ecs:updateService"))

    for key, value in expected["secret_values"].items():
        parameter = ssm.get_parameter(Name=f"/{name}/api/{key}", WithDecryption=True)["Parameter"]
        check(f"{key} is stored encrypted", (parameter["Type"], parameter["Value"]), ("SecureString", value))

    instances = {
        tag["Value"]: instance
        for reservation in ec2.describe_instances(Filters=[{"Name": "instance-state-name", "Values": ["pending", "running"]}])["Reservations"]
        for instance in reservation["Instances"]
        for tag in instance["Tags"]
        if tag["Key"] == "Name"
    }
    check("exactly the given VMs exist", sorted(instances), sorted(vms))
    for hostname, vm in vms.items():
        instance = instances[hostname]
        check(f"{hostname} has its image", instance["ImageId"], vm["image"])
        # Moto applies only the image of a launch template.
        if vm["instance_type"]:
            check(f"{hostname} has its instance type", instance["InstanceType"], vm["instance_type"])
        token = ssm.get_parameter(Name=f"/{name}/vms/{hostname}/enrolment-token", WithDecryption=True)["Parameter"]
        check(f"{hostname} has its token in an encrypted parameter", (token["Type"], token["Value"]), ("SecureString", vm["token"]))
        data = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")["UserData"]["Value"]
        check(f"{hostname} has no token in its user data", "t0ken" in base64.b64decode(data).decode(), False)
        role = iam.get_instance_profile(InstanceProfileName=instance["IamInstanceProfile"]["Arn"].split("/")[-1])["InstanceProfile"]["Roles"][0]["RoleName"]
        statements = iam.get_role_policy(RoleName=role, PolicyName="vm")["PolicyDocument"]["Statement"]
        readable = [r.split(":parameter")[1] for s in statements if "ssm:GetParameter" in s["Action"] for r in s["Resource"]]
        check(f"{hostname} may read its own parameter", readable, [f"/{name}/vms/{hostname}/enrolment-token"])
        check(f"{hostname} has no managed policy", iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"], [])
    template = ec2.describe_launch_templates()["LaunchTemplates"][0]["LaunchTemplateId"]
    template = ec2.describe_launch_template_versions(LaunchTemplateId=template)["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    metadata = template["MetadataOptions"]
    check("the VMs' metadata service requires a token and allows one hop", (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]), ("required", 1))

    ways_in(ec2, name)

    scaling = client("application-autoscaling").describe_scaling_policies(ServiceNamespace="ecs")["ScalingPolicies"]
    targets = {p["PolicyName"]: p["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for p in scaling}
    check("autoscaling uses requests and processor", targets, {f"{name}-requests": 1026000.0, f"{name}-processor": 60.0})
    alarms = {a["AlarmName"].removeprefix(f"{name}-"): a for a in watch.describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"]}
    check(
        "the alarms are there",
        sorted(alarms),
        ["bad-gateway", "connections", "dark", "database-cpu", "database-memory", "database-storage", "errors", "password-refused", "replicas-unhealthy", "slow"],
    )
    check("the alarm on connections uses the parameter group's number", [m["Expression"] for m in alarms["connections"]["Metrics"] if "Expression" in m], ["100 * connections / 150"])
    topic = client("sns").list_topics()["Topics"][0]["TopicArn"]
    check("all alarms notify the topic", {tuple(a["AlarmActions"]) for a in alarms.values()}, {(topic,)})
    widgets = json.loads(watch.get_dashboard(DashboardName=name)["DashboardBody"])["widgets"]
    check("all alarms are on the dashboard", sorted(arn.split(f":alarm:{name}-")[1] for arn in widgets[0]["properties"]["alarms"]), sorted(alarms))


def parameters(ssm, path):
    answers = ssm.get_paginator("get_parameters_by_path").paginate(Path=path, Recursive=True)
    return [parameter for answer in answers for parameter in answer["Parameters"]]


def ways_in(ec2, name):
    """Checks every rule of every security group of the deployment."""
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": [name]}])["Vpcs"][0]["VpcId"]
    groups = {g["GroupId"]: g for g in ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]}

    def part(group):
        return next((p for p in ("load-balancer", "replicas", "database", "vms") if group["GroupName"].startswith(f"{name}-{p}-")), group["GroupName"])

    found = set()
    for group in groups.values():
        for rule in group["IpPermissions"]:
            ports = f"{rule['FromPort']}-{rule['ToPort']}" if "FromPort" in rule else "all"
            found |= {f"{part(groups[pair['GroupId']])} → {part(group)} {ports}" for pair in rule["UserIdGroupPairs"]}
            found |= {f"{source['CidrIp']} → {part(group)} {ports}" for source in rule["IpRanges"]}
    networks = {rule for rule in found if "→ load-balancer" in rule}
    check("only the load balancer is reachable from a network, on 80 and 443", {rule.rsplit(" ", 1)[1] for rule in networks} <= {"443-443", "80-80"})
    check("the load balancer reaches replicas, replicas reach the database, nothing reaches VMs", found - networks, {"load-balancer → replicas 8080-8080", "replicas → database 5432-5432"})


def read_back_minimal():
    """Checks the differences from examples/complete."""
    elb, rds, ec2 = (client(s) for s in ("elbv2", "rds", "ec2"))
    balancer = elb.describe_load_balancers(Names=["workshop"])["LoadBalancers"][0]
    check("the load balancer is not internal", balancer["Scheme"] == "internal", False)
    attributes = {a["Key"]: a["Value"] for a in elb.describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])["Attributes"]}
    check("the load balancer can be destroyed", attributes["deletion_protection.enabled"], "false")
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    check("HTTP is served, and nothing else", [(l["Port"], l["DefaultActions"][0]["Type"]) for l in listeners], [(80, "forward")])
    database = rds.describe_db_instances(DBInstanceIdentifier="workshop")["DBInstances"][0]
    check("the database has no standby and can be destroyed", (database["MultiAZ"], database["DeletionProtection"]), (False, False))
    service = client("ecs").describe_services(cluster="workshop", services=["workshop"])["services"][0]
    check("the desired number of replicas is one", service["desiredCount"], 1)
    vpc = ec2.describe_vpcs(Filters=[{"Name": "tag:Name", "Values": ["workshop"]}])["Vpcs"][0]["VpcId"]
    here = [{"Name": "vpc-id", "Values": [vpc]}]
    instances = [i for r in ec2.describe_instances(Filters=here)["Reservations"] for i in r["Instances"]]
    check("there are two VMs, in one subnet", (len(instances), len({i["SubnetId"] for i in instances})), (2, 1))
    gateways = ec2.describe_nat_gateways(Filters=here)["NatGateways"]
    check("there is one NAT gateway", len(gateways), 1)
    ways_in(ec2, "workshop")


def pages(service, operation, found, **arguments):
    api = client(service)
    if api.can_paginate(operation):
        return [item for page in api.get_paginator(operation).paginate(**arguments) for item in page[found]]
    return getattr(api, operation)(**arguments)[found]


def inventory():
    """Prints a line for each resource of the kinds that a stack has, without deleted ones that AWS still lists."""
    gone = {"terminated", "deleted", "INACTIVE"}
    kinds = [
        ("ec2", "describe_vpcs", "Vpcs", "VpcId"),
        ("ec2", "describe_subnets", "Subnets", "SubnetId"),
        ("ec2", "describe_route_tables", "RouteTables", "RouteTableId"),
        ("ec2", "describe_internet_gateways", "InternetGateways", "InternetGatewayId"),
        ("ec2", "describe_nat_gateways", "NatGateways", "NatGatewayId"),
        ("ec2", "describe_addresses", "Addresses", "AllocationId"),
        ("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
        ("ec2", "describe_security_groups", "SecurityGroups", "GroupId"),
        ("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId"),
        ("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
        ("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
        ("acm", "list_certificates", "CertificateSummaryList", "CertificateArn"),
        ("rds", "describe_db_instances", "DBInstances", "DBInstanceIdentifier"),
        ("rds", "describe_db_subnet_groups", "DBSubnetGroups", "DBSubnetGroupName"),
        ("rds", "describe_db_parameter_groups", "DBParameterGroups", "DBParameterGroupName"),
        ("secretsmanager", "list_secrets", "SecretList", "Name"),
        ("iam", "list_roles", "Roles", "RoleName"),
        ("iam", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName"),
        ("scheduler", "list_schedules", "Schedules", "Name"),
        ("logs", "describe_log_groups", "logGroups", "logGroupName"),
        ("logs", "describe_metric_filters", "metricFilters", "filterName"),
        ("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
        ("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
        ("sns", "list_topics", "Topics", "TopicArn"),
        ("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    ]
    for service, operation, found, name in kinds:
        for thing in pages(service, operation, found):
            if str(thing.get("State")) not in gone:
                print(service, found, thing[name])
    for reservation in pages("ec2", "describe_instances", "Reservations"):
        for instance in reservation["Instances"]:
            if instance["State"]["Name"] not in gone:
                print("ec2 Instances", instance["InstanceId"])
    ecs = client("ecs")
    for cluster in ecs.describe_clusters(clusters=pages("ecs", "list_clusters", "clusterArns"))["clusters"]:
        if cluster["status"] not in gone:
            print("ecs clusters", cluster["clusterName"])
        services = pages("ecs", "list_services", "serviceArns", cluster=cluster["clusterArn"])
        for service in ecs.describe_services(cluster=cluster["clusterArn"], services=services)["services"] if services else []:
            if service["status"] not in gone:
                print("ecs services", service["serviceName"])
    for task in pages("ecs", "list_task_definitions", "taskDefinitionArns"):
        if ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]["status"] not in gone:
            print("ecs taskDefinitions", task)
    for target in pages("application-autoscaling", "describe_scalable_targets", "ScalableTargets", ServiceNamespace="ecs"):
        print("application-autoscaling ScalableTargets", target["ResourceId"])
    for policy in pages("application-autoscaling", "describe_scaling_policies", "ScalingPolicies", ServiceNamespace="ecs"):
        print("application-autoscaling ScalingPolicies", policy["PolicyName"])
    for path in ("/allocator", "/workshop"):
        for parameter in parameters(client("ssm"), path):
            print("ssm Parameters", parameter["Name"])
    # RDS keeps automated backups for their retention period.
    for snapshot in pages("rds", "describe_db_snapshots", "DBSnapshots", SnapshotType="manual"):
        print("rds DBSnapshots", snapshot["DBSnapshotIdentifier"])
    for zone in pages("route53", "list_hosted_zones", "HostedZones"):
        for record in pages("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone["Id"]):
            print("route53 ResourceRecordSets", record["Type"], record["Name"])


def restore(name):
    rds = client("rds")
    rds.restore_db_instance_to_point_in_time(
        SourceDBInstanceIdentifier=name,
        TargetDBInstanceIdentifier=f"{name}-restored",
        UseLatestRestorableTime=True,
        DBSubnetGroupName=rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0]["DBSubnetGroup"]["DBSubnetGroupName"],
        MultiAZ=True,
        DeletionProtection=True,
    )
    rds.modify_db_instance(DBInstanceIdentifier=name, NewDBInstanceIdentifier=f"{name}-before", ApplyImmediately=True)
    rds.modify_db_instance(
        DBInstanceIdentifier=f"{name}-restored", NewDBInstanceIdentifier=name, ManageMasterUserPassword=True, ApplyImmediately=True
    )


def drop(database):
    rds = client("rds")
    rds.modify_db_instance(DBInstanceIdentifier=database, DeletionProtection=False, ApplyImmediately=True)
    rds.delete_db_instance(DBInstanceIdentifier=database, SkipFinalSnapshot=True)


def unprotect(name):
    client("rds").modify_db_instance(DBInstanceIdentifier=name, DeletionProtection=False, ApplyImmediately=True)
    elb = client("elbv2")
    balancer = elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]["LoadBalancerArn"]
    elb.modify_load_balancer_attributes(LoadBalancerArn=balancer, Attributes=[{"Key": "deletion_protection.enabled", "Value": "false"}])


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["prepare", package]:
            prepare(package)
        case ["read-back", file]:
            with open(file, encoding="utf-8") as expectations:
                read_back(json.load(expectations))
            print(f"{checks} facts read back")
        case ["read-back-minimal"]:
            read_back_minimal()
            print(f"{checks} facts read back")
        case ["inventory"]:
            inventory()
        case ["restore", name]:
            restore(name)
        case ["drop", database]:
            drop(database)
        case ["unprotect", name]:
            unprotect(name)
        case _:
            sys.exit(__doc__)
