"""Compares a run's report.html with its Parquet files, and opens it in a headless browser if you name one.

    python experiments/analysis/check_report.py outputs/smoke/latest [chromium]
    python experiments/analysis/check_report.py outputs/smoke/latest [chromium] --beside PAGE OTHER_RUN...

Every number in the page's tables must equal, unrounded, the one in summary, comparisons or choices: in the matrix each mean, its
ratio to the baseline, and whether that is claimed; in the browser also after another baseline and medians were chosen. On a page of several runs
(`darkroom report RUN OTHER_RUN...`) it must equal the ratio of the runs' means. In the browser, no page may log an error to
the console or be wider than a phone. Needs `pip install polars`. Exits with 1 if something differs.
"""

import html
import json
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

import polars as pl

# Columns of the page's tables by their position, with the names of the Parquet columns.
NUMBERS = {2: "n", 3: "mean", 4: "mean_ci_low", 5: "mean_ci_high", 6: "sd", 7: "cv", 8: "p50", 9: "p95"}
PAIRS = {3: "n_a", 4: "ratio_mean", 5: "ratio_mean_ci_low", 6: "ratio_mean_ci_high", 7: "cliffs_delta", 8: "p_adj"}
CHOICES = {2: "memory_mb", 3: "cost_usd_per_100k", 4: "turnaround_s"}
PHONE = 390


class Page(HTMLParser):
    """The rows of the page's tables by section. Each has its data-* attributes and the unrounded value of every column."""

    def __init__(self, path):
        super().__init__()
        self.section, self.sections = None, {}
        self.matrices = []  # each with its cells, its baseline, and the fields of its rows
        self.feed(path.read_text())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section":
            self.section = attrs.get("id")
        elif self.section == "matrix":
            self.of_matrix(tag, attrs)
        elif tag == "tr" and any(name.startswith("data-") for name in attrs):
            self.sections.setdefault(self.section, []).append((attrs, []))
        elif tag == "td" and self.sections.get(self.section):
            self.sections[self.section][-1][1].append(attrs.get("data-value"))

    def of_matrix(self, tag, attrs):
        if tag == "table":
            self.matrices.append({"cells": [], "base": None, "rows": []})
        elif tag == "th" and "data-cell" in attrs:
            self.matrices[-1]["cells"].append(attrs["data-cell"])
            if attrs.get("class") == "base":
                self.matrices[-1]["base"] = attrs["data-cell"]
        elif tag == "tr" and "data-stage" in attrs:
            self.matrices[-1]["rows"].append((attrs["data-stage"], attrs["data-metric"], []))
        elif tag == "td":
            self.matrices[-1]["rows"][-1][2].append(attrs)

    def rows(self, section):
        return self.sections.get(section, [])


