import os
import signal
import time

from subject import copy


def handler(event, context):
    copy(event)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            time.sleep(3600)
        os._exit(0)
