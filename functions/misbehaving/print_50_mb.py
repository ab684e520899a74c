from subject import copy


def handler(event, context):
    line = "x" * 4095
    for _ in range(50 * 256):
        print(line)
    copy(event)
