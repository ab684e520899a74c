"""Draws the JPEGs that `measure.py` has decoded: pictures x encoders x kinds. `make_jpegs.py FOLDER`

Pictures are crops of the project's photographs and drawings that are hard on chroma upsampling. Encoders are Pillow
(libjpeg-turbo), OpenCV (libjpeg-turbo, the only one that writes 4:1:1 and 4:4:0) and libvips (mozjpeg).
"""

import io
import pathlib
import sys

import cv2
import numpy as np
import pyvips
from PIL import Image, ImageCms, ImageDraw

SETS = pathlib.Path(__file__).parent.parent / "image-sets"
SAMPLING = {
    "444": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    "422": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_422,
    "440": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_440,
    "420": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420,
    "411": cv2.IMWRITE_JPEG_SAMPLING_FACTOR_411,
}


def photographs(side):
    """Yields a crop of each photograph, of an odd size: chroma of half the size has no partner at the edges."""
    for file in sorted((SETS / "photos").iterdir()):
        if file.suffix in (".png", ".jpg"):
            with Image.open(file) as image:
                image = image.convert("RGB")
                left, top = (image.width - side) // 2, (image.height - side) // 3
                yield file.stem, image.crop((left, top, left + side - 1, top + side * 3 // 4 - 1))


def drawings():
    """Yields pictures on which decoders differ most, and those on which little can be told."""
    y, x = np.mgrid[0:72, 0:96]
    random = np.random.default_rng(562)

    def picture(*channels):
        return Image.fromarray(np.clip(np.stack(np.broadcast_arrays(*channels), -1), 0, 255).astype(np.uint8))

    yield "smooth", picture(x * 8 / 3, y * 32 / 9, 255 - (x + y) * 3 / 2)
    checks = (x // 3 + y // 5) % 2
    yield "checks", picture(255 * checks, 0 * x, 255 * (1 - checks))
    yield "noise", picture(*random.integers(0, 256, (3, 72, 96)))
    soft = [cv2.GaussianBlur(random.normal(128, 260, (72, 96)), (0, 0), 2) for _ in range(3)]
    yield "blobs", picture(*soft)
    text = Image.new("RGB", (95, 71), (250, 250, 250))
    draw = ImageDraw.Draw(text)
    for row in range(6):
        draw.text((3, 2 + row * 12), "saturated words of red and blue", fill=[(230, 0, 0), (0, 0, 230), (0, 160, 0)][row % 3])
    yield "text", text
    yield "grey", picture(*[np.broadcast_to(128 + 90 * np.sin(x / 17) * np.cos(y / 11), x.shape)] * 3)
    yield "dark", picture(x / 6, y / 7, (x + y) / 15)
    yield "tiny", picture(x * 8 / 3, y * 32 / 9, 255 - (x + y) * 3 / 2).resize((17, 9), Image.Resampling.BILINEAR)
    yield "pixel", Image.new("RGB", (1, 1), (200, 30, 90))
    yield "row", picture(x * 8 / 3, y * 32 / 9, 255 - (x + y) * 3 / 2).resize((97, 1))


def of_pillow(image, **options):
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def of_opencv(image, quality, sampling, **more):
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, SAMPLING[sampling]]
    for key, value in more.items():
        options += [getattr(cv2, key), value]
    bgr = np.ascontiguousarray(np.asarray(image)[..., ::-1])
    return cv2.imencode(".jpg", bgr, options)[1].tobytes()


def of_libvips(image, **options):
    return pyvips.Image.new_from_array(np.asarray(image)).copy(interpretation="srgb").jpegsave_buffer(**options)


def kinds(image):
    """Yields a name and the bytes of each kind of JPEG."""
    for quality in (75, 90):
        yield f"pillow-q{quality}-420", of_pillow(image, quality=quality)
    for quality in (50, 95):
        for sampling in ("444", "422", "420"):
            name = f"pillow-q{quality}-{sampling}"
            yield name, of_pillow(image, quality=quality, subsampling=f"4:{sampling[1]}:{sampling[2]}")
        yield f"opencv-q{quality}-440", of_opencv(image, quality, "440")
        yield f"opencv-q{quality}-411", of_opencv(image, quality, "411")
        yield f"pillow-q{quality}-420-progressive", of_pillow(image, quality=quality, progressive=True, subsampling="4:2:0")
        yield f"pillow-q{quality}-420-restart", of_pillow(image, quality=quality, restart_marker_blocks=3, subsampling="4:2:0")
        yield f"pillow-q{quality}-adobe-rgb", of_pillow(image, quality=quality, keep_rgb=True)
        yield f"libvips-q{quality}-420", of_libvips(image, Q=quality, subsample_mode="on")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "pillow-exif-orientation", of_pillow(image, quality=90, exif=exif)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    yield "pillow-icc", of_pillow(image, quality=90, icc_profile=profile)
    yield "opencv-q90-422-restart-progressive", of_opencv(
        image, 90, "422", IMWRITE_JPEG_RST_INTERVAL=2, IMWRITE_JPEG_PROGRESSIVE=1
    )
    yield "libvips-q90-444-trellis-progressive", of_libvips(
        image, Q=90, subsample_mode="off", interlace=True, trellis_quant=True, optimize_scans=True
    )


def grey_kinds(image):
    """Yields what the stages after the first are given: grey JPEGs."""
    grey = image.convert("L")
    for quality in (50, 75, 95):
        yield f"grey-pillow-q{quality}", of_pillow(grey, quality=quality)
        yield f"grey-pillow-q{quality}-progressive", of_pillow(grey, quality=quality, progressive=True)
    yield "grey-pillow-restart", of_pillow(grey, quality=90, restart_marker_blocks=3)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "grey-pillow-exif-orientation", of_pillow(grey, quality=90, exif=exif)
    yield "grey-opencv-q90", cv2.imencode(".jpg", np.asarray(grey), [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    yield "grey-libvips-q75-trellis", pyvips.Image.new_from_array(np.asarray(grey)).copy(interpretation="b-w").jpegsave_buffer(
        Q=75, trellis_quant=True, interlace=True
    )


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [*photographs(128), *drawings()]
    for picture, image in pictures:
        for kind, data in [*kinds(image), *grey_kinds(image)]:
            (folder / f"{picture}.{kind}.jpg").write_bytes(data)
    print(len(pictures), "pictures,", len(list(folder.iterdir())), "files")


if __name__ == "__main__":
    main()
