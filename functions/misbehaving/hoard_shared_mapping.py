import mmap

SIZE = 2 << 30


def handler(event, context):
    area = mmap.mmap(-1, SIZE)
    for page in range(0, SIZE, mmap.PAGESIZE):
        area[page] = 1
