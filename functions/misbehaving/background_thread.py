import threading
import time

from subject import copy


def later(event):
    time.sleep(1)
    copy(event)


def handler(event, context):
    threading.Thread(target=later, args=(event,), daemon=True).start()
    return {"success": True}
