"""Warm Python echoes by one boto3 client, against the local cloud and against ministack, in turns on the same machine.

    python measure.py OURS
"""

import concurrent.futures
import io
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

import boto3
from botocore.config import Config

ROUNDS, CALLS, SECONDS = 5, 100, 3


def client(endpoint):
    config = Config(retries={"max_attempts": 0}, read_timeout=60, max_pool_connections=4)
    return boto3.client("lambda", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test",
                        aws_secret_access_key="test", config=config)


def echo(lam):
    """Makes the function, and waits until it answers."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr(zipfile.ZipInfo("handler.py"), "def handler(event, context):\n    return event\n")
    lam.create_function(FunctionName="echo", Runtime="python3.13", Role="arn:aws:iam::000000000000:role/r", MemorySize=1769,
                        Handler="handler.handler", Code={"ZipFile": archive.getvalue()}, Timeout=30)
    lam.get_waiter("function_active_v2").wait(FunctionName="echo")
    for _ in range(20):
        call(lam)


def call(lam):
    began = time.perf_counter()
    answer = lam.invoke(FunctionName="echo", Payload=b'{"n": 1}')
    body = json.loads(answer["Payload"].read())
    if body != {"n": 1}:
        raise SystemExit(f"not an echo: {answer.get('FunctionError')} {body}")
    return (time.perf_counter() - began) * 1000


def throughput(lam):
    until = time.monotonic() + SECONDS

    def work(_):
        calls = 0
        while time.monotonic() < until:
            call(lam)
            calls += 1
        return calls

    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        return sum(threads.map(work, range(2))) / SECONDS


def start_peer(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GATEWAY_PORT": str(port), "BIND_HOST": "127.0.0.1", "TMPDIR": folder,
                   "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0",  # What listens on fixed ports, and not on loopback alone.
                   "PATH": f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}"}
    process = subprocess.Popen([f"{pathlib.Path(sys.executable).parent}/ministack"], env=environment, cwd=folder,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return process, f"http://127.0.0.1:{port}"
        except OSError:
            time.sleep(0.1)
    raise SystemExit("ministack did not start")


def main():
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process, endpoint = start_peer(folder)
        try:
            clients = {"ours": client(sys.argv[1]), "ministack": client(endpoint)}
            for lam in clients.values():
                echo(lam)
            times = {name: [] for name in clients}
            for _ in range(ROUNDS):
                for name, lam in clients.items():
                    times[name] += [call(lam) for _ in range(CALLS)]
            median = {}
            for name, lam in clients.items():
                ordered = sorted(times[name])
                median[name] = ordered[len(ordered) // 2]
                p99 = ordered[int(len(ordered) * 0.99)]
                print(f"boto3 warm echo {name:<12}      p50 {median[name]:9.3f} ms   p99 {p99:9.3f} ms   "
                      f"{throughput(lam):5.0f} invocations/s by two threads of one client")
            print(f"ministack takes {median['ministack'] / median['ours']:.1f} times as long")
            clients["ours"].delete_function(FunctionName="echo")
        finally:
            process.terminate()
            process.wait(10)


main()
