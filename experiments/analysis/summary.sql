-- Loads a run's tables with DuckDB and answers the first questions: how fast, how expensive, was it right, what was left out.
--
--   cd outputs/full/latest && duckdb < ../../../experiments/analysis/summary.sql
--
-- Run it where the .parquet files are. Columns are documented in outputs/README.md.

-- Where the numbers come from.
select decode(key) as key, decode(value) as value
from parquet_kv_metadata('summary.parquet')
where decode(key) in ('darkroom.run_id', 'darkroom.target', 'darkroom.isolation', 'darkroom.price_region', 'darkroom.price_date');

-- Run time of each stage, ms. A cold cell's is init + duration, with SnapStart restore + duration.
select variant, architecture, memory_mb, start, snapstart, stage, n, round(mean, 2) as mean_ms, round(sd, 2) as sd_ms,
       round(cv, 3) as cv, round(p50, 2) as p50_ms, round(p95, 2) as p95_ms, rank, outputs_ok, note
from 'summary.parquet'
where metric = if(start = 'cold', 'cold_total_ms', 'duration_ms') and stage <> 'pipeline'
order by image_set, input, start, stage_index, mean;

-- Turnaround of the whole pipeline, s, and hosting cost of 100,000 images, $ (S3 requests apart).
select t.cell_id, t.n, round(t.mean, 3) as turnaround_s, round(t.p95, 3) as p95_s,
       round(c.cost_usd_per_100k, 4) as cost_usd_per_100k, round(c.s3_usd_per_100k, 2) as s3_usd_per_100k, t.outputs_ok, t.note
from 'summary.parquet' t join 'costs.parquet' c using (cell_id)
where t.metric = 'turnaround_s'
order by t.mean;

-- arm64 compared with x86_64: the same code, all else equal.
select x.variant, x.memory_mb, x.start, x.stage, round(a.mean / x.mean, 3) as arm64_over_x86_64
from 'summary.parquet' x join 'summary.parquet' a
  on (replace(a.cell_id, '.arm64.', '.x86_64.'), a.stage, a.metric) = (x.cell_id, x.stage, x.metric)
where x.architecture = 'x86_64' and a.architecture = 'arm64' and x.metric = 'duration_ms' and a.n > 0 and x.n > 0;

-- Which rows the statistics use (counts_as = sample), and which they leave out.
select cell_id, counts_as, status, count(*) as "rows"
from 'invocations.parquet' group by all order by all;

-- Outputs that were not right.
select cell_id, stage, reason, count(*) as outputs, any_value(detail) as example
from 'outputs.parquet' where counts and not pass group by all order by all;