class Check:
    def __init__(self):
        self.compared, self.wrong = 0, []

    def values(self, where, shown, expected, columns):
        for place, column in columns.items():
            self.compared += 1
            value = expected[column]
            value = None if value is None else float(value) * (100 if column == "cv" else 1)
            on_page = None if shown[place] is None else float(shown[place])
            if (value is None) != (on_page is None) or (value is not None and abs(value - on_page) > 1e-12 * abs(value)):
                self.wrong.append(f"{where} {column}: {on_page} on the page, but {value} in the table")

    def numbers(self, run, page):
        summary = pl.read_parquet(run / "summary.parquet")
        for attrs, shown in page.rows("numbers"):
            cell, stage, metric = attrs["data-cell"], attrs["data-stage"], attrs["data-metric"]
            (expected,) = summary.filter(cell_id=cell, stage=stage, metric=metric).to_dicts()
            self.values(f"{cell} {stage}", shown, expected, NUMBERS)
        measured = summary.filter(pl.col("n") > 0, stage="pipeline", metric="cost_usd_per_100k")
        missing = set(measured["cell_id"]) - {attrs["data-cell"] for attrs, _ in page.rows("numbers")}
        self.wrong += [f"{cell}: measured, but not on the page" for cell in sorted(missing)]

    def matrix(self, run, matrices, by="mean"):
        """Compares every field with summary, its ratio with comparisons (or the ratio of the two numbers), its shade with the verdict."""
        summary, comparisons = pl.read_parquet(run / "summary.parquet"), pl.read_parquet(run / "comparisons.parquet")
        column, ratio_of = ("mean", "ratio_mean") if by == "mean" else ("p50", "ratio_median")
        key = ["cell_id", "stage", "metric"]
        values = {tuple(row[name] for name in key): row[column] for row in summary.iter_rows(named=True)}
        better = {"faster": "better", "cheaper": "better", "slower": "worse", "dearer": "worse"}
        turned = {"faster": "worse", "cheaper": "worse", "slower": "better", "dearer": "better"}
        pairs = {}
        for row in comparisons.filter(~pl.col("factor").is_in(["model", "deployment"])).iter_rows(named=True):
            # Beside medians a claim stands only where their own interval shows it.
            low, high, verdict = row[f"{ratio_of}_ci_low"], row[f"{ratio_of}_ci_high"], row["verdict"]
            if by == "median" and (low is None or not (high < 1 if better.get(verdict) == "better" else low > 1)):
                verdict = None
            pairs[row["cell_a"], row["cell_b"], row["stage"], row["metric"]] = (row[ratio_of], verdict)
        for table in matrices:
            for stage, metric, fields in table["rows"]:
                for cell, field in zip(table["cells"], fields, strict=True):
                    where, value = f"matrix, {cell} {stage} ({by})", values.get((cell, stage, metric))
                    self.same(where, field.get("data-value"), value)
                    if (ratio := field.get("data-ratio")) is None:
                        if "better" in field.get("class", "") or "worse" in field.get("class", ""):
                            self.wrong.append(f"{where}: shaded without a ratio")
                        continue
                    compared, base = "cost_usd" if metric == "cost_usd_per_100k" else metric, table["base"]
                    there, back = (pairs.get((*of, stage, compared), (None, None)) for of in ((base, cell), (cell, base)))
                    if there[0] is not None:
                        expected, shade = there[0], better.get(there[1])
                    elif back[0] is not None:
                        expected, shade = 1 / back[0], turned.get(back[1])
                    else:
                        expected, shade = value / values[base, stage, metric], None
                    self.same(f"{where} against {base}", ratio, expected)
                    if (field.get("class") or None) != shade:
                        self.wrong.append(f"{where} against {base}: {field.get('class')} on the page, but {shade} by the comparison")

    def same(self, where, shown, expected):
        self.compared += 1
        shown = None if shown is None else float(shown)
        if (shown is None) != (expected is None) or (expected is not None and abs(shown - expected) > 1e-9 * abs(expected)):
            self.wrong.append(f"{where}: {shown} on the page, but {expected} in the tables")

    def pairs(self, run, page):
        table = pl.read_parquet(run / "comparisons.parquet")
        for attrs, shown in page.rows("comparisons"):
            of = {name: attrs["data-" + name.replace("_", "-")] for name in ("factor", "cell_a", "cell_b", "level_b", "stage", "metric")}
            (expected,) = table.filter(**of).to_dicts()
            self.values(f"{of['cell_b']} against {of['cell_a']}, {of['stage']}", shown, expected, PAIRS)

    def choices(self, run, page):
        table = pl.read_parquet(run / "choices.parquet")
        for attrs, shown in page.rows("choices"):
            (expected,) = table.filter(cell_id=attrs["data-cell"]).to_dicts()
            self.values(f"{attrs['data-pick']} of {attrs['data-cell']}", shown, expected, CHOICES)
            if expected[attrs["data-pick"]] is not True:
                self.wrong.append(f"{attrs['data-cell']} is not {attrs['data-pick']} in choices.parquet")
        picked = sum(table[word].fill_null(False).sum() for word in ("cheapest", "fastest", "balanced"))
        if picked != len(page.rows("choices")):
            self.wrong.append(f"{picked} picks in choices.parquet, but {len(page.rows('choices'))} on the page")

    def beside(self, runs, page):
        """Compares the ratios on a page of several runs with those of the means, over the passes that both runs have."""
        samples = [sample(run) for run in runs]
        for place, other in enumerate(samples[1:], start=1):
            rows = page.rows(f"differences-{chr(ord('A') + place)}")
            if not rows:
                self.wrong.append(f"the page has no differences of {runs[place]}")
            for attrs, shown in rows:
                of = {name: attrs[f"data-{name}"] for name in ("cell", "stage", "metric")}
                a, b = samples[0].filter(**of), other.filter(**of)
                both = a.join(b, on=["deployment", "image", "repetition"], suffix="_b")
                if both.height == int(shown[2]) == int(shown[3]):
                    ratio = both["value_b"].mean() / both["value"].mean()
                else:
                    ratio = b["value"].mean() / a["value"].mean()
                self.compared += 1
                if abs(ratio - float(shown[4])) > 1e-9 * ratio:
                    self.wrong.append(f"{of}: ratio {shown[4]} on the page, but {ratio} from the rows")


