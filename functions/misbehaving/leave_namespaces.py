import ctypes
import os

libc = ctypes.CDLL(None, use_errno=True)
NEW_USER, NEW_MOUNT = 0x10000000, 0x00020000


def handler(event, context):
    ways = {
        "user namespace": lambda: libc.unshare(NEW_USER),
        "mount namespace": lambda: libc.unshare(NEW_MOUNT),
        "mount": lambda: libc.mount(b"none", b"/tmp", b"tmpfs", 0, None),
        "root": lambda: os.setuid(0) or 0,
        "new root": lambda: os.chroot("/tmp") or 0,
    }
    done = []
    for name, action in ways.items():
        try:
            done += [name] if action() == 0 else []
        except (AttributeError, OSError):
            pass
    raise PermissionError(f"left: {done or 'nothing'}")
