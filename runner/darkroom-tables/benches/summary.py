"""Runs summary.sql over a run's invocations.parquet in DuckDB, and compares what it says with summary.parquet.

    python summary.py RUN_FOLDER

Prints seconds, seconds of CPU and peak memory; ends with 1 where a mean, SD, quantile or n differs by more than 1e-9 of it.
"""

import resource
import sys
import time
from pathlib import Path

import duckdb

run = Path(sys.argv[1])
query = Path(__file__).with_suffix(".sql").read_text()
connection = duckdb.connect()
started = time.perf_counter()
rows = connection.execute(query, {"file": str(run / "invocations.parquet")}).fetchall()
seconds = time.perf_counter() - started
usage = resource.getrusage(resource.RUSAGE_SELF)
print(f"DuckDB {duckdb.__version__:<13} {seconds:7.2f} s   {usage.ru_utime + usage.ru_stime:7.2f} s of CPU, "
      f"peak {usage.ru_maxrss // 1024} MB, {len(rows)} rows")

columns = "cell_id, stage, metric, n, mean, sd, p50, p90, p95, p99"
ours = {(cell, stage, metric): values for cell, stage, metric, *values in connection.execute(
    f"select {columns} from read_parquet('{run / 'summary.parquet'}')").fetchall()}
compared = 0
for cell, stage, metric, n, mean, sd, quantiles in rows:
    found = ours.get((cell, stage, metric))
    if found is None:
        continue  # Metrics that summary leaves out of a cell, for example `init_ms` of a warm one: all null.
    for theirs, mine in zip([n, mean, sd, *quantiles], found, strict=True):
        compared += 1
        if theirs != mine and not abs(theirs - mine) <= 1e-9 * abs(theirs):
            sys.exit(f"{cell} {stage} {metric}: {mine}, by DuckDB {theirs}")
print(f"{compared} values of both agree to 1e-9")
