#!/usr/bin/python3
"""A minimal program that enrols a VM and polls as the client does, for the comparison in `bench/run.sh client`.

It reports `running` once, acts on no answer, stores nothing, and continues after every failure.
"""
import os
import random
import re
import time

import requests

url = os.environ["ALLOCATOR_Url"].rstrip("/")
hostname = os.environ["ALLOCATOR_Hostname"]
print(f"polls {url} as {hostname}", flush=True)

session = requests.Session()
etag = None
while True:
    started = time.monotonic()
    max_age = 15
    try:
        if "Authorization" not in session.headers:
            enrolment = session.post(
                f"{url}/vms",
                json={"hostname": hostname, "machineId": os.environ["ALLOCATOR_MachineId"]},
                headers={"Authorization": "Bearer " + os.environ["ALLOCATOR_EnrolmentToken"]},
                timeout=10,
            )
            enrolment.raise_for_status()
            session.headers["Authorization"] = "Bearer " + enrolment.json()["token"]
            session.put(f"{url}/vms/{hostname}/report", json={"status": "running"}, timeout=10).raise_for_status()
        reply = session.get(f"{url}/assignment/{hostname}", headers={"If-None-Match": etag}, timeout=10)
        reply.raise_for_status()
        etag = reply.headers["ETag"]
        if reply.status_code == 200:
            print(f"this VM is {reply.json()['state']}", flush=True)
        if match := re.search(r"max-age=(\d+)", reply.headers.get("Cache-Control", "")):
            max_age = int(match[1])
    except (requests.RequestException, KeyError) as error:
        print(error, flush=True)
    time.sleep(max(0, started + random.uniform(max_age, 2 * max_age) - time.monotonic()))
