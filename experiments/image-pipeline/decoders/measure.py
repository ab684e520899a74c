"""Right and wrong handlers by several JPEG decoders: writes what each makes of every JPEG in a folder.

    python measure.py FOLDER/jpegs FOLDER/outputs DECODER...     pillow, numpy, opencv, libvips; each in a venv of its own
    cargo run -p darkroom-contract --example check -- many PIPELINE < FOLDER/list.tsv > FOLDER/judged.tsv
    python table.py FOLDER/judged.tsv...

Prints a line of stage, input and output for each output: the list that the example judges. Right code of `pillow` and
`numpy` is that of functions/; OpenCV's and libvips's is below. Rust's is functions/rust's own `stage` example. The wrong
handlers are those of runner/darkroom-contract/tests/it/mutants.rs that have to do with samples, made by each decoder.
"""

import io
import pathlib
import sys
import types

import numpy as np
from PIL import Image

FUNCTIONS = pathlib.Path(__file__).parents[3] / "functions"
BT601 = np.array([0.299, 0.587, 0.114])


def functions_of(variant):
    """Returns the modules of a variant; what they import for S3 is not needed here."""
    objects = types.ModuleType("objects")
    objects.read_input = objects.write_output = None
    sys.modules["objects"] = objects
    modules = {}
    for stage in ("greyscale", "rotate"):
        module = types.ModuleType(stage)
        exec((FUNCTIONS / variant / f"{stage}.py").read_text(), module.__dict__)
        modules[stage] = module
    return modules


def png(samples):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def pillow_decoded(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def pillow(stage, data):
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(data)) as image:
        if stage == "greyscale":
            PILLOW["greyscale"].greyscale(image).save(buffer, "PNG")
        elif stage == "rotate":
            PILLOW["rotate"].rotate(image).save(buffer, "JPEG", quality=90)
        else:
            image.save(buffer, "PNG")
    return buffer.getvalue()


def numpy(stage, data):
    samples = pillow_decoded(data)
    if stage == "greyscale":
        return png(NUMPY["greyscale"].greyscale(samples))
    if stage == "rotate":
        buffer = io.BytesIO()
        Image.fromarray(NUMPY["rotate"].rotate(samples)).save(buffer, "JPEG", quality=90)
        return buffer.getvalue()
    return png(samples)


def opencv_decoded(data):
    import cv2

    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    return image if image.ndim == 2 else image[..., ::-1]


