"""Holds recorded requests against the service models that botocore ships: is each one an operation, and are its parameters right?

    python models.py FOLDER [POLICY.json]

FOLDER holds what a recorder saw of each connection: `<n>.sent` and `<n>.answered`, raw bytes. Prints a JSON object:
`operations` (how often each was called, and how it was answered), `actions` (the IAM actions that they need),
`problems` (what does not fit a model; empty when all is well). With a policy document also `not_allowed`.
"""

import base64
import fnmatch
import json
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree as xml

import h11
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import BaseCBORParser

# Credential scopes → the models' names.
SERVICES = {"s3": "s3", "lambda": "lambda", "logs": "logs", "monitoring": "cloudwatch", "iam": "iam", "sts": "sts",
            "servicequotas": "service-quotas", "tagging": "resourcegroupstaggingapi"}

# IAM actions of operations where the action is not called as the operation is. Source: AWS service authorization
# reference, "Actions defined by Amazon S3 / AWS Lambda". None: no permission is needed.
ACTIONS = {
    "lambda:Invoke": ["lambda:InvokeFunction"],
    "lambda:ListTags": ["lambda:ListTags"],
    "s3:HeadBucket": ["s3:ListBucket"],
    "s3:ListObjectsV2": ["s3:ListBucket"],
    "s3:ListObjects": ["s3:ListBucket"],
    "s3:ListObjectVersions": ["s3:ListBucketVersions"],
    "s3:ListMultipartUploads": ["s3:ListBucketMultipartUploads"],
    "s3:HeadObject": ["s3:GetObject"],
    "s3:DeleteObjects": ["s3:DeleteObject"],
    "s3:CopyObject": ["s3:GetObject", "s3:PutObject"],
    "s3:CreateMultipartUpload": ["s3:PutObject"],
    "s3:UploadPart": ["s3:PutObject"],
    "s3:CompleteMultipartUpload": ["s3:PutObject"],
    "s3:ListBuckets": ["s3:ListAllMyBuckets"],
    "s3:PutBucketEncryption": ["s3:PutEncryptionConfiguration"],
    "s3:GetBucketEncryption": ["s3:GetEncryptionConfiguration"],
    "s3:PutPublicAccessBlock": ["s3:PutBucketPublicAccessBlock"],
    "s3:GetPublicAccessBlock": ["s3:GetBucketPublicAccessBlock"],
    "s3:PutBucketNotificationConfiguration": ["s3:PutBucketNotification"],
    "s3:GetBucketNotificationConfiguration": ["s3:GetBucketNotification"],
    "s3:PutBucketLifecycleConfiguration": ["s3:PutLifecycleConfiguration"],
    "s3:DeleteBucketTagging": ["s3:PutBucketTagging"],
    "sts:GetCallerIdentity": [],
}

# Limits that the models don't hold. Source: Lambda developer guide (quotas), S3 user guide (bucket naming), IAM user
# guide (quotas).
STRICTER = {
    ("lambda:CreateFunction", "FunctionName"): r"[a-zA-Z0-9_-]{1,64}",
    ("lambda:CreateFunction", "MemorySize"): range(128, 10_240 + 1),
    ("lambda:UpdateFunctionConfiguration", "MemorySize"): range(128, 10_240 + 1),
    ("lambda:CreateFunction", "Timeout"): range(1, 900 + 1),
    ("s3:CreateBucket", "Bucket"): r"(?!xn--|sthree-|.*-s3alias$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]",
    ("iam:CreateRole", "RoleName"): r"[\w+=,.@-]{1,64}",
}

_loader, _models = Loader(), {}


def model(service):
    if service not in _models:
        _models[service] = ServiceModel(_loader.load_service_model(service, "service-2"), service)
    return _models[service]


class Misfit(Exception):
    """A request that is no operation's."""


class Request:
    def __init__(self, message, body):
        self.method, target = message.method.decode(), message.target.decode()
        self.path, _, query = target.partition("?")
        self.query = urllib.parse.parse_qs(query, keep_blank_values=True)
        self.headers = {name.decode().lower(): value.decode() for name, value in message.headers}
        self.body = body
        if "aws-chunked" in self.headers.get("content-encoding", "") or "x-amz-trailer" in self.headers:
            self.body = b""  # An object's bytes in signed pieces; nothing in them is a parameter.

    @property
    def service(self):
        scope = re.search(r"Credential=[^/]+/\d{8}/[^/]+/([^/]+)/aws4_request", self.headers.get("authorization", ""))
        if not scope:
            raise Misfit(f"not signed: {self.method} {self.path}")
        if scope[1] not in SERVICES:
            raise Misfit(f"signed for a service that Darkroom does not use: {scope[1]}")
        return SERVICES[scope[1]]


