import os
import time


def handler(event, context):
    started = 0
    while True:
        try:
            child = os.fork()
        except OSError as error:
            raise RuntimeError(f"no process after {started}: {error.strerror}") from None
        if child == 0:
            time.sleep(3600)
            os._exit(0)
        started += 1
