"""Loads every table of a run with each library that outputs/README.md names, and compares what they read.

    python experiments/analysis/load.py outputs/full/latest [duckdb polars pandas arrow spark]

Number of rows, column names, nulls and the sum of every numeric column must be the same for all. Without names, it tries all
but Spark, which needs a Java runtime. Exits with 1 if a library reads something else than Polars.
"""

import math
import sys
from pathlib import Path

import polars as pl


def with_duckdb(path):
    import duckdb

    return pl.from_arrow(duckdb.sql(f"select * from '{path}'").to_arrow_table())


def with_polars(path):
    return pl.read_parquet(path)


def with_pandas(path):
    import pandas as pd

    return pl.from_pandas(pd.read_parquet(path, dtype_backend="pyarrow"))


def with_arrow(path):
    import pyarrow.parquet

    return pl.from_arrow(pyarrow.parquet.read_table(path))


def with_spark(path):
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    frame = spark.read.parquet(str(path))
    return pl.from_arrow(frame.toArrow())


def figures(frame):
    """What all libraries must agree on: the number of rows, and for each column its nulls and the sum of its numbers."""
    return {
        name: (frame.height, column.null_count(), float(column.cast(pl.Float64).sum()) if column.dtype.is_numeric() else None)
        for name, column in zip(frame.columns, frame.get_columns(), strict=True)
    }


def alike(a, b):
    """Compares figures. Sums may differ in their last bits, because libraries add in different orders."""
    same = lambda x, y: x == y or (None not in (x, y) and math.isclose(x, y, rel_tol=1e-9))  # noqa: E731
    return list(a) == list(b) and all(a[name][:2] == b[name][:2] and same(a[name][2], b[name][2]) for name in a)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    run, names = Path(sys.argv[1]), sys.argv[2:] or ["duckdb", "polars", "pandas", "arrow"]
    tables, differ = sorted(run.glob("*.parquet")), 0
    if not tables:
        sys.exit(f"{run} holds no tables; give a run's folder, made by `darkroom run` or `darkroom aggregate`")
    for path in tables:
        expected = figures(with_polars(path))
        for name in names:
            found = figures(globals()[f"with_{name}"](path))
            if not alike(found, expected):
                differ += 1
                which = [column for column in expected if found.get(column) != expected[column]]
                print(f"{path.name}: {name} reads other values than Polars: {', '.join(which) or list(found)}")
    print(f"{len(tables)} tables loaded by {', '.join(names)}: {'they disagree' if differ else 'all alike'}")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
