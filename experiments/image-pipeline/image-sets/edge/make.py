"""Makes the files of the set `edge`, the same bytes each time with Pillow 13: python make.py

Everything is drawn here from arithmetic; nothing is taken from anywhere. CC0.
"""

import io
import pathlib
import random
import struct
import zlib

from PIL import Image

HERE = pathlib.Path(__file__).parent
SIZE = (160, 120)


def scene():
    """Returns an asymmetric RGB picture: slopes, discs, some grain."""
    grain = random.Random(562)
    discs = [(30, 35, 22, (210, 60, 40)), (110, 80, 30, (40, 150, 220)), (95, 25, 12, (240, 230, 80))]
    picture = Image.new("RGB", SIZE)
    for y in range(SIZE[1]):
        for x in range(SIZE[0]):
            colour = (40 + x, 200 - y, 60 + (x + 2 * y) // 3)
            for cx, cy, radius, inside in discs:
                if (x - cx) ** 2 + (y - cy) ** 2 < radius**2:
                    colour = inside
            noise = grain.randrange(-3, 4)
            picture.putpixel((x, y), tuple(max(0, min(255, c + noise)) for c in colour))
    return picture


def save(name, picture, *arguments, **keywords):
    picture.save(HERE / name, *arguments, **keywords)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def huge(width, height):
    """Returns an RGB PNG of many pixels in few bytes: every row is the one above it, but for the first."""
    row = bytes(value for x in range(width) for value in (x * 255 // width, 90, 255 - x * 255 // width))
    rows = zlib.compressobj(9)
    data = rows.compress(b"\x00" + row)
    same = b"\x02" + bytes(len(row))
    for _ in range(height - 1):
        data += rows.compress(same)
    data += rows.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def main():
    picture = scene()
    save("rgb.png", picture, optimize=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees clockwise
    save("exif-rotated.jpg", picture, quality=90, exif=exif)
    save("progressive.jpg", picture, quality=90, progressive=True)
    save("subsampled.jpg", picture, quality=75, subsampling=2)
    # No black ink, so that every way from CMYK to RGB comes to the same.
    cmyk = Image.merge("CMYK", [*(band.point(lambda value: 255 - value) for band in picture.split()), Image.new("L", SIZE)])
    save("cmyk.jpg", cmyk, quality=95)
    save("cmyk-as-rgb.png", Image.open(HERE / "cmyk.jpg").convert("RGB"), optimize=True)
    rgba = picture.copy()
    rgba.putalpha(255)  # opaque, so that no background decides
    save("rgba.png", rgba, optimize=True)
    grey = picture.convert("L")
    save("grey.png", grey, optimize=True)
    save("grey-as-rgb.png", grey.convert("RGB"), optimize=True)
    palette = picture.quantize(64, dither=Image.Dither.NONE)
    save("palette.png", palette, optimize=True)
    save("palette-as-rgb.png", palette.convert("RGB"), optimize=True)
    save("one-pixel.png", picture.crop((80, 60, 81, 61)))
    save("one-row.png", picture.crop((0, 60, 160, 61)))
    whole = io.BytesIO()
    picture.save(whole, "JPEG", quality=90)
    (HERE / "truncated.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (HERE / "truncated-png.png").write_bytes((HERE / "rgb.png").read_bytes()[:9000])
    (HERE / "no-image.png").write_bytes(b"This is no image, whatever its name says.\n")
    (HERE / "empty.png").write_bytes(b"")
    (HERE / "huge.png").write_bytes(huge(8000, 8000))


main()
