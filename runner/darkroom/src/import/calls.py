"""What a call of boto3 shows: buckets and keys that it names, and how it is told to connect."""

# Where boto3's calls have the bucket and the key, if not by keyword.
WRITES = {"put_object": (None, None), "upload_fileobj": (1, 2), "upload_file": (1, 2), "copy_object": (None, None), "copy": (1, 2)}
READS = {"get_object": (None, None), "download_file": (0, 1), "download_fileobj": (0, 1), "head_object": (None, None)}
# Where an s3.Bucket's writes have the key.
BUCKET_WRITES = {"put_object": None, "upload_fileobj": 1, "upload_file": 1, "copy": 1}
OBJECT_WRITES = {"put", "upload_fileobj", "upload_file", "copy_from", "copy"}
SECRETS = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}


def follow_call(call, values):
    name = called(call)
    named = values.keywords(call)
    owner = values.of(call.func.value) if isinstance(call.func, ast.Attribute) else None
    at = lambda word, place: named.get(word, call.args[place] if place is not None and len(call.args) > place else None)
    if name in ("client", "resource", "Session", "Config", "setup_default_session"):
        connection(call, name, named, values)
    elif owner and owner[0] == "s3 object":
        if name in OBJECT_WRITES:
            writes(owner[2], call, values)
    elif owner and owner[0] == "s3 bucket":
        if name in BUCKET_WRITES:
            writes(values.of(at("Key", BUCKET_WRITES[name])), call, values)
    elif name == "open" and call.args and (text(values.of(call.args[0])) or "").startswith("s3://"):
        address = text(values.of(call.args[0]))
        values.bucket(("text", address[5:].split("/")[0]), call.lineno)
    elif name in WRITES or name in READS:
        positions = WRITES.get(name) or READS[name]
        bucket, key = at("Bucket", positions[0]), at("Key", positions[1])
        if bucket is not None:
            values.bucket(values.of(bucket), call.lineno)
        # `shutil.copy` and `dict.copy` name neither.
        if name in WRITES and (bucket is not None or name != "copy"):
            writes(values.of(key), call, values)
    elif name == "setdefault" and is_environ(getattr(call.func, "value", None)) and call.args:
        name = text(values.of(call.args[0])) or ""
        # Of AWS's names these are the ones that Lambda does not set already.
        if name.startswith(("AWS_ENDPOINT_URL", "AWS_PROFILE")):
            values.say("sets environment", call.lineno, name)
    elif name == "update" and is_environ(getattr(call.func, "value", None)):
        members = values.of(call.args[0]) if call.args else ("dict", named)
        for name in members[1] if members and members[0] == "dict" else []:
            values.say("sets environment", call.lineno, name)


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
