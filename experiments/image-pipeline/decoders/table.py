"""Prints what `check many` found, as the tables of the pipeline's README: `table.py JUDGED...`"""

import collections
import pathlib
import sys

JUDGED, MEASURES = {}, ("max_abs", "outside", "level", "colour")


def group(kind):
    """Returns the row of the table that a JPEG belongs to."""
    for word, name in (
        ("adobe-rgb", "RGB stored as RGB (Adobe marker)"),
        ("exif", "EXIF orientation"),
        ("icc", "ICC profile"),
        ("restart-progressive", "4:2:2 progressive with restart markers"),
        ("trellis", "4:4:4 trellis progressive"),
        ("progressive", "4:2:0 progressive"),
        ("restart", "4:2:0 restart markers"),
    ):
        if word in kind:
            return name
    return f"4:{kind[-2]}:{kind[-1]}"


def main():
    rows = collections.defaultdict(lambda: collections.defaultdict(list))
    wrong = collections.defaultdict(list)
    for path in sys.argv[1:]:
        for line in pathlib.Path(path).read_text().splitlines():
            stage, jpeg, output, verdict, reason, detail, decoder, *numbers = line.split("\t")
            maker = pathlib.Path(output).parent.name
            handler = pathlib.Path(output).name.split(f".{stage}.")[1].rsplit(".", 1)[0]
            kind = pathlib.Path(jpeg).stem.split(".")[1]
            if stage == "greyscale":
                kind = group(kind)
            else:
                kind = "grey, " + kind.split("-", 1)[1]
            passed = verdict == "pass"
            if handler.startswith("right"):
                rows[stage, kind][maker].append((passed, decoder, numbers, output, detail))
            else:
                wrong[stage, handler].append((passed, decoder, numbers, output, detail))
    makers = sorted({maker for row in rows.values() for maker in row})
    print("right code: passed of outputs")
    print("| stage | JPEG |", " | ".join(makers), "|")
    for (stage, kind), by in sorted(rows.items()):
        told = [f"{sum(r[0] for r in by[m])} of {len(by[m])}" if m in by else "" for m in makers]
        print(f"| {stage} | {kind} |", " | ".join(told), "|")
    for (stage, kind), by in sorted(rows.items()):
        for maker, results in by.items():
            for passed, decoder, numbers, output, detail in results:
                if not passed:
                    print("RIGHT CALLED WRONG", output, decoder, numbers, detail)
    print("wrong code: caught of outputs")
    for (stage, handler), results in sorted(wrong.items()):
        # Within the tolerance of one reading it is right for that picture: a grey picture has no weights.
        same = sum(r[0] and r[2][0] != "" and float(r[2][0]) <= (1 if stage == "greyscale" else 2) for r in results)
        missed = [r for r in results if r[0]]
        print(f"| {stage} | {handler} | {len(results) - len(missed)} | {same} | {len(missed) - same} |")
        for passed, decoder, numbers, output, detail in missed:
            if stage != "greyscale" or float(numbers[0]) > 1:
                print("   MISSED", pathlib.Path(output).name, decoder, numbers)


if __name__ == "__main__":
    main()
