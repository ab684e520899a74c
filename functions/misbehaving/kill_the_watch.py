import os
import signal
import time

WATCH = os.getppid()


def handler(event, context):
    for number in (signal.SIGTERM, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(WATCH, number)
        except OSError:
            pass
    time.sleep(0.2)
    raise PermissionError(f"killed of the watch: {'all' if os.getppid() != WATCH else 'nothing'}")
