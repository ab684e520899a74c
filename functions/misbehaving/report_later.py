import os
import time

from imitate_report import lines
from subject import copy


def handler(event, context):
    copy(event)
    if os.fork() == 0:
        # After the answer, so after the platform's own lines.
        for _ in range(50):
            time.sleep(0.01)
            lines(context.aws_request_id)
        os._exit(0)
