"""Starts an independent implementation of AWS's services on loopback, and ends it when standard input ends.

    python serve.py moto | ministack [NAME=VALUE ...]

Prints its URL once it answers. moto does not run code (that would take Docker): its Lambda answers every invocation with
one sentence. ministack runs Python code in processes of its own. NAME=VALUE are settings of ministack.
"""

import os
import pathlib
import socket
import subprocess
import sys
import time


def moto():
    from moto.core.config import default_user_config
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    default_user_config["lambda"]["use_docker"] = False
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    print(f"http://{host}:{port}", flush=True)
    sys.stdin.read()
    server.stop()


def ministack(settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Its functions' processes inherit what it has: no more than this. What listens on fixed ports is off.
    programs = pathlib.Path(sys.executable).parent
    environment = {"PATH": f"{programs}:/usr/bin:/bin", "HOME": os.getcwd(), "TMPDIR": os.getcwd(), "BIND_HOST": "127.0.0.1",
                   "GATEWAY_PORT": str(port), "IOT_MTLS_ENABLED": "0", "SFTP_ENABLED": "0", "LOG_LEVEL": "WARNING", **settings}
    process = subprocess.Popen([programs / "ministack"], env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("ministack did not start") from None
                time.sleep(0.05)
        print(f"http://127.0.0.1:{port}", flush=True)
        sys.stdin.read()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if sys.argv[1] == "moto":
    moto()
else:
    ministack(dict(setting.split("=", 1) for setting in sys.argv[2:]))
