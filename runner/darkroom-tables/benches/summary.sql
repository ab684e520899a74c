-- Mean, SD, quantiles and n of every cell, stage and metric: what summary.parquet says of invocations.parquet, by hand.
select cell_id, stage, metric, count(value) as n, avg(value) as mean, stddev_samp(value) as sd,
       quantile_cont(value, [0.5, 0.9, 0.95, 0.99]) as quantiles
from (
    unpivot (
        select cell_id, stage, duration_ms, client_ms, trigger_delay_ms, billed_ms::double as billed_ms, init_ms,
               cold_total_ms, max_memory_mb::double as max_memory_mb, cost_usd
        from read_parquet($file)
        where counts_as = 'sample'
    )
    on columns(* exclude (cell_id, stage)) into name metric value value
)
group by all
