"""Emulates AWS on loopback: moto's server, the calls of the provider that moto lacks, and the VMs' metadata service.

    emulator.py PORT

Under /latest it is the metadata service of a VM. What is signed with the keys from there has to be signed as AWS would
have it, the session token included.
"""

import hmac
import io
import json
import sys
import uuid

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from moto.elbv2.responses import ELBV2Response
from moto.rds.models import DBInstance, RDSBackend
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple

KEYS = {"AccessKeyId": "ASIAEMULATEDVM", "SecretAccessKey": "emulated/secret+key", "Token": "emulated//session+token=="}
METADATA_TOKEN = "emulated-metadata-token"


def describe_capacity_reservation(self):
    return """<DescribeCapacityReservationResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/">
      <DescribeCapacityReservationResult/><ResponseMetadata><RequestId>0</RequestId></ResponseMetadata>
    </DescribeCapacityReservationResponse>"""


ELBV2Response.describe_capacity_reservation = describe_capacity_reservation


# The resource id identifies a database across renames. Moto uses the same id for all databases.
def __init__(self, *arguments, original=DBInstance.__init__, **named):
    original(self, *arguments, **named)
    self.dbi_resource_id = f"db-{uuid.uuid4().hex.upper()}"


DBInstance.__init__ = __init__


# RDS stores a secret for a database whose password it manages. Moto names one that does not exist.
def master_user_secret(self):
    if not self.manage_master_user_password:
        return None
    if "_secret" not in self.__dict__:
        backend = secretsmanager_backends[self.account_id][self.region]
        password = json.dumps({"username": self.master_username, "password": "emulated-database-password"})
        name = f"rds!db-{uuid.uuid4()}"
        backend.create_secret(name, password, None, None, None, None, None, [], False)
        self._secret = backend.secrets[name].arn
    return {"SecretArn": self._secret, "SecretStatus": "active", "KmsKeyId": "alias/aws/secretsmanager"}


DBInstance.master_user_secret = property(master_user_secret)


# RDS deletes the secret with the database.
def delete_db_instance(self, *arguments, original=RDSBackend.delete_db_instance, **named):
    database = original(self, *arguments, **named)
    if "_secret" in database.__dict__:
        secretsmanager_backends[database.account_id][database.region].secrets.pop(database._secret)
    return database


RDSBackend.delete_db_instance = delete_db_instance


# RDS rotates the secret itself, on a schedule and without a function. Moto supports neither.
def rotate_secret(self, secret_id, client_request_token=None, rotation_lambda_arn=None, rotation_rules=None, rotate_immediately=True):
    secret = self.secrets[secret_id]
    secret.rules, secret.rotated = rotation_rules, rotate_immediately
    secret.rotation_requested = secret.rotation_enabled = True
    return secret.to_short_dict()


def cancel_rotate_secret(self, secret_id):
    secret = self.secrets[secret_id]
    secret.rotation_enabled = False
    return secret.to_short_dict()


def to_dict(self, original=FakeSecret.to_dict):
    answer = original(self)
    if hasattr(self, "rules"):
        answer.update(RotationRules=self.rules, RotationLambdaARN=None)
    return answer


SecretsManagerBackend.rotate_secret = rotate_secret
SecretsManagerBackend.cancel_rotate_secret = cancel_rotate_secret
FakeSecret.to_dict = to_dict


def metadata(method, path, headers):
    if (method, path) == ("PUT", "/latest/api/token"):
        return METADATA_TOKEN if headers("X-Aws-Ec2-Metadata-Token-Ttl-Seconds") else None
    if headers("X-Aws-Ec2-Metadata-Token") != METADATA_TOKEN:
        return None
    return {
        "/latest/meta-data/iam/security-credentials/": "emulated-role",
        "/latest/meta-data/iam/security-credentials/emulated-role": json.dumps({"Code": "Success", **KEYS}, indent=2),
    }.get(path)


def signature_is_right(environ, headers, body):
    parts = dict(part.strip().split("=", 1) for part in headers("Authorization").split(" ", 1)[1].split(","))
    signed = parts["SignedHeaders"].split(";")
    _, _, region, service, _ = parts["Credential"].split("/")
    if "x-amz-security-token" not in signed or headers("X-Amz-Security-Token") != KEYS["Token"]:
        return False
    request = AWSRequest(
        method=environ["REQUEST_METHOD"],
        url=f"http://{environ['HTTP_HOST']}{environ['PATH_INFO']}",
        headers={name: headers(name) for name in signed},
        data=body,
    )
    request.context["timestamp"] = headers("X-Amz-Date")
    credentials = Credentials(KEYS["AccessKeyId"], KEYS["SecretAccessKey"], KEYS["Token"])
    auth = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials, service, region)
    return hmac.compare_digest(auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request), parts["Signature"])


class Emulator:
    def __init__(self, aws):
        self.aws = aws

    def __call__(self, environ, start_response):
        def headers(name):
            key = name.upper().replace("-", "_")
            return environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", "")

        if environ["PATH_INFO"].startswith("/latest/"):
            answer = metadata(environ["REQUEST_METHOD"], environ["PATH_INFO"], headers)
            start_response("200 OK" if answer else "401 Unauthorized", [("Content-Type", "text/plain")])
            return [(answer or "").encode()]
        if KEYS["AccessKeyId"] in headers("Authorization"):
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            environ["wsgi.input"] = io.BytesIO(body)
            if not signature_is_right(environ, headers, body):
                start_response("403 Forbidden", [("Content-Type", "text/plain")])
                return [b"SignatureDoesNotMatch"]
        return self.aws(environ, start_response)


if __name__ == "__main__":
    run_simple("127.0.0.1", int(sys.argv[1]), Emulator(DomainDispatcherApplication(create_backend_app)), threaded=True)
