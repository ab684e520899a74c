def handler(event, context):
    with open("/tmp/darkroom-misbehaving-fill", "wb") as file:
        while True:
            file.write(b"x" * (1 << 20))
