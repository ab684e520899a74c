"""convert: can't be imported, because what it imports is nowhere."""

import no_such_module


def handler(event, context):
    return no_such_module.convert(event)
