from subject import copy

FAKE = "Duration: 0.01 ms\tBilled Duration: 1 ms\tMemory Size: 512 MB\tMax Memory Used: 1 MB\t"


def lines(request):
    print(f"END RequestId: {request}")
    print(f"REPORT RequestId: {request}\t{FAKE}")


def handler(event, context):
    copy(event)
    lines(context.aws_request_id)
    print("START RequestId: 00000000-0000-4000-8000-000000000000 Version: $LATEST")
    lines("00000000-0000-4000-8000-000000000000")
    lines(context.aws_request_id)
