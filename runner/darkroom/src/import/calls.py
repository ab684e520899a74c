"""What a call of boto3 shows: buckets and keys that it names, and how it is told to connect."""

# Where boto3's calls have the bucket and the key, if not by keyword.
WRITES = {"put_object": (None, None), "upload_fileobj": (1, 2), "upload_file": (1, 2), "copy_object": (None, None), "copy": (1, 2)}
WRITES |= {"create_multipart_upload": (None, None)}
READS = {"get_object": (None, None), "download_file": (0, 1), "download_fileobj": (0, 1), "head_object": (None, None)}
# Where an s3.Bucket's writes have the key.
BUCKET_WRITES = {"put_object": None, "upload_fileobj": 1, "upload_file": 1, "copy": 1}
OBJECT_WRITES = {"put", "upload_fileobj", "upload_file", "copy_from", "copy"}
# Under another name, these are calls of S3 still.
METHODS = {*WRITES, *READS, *OBJECT_WRITES, "upload_part", "delete_object", "generate_presigned_url", "_make_api_call"}
METHODS |= {"Object", "Bucket"}
# What is written to a log names no bucket to write to.
LOGS = {"print", "debug", "info", "warning", "error", "exception", "log", "critical"}
# Calls that call a function with each of some values.
MAPS = {"map", "starmap", "imap", "imap_unordered", "map_async", "starmap_async", "filter"}
SECRETS = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}


def follow_call(call, values):
    own = values.of(call.func)
    if own and own[0] == "partial":
        return follow_call(unbundled(own, call), values)
    if own and own[0] == "method":
        call = by_its_name(own, call)
    elif own and own[0] in ("function", "class"):
        # A partial's function, or one that is called under the name of a value: `of` follows it.
        values.of(call)
        return None
    s3_call(call, values)
    passed(call, values)
    return None


def s3_call(call, values):
    name = called(call)
    named = values.keywords(call)
    places = values.places(call)
    owner = values.of(call.func.value) if isinstance(call.func, ast.Attribute) else None
    at = lambda word, place: named.get(word, places[place] if place is not None and len(places) > place else None)
    if name not in LOGS:
        named_buckets(call, values, [*places, *(node for word, node in named.items() if word != "Bucket")])
    if name in ("client", "resource", "Session", "Config", "setup_default_session"):
        connection(call, name, named, values)
    elif owner and owner[0] == "s3 object":
        if name in OBJECT_WRITES:
            writes(owner[2], call, values)
    elif owner and owner[0] == "s3 bucket":
        if name in BUCKET_WRITES:
            writes(values.of(at("Key", BUCKET_WRITES[name])), call, values)
    elif name in WRITES or name in READS:
        positions = WRITES.get(name) or READS[name]
        bucket, key = at("Bucket", positions[0]), at("Key", positions[1])
        # `shutil.copy` and `dict.copy` name neither.
        if name == "copy" and len(places) < 3 and not named.keys() & {"Bucket", "CopySource"}:
            return
        values.bucket(values.of(bucket), call.lineno)
        if name in WRITES:
            writes(values.of(key), call, values)
    elif "Bucket" in named:
        values.bucket(values.of(named["Bucket"]), call.lineno)
    elif name == "_make_api_call" and len(places) > 1 and text(values.of(places[0])) in ("PutObject", "CopyObject"):
        request = values.of(places[1])
        writes(request[1].get("Key") if request and request[0] == "dict" else None, call, values)
    elif name == "generate_presigned_url" and text(values.of(at("ClientMethod", 0))) == "put_object":
        request = values.of(at("Params", 1))
        writes(request[1].get("Key") if request and request[0] == "dict" else None, call, values)
    elif name == "generate_presigned_post":
        values.bucket(values.of(at("Bucket", 0)), call.lineno)
        writes(values.of(at("Key", 1)), call, values)
    elif name == "setdefault" and owner == ENVIRON and call.args:
        name = text(values.of(call.args[0])) or ""
        # Of AWS's names these are the ones that Lambda does not set already.
        if name.startswith(("AWS_ENDPOINT_URL", "AWS_PROFILE")):
            values.say("sets environment", call.lineno, name)
    elif name == "setdefault" and owner and owner[0] == "dict" and len(places) > 1:
        word = text(values.of(places[0]))
        if word is not None:
            owner[1].setdefault(written(word), values.of(places[1]))
    elif name == "update" and owner and owner[0] == "dict":
        given = values.of(places[0]) if places else None
        found = {**members_of(given), **values.values_of(call)}
        for word, value in found.items():
            owner[1][word] = values.either(owner[1].get(word), value)
    elif name in ("append", "add") and owner and owner[0] == "list" and places and len(owner[1]) < ROUNDS:
        item = values.of(places[0])
        if item is not owner and not any(same(item, one) for one in owner[1]):
            owner[1].append(item)
    elif name == "setattr" and len(places) == 3:
        target, word = values.of(places[0]), text(values.of(places[1]))
        if target and target[0] in ("names", "class") and word is not None:
            target[1][written(word)] = values.either(target[1].get(written(word)), values.of(places[2]))
    elif name == "update" and owner == ENVIRON:
        members = values.of(call.args[0]) if call.args else ("dict", named)
        for name in members[1] if members and members[0] == "dict" else []:
            values.say("sets environment", call.lineno, name)


