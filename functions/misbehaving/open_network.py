import errno
import socket

# A documentation address, a public resolver, the host's loopback, a cloud's metadata service.
ADDRESSES = [("192.0.2.1", 80), ("1.1.1.1", 53), ("127.0.0.1", 22), ("169.254.169.254", 80)]


def reached(address):
    with socket.socket() as connection:
        connection.settimeout(1)
        try:
            connection.connect(address)
        except TimeoutError:
            return "sent into the void"
        except OSError as error:
            return errno.errorcode.get(error.errno, "refused")
    return "connected"


def handler(event, context):
    found = {f"{host}:{port}": reached((host, port)) for host, port in ADDRESSES}
    open_to = [address for address, outcome in found.items() if outcome in ("connected", "sent into the void")]
    raise ConnectionError(f"network open to {open_to or 'nothing'}")
