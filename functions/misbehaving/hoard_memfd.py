import os


def handler(event, context):
    descriptor = os.memfd_create("hoard")
    while True:
        os.write(descriptor, bytes(16 << 20))
