"""What the look from inside costs: the same function with and without it, side by side, on a local cloud.

    target/debug/darkroom serve --port 4600 &      # packages must be in .darkroom: run an experiment of the variants first
    python functions/profile_bench.py http://127.0.0.1:4600 [--times 200] [--cold 20]      # a Python that has boto3

For each variant two functions of one zip, called in turn: as a run configures them with `profile = true`, and without.
Times are those of the platform's REPORT line; the stage is `rotate`, the shortest, so shares are at their worst.
"""

import argparse
import base64
import io
import pathlib
import re
import statistics
import zipfile

import boto3

ROOT = pathlib.Path(__file__).resolve().parent.parent
PACKAGES = ROOT / ".darkroom/packages"
WRAPPER = ROOT / "runner/darkroom/src/package/profile/bootstrap.py"
STAGE = "rotate"
ROLE = "arn:aws:iam::000000000000:role/bench"


def newest(packages, pattern):
    found = sorted(packages.glob(pattern), key=lambda path: path.stat().st_mtime)
    if not found:
        raise SystemExit(f"no {pattern} in {packages}: run an experiment of that variant first")
    return found[-1].read_bytes()


def wrapper_layer():
    contents = io.BytesIO()
    with zipfile.ZipFile(contents, "w") as layer:
        layer.writestr("python/darkroom_profile/__init__.py", "")
        layer.writestr("python/darkroom_profile/bootstrap.py", WRAPPER.read_text())
    return contents.getvalue()


class Bench:
    def __init__(self, endpoint):
        settings = dict(
            endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
        )
        self.functions, self.objects = boto3.client("lambda", **settings), boto3.client("s3", **settings)
        self.bucket = "profile-bench"
        self.objects.create_bucket(Bucket=self.bucket)

    def layer(self, name, contents):
        return self.functions.publish_layer_version(LayerName=name, Content={"ZipFile": contents})["LayerVersionArn"]

    def create(self, name, **settings):
        settings["Environment"] = {"Variables": {**settings["Environment"], **self.output()}}
        self.functions.create_function(FunctionName=name, Role=ROLE, MemorySize=1769, Timeout=60, **settings)
        self.functions.get_waiter("function_active_v2").wait(FunctionName=name)

    def output(self, nonce=""):
        return {"OUTPUT_BUCKET": self.bucket, "OUTPUT_PREFIX": "out/", "NONCE": nonce}

    def renew(self, name, nonce):
        """Retires the environments, so that the next call is a cold one."""
        variables = self.functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
        variables["NONCE"] = nonce
        self.functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
        self.functions.get_waiter("function_updated_v2").wait(FunctionName=name)

    def call(self, name):
        """Returns the duration and the init duration (None when warm) of one call, ms."""
        event = f'{{"Records":[{{"s3":{{"bucket":{{"name":"{self.bucket}"}},"object":{{"key":"in/image.jpg"}}}}}}]}}'
        answer = self.functions.invoke(FunctionName=name, Payload=event, LogType="Tail")
        log = base64.b64decode(answer["LogResult"]).decode()
        if "FunctionError" in answer:
            raise SystemExit(f"{name} failed: {answer['Payload'].read().decode()}")
        if ("darkroom_profile" in log) != name.endswith("-on"):
            raise SystemExit(f"{name} is not what its name says: {log}")
        init = re.search(r"\tInit Duration: ([0-9.]+) ms", log)
        return float(re.search(r"\tDuration: ([0-9.]+) ms", log)[1]), init and float(init[1])


def deploy(bench, packages, variant):
    if variant == "rust":
        plain = dict(Runtime="provided.al2023", Handler=STAGE, Code={"ZipFile": newest(packages, "rust-x86_64-*.zip")})
        bench.create(f"{variant}-off", **plain, Environment={})
        bench.create(f"{variant}-on", **plain, Environment={"DARKROOM_PROFILE": "1"})
        return
    code = newest(packages, f"{variant}-[0-9a-f]*.zip")
    layers = [bench.layer(variant, newest(packages, f"{variant}-x86_64-layer-*.zip"))]
    plain = dict(Runtime="python3.13", Code={"ZipFile": code})
    bench.create(f"{variant}-off", **plain, Handler=f"{STAGE}.handler", Layers=layers, Environment={})
    layers.append(bench.layer("wrapper", wrapper_layer()))
    handler, real = "darkroom_profile.bootstrap.handler", {"DARKROOM_HANDLER": f"{STAGE}.handler"}
    bench.create(f"{variant}-on", **plain, Handler=handler, Layers=layers, Environment=real)


def compare(what, pairs):
    """Prints both medians, the median of the paired differences and their ratio."""
    off, on = (statistics.median(side) for side in zip(*pairs))
    more = statistics.median(on - off for off, on in pairs)
    print(f"{what:28}{len(pairs):6}{off:10.3f}{on:10.3f}{more:+12.3f}{on / off:9.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("--image", type=pathlib.Path, help="a greyscale JPEG; default: a photograph of the set")
    parser.add_argument("--packages", type=pathlib.Path, default=PACKAGES, help="where the zips are")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--cold", type=int, default=20)
    parser.add_argument("--variants", nargs="+", default=["pillow", "rust"])
    arguments = parser.parse_args()
    image = arguments.image or ROOT / "experiments/image-pipeline/image-sets/photos/rocket.jpg"

    bench = Bench(arguments.endpoint)
    bench.objects.put_object(Bucket=bench.bucket, Key="in/image.jpg", Body=image.read_bytes())
    print(f"{'':28}{'pairs':>6}{'off ms':>10}{'on ms':>10}{'difference':>12}{'ratio':>9}")
    for variant in arguments.variants:
        deploy(bench, arguments.packages, variant)
        sides = [f"{variant}-off", f"{variant}-on"]
        for side in sides:
            bench.call(side)
        # Whoever goes second in a pair may find a warmer cache, so the two take turns in going first.
        turns = [sides if turn % 2 == 0 else sides[::-1] for turn in range(arguments.times)]
        warm = [{side: bench.call(side)[0] for side in turn} for turn in turns]
        compare(f"{variant} {STAGE}, warm", [(pair[sides[0]], pair[sides[1]]) for pair in warm])
        cold = []
        for turn in range(arguments.cold):
            for side in sides:
                bench.renew(side, str(turn + 1))
            cold.append([bench.call(side) for side in sides])
        if any(init is None for pair in cold for _, init in pair):
            raise SystemExit("a start that should have been cold was warm")
        compare(f"{variant} init, cold", [tuple(init for _, init in pair) for pair in cold])


if __name__ == "__main__":
    main()
