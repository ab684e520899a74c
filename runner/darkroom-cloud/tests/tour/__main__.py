"""A scripted tour of the local cloud with boto3 and the AWS CLI: what AWS answers, this must answer.

    darkroom serve --port 4566 --open --retry-delays 0.1,0.2
    python runner/darkroom-cloud/tests/tour http://127.0.0.1:4566 [--pasted FILE] [NAME ...]

Each `tour_*` function is one chapter; NAMEs choose chapters, or whole files. FILE holds what `serve` printed, which the
chapter `quick_start` pastes into a shell. Prints one line a failed check; exits 1 if any failed.
`cargo test` runs it whole, with the boto3 and AWS CLI of requirements.txt (runner/darkroom/tests/it/tour.rs).
"""

import sys
import time
import traceback

import around
import cli
import forms
import functions
import parity
import running
import settings
import stage
import versions

THEMES = [functions, versions, settings, running, around, parity, forms, cli]


def chapters(names):
    for theme in THEMES:
        for key, tour in vars(theme).items():
            if not key.startswith("tour_"):
                continue
            chapter = key.removeprefix("tour_")
            if not names or theme.__name__ in names or any(name in chapter for name in names):
                yield theme.__name__, chapter, tour


def main():
    totals = {}
    for theme, chapter, tour in chapters(stage.NAMES):
        stage.chapter = f"{theme}.{chapter}"
        before, started = stage.checks, time.monotonic()
        try:
            tour()
        except Exception:
            stage.check("goes through", False, traceback.format_exc(limit=-3))
        totals[theme] = totals.get(theme, 0) + stage.checks - before
        print(f"{stage.chapter}: {stage.checks - before} checks, {time.monotonic() - started:.1f} s", flush=True)
    print(", ".join(f"{theme} {count}" for theme, count in totals.items()))
    print(f"{stage.checks - len(stage.failures)} of {stage.checks} checks passed")
    return 1 if stage.failures or not stage.checks else 0


if __name__ == "__main__":
    sys.exit(main())
