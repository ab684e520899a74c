import base64
import io

from PIL import Image


def opened(data):
    return Image.open(io.BytesIO(base64.b64decode(data)))


def stored(picture, kind, **how):
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()
