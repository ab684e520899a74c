"""Handler time of `rust` against a Python variant, side by side in one run: no Lambda, no S3, the same input bytes.

    python3.13 -m venv /tmp/bench && /tmp/bench/bin/pip install -r functions/numpy/requirements.txt
    /tmp/bench/bin/python functions/bench.py [--variant pillow] [--times 5] [--megapixels] [IMAGE ...]

Rounds alternate between the two, and a stage's time is the median of its rounds. Both are fed what `rust` wrote for the
stage before, and what both write is judged by the contract: a ratio of wrong pictures would mean nothing. Numbers hold for
this machine and its load only.
"""

import argparse
import importlib
import io
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import types

ROOT = pathlib.Path(__file__).resolve().parent.parent
PIPELINE = ROOT / "experiments/image-pipeline/pipeline.toml"
PHOTOS = ROOT / "experiments/image-pipeline/image-sets/photos"
STAGES = ["greyscale", "resize", "colour-depth", "rotate", "convert"]


class Memory:
    """Stands in for the S3 client: one input, one output."""

    def __init__(self):
        self.input, self.output = b"", b""

    def get_object(self, **_):
        return {"Body": io.BytesIO(self.input)}

    def put_object(self, Body, **_):
        self.output = bytes(Body)


def built(*arguments):
    """Builds a Cargo example and returns the path of its program."""
    environment = dict(os.environ)
    target = pathlib.Path(environment.setdefault("CARGO_TARGET_DIR", tempfile.gettempdir() + "/darkroom-bench"))
    subprocess.run(["cargo", "build", "--release", "--locked", *arguments], check=True, env=environment, cwd=ROOT)
    return target / "release/examples" / arguments[arguments.index("--example") + 1]


def time_rust(program, stage, source, target):
    """Returns the second run's time: the first one of a process pays for its pages, as the Python side did long ago."""
    printed = subprocess.run([program, stage, source, target, "2"], check=True, capture_output=True, text=True).stdout
    return float(printed.split()[-1])


def time_python(handler, memory, source):
    memory.input = source.read_bytes()
    event = {"Records": [{"s3": {"bucket": {"name": "in"}, "object": {"key": "image.png"}}}]}
    start = time.perf_counter()
    handler(event, None)
    return (time.perf_counter() - start) * 1e3


def judged(check, stage, source, output):
    verdict = subprocess.run([check, PIPELINE, stage, source, output], capture_output=True, text=True)
    return "pass" if verdict.returncode == 0 else "WRONG"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="pillow")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--megapixels", action="store_true", help="a generated image of 12 megapixels as well")
    parser.add_argument("images", nargs="*", type=pathlib.Path)
    arguments = parser.parse_args()

    memory = Memory()
    sys.modules["boto3"] = types.ModuleType("boto3")
    sys.modules["boto3"].client = lambda *_, **__: memory
    os.environ.update(OUTPUT_BUCKET="out", OUTPUT_PREFIX="")
    sys.dont_write_bytecode = True
    sys.path.insert(0, str(ROOT / "functions" / arguments.variant))
    handlers = {stage: importlib.import_module(stage.replace("-", "_")).handler for stage in STAGES}

    rust = built("--manifest-path", str(ROOT / "functions/rust/Cargo.toml"), "--example", "stage")
    check = built("-p", "darkroom-contract", "--example", "check")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        images = arguments.images or sorted([*PHOTOS.glob("*.png"), *PHOTOS.glob("*.jpg")])
        if arguments.megapixels:
            generated = folder / "generated-12mp.jpg"
            generated.write_bytes(subprocess.check_output([check, "generate", "562", "4000x3000", "jpg"]))
            images = [*images, generated]
        bench(images, folder, rust, check, handlers, memory, arguments)


def bench(images, folder, rust, check, handlers, memory, arguments):
    totals = {stage: [0.0, 0.0] for stage in STAGES}
    print(f"{'image':24}{'stage':14}{'rust ms':>10}{arguments.variant + ' ms':>12}{'ratio':>8}  outputs")
    for image in images:
        source = image
        for stage in STAGES:
            by_rust, by_python = folder / f"{stage}.rust", folder / f"{stage}.python"
            rounds = [
                (time_rust(rust, stage, source, by_rust), time_python(handlers[stage], memory, source))
                for _ in range(arguments.times)
            ]
            by_python.write_bytes(memory.output)
            times = [statistics.median(round) for round in zip(*rounds)]
            totals[stage] = [total + time for total, time in zip(totals[stage], times)]
            verdicts = f"{judged(check, stage, source, by_rust)} {judged(check, stage, source, by_python)}"
            print(f"{image.name:24}{stage:14}{times[0]:10.1f}{times[1]:12.1f}{times[0] / times[1]:8.2f}  {verdicts}")
            source = by_rust
    totals["all stages"] = [sum(times) for times in zip(*totals.values())]
    for stage, (by_rust, by_python) in totals.items():
        print(f"{'all images':24}{stage:14}{by_rust:10.1f}{by_python:12.1f}{by_rust / by_python:8.2f}")


if __name__ == "__main__":
    main()
