import os
import time

SECONDS, EACH = 3, 0.003


def work():
    began = time.process_time()
    while time.process_time() - began < EACH:
        pass


def handler(event, context):
    began, children = time.monotonic(), 0
    while time.monotonic() - began < SECONDS:
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        os.waitpid(child, 0)
        children += 1
    raise RuntimeError(f"children had {children * EACH / SECONDS:.2f} of a core")
