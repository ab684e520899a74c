import os

TARGETS = ["/etc/shadow", "/root", "/home", "/proc/1/root/root", "/proc/1/environ", "/proc/1/cwd", "/proc/sys/kernel/core_pattern"]
TARGETS += [f"/proc/1/fd/{number}" for number in range(64)]


def opened(target):
    link = "/tmp/darkroom-misbehaving-link"
    os.symlink(target, link)
    try:
        return bool(os.listdir(link)) if os.path.isdir(link) else bool(open(link, "rb" if "core" not in target else "r+b").read())
    except OSError:
        return False
    finally:
        os.unlink(link)


def handler(event, context):
    raise PermissionError(f"led to by links: {[target for target in TARGETS if opened(target)] or 'nothing'}")
