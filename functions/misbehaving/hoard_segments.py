import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
SIZE, CREATE, REMOVE = 32 << 20, 0o1600, 0


def handler(event, context):
    while True:
        segment = libc.shmget(0, SIZE, CREATE)
        if segment < 0:
            raise MemoryError(ctypes.get_errno())
        address = libc.shmat(segment, None, 0)
        # Gone with the last process that has it, so that nothing is left where no namespace ends.
        libc.shmctl(segment, REMOVE, None)
        ctypes.memset(address, 1, SIZE)