def opencv(stage, data):
    import cv2

    samples = opencv_decoded(data)
    if stage == "greyscale":
        grey = np.rint(samples.astype(np.float64) @ BT601 * (1023 / 255)).astype(np.uint16)
        return cv2.imencode(".png", grey)[1].tobytes()
    if stage == "rotate":
        turned = cv2.rotate(samples, cv2.ROTATE_90_CLOCKWISE)
        return cv2.imencode(".jpg", turned, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return cv2.imencode(".png", samples)[1].tobytes()


def libvips_image(data):
    import pyvips

    return pyvips.Image.new_from_buffer(data, "", access="sequential").copy_memory()


def libvips_decoded(data):
    image = libvips_image(data)
    samples = np.frombuffer(image.write_to_memory(), np.uint8).reshape(image.height, image.width, image.bands)
    return samples[..., 0] if image.bands == 1 else samples[..., :3]


def libvips(stage, data):
    image = libvips_image(data)
    if stage == "greyscale":
        weights = [weight * 1023 / 255 for weight in BT601]
        grey = image.extract_band(0, n=3).recomb([weights]).rint().cast("ushort").copy(interpretation="grey16")
        return grey.pngsave_buffer(keep="none")
    image = image.copy(interpretation="b-w")
    if stage == "rotate":
        return image.rot90().jpegsave_buffer(Q=90, keep="none")
    return image.pngsave_buffer(keep="none")


def luma8(rgb):
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return (299 * r + 587 * g + 114 * b + 500) // 1000


def weighted(rgb, weights):
    return np.rint(rgb.astype(np.float64) @ np.array(weights) * (1023 / 255)).clip(0, 1023).astype(np.int64)


def linear(rgb):
    light = np.where(rgb <= 10, rgb / 255 / 12.92, ((rgb / 255 + 0.055) / 1.055) ** 2.4) @ np.array([0.2126, 0.7152, 0.0722])
    return np.rint(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 1023).astype(np.int64)


def right10(rgb):
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return (2 * (299 * r + 587 * g + 114 * b) * 1023 + 255000) // 510000


def floor10(rgb):
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return (299 * r + 587 * g + 114 * b) * 1023 // 255000


def integer10(rgb):
    """The coefficients by which Pillow makes mode L, at ten bits and cut off."""
    r, g, b = np.moveaxis(rgb.astype(np.int64), -1, 0)
    return (19595 * r + 38470 * g + 7471 * b) * 1023 // 255 >> 16


GREYSCALES = {
    "right-rounded-down": floor10,
    "right-in-integers": integer10,
    "right-float32": lambda rgb: np.rint(rgb.astype(np.float32) @ np.float32(BT601) * np.float32(1023 / 255)).astype(np.int64),
    "8-bit-shifted-left": lambda rgb: luma8(rgb) << 2,
    "8-bit-bits-repeated": lambda rgb: luma8(rgb) << 2 | luma8(rgb) >> 6,
    "8-bit-expanded": lambda rgb: np.rint(luma8(rgb) * 1023 / 255).astype(np.int64),
    "8-bit-cut-and-expanded": lambda rgb: np.rint((rgb.astype(np.int64) @ [299, 587, 114] // 1000) * 1023 / 255).astype(np.int64),
    "8-bit-unscaled": luma8,
    "bt709": lambda rgb: weighted(rgb, [0.2126, 0.7152, 0.0722]),
    "mean-of-channels": lambda rgb: weighted(rgb, [1 / 3] * 3),
    "red-and-blue-swapped": lambda rgb: weighted(rgb, [0.114, 0.587, 0.299]),
    "red-only": lambda rgb: weighted(rgb, [1, 0, 0]),
    "green-only": lambda rgb: weighted(rgb, [0, 1, 0]),
    "lightness": lambda rgb: np.rint((rgb.max(-1).astype(float) + rgb.min(-1)) / 2 * 1023 / 255).astype(np.int64),
    "linear-light": linear,
    "times-four": lambda rgb: np.rint(rgb @ BT601 * 4).astype(np.int64),
    "weights-of-two-digits": lambda rgb: weighted(rgb, [0.30, 0.59, 0.11]),
    "two-levels-brighter": lambda rgb: np.minimum(right10(rgb) + 2, 1023),
    "two-percent-darker": lambda rgb: np.rint(right10(rgb) * 0.98).astype(np.int64),
    "inverted": lambda rgb: 1023 - right10(rgb),
    "mirrored": lambda rgb: right10(rgb)[:, ::-1],
    "black": lambda rgb: right10(rgb) * 0,
    "white": lambda rgb: right10(rgb) * 0 + 1023,
    "scaled-to-16-bits": lambda rgb: right10(rgb) << 6,
}
CONVERTS = {
    "one-brighter": lambda grey: np.minimum(grey.astype(np.int64) + 1, 255),
    "three-brighter": lambda grey: np.minimum(grey.astype(np.int64) + 3, 255),
    "two-darker": lambda grey: np.maximum(grey.astype(np.int64) - 2, 0),
    "halved": lambda grey: grey // 2,
    "turned": lambda grey: grey[::-1, ::-1],
    "inverted": lambda grey: 255 - grey,
    "thresholded": lambda grey: np.where(grey > 127, 255, 0),
}
ROTATES = {
    "anticlockwise": lambda grey: np.rot90(grey, 1),
    "transposed": lambda grey: grey.T,
    "inverted": lambda grey: 255 - np.rot90(grey, -1),
    "darkened": lambda grey: np.rot90(grey, -1) // 4,
}


def wrong(stage, samples):
    """Yields handler and bytes of every handler that works on samples and is not the variant's own."""
    if stage == "greyscale":
        for name, make in GREYSCALES.items():
            yield name, png(make(samples).astype(np.uint16))
    elif stage == "convert":
        for name, make in CONVERTS.items():
            yield name, png(np.ascontiguousarray(make(samples)).astype(np.uint8))
    else:
        for name, make in ROTATES.items():
            buffer = io.BytesIO()
            Image.fromarray(np.ascontiguousarray(make(samples)).astype(np.uint8)).save(buffer, "JPEG", quality=90)
            yield name, buffer.getvalue()


DECODERS = {
    "pillow": (pillow, pillow_decoded),
    "numpy": (numpy, pillow_decoded),
    "opencv": (opencv, opencv_decoded),
    "libvips": (libvips, libvips_decoded),
}
EXTENSIONS = {"greyscale": "png", "rotate": "jpg", "convert": "png"}
PILLOW, NUMPY = functions_of("pillow"), functions_of("numpy")


def main():
    jpegs, outputs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    suffix = sys.argv[-1][1:] if sys.argv[-1].startswith("=") else ""
    chosen = [name for name in sys.argv[3:] if name in DECODERS]
    for decoder in chosen:
        right, decoded = DECODERS[decoder]
        folder = outputs / (decoder + suffix)
        folder.mkdir(parents=True, exist_ok=True)
        for jpeg in sorted(jpegs.iterdir()):
            data = jpeg.read_bytes()
            for stage in ("rotate", "convert") if ".grey-" in jpeg.name else ("greyscale",):
                made = [("right", right(stage, data))]
                # Equal samples make equal mistakes.
                first = decoder == "pillow" or not np.array_equal(decoded(data), pillow_decoded(data))
                if first and not suffix:
                    made += wrong(stage, decoded(data))
                for handler, output in made:
                    file = folder / f"{jpeg.stem}.{stage}.{handler}.{EXTENSIONS[stage]}"
                    file.write_bytes(output)
                    print(stage, jpeg, file, sep="\t")


if __name__ == "__main__":
    main()
