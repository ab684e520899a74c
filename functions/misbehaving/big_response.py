def handler(event, context):
    return "x" * (7 << 20)
