ESCAPES = "\x1b[2J\x1b[31m\x1b]0;owned\x07 \u202elamron \r<script>alert(1)</script> =1+1"


def handler(event, context):
    print(ESCAPES)
    raise ValueError(ESCAPES)