def exchanges(folder):
    """Returns every request with the status and the body of its answer (None where none came), in no special order."""
    for sent in sorted(pathlib.Path(folder).glob("*.sent")):
        answered = sent.with_suffix(".answered").read_bytes()
        server, client = h11.Connection(h11.SERVER, 1 << 24), h11.Connection(h11.CLIENT, 1 << 24)
        server.receive_data(sent.read_bytes())
        client.receive_data(answered)
        while (request := read(server)) is not None:
            message, body = request
            client.send(h11.Request(method=message.method, target=message.target, headers=[("host", "recorded")]))
            client.send(h11.EndOfMessage())
            try:
                answer = read(client)
            except h11.RemoteProtocolError:
                answer = None  # Cut off.
            status = answer[0].status_code if answer else None
            yield Request(message, body), status, answer[1] if answer else b""
            if answer is None or server.their_state is h11.MUST_CLOSE:
                break
            server.send(h11.Response(status_code=204, headers=[]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
            if client.their_state is h11.MUST_CLOSE or client.our_state is h11.MUST_CLOSE:
                break
            client.start_next_cycle()


def read(connection):
    """Returns the next message and its body; None where there is none that is whole."""
    message, body = None, []
    while True:
        event = connection.next_event()
        if event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
            return None
        if isinstance(event, (h11.Request, h11.Response)):
            message = event
        elif isinstance(event, h11.Data):
            body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return message, b"".join(body)


def parsed(request):
    """Returns the operation's model and its parameters."""
    service = model(request.service)
    protocol = service.metadata["protocol"]
    if "x-amz-target" in request.headers:
        prefix, _, name = request.headers["x-amz-target"].partition(".")
        if prefix != service.metadata["targetPrefix"]:
            raise Misfit(f"the target's prefix is {prefix}")
        return named(service, name), json.loads(request.body or b"{}")
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        _, _, prefix, _, name = request.path.split("/")
        if prefix != service.metadata["targetPrefix"]:
            raise Misfit(f"the path's service is {prefix}")
        import io
        return named(service, name), BaseCBORParser().parse_data_item(io.BufferedReader(io.BytesIO(request.body)))
    if protocol == "query":
        fields = {name: values[0] for name, values in urllib.parse.parse_qs(request.body.decode(), keep_blank_values=True).items()}
        version = fields.pop("Version", None)
        if version != service.metadata["apiVersion"]:
            raise Misfit(f"version {version}")
        operation = named(service, fields.pop("Action", ""))
        return operation, of_form(operation.input_shape, fields)
    return rest(service, request)


def named(service, name):
    if name not in service.operation_names:
        raise Misfit(f"{service.service_name} has no operation {name}")
    return service.operation_model(name)


def rest(service, request):
    fitting, why = [], "no operation has this path"
    for name in service.operation_names:
        operation = service.operation_model(name)
        if operation.http["method"] != request.method:
            continue
        template, _, static = operation.http["requestUri"].partition("?")
        fields = re.fullmatch(re.sub(r"\\{(\w+)(\\\+)?\\}", lambda it: f"(?P<{it[1]}>{'.+' if it[2] else '[^/]+'})", re.escape(template)) + "/?", request.path)
        static = urllib.parse.parse_qs(static, keep_blank_values=True)
        if not fields or any(request.query.get(key) != value for key, value in static.items()):
            continue
        parameters, unknown = outside_body(operation, request, fields.groupdict(), static)
        shape = operation.input_shape
        missing = [m for m in (shape.required_members if shape else ()) if shape.members[m].serialization.get("location") in ("querystring", "header") and m not in parameters]
        if missing or unknown:
            why = f"{name} lacks {missing}, and does not know {unknown}"
            continue
        fitting.append((len(static) + len(parameters), name, parameters))
    if not fitting:
        raise Misfit(f"{request.method} {request.path}?{'&'.join(request.query)}: {why}")
    said = request.query.get("x-id")
    _, name, parameters = max(one for one in fitting if not said or one[1] == said[0])
    operation = service.operation_model(name)
    parameters.update(of_body(operation, request))
    return operation, parameters


def outside_body(operation, request, path, static):
    parameters, known = {}, {"x-id", *static}
    for name, shape in (operation.input_shape.members if operation.input_shape else {}).items():
        place, wire = shape.serialization.get("location"), shape.serialization.get("name", name)
        if place == "uri":
            parameters[name] = of_text(shape, urllib.parse.unquote(path[wire])) if path.get(wire) else None
        elif place == "querystring":
            known.add(wire)
            if wire in request.query:
                values = request.query[wire]
                parameters[name] = [of_text(shape.member, value) for value in values] if shape.type_name == "list" else of_text(shape, values[0])
        elif place == "header" and wire.lower() in request.headers:
            parameters[name] = of_text(shape, request.headers[wire.lower()])
    return parameters, sorted(set(request.query) - known)


def of_body(operation, request):
    shape = operation.input_shape
    if shape is None or not request.body:
        return {}
    payload = shape.serialization.get("payload")
    if payload and shape.members[payload].type_name in ("blob", "string"):
        return {payload: request.body}
    if operation.service_model.metadata["protocol"] == "rest-json":
        body = json.loads(request.body)
        return {payload: body} if payload else body
    if not payload:
        return {}
    root = xml.fromstring(request.body)
    expected = shape.members[payload].serialization.get("name") or payload
    if bare(root.tag) != expected:
        raise Misfit(f"{operation.name}: the body is a {bare(root.tag)}, not a {expected}")
    return {payload: of_xml(shape.members[payload], root)}


def bare(tag):
    return tag.rpartition("}")[2]


def of_xml(shape, node):
    if shape.type_name == "structure":
        by_wire = {}
        for name, member in shape.members.items():
            wire = member.serialization.get("name", name)
            if member.type_name == "list" and member.serialization.get("flattened"):
                wire = member.serialization.get("name", member.member.serialization.get("name", name))
            by_wire[wire] = (name, member)
        found = {}
        for child in node:
            name, member = by_wire.get(bare(child.tag), (bare(child.tag), None))
            if member is None:
                found[name] = child.text  # Not a member: `misfits` says so.
            elif member.type_name == "list" and member.serialization.get("flattened"):
                found.setdefault(name, []).append(of_xml(member.member, child))
            else:
                found[name] = of_xml(member, child)
        return found
    if shape.type_name == "list":
        return [of_xml(shape.member, child) for child in node]
    return of_text(shape, node.text or "")


def of_form(shape, fields):
    """Reads a form's `Tags.member.1.Key=…` by the shape that it is to have."""
    if shape is None:
        return dict(fields)
    if shape.type_name == "structure":
        found = {}
        for wire, below in grouped(fields).items():
            member = shape.members.get(wire)
            found[wire] = below if member is None else of_form(member, below)
        return found
    if shape.type_name == "list":
        (word, numbered), = grouped(fields).items()
        if word != "member":
            raise Misfit(f"a list is spelt {word}, not member")
        return [of_form(shape.member, below) for _, below in sorted(grouped(numbered).items(), key=lambda it: int(it[0]))]
    return of_text(shape, fields[""])


def grouped(fields):
    groups = {}
    for name, value in fields.items():
        first, _, rest_ = name.partition(".")
        groups.setdefault(first, {})[rest_] = value
    return groups


def of_text(shape, text):
    try:
        return {"integer": int, "long": int, "float": float, "double": float}.get(shape.type_name, lambda it: it)(text) \
            if shape.type_name != "boolean" else {"true": True, "false": False}[text]
    except (ValueError, KeyError):
        return text  # Of another type than the model's: `misfits` says so.


TYPES = {"string": str, "boolean": bool, "integer": int, "long": int, "float": (int, float), "double": (int, float),
         "structure": dict, "map": dict, "list": list}


def misfits(shape, value, at):
    """Says in which ways a value is not what its shape asks for."""
    kind = shape.type_name
    if kind in ("blob", "timestamp"):
        return
    if not isinstance(value, TYPES[kind]) or (kind in ("integer", "long") and isinstance(value, bool)):
        yield f"{at} is {value!r}, not a {kind}"
        return
    size = value if kind in ("integer", "long", "float", "double") else None if kind in ("structure", "boolean") else len(value)
    limits = shape.metadata
    if size is not None and "min" in limits and size < limits["min"] or size is not None and "max" in limits and size > limits["max"]:
        yield f"{at} is {value!r}: not within {limits.get('min')}..{limits.get('max')}"
    if kind == "string":
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{at} is {value!r}, which is none of its values"
        if "pattern" in limits and not re.fullmatch(python_pattern(limits["pattern"]), value, re.DOTALL):
            yield f"{at} is {value!r}, which does not match {limits['pattern']}"
    elif kind == "structure":
        yield from (f"{at}.{name} is required" for name in shape.required_members if value.get(name) is None)
        for name, inner in value.items():
            if name not in shape.members:
                yield f"{at}.{name} is no member"
            elif inner is not None:
                yield from misfits(shape.members[name], inner, f"{at}.{name}")
    elif kind == "list":
        for index, inner in enumerate(value):
            yield from misfits(shape.member, inner, f"{at}[{index}]")
    elif kind == "map":
        for key, inner in value.items():
            yield from misfits(shape.key, key, f"{at}'s key")
            yield from misfits(shape.value, inner, f"{at}[{key}]")


def python_pattern(pattern):
    """The models' patterns are Java's."""
    return re.sub(r"\\p\{(?:L|Alpha|IsAlphabetic)\}", r"\\w", pattern).replace(r"\p{Z}", r"\s").replace(r"\p{N}", r"\d") \
        .replace(r"\p{ASCII}", r"\x00-\x7f").replace(r"\p{Print}", r"\x20-\x7e")


def problems_of(operation, parameters):
    name = f"{operation.service_model.signing_name if operation.service_model.service_name != 's3' else 's3'}:{operation.name}"
    if operation.input_shape is None:
        if parameters:
            yield f"{name} takes nothing"
        return
    yield from misfits(operation.input_shape, parameters, name)
    for (of, member), rule in STRICTER.items():
        value = parameters.get(member)
        if of == action_name(operation) and value is not None:
            if value not in rule if isinstance(rule, range) else not re.fullmatch(rule, value):
                yield f"{name}.{member} is {value!r}, against {rule}"


def action_name(operation):
    service = operation.service_model
    return f"{'s3' if service.service_name == 's3' else service.signing_name}:{operation.name}"


def actions_of(operation, parameters):
    name = action_name(operation).replace("monitoring:", "cloudwatch:")
    actions = list(ACTIONS.get(name, [name]))
    if name in ("lambda:CreateFunction", "lambda:UpdateFunctionConfiguration"):
        if parameters.get("Role"):
            actions.append("iam:PassRole")
        if parameters.get("Layers"):
            actions.append("lambda:GetLayerVersion")
        if parameters.get("Tags"):
            actions.append("lambda:TagResource")
    code = parameters.get("Code") or (parameters if name == "lambda:UpdateFunctionCode" else {})
    if isinstance(code, dict) and code.get("S3Key"):
        actions.append("s3:GetObject")
    if name == "iam:CreateRole" and parameters.get("Tags"):
        actions.append("iam:TagRole")
    if name == "s3:PutObject" and parameters.get("Tagging"):
        actions.append("s3:PutObjectTagging")
    if name == "s3:CreateBucket" and (parameters.get("CreateBucketConfiguration") or {}).get("Tags"):
        actions.append("s3:TagResource")
    return actions


def refusal(body):
    text = body[:2000].decode(errors="replace")
    code = re.search(r"<Code>([^<]+)|\"(?:__type|code|Code)\":\s*\"([^\"]+)\"", text)
    return (code[1] or code[2]) if code else None


def main():
    operations, actions, problems = {}, {}, set()
    for request, status, answer in exchanges(sys.argv[1]):
        try:
            operation, parameters = parsed(request)
            problems.update(problems_of(operation, parameters))
        except (Misfit, KeyError, ValueError, xml.ParseError) as problem:
            problems.add(f"{request.method} {request.path}: {problem}")
            continue
        name = action_name(operation)
        seen = operations.setdefault(name, {})
        outcome = str(status)
        if status and status >= 400:
            outcome = f"{status} {request.headers.get('x-amzn-errortype') or refusal(answer) or ''}".strip()
        seen[outcome] = seen.get(outcome, 0) + 1
        for action in actions_of(operation, parameters):
            actions.setdefault(action, name)
    found = {"operations": operations, "actions": actions, "problems": sorted(problems)}
    if len(sys.argv) > 2:
        statements = json.loads(pathlib.Path(sys.argv[2]).read_text())["Statement"]
        allowed = [one for statement in statements if statement["Effect"] == "Allow"
                   for one in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])]
        found["not_allowed"] = sorted(a for a in actions if not any(fnmatch.fnmatchcase(a, one) for one in allowed))
        found["allowed_for_nothing"] = sorted(one for one in allowed if not any(fnmatch.fnmatchcase(a, one) for a in actions))
    json.dump(found, sys.stdout, indent=1, sort_keys=True)


if __name__ == "__main__":
    main()
