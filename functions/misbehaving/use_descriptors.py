import os
import stat

OWN = ("/var/", "/usr/", "/lib", "/opt/", "/dev/null", "/dev/urandom")


def leads_out(descriptor):
    """Says whether this is a folder, a disk's file or a device that is not the environment's own."""
    try:
        status, name = os.fstat(descriptor), os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return False
    real = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode) or stat.S_ISBLK(status.st_mode)
    return real and not name.startswith(OWN) and status.st_dev != os.stat("/proc").st_dev


def handler(event, context):
    inherited = [descriptor for descriptor in range(3, 4096) if leads_out(descriptor)]
    raise PermissionError(f"descriptors that lead out: {inherited or 'none'}")
