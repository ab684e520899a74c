def named(key):
    return key
