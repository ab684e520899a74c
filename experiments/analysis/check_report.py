"""Holds a run's report.html against its Parquet files, and opens it in a headless browser where there is one.

    python experiments/analysis/check_report.py outputs/smoke/latest [chromium]

Every number of the page's main table must be the one in summary.parquet, in full. In the browser the page must log no
error to the console. Needs `pip install polars`. Exits 1 when something differs.
"""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import polars as pl

# The page's column, by its place in the table, and the table's.
COLUMNS = {3: "n", 4: "mean", 5: "mean_ci_low", 6: "mean_ci_high", 7: "sd", 8: "cv", 9: "p50", 10: "p95"}
PIPELINE = {"turnaround": "turnaround_s", "cost of 100,000 images": "cost_usd_per_100k"}


class MainTable(HTMLParser):
    """The rows of the table in #numbers: cell id, first word, and the full value of every column."""

    def __init__(self):
        super().__init__()
        self.inside, self.rows, self.first = False, [], False

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "section":
            self.inside = attrs.get("id") == "numbers"
        if not self.inside:
            return
        if tag == "tr" and "data-cell" in attrs:
            self.rows.append({"cell": attrs["data-cell"], "what": "", "values": []})
        elif tag == "td" and self.rows:
            self.rows[-1]["values"].append(attrs.get("data-value"))
            self.first = len(self.rows[-1]["values"]) == 1

    def handle_data(self, data):
        if self.inside and self.first and self.rows:
            self.rows[-1]["what"] += data

    def handle_endtag(self, tag):
        if tag == "td":
            self.first = False


def compare_numbers(run):
    page = MainTable()
    page.feed((run / "report.html").read_text())
    summary = pl.read_parquet(run / "summary.parquet")
    compared, wrong = 0, []
    for row in page.rows:
        stage, metric = "pipeline", PIPELINE.get(row["what"])
        if metric is None:
            stage = row["what"]
            cold = summary.filter(pl.col("cell_id") == row["cell"], pl.col("metric") == "cold_total_ms").height > 0
            metric = "cold_total_ms" if cold else "duration_ms"
        of = (pl.col("cell_id") == row["cell"]) & (pl.col("stage") == stage) & (pl.col("metric") == metric)
        (expected,) = summary.filter(of).to_dicts()
        for place, column in COLUMNS.items():
            compared += 1
            value = expected[column]
            value = None if value is None else float(value) * (100 if column == "cv" else 1)
            shown = row["values"][place]
            shown = None if shown is None else float(shown)
            if (value is None) != (shown is None) or (value is not None and abs(value - shown) > 1e-12 * abs(value)):
                wrong.append(f"{row['cell']} {row['what']} {column}: {shown} on the page, {value} in summary.parquet")
    measured = summary.filter(pl.col("stage") == "pipeline", pl.col("metric") == "cost_usd_per_100k", pl.col("n") > 0)
    missing = set(measured["cell_id"]) - {row["cell"] for row in page.rows}
    wrong += [f"{cell}: measured, and not on the page" for cell in sorted(missing)]
    return compared, wrong


def errors_in_browser(browser, page):
    """What the browser says on its console of the page, which must be nothing."""
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0",
               "--virtual-time-budget=2000", "--dump-dom", page.resolve().as_uri()]  # fmt: skip
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120)
    said = [line for line in answer.stderr.splitlines() if "CONSOLE" in line]
    rendered = answer.stdout.count("<svg") >= 3 and "</html>" in answer.stdout
    return said if rendered else [*said, "the page was not rendered"]


def main():
    run = Path(sys.argv[1])
    compared, wrong = compare_numbers(run)
    if not compared:
        wrong.append("the page has no numbers")
    if len(sys.argv) > 2:
        wrong += errors_in_browser(sys.argv[2], run / "report.html")
    for line in wrong:
        print(line)
    print(f"{compared} numbers of report.html held against summary.parquet, {len(wrong)} differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
