import socket

FAMILIES = {"vsock": 40, "packet": 17, "crypto": 38, "can": 29, "bluetooth": 31, "tipc": 30, "xdp": 44}


def opened(family):
    for kind in (socket.SOCK_STREAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            socket.socket(family, kind).close()
        except OSError:
            continue
        return True
    return False


def handler(event, context):
    raise ConnectionError(f"sockets of: {[name for name, family in FAMILIES.items() if opened(family)] or 'nothing'}")
