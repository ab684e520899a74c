"""Uploads by HTML forms (`generate_presigned_post`), as a browser sends them and as AWS answers."""

import base64
import datetime
import json
import re
import urllib.error
import urllib.request
import uuid

from stage import check, client, equal, name, s3

TWO, FOUR = client("s3", signature_version="s3"), client("s3", signature_version="s3v4")
BROKEN = "Invalid according to Policy: "


class Stay(urllib.request.HTTPRedirectHandler):
    """Shows where a browser would be sent instead of going there."""

    def redirect_request(self, *_):
        return None


def send(post, file=b"pixels", file_name="photo.png", fields=None, without=(), after=()):
    """Sends a form and returns status, headers and text."""
    boundary = uuid.uuid4().hex
    body = b""

    def part(head, content):
        return f"--{boundary}\r\nContent-Disposition: form-data; {head}\r\n\r\n".encode() + content + b"\r\n"

    for field, value in {**post["fields"], **(fields or {})}.items():
        if field not in without:
            body += part(f'name="{field}"', value.encode())
    if file is not None:
        body += part(f'name="file"; filename="{file_name}"\r\nContent-Type: image/png', file)
    for field in after:
        body += part(f'name="{field}"', b"ignored")
    body += f"--{boundary}--\r\n".encode()
    request = urllib.request.Request(post["url"], body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})
    try:
        with urllib.request.build_opener(Stay).open(request) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def told(answer):
    """Status, code and message of an error document."""
    status, _, text = answer
    code, message = (re.search(f"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("Code", "Message"))
    unescaped = message.group(1).replace("&quot;", '"').replace("&apos;", "'") if message else text
    return status, code.group(1) if code else "", unescaped


def bucket():
    made = name("forms")
    s3.create_bucket(Bucket=made)
    return made


def tour_form_is_stored():
    into = bucket()
    for version, signer in (("2", TWO), ("4", FOUR)):
        post = signer.generate_presigned_post(into, f"up/{version}.png")
        status, headers, text = send(post)
        equal(f"status, signed by version {version}", (status, text), (204, ""))
        stored = s3.get_object(Bucket=into, Key=f"up/{version}.png")
        equal(f"content, signed by version {version}", stored["Body"].read(), b"pixels")
        equal(f"ETag, signed by version {version}", headers["ETag"], stored["ETag"])
        equal("no type said", stored["ContentType"], "binary/octet-stream")
    fields = {"Content-Type": "image/png", "x-amz-meta-who": "me", "Cache-Control": "no-store", "acl": "private",
              "tagging": "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>"}
    post = FOUR.generate_presigned_post(into, "all.png", Fields=fields, Conditions=[{key: value} for key, value in fields.items()])
    equal("with fields", send(post, fields={"x-ignore-this": "1"}, after=["later"])[0], 204)
    stored = s3.head_object(Bucket=into, Key="all.png")
    equal("fields", (stored["ContentType"], stored["Metadata"], stored["CacheControl"]), ("image/png", {"who": "me"}, "no-store"))
    equal("tags", s3.get_object_tagging(Bucket=into, Key="all.png")["TagSet"], [{"Key": "a", "Value": "1"}])
    equal("binary", send(FOUR.generate_presigned_post(into, "binary"), bytes(range(256)) * 4096)[0], 204)
    equal("binary content", s3.get_object(Bucket=into, Key="binary")["Body"].read(), bytes(range(256)) * 4096)


def tour_form_takes_the_file_name():
    into = bucket()
    post = FOUR.generate_presigned_post(into, "up/${filename}")
    for sent, key in (("photo.png", "up/photo.png"), ("C:\\pictures\\cat.png", "up/cat.png"), ("/home/me/dog.png", "up/dog.png"),
                      ("a b+c&d%.png", "up/a b+c&d%.png"), ("Ünï.png", "up/Ünï.png")):
        status, headers, _ = send(post, file_name=sent)
        keys = [found["Key"] for found in s3.list_objects_v2(Bucket=into).get("Contents", [])]
        check(f"{sent} is stored as {key}", status == 204 and key in keys, (status, keys))
    post = FOUR.generate_presigned_post(into, "fixed", Fields={"x-amz-meta-name": "${filename}"},
                                        Conditions=[["starts-with", "$x-amz-meta-name", "photo"]])
    equal("in another field", send(post)[0], 204)
    equal("its value", s3.head_object(Bucket=into, Key="fixed")["Metadata"], {"name": "photo.png"})
    equal("the policy sees what came of it", told(send(post, file_name="cat.png")),
          (403, "AccessDenied", BROKEN + 'Policy Condition failed: ["starts-with", "$x-amz-meta-name", "photo"]'))


def tour_form_that_the_policy_refuses():
    into, other = bucket(), bucket()
    wrong = client("s3", signature_version="s3v4")
    wrong._request_signer._credentials = type("Keys", (), {"access_key": "test", "secret_key": "wrong", "token": None,
                                                           "get_frozen_credentials": lambda self: self})()
    mismatch = "The request signature we calculated does not match the signature you provided. Check your key and signing method."
    for version, signer in (("2", TWO), ("4", FOUR)):
        post = signer.generate_presigned_post(into, "up/${filename}", Conditions=[["content-length-range", 3, 10]])
        signed = f", signed by version {version}"
        equal("another key" + signed, told(send(post, fields={"key": "down/x"})),
              (403, "AccessDenied", BROKEN + 'Policy Condition failed: ["starts-with", "$key", "up/"]'))
        equal("another bucket" + signed, told(send({**post, "url": post["url"].replace(into, other)})),
              (403, "AccessDenied", BROKEN + f'Policy Condition failed: ["eq", "$bucket", "{into}"]'))
        equal("a field too many" + signed, told(send(post, fields={"x-amz-meta-extra": "1"})),
              (403, "AccessDenied", BROKEN + "Extra input fields: x-amz-meta-extra"))
        equal("too large" + signed, told(send(post, b"12345678901")),
              (400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"))
        equal("too small" + signed, told(send(post, b"12")),
              (400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"))
        policy = json.loads(base64.b64decode(post["fields"]["policy"]))
        policy["conditions"] = policy["conditions"][:1]
        changed = base64.b64encode(json.dumps(policy).encode()).decode()
        equal("a policy that was changed" + signed, told(send(post, fields={"policy": changed})), (403, "SignatureDoesNotMatch", mismatch))
        equal("a policy that is none" + signed, told(send(post, fields={"policy": "{"}))[:2], (403, "SignatureDoesNotMatch"))
        equal("expired" + signed, told(send(signer.generate_presigned_post(into, "late", ExpiresIn=-1))),
              (403, "AccessDenied", BROKEN + "Policy expired."))
        equal("no policy" + signed, told(send(post, without=["policy"])), (403, "AccessDenied", "Access Denied"))
    equal("another secret", told(send(wrong.generate_presigned_post(into, "k"))), (403, "SignatureDoesNotMatch", mismatch))
    equal("no signature", told(send(FOUR.generate_presigned_post(into, "k"), without=["x-amz-signature"]))[:2], (400, "InvalidArgument"))
    equal("no key", told(send(FOUR.generate_presigned_post(into, "k"), without=["key"]))[:2], (400, "InvalidArgument"))
    equal("no file", told(send(FOUR.generate_presigned_post(into, "k"), file=None)),
          (400, "InvalidArgument", "POST requires exactly one file upload per request."))
    gone = FOUR.generate_presigned_post(name("nobucket"), "k")
    equal("no bucket", told(send(gone))[:2], (404, "NoSuchBucket"))
    equal("nothing was stored", [s3.list_objects_v2(Bucket=one)["KeyCount"] for one in (into, other)], [0, 0])


def tour_form_says_what_it_is_answered():
    into = bucket()

    def asked(field, value, key="k e&y.png"):
        post = FOUR.generate_presigned_post(into, key, Fields={field: value}, Conditions=[{field: value}])
        return send(post)

    for value, status in (("200", 200), ("204", 204), ("999", 204)):
        equal(f"status {value}", asked("success_action_status", value)[0], status)
    status, headers, text = asked("success_action_status", "201")
    etag = s3.head_object(Bucket=into, Key="k e&y.png")["ETag"]
    check("201 with a document", status == 201 and f"<Bucket>{into}</Bucket><Key>k e&amp;y.png</Key>" in text, text)
    check("Location", headers["Location"].endswith(f"/{into}/k%20e%26y.png") and headers["ETag"] == etag, headers)
    status, headers, _ = asked("success_action_redirect", "http://example.test/done?a=1")
    equal("redirect", (status, headers["Location"]),
          (303, f"http://example.test/done?a=1&bucket={into}&key=k+e%26y.png&etag=%22{etag.strip(chr(34))}%22"))
    equal("no URL", asked("success_action_redirect", "nowhere")[0], 204)


def tour_form_of_an_hour_ago():
    """A policy holds until it expires, however long ago it was signed."""
    into = bucket()
    post = TWO.generate_presigned_post(into, "k", ExpiresIn=3600)
    expires = json.loads(base64.b64decode(post["fields"]["policy"]))["expiration"]
    left = datetime.datetime.fromisoformat(expires.replace("Z", "+00:00")) - datetime.datetime.now(datetime.timezone.utc)
    check("it expires in an hour", 3500 < left.total_seconds() <= 3600, expires)
    equal("sent twice", [send(post)[0], send(post)[0]], [204, 204])