def named_buckets(call, values, arguments):
    """Looks for buckets within arguments: `CopySource`, a request as a dictionary, `s3://bucket/key`."""
    for word, node in values.keywords(call).items():
        source = text(values.of(node)) if word == "CopySource" else None
        if source is not None and "/" in source:
            values.bucket(("text", source.split("/")[0]), call.lineno)
    seen = [values.of(node) for node in arguments]
    while seen:
        value = seen.pop()
        if value and value[0] == "dict" and isinstance(value[1], dict):
            if "Bucket" in value[1]:
                values.bucket(value[1]["Bucket"], call.lineno)
            seen += [one for one in value[1].values() if one and one[0] == "dict"]
        elif value and value[0] == "list":
            seen += value[1]
        elif (text(value) or "").startswith("s3://"):
            values.bucket(("text", text(value)[5:].split("/")[0]), call.lineno)


def passed(call, values):
    """Follows the functions that a call is given: `pool.submit(f, ...)`, `map(f, ...)`, `Thread(target=f, args=...)`."""
    name, places, named = called(call), values.places(call), values.keywords(call)
    if name == "partial":
        return
    again = lambda function, args, keywords: handed(function, args, keywords, call, values)
    for place, node in enumerate(places):
        function = values.of(node)
        if not function or function[0] not in ("function", "method", "partial"):
            continue
        rest = [values.of(one) for one in places[place + 1 :]]
        if name in MAPS:
            lists = [items_of(one) for one in rest]
            for row in list(zip(*lists))[:ROUNDS] if lists and None not in lists else [[None] * len(rest)]:
                one = row[0] if len(row) == 1 else None
                again(function, one[1] if name.startswith("starmap") and one and one[0] == "list" else list(row), {})
        elif name in ("apply", "apply_async"):
            args, keywords = [*rest, None, None][:2]
            args, keywords = args or values.of(named.get("args")), keywords or values.of(named.get("kwds"))
            again(function, items_of(args) or [], members_of(keywords))
        else:
            again(function, rest, values.values_of(call))
    for word in ("target", "func", "fn", "function", "callback"):
        function = values.of(named.get(word))
        if function and function[0] in ("function", "method", "partial"):
            args, keywords = values.of(named.get("args")), values.of(named.get("kwargs"))
            again(function, items_of(args) or [], members_of(keywords))


def handed(function, args, keywords, call, values):
    keywords = [ast.keyword(arg=None if word == UNKNOWN else word, value=Known(one)) for word, one in keywords.items()]
    follow_call(ast.Call(func=Known(function), args=[*map(Known, args)], keywords=keywords, lineno=call.lineno), values)


def writes(key, call, values):
    template = text(key)
    found = {"file": values.file, "line": call.lineno, "template": None, "from_event": None}
    if template is not None and OPEN not in template and CLOSE not in template:
        found["template"] = template
    if key and key[0] == "event":
        found["from_event"] = key[1]
    if found not in values.report["writes"]:
        values.report["writes"].append(found)


def connection(call, name, named, values):
    """Holds how boto3 is told to connect against a run, which says that itself."""
    service = text(values.of(call.args[0])) if call.args and name in ("client", "resource") else None
    if service is not None and "{" not in service and service not in ("s3", "sts", "logs"):
        values.say("service", call.lineno, service)
    for word, node in named.items():
        for value in alternatives(values.of(node)):
            values.does_without(env_name(value))
            line, fixed = call.lineno, is_fixed(value, values)
            if word == "endpoint_url" and fixed:
                said = values.report["defaults"].get(env_name(value), value)
                values.say("endpoint", line, written(text(said) or ""))
            elif word == "endpoint_url" and value is None:
                values.say("unknown endpoint", line)
            elif word in SECRETS and fixed:
                values.say("key", line, word)
            elif word == "profile_name" and fixed:
                values.say("profile", line, written(text(value)))
            elif word == "region_name" and text(value) and "{" not in text(value):
                values.say("region", line, written(text(value)))


def alternatives(value):
    return value[1] if value and value[0] == "any" else [value]


def env_name(value):
    name = re.fullmatch(r"\{env:(\w+)\}", text(value) or "")
    return name[1] if name else None


def is_fixed(value, values):
    """Whether the code says a value itself: outright, from a file, or as the default of a name that a run does not set."""
    name = env_name(value)
    if name:
        return text(values.report["defaults"].get(name)) not in (None, "")
    return value is not None and (value[0] in ("file", "made") or text(value) not in (None, ""))
