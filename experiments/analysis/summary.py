"""Loads a run's tables with Polars (or pandas) and prints what summary.sql prints.

    python experiments/analysis/summary.py outputs/full/latest [--pandas]

Needs `pip install polars` (or `pandas pyarrow`). Columns are documented in outputs/README.md.
"""

import sys
from pathlib import Path


def with_polars(run: Path) -> None:
    import polars as pl

    summary = pl.read_parquet(run / "summary.parquet")
    costs = pl.read_parquet(run / "costs.parquet")
    invocations = pl.scan_parquet(run / "invocations.parquet")

    headline = pl.when(pl.col("start") == "cold").then(pl.lit("cold_total_ms")).otherwise(pl.lit("duration_ms"))
    shown = ["cell_id", "stage", "n", "mean", "sd", "cv", "p50", "p95", "rank", "outputs_ok"]
    runtime = summary.filter((pl.col("metric") == headline) & (pl.col("stage") != "pipeline")).select(shown)
    turnaround = summary.filter(pl.col("metric") == "turnaround_s").select("cell_id", "n", "mean", "p95")
    cost = costs.select("cell_id", "cost_usd_per_100k", "s3_usd_per_100k", "outputs_ok", "note")
    counted = invocations.group_by("cell_id", "counts_as", "status").len().sort("cell_id", "counts_as").collect()
    with pl.Config(tbl_rows=60, tbl_cols=12, fmt_str_lengths=60, tbl_width_chars=160):
        for title, table in [
            ("Run time by stage, ms", runtime),
            ("Turnaround, s, and cost", turnaround.join(cost, on="cell_id")),
            ("What counts", counted),
        ]:
            print(title, table, sep="\n")


def with_pandas(run: Path) -> None:
    import pandas as pd

    summary = pd.read_parquet(run / "summary.parquet")
    costs = pd.read_parquet(run / "costs.parquet")
    invocations = pd.read_parquet(run / "invocations.parquet", columns=["cell_id", "counts_as", "status"])

    headline = summary["start"].map({"cold": "cold_total_ms", "warm": "duration_ms"})
    shown = ["cell_id", "stage", "n", "mean", "sd", "cv", "p50", "p95", "rank", "outputs_ok"]
    runtime = summary.loc[(summary["metric"] == headline) & (summary["stage"] != "pipeline"), shown]
    turnaround = summary.loc[summary["metric"] == "turnaround_s", ["cell_id", "n", "mean", "p95"]]
    cost = costs[["cell_id", "cost_usd_per_100k", "s3_usd_per_100k", "outputs_ok", "note"]]
    with pd.option_context("display.max_rows", 60, "display.width", 160):
        print("Run time by stage, ms", runtime, sep="\n")
        print("Turnaround, s, and cost", turnaround.merge(cost, on="cell_id"), sep="\n")
        print("What counts", invocations.value_counts(sort=False), sep="\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = Path(sys.argv[1])
    if not (folder / "summary.parquet").exists():
        sys.exit(f"{folder} holds no summary.parquet; give a run's folder, made by `darkroom run` or `darkroom aggregate`")
    (with_pandas if "--pandas" in sys.argv[2:] else with_polars)(folder)
