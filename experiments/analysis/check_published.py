"""Publishes a run twice to the local cloud's S3, and reads the dataset back with Polars like a user of AWS.

    python experiments/analysis/check_published.py target/release/darkroom outputs/smoke/latest
"""

import datetime
import hashlib
import hmac
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import polars as pl



def make_bucket(endpoint: str, name: str, key_id: str, secret: str, region: str = "us-east-1") -> None:
    """Creates a bucket: PUT /name with Signature Version 4. `publish` creates none, and this way needs no SDK."""
    time = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": endpoint.removeprefix("http://"), "x-amz-content-sha256": empty, "x-amz-date": time}
    signed, scope = ";".join(headers), f"{time[:8]}/{region}/s3/aws4_request"
    lines = "".join(f"{key}:{value}\n" for key, value in headers.items())
    request = hashlib.sha256(f"PUT\n/{name}\n\n{lines}\n{signed}\n{empty}".encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}"):
        key = hmac.new(key, part.encode(), "sha256").digest()
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={key_id}/{scope},SignedHeaders={signed},Signature={key.hex()}"
    urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT", headers=headers)).close()


darkroom, run = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
with tempfile.TemporaryDirectory() as home:
    server = subprocess.Popen([darkroom, "serve", "--json"], cwd=home, stdout=subprocess.PIPE, text=True)
    try:
        said = {}
        for line in server.stdout:
            if found := re.match(r' *"(\w+)": "(.*)"', line):
                said[found[1]] = found[2]
            if line.startswith("}"):
                break
        endpoint, key_id, secret = said["endpoint_url"], said["access_key_id"], said["secret_access_key"]
        keys = {"AWS_ACCESS_KEY_ID": key_id, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "us-east-1"}
        make_bucket(endpoint, "tables", key_id, secret)
        for _ in range(2):
            environment = os.environ | keys | {"AWS_ENDPOINT_URL": endpoint}
            subprocess.run([darkroom, "publish", run, "s3://tables/fleet", "--quiet"], env=environment, check=True)
        options = {"aws_endpoint_url": endpoint, "aws_access_key_id": key_id, "aws_secret_access_key": secret,
                   "aws_region": "us-east-1", "aws_allow_http": "true"}
        for table in ("summary", "invocations", "pipelines"):
            place = f"s3://tables/fleet/{table}/**/*.parquet"
            found = pl.scan_parquet(place, hive_partitioning=True, storage_options=options).collect()
            here = pl.read_parquet(run / f"{table}.parquet")
            assert found.drop("experiment", "run").equals(here), f"{table}: the published rows differ from the run's"
            assert (found["run"] == found["run_id"]).all(), f"{table}: the partition `run` differs from the column run_id"
        print(f"published to {endpoint}: summary, invocations and pipelines read back equal, and their partitions agree with their columns")
    finally:
        server.terminate()
        server.wait()
