"""Makes the JPEGs of the contract's corpus with the outputs of the five decoders, and the cases that name them.

    python make_corpus.py FOLDER OTHER_OUTPUTS...

Run where `requirements.txt` is installed. OTHER_OUTPUTS are folders of outputs of the same JPEGs made elsewhere (an older
Pillow, functions/rust), named for what made them; without them the JPEGs alone are written. Equal outputs are stored once.
"""

import hashlib
import io
import pathlib
import sys

from PIL import Image

import make_jpegs
import measure

HERE = "experiments/image-pipeline/decoders/make_corpus.py"

TWO_DIGITS = "weights 0.300, 0.590, 0.110 where 0.299, 0.587, 0.114 were asked for"
FOUR = "where 1023/255 = 4.012 was asked for"
WRONG = {
    "coffee.pillow-q90-420": {
        "8-bit-expanded": "8-bit luma expanded",
        "8-bit-shifted-left": "the levels lie in steps",
        "bt709": "BT.709 weights",
        "linear-light": "on average, allowed",
    },
    "rocket.pillow-q95-422": {"times-four": FOUR},
    "tiny.pillow-q75-420": {"times-four": FOUR},
    "coffee.grey-pillow-q50": {"one-brighter": "every sample is 1.0 levels too high", "two-darker": "every sample is 2.0 levels too low"},
    "checks.pillow-q50-420": {"bt709": "BT.709 weights", "mean-of-channels": "outside what JPEG decoders give"},
    "text.pillow-q95-422": {
        "8-bit-expanded": "8-bit luma",
        "two-levels-brighter": "off by 2.0 on average",
        "weights-of-two-digits": TWO_DIGITS,
    },
}


def sources():
    """Yields a name, what it is, and a picture of at most 64x48."""
    photographs = dict(make_jpegs.photographs(66))
    for name in ("coffee", "rocket", "astronaut"):
        yield name, f"crop of photos/{name}", photographs[name].crop((0, 0, 63, 47))
    drawings = dict(make_jpegs.drawings())
    yield "checks", "saturated red and blue checks", drawings["checks"].crop((0, 0, 64, 48))
    yield "text", "saturated red, blue and green text", drawings["text"].crop((0, 0, 64, 47))
    yield "tiny", "a smooth picture of 17x9", drawings["tiny"]


def jpegs():
    """Yields a name, the stage that is fed it, where it came from, and its bytes."""
    for name, what, image in sources():
        every = [*make_jpegs.kinds(image), *make_jpegs.grey_kinds(image)]
        kinds = dict(every)
        wanted = {
            "coffee": list(kinds),
            "rocket": ["pillow-q50-420", "opencv-q50-440", "opencv-q50-411", "pillow-q95-422"],
            "astronaut": ["pillow-q75-420", "pillow-q50-adobe-rgb", "grey-pillow-q50"],
            "checks": ["pillow-q50-420", "pillow-q95-420", "opencv-q95-440", "pillow-q50-444"],
            "text": ["pillow-q50-420", "pillow-q95-422", "opencv-q50-411"],
            "tiny": ["pillow-q75-420", "grey-pillow-q75"],
        }[name]
        for kind in wanted:
            for stage in ("rotate", "convert") if kind.startswith("grey-") else ("greyscale",):
                yield f"{name}.{kind}", stage, f"{what}, as {kind} by {HERE}", kinds[kind]


def here(stage, data):
    """Yields what made an output, and its bytes."""
    for name, (right, _) in measure.DECODERS.items():
        yield name, right(stage, data)


def main():
    folder, others = pathlib.Path(sys.argv[1]), [pathlib.Path(other) for other in sys.argv[2:]]
    folder.mkdir(parents=True, exist_ok=True)
    cases = []
    for name, stage, origin, data in jpegs():
        (folder / f"{name}.jpg").write_bytes(data)
        outputs = {}
        if others:
            made = [*here(stage, data), *((it.name, next(it.glob(f"{name}.{stage}.right.*")).read_bytes()) for it in others)]
            for maker, output in made:
                # Equal samples are equal outputs, whatever compressed them.
                samples = Image.open(io.BytesIO(output)).tobytes() if stage != "rotate" else output
                outputs.setdefault(hashlib.sha256(samples).hexdigest(), (output, []))[1].append(maker)
        for number, (output, makers) in enumerate(outputs.values(), 1):
            file = f"{name}.{stage}.{number}.{measure.EXTENSIONS[stage]}"
            (folder / file).write_bytes(output)
            cases.append(
                f'[[cases]]\nfile = "{name}.jpg"\nfrom = "{origin}"\nstage = "{stage}"\n'
                f'output = "{file}"\nmade_by = "{", ".join(makers)}"\nexpected = "pass"\n'
            )
        if others and name in WRONG:
            decoded = measure.pillow_decoded(data)
            mistakes = {"greyscale": measure.GREYSCALES, "convert": measure.CONVERTS}.get(stage, {})
            for handler, words in WRONG[name].items() if mistakes else ():
                file = f"{name}.{stage}.{handler}.png"
                samples = mistakes[handler](decoded).astype("uint16" if stage == "greyscale" else "uint8")
                (folder / file).write_bytes(measure.png(samples))
                cases.append(
                    f'[[cases]]\nfile = "{name}.jpg"\nfrom = "{origin}; wrong code"\nstage = "{stage}"\n'
                    f'output = "{file}"\nmade_by = "{handler}"\nexpected = "out of tolerance"\nsays = "{words}"\n'
                )
    if cases:
        print("\n".join(cases))


if __name__ == "__main__":
    main()