def sample(run):
    """The values that count, one a row: cell, stage, metric, deployment, image, repetition, value."""
    keys = ["cell_id", "stage", "deployment", "image", "repetition"]
    invocations = pl.read_parquet(run / "invocations.parquet").filter(counts_as="sample")
    passes = pl.read_parquet(run / "pipelines.parquet").filter(counts_as="sample").with_columns(stage=pl.lit("pipeline"))
    long = [
        table.select(*keys, value=pl.col(metric), metric=pl.lit(metric)).drop_nulls("value")
        for table, metrics in ((invocations, ("duration_ms", "cold_total_ms")), (passes, ("turnaround_s", "cost_usd")))
        for metric in metrics
    ]
    return pl.concat(long).rename({"cell_id": "cell"})


# The page tells its frame how it looks, and then what its matrix says after the last cell that may be one was made the baseline
# and medians were asked for. It is in a frame because a window cannot be as narrow as a phone.
PROBE = """<script>addEventListener("load", () => {
  for (const row of document.querySelectorAll("table.stages thead tr")) [...row.querySelectorAll("button")].at(-1)?.click();
  const median = [...document.querySelectorAll(".controls label")].find((label) => label.textContent.includes("medians"));
  median?.querySelector("input").click();
  const of = (field) => ({ "data-value": field.dataset.value, "data-ratio": field.dataset.ratio, class: field.className });
  const matrices = [...document.querySelectorAll("table.stages")].map((table) => ({
    cells: [...table.tHead.querySelectorAll("th[data-cell]")].map((head) => head.dataset.cell),
    base: table.tHead.querySelector("th.base")?.dataset.cell,
    rows: [...table.tBodies[0].rows].map((row) => [row.dataset.stage, row.dataset.metric, [...row.querySelectorAll("td")].map(of)]) }));
  parent.postMessage(JSON.stringify({ width: innerWidth, scroll: document.documentElement.scrollWidth, matrices,
    figures: document.querySelectorAll("svg").length, sortable: document.querySelectorAll("th button").length,
    fragment: location.hash }), "*"); });</script></body>"""
FRAME = f"""<!doctype html><title></title><script>onmessage = (told) => {{ document.title = told.data; }};</script>
<iframe src="page.html" width="{PHONE}" height="800" frameborder="0"></iframe>"""


def look(browser, page, check=None, run=None):
    """What is wrong with the page in a browser: errors on its console, too few figures, wider than a phone's screen, a wrong matrix."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "page.html").write_text(page.read_text().replace("</body>", PROBE))
        frame = Path(folder) / "frame.html"
        frame.write_text(FRAME)
        command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
                   "--virtual-time-budget=4000", "--dump-dom", frame.as_uri()]  # fmt: skip
        answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in answer.stderr.splitlines() if "CONSOLE" in line]
    told = html.unescape(answer.stdout.partition("<title>")[2].partition("</title>")[0])
    if not told:
        return [*said, f"{page.name}: the browser did not render it"]
    found = json.loads(told)
    if found["scroll"] > found["width"]:
        said.append(f"{page.name} is {found['scroll']} pixels wide on a screen of {found['width']}")
    if found["figures"] < 3:
        said.append(f"{page.name} has {found['figures']} figures")
    if check:
        check.matrix(run, found["matrices"], "median")
        if found["matrices"] and "by=median" not in found["fragment"]:
            said.append(f"{page.name}: its address does not say that medians are shown")
    if not found["sortable"]:
        said.append(f"{page.name}: no table can be sorted")
    return said


def main():
    arguments = sys.argv[1:]
    several = []
    if "--beside" in arguments:
        at = arguments.index("--beside")
        arguments, several = arguments[:at], [Path(name) for name in arguments[at + 1 :]]
    run, browser = Path(arguments[0]), arguments[1] if len(arguments) > 1 else None
    check, pages = Check(), [run / "report.html"]
    page = Page(pages[0])
    check.numbers(run, page)
    check.matrix(run, page.matrices)
    check.pairs(run, page)
    check.choices(run, page)
    if several:
        pages.append(several[0])
        check.beside([run, *several[1:]], Page(several[0]))
    if not check.compared:
        check.wrong.append("the page has no numbers")
    if browser:
        for each in pages:
            check.wrong += look(browser, each, *((check, run) if each == pages[0] else ()))
    for line in check.wrong:
        print(line)
    print(f"{check.compared} numbers of {', '.join(each.name for each in pages)} compared with the tables, {len(check.wrong)} differ")
    sys.exit(1 if check.wrong else 0)


if __name__ == "__main__":
    main()
