"""Recomputes a run's tables of results from its measurements with numpy and scipy, and compares: an independent check.

    python experiments/analysis/check.py outputs/full/latest [prices.toml]

The tables correctness, correctness_comparisons, generation, summary, costs, comparisons and choices are recomputed from
invocations.parquet, outputs.parquet and pipelines.parquet, by code that shares nothing with Darkroom's. Exact quantities must
agree to 1e-9. Bootstrap intervals must agree within a share of their width, because the resamples differ. Needs
`pip install polars numpy scipy`. Exits with 1 if something differs.
"""

import sys
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
from scipy import stats

EXACT = 1e-9
BOOTSTRAP = 0.15  # of the interval's width
DEFAULT_PRICES = Path(__file__).parent.parent / "prices" / "us-east-1.toml"


class Check:
    def __init__(self):
        self.compared, self.wrong = 0, []

    def same(self, what, found, expected, tolerance=EXACT):
        self.compared += 1
        if found is None or expected is None:
            differs = found is not None or expected is not None
        else:
            differs = not abs(found - expected) <= tolerance * max(1.0, abs(expected))
        if differs:
            self.wrong.append(f"{what}: {found} in the table, but {expected} recomputed")

    def equal(self, what, found, expected):
        self.compared += 1
        if found != expected:
            self.wrong.append(f"{what}: {found} in the table, but {expected} recomputed")

    def near(self, what, found, expected, width):
        self.compared += 1
        if found is None or not abs(found - expected) <= BOOTSTRAP * width:
            self.wrong.append(f"{what}: {found} in the table, but {expected} recomputed")


def described(x):
    """The descriptive statistics of docs/method.md, section 2, by numpy."""
    n = len(x)
    if n == 0:
        return dict.fromkeys(["mean", "sd", "cv", "min", "p50", "p90", "p95", "p99", "max", "iqr", "mad"])
    q = lambda p: float(np.quantile(x, p))  # noqa: E731
    mean, sd = float(np.mean(x)), float(np.std(x, ddof=1)) if n > 1 else None
    return {
        "mean": mean, "sd": sd, "cv": sd / mean if sd is not None and mean > 0 else None,
        "min": float(np.min(x)), "max": float(np.max(x)),
        "p50": q(0.5), "p90": q(0.9), "p95": q(0.95) if n >= 20 else None, "p99": q(0.99) if n >= 100 else None,
        "iqr": q(0.75) - q(0.25), "mad": float(np.median(np.abs(x - np.median(x)))),
    }  # fmt: skip


def order_statistics(x, p):
    """The 95% interval of a quantile by the binomial distribution, by scipy."""
    x, n = np.sort(x), len(x)
    cdf = stats.binom.cdf(np.arange(n), n, p)
    low, high = np.flatnonzero(cdf <= 0.025), np.flatnonzero(cdf >= 0.975)
    return (float(x[low[-1]]) if len(low) else None, float(x[high[0]]) if len(high) else None)


def check_summary(check, summary, invocations, pipelines):
    for row in summary.iter_rows(named=True):
        facts = pipelines if row["stage"] == "pipeline" else invocations
        group = facts.filter(pl.col("cell_id") == row["cell_id"])
        if row["stage"] != "pipeline":
            group = group.filter(pl.col("stage") == row["stage"])
        what = f"summary {row['cell_id']} {row['stage']} {row['metric']}"
        counted = sum(row[n] for n in ["n", "n_failed", "n_wrong_start", "n_warm_up", "n_probe", "n_superseded", "n_missing"]) + row.get("n_proactive", 0)
        check.same(f"{what} rows", counted, group.height)
        check.same(f"{what} n_proactive", row.get("n_proactive", 0), group.filter(pl.col("counts_as") == "proactive").height)
        column, scale = ("cost_usd", 1e5) if row["metric"] == "cost_usd_per_100k" else (row["metric"], 1.0)
        sample = group.filter(pl.col("counts_as") == "sample").drop_nulls(column)
        order = "started_at" if row["stage"] == "pipeline" else "sequence"
        as_recorded = sample.sort(order, maintain_order=True)[column].cast(pl.Float64).to_numpy()
        x = as_recorded * scale
        check.same(f"{what} n", row["n"], len(x))
        for name, value in described(x).items():
            check.same(f"{what} {name}", row[name], value)
        if len(x) >= 2 and np.ptp(x) > 0:
            images = sample.sort(order, maintain_order=True)["image"].to_numpy()
            check_intervals(check, what, row, x, as_recorded, images)
        check_variance(check, what, row, sample.with_columns(value=pl.col(column).cast(pl.Float64)))


def check_starts(check, invocations):
    """How each invocation started (method.md, section 1), and that only what the cell asks for is in a sample."""
    if "start_kind" not in invocations.columns:  # tables of schema 9 and older
        return
    columns = ["start", "status", "counts_as", "duration_ms", "init_ms", "cold", "init_to_start_ms", "init_gap_ms", "start_kind", "target"]
    columns += [column for column in ["restore_ms", "snapstart"] if column in invocations.columns]  # tables of schema 11
    for number, row in enumerate(invocations.select(columns).iter_rows(named=True)):
        what, init, until_start = f"invocations row {number}", row["init_ms"], row["init_to_start_ms"]
        restore = row.get("restore_ms")
        check.equal(f"{what} is initialised or restored, not both", init is None or restore is None, True)
        init = init if restore is None else restore
        gap = until_start - init if None not in (until_start, init) else None
        check.same(f"{what} init_gap_ms", row["init_gap_ms"], gap)
        ready = gap > 1000 if gap is not None else init is None and until_start is not None and until_start > 10_000
        cold = row["cold"]  # of imported rows: what the other tool recorded, if anything
        if row["target"] != "imported":
            check.equal(f"{what} cold", cold, None if row["duration_ms"] is None else init is not None)
        new = "cold" if restore is None else "restored"
        expected = None if cold is None else "proactive" if ready else new if cold else "warm"
        check.equal(f"{what} start_kind", row["start_kind"], expected)
        if row["counts_as"] in ("sample", "probe") and expected is not None:
            asked = "restored" if (row["start"], row.get("snapstart")) == ("cold", "on") else row["start"]
            check.equal(f"{what} start of a {row['counts_as']}", row["start_kind"], asked)
        if row["counts_as"] == "proactive":
            check.equal(f"{what} counts as", (row["start_kind"], row["status"]), ("proactive", "ok"))


def check_memory(check, summary, invocations):
    """How much longer stages take for changed pixels, with the one-sided t interval, by Polars and scipy (method.md, 7a)."""
    longer = {}
    for (cell, stage), rows in invocations.group_by("cell_id", "stage"):
        of = ["image", "deployment"]
        seen = rows.filter(pl.col("counts_as") == "sample").sort("sequence", maintain_order=True)
        late = seen.filter((pl.col("sequence").rank("ordinal").over(of) > 1) | (pl.len().over(of) == 1))
        medians = late.group_by(of).agg(typical=pl.col("duration_ms").log().median())
        probes = rows.filter(pl.col("counts_as") == "probe").join(medians, on=of)
        probes = probes.with_columns(d=pl.col("duration_ms").log() - pl.col("typical"))
        images = {image: of_image["d"].to_numpy() for (image,), of_image in probes.group_by("image")}
        alone = {image: d for image, d in images.items() if len(d) >= 3 and len(images) > 1}
        if len(probes) >= 3:
            longer[cell, stage] = {None: probes["d"].to_numpy()} | alone
    tests = sum(map(len, longer.values()))
    for row in summary.filter(pl.col("metric") == "duration_ms").iter_rows(named=True):
        what, d = f"summary {row['cell_id']} {row['stage']} fresh", longer.get((row["cell_id"], row["stage"]))
        if d is None:
            check.same(f"{what} ratio", row["fresh_ratio"], None)
            continue
        lows = {image: low_end(logs, tests) for image, logs in d.items()}
        clearest = max((image for image in d if image is not None), key=lows.get, default=None)
        if lows[None] > np.log(1.1) or lows.get(clearest) <= np.log(1.1):
            clearest = None
        check.same(f"{what} image", row.get("fresh_image"), clearest)
        check.same(f"{what} ratio", row["fresh_ratio"], float(np.exp(np.mean(d[clearest]))), 1e-6)
        check.same(f"{what} low", row["fresh_ratio_low"], float(np.exp(lows[clearest])), 1e-6)
        check.same(f"{what} remembers", row["remembers"], bool(lows[clearest] > np.log(1.1)))


def low_end(d, tests):
    """The lower end of the one-sided t interval of the mean of `d`, with Bonferroni's correction for `tests` tests."""
    t = stats.t.ppf(1 - 0.05 / tests, len(d) - 1)
    return float(np.mean(d) - t * np.std(d, ddof=1) / np.sqrt(len(d)))


ERRORS = {
    "Runtime.ImportModuleError": "import_fails", "Runtime.InvalidEntrypoint": "import_fails",
    "Runtime.UserCodeSyntaxError": "does_not_parse", "Runtime.HandlerNotFound": "no_handler",
    "Runtime.MalformedHandlerName": "no_handler", "Runtime.OutOfMemory": "out_of_memory", "Sandbox.Timedout": "times_out",
}  # fmt: skip
FAILURES = [
    "no_answer", "refused", "cut_off", "no_code", "several_candidates", "does_not_parse", "no_handler", "import_fails",
    "raises", "times_out", "out_of_memory", "no_output", "wrong_output",
]  # fmt: skip


def sightings(invocations, outputs):
    """Every checked output and every call that failed for good: variant, stage, image with its set, and what it came to."""
    for row in outputs.filter(pl.col("counts")).iter_rows(named=True):
        if row["reason"] not in ("not checked", "no reference"):
            kind = "right" if row["pass"] else "no_output" if row["reason"] == "missing" else "wrong_output"
            yield row["variant"], row["stage"], (row["image_set"], row["image"]), kind
    for row in invocations.filter(pl.col("counts_as") == "failed").iter_rows(named=True):
        if row["status"] == "timeout":
            kind = "times_out"
        elif row["status"] in ("function_error", "ok"):
            kind = ERRORS.get(row["error_type"], "raises")
        else:
            continue
        yield row["variant"], row["stage"], (row["image_set"], row["image"]), kind


def outcomes(code, invocations, outputs):
    """What was seen of each variant and stage, as the first word on the way from question to output, and of which images all
    is right; from the facts."""
    seen, images = {}, {}
    for variant, stage, image, kind in sightings(invocations, outputs):
        seen.setdefault((variant, stage), set()).add(kind)
        of_place = images.setdefault((variant, stage), {})
        of_place[image] = of_place.get(image, True) and kind == "right"
    for row in code.drop_nulls("missing").iter_rows(named=True):
        seen[row["variant"], row["stage"]] = {row["missing"]}
        images[row["variant"], row["stage"]] = {}
    order = [*FAILURES, "right"]
    return {place: min(kinds, key=order.index) for place, kinds in seen.items()}, images


def whole(variant, stages, seen, images, gaps):
    """A whole pipeline of these: right if every stage is, and the same of every image."""
    of = [seen.get((variant, stage)) for stage in stages]
    broken = [kind for kind in of if kind not in (None, "right")]
    kind = broken[0] if broken else "right" if None not in of else None
    parts = [images.get((variant, stage), {}) for stage in stages]
    right = {}
    for image in {image for part in parts for image in part}:
        known = [False if (variant, stage) in gaps else part.get(image) for stage, part in zip(stages, parts, strict=True)]
        if False in known or None not in known:
            right[image] = False not in known
    return kind, right


def author(costs, asks):
    """The model of each row, with its rounds of repair where the run has several numbers of them."""
    if asks.is_empty() or asks["rounds_allowed"].n_unique() == 1:
        return costs["model"]
    rounds = dict(asks.select("variant", "rounds_allowed").iter_rows())
    after = lambda n: f"repair {n}" if n else "no repair"  # noqa: E731
    named = lambda model, variant: f"{model}, {after(rounds[variant])}" if variant in rounds else model  # noqa: E731
    return pl.Series([named(*row) for row in costs.select("model", "variant").iter_rows()])


def check_correctness(check, table):
    """Rates, Wilson intervals by scipy, pass@k by numpy, and what a right sample took (method.md, 7b)."""
    if "correctness" not in table:
        return
    rows, code, invocations, costs = (table[name] for name in ["correctness", "code", "invocations", "costs"])
    seen, images = outcomes(code, invocations, table["outputs"])
    gaps = set(code.drop_nulls("missing").select("variant", "stage").iter_rows())
    asks = table["generation"] if "generation" in table else pl.DataFrame()
    stages = rows.drop_nulls("stage_index").sort("stage_index")["stage"].unique(maintain_order=True).to_list()
    costs = costs.with_columns(model=author(costs, asks))
    for row in rows.iter_rows(named=True):
        of = (pl.col("model") == row["model"]) & (pl.col("prompt") == row["prompt"])
        runnable = costs.filter(of & ~pl.col("note").fill_null("").str.starts_with("cannot run here"))
        at, samples = [row["stage"]] if row["stage"] != "pipeline" else stages, {}
        for variant in runnable["variant"].unique():
            samples[variant] = whole(variant, at, seen, images, gaps)
        what = f"correctness {row['model']} {row['prompt']} {row['stage']}"
        kinds = {variant: kind for variant, (kind, _) in samples.items() if kind is not None}
        known = list(kinds.values())
        n, c = len(known), known.count("right")
        check.same(f"{what} n", row["n"], n)
        check.same(f"{what} n_unknown", row["n_unknown"], len(samples) - n)
        check.same(f"{what} right", row["right"], c)
        for kind in FAILURES:
            check.same(f"{what} n_{kind}", row[f"n_{kind}"], known.count(kind))
        check_rate(check, what, row, "rate", c, n)
        of_images = {variant: samples[variant][1].values() for variant in kinds}
        partly = [variant for variant, kind in kinds.items() if kind != "right" and any(of_images[variant])]
        check.same(f"{what} right_partly", row["right_partly"], len(partly))
        check.same(f"{what} images", row["images"], sum(map(len, of_images.values())))
        check.same(f"{what} images_right", row["images_right"], sum(map(sum, of_images.values())))
        for k in (1, 3, 5, 10):
            least = n - c + 1
            value = (1.0 if n - c < k else float(1 - np.prod(1 - k / np.arange(least, n + 1)))) if k <= n else None
            check.same(f"{what} pass@{k}", row[f"pass_at_{k}"], value)
        check_effort(check, what, row, asks, kinds, at)


def check_rate(check, what, row, name, c, n):
    wilson = stats.binomtest(c, n).proportion_ci(0.95, "wilson") if n else None
    check.same(f"{what} {name}", row[name], c / n if n else None)
    check.same(f"{what} {name} low", row[f"{name}_ci_low"], wilson and float(wilson.low))
    check.same(f"{what} {name} high", row[f"{name}_ci_high"], wilson and float(wilson.high))


def check_effort(check, what, row, asks, kinds, stages):
    """What the samples' answers took, and which samples needed no repair, from `generation`."""
    if asks.is_empty() or not kinds:
        for column in ["right_first", "rate_first", "asks", "tokens_per_right", "cost_usd_per_right"]:
            check.same(f"{what} {column}", row[column], None)
        return
    mine = asks.filter(pl.col("variant").is_in(list(kinds)) & pl.col("stage").is_in(stages))
    repaired = set(mine.filter(pl.col("round") > 0)["variant"])
    first = sum(kind == "right" and variant not in repaired for variant, kind in kinds.items())
    check.same(f"{what} right_first", row["right_first"], first)
    check_rate(check, what, row, "rate_first", first, len(kinds))
    check.same(f"{what} asks", row["asks"], mine.height)
    check.same(f"{what} repairs", row["repairs"], mine.filter(pl.col("round") > 0).height)
    total = lambda column: None if mine[column].null_count() else mine[column].sum()  # noqa: E731
    tokens, usd = [total("input_tokens"), total("output_tokens")], total("cost_usd")
    check.same(f"{what} input_tokens", row["input_tokens"], tokens[0])
    check.same(f"{what} output_tokens", row["output_tokens"], tokens[1])
    check.same(f"{what} answer_s", row["answer_s"], total("answer_s"))
    check.same(f"{what} cost_usd", row["cost_usd"], usd)
    right = list(kinds.values()).count("right")
    per_right = lambda amount: None if amount is None or not right else amount / right  # noqa: E731
    check.same(f"{what} tokens_per_right", row["tokens_per_right"], per_right(None if None in tokens else sum(tokens)))
    check.same(f"{what} cost_usd_per_right", row["cost_usd_per_right"], per_right(usd))


def check_rate_pairs(check, table):
    """Fisher's exact test by scipy, Newcombe's interval of scipy's Wilson intervals, Holm's method (method.md, 7b)."""
    pairs, rates = table.get("correctness_comparisons"), table.get("correctness")
    if pairs is None:
        return
    by_author = {(row["model"], row["prompt"], row["stage"]): row for row in rates.iter_rows(named=True)}
    authors = list(dict.fromkeys((model, prompt) for model, prompt, _ in by_author))
    rounds = lambda author: author[0].partition(", repair ")[2]  # noqa: E731
    differ_in_one = lambda a, b: rounds(a) == rounds(b) and (a[0] == b[0]) != (a[1] == b[1])  # noqa: E731
    alike = [(a, b) for i, a in enumerate(authors) for b in authors[i + 1 :] if differ_in_one(a, b)]
    check.same("correctness_comparisons rows", pairs.height, len(alike) * rates["stage"].n_unique())
    families = {}
    for row in pairs.iter_rows(named=True):
        what = f"correctness_comparisons {row['model_a']} {row['prompt_a']} {row['model_b']} {row['prompt_b']} {row['stage']}"
        a, b = (by_author[row[f"model_{side}"], row[f"prompt_{side}"], row["stage"]] for side in "ab")
        if not a["n"] or not b["n"]:
            check.same(f"{what} p", row["p"], None)
            continue
        (c_a, n_a), (c_b, n_b) = ((side["right"], side["n"]) for side in (a, b))
        p = float(stats.fisher_exact([[c_a, n_a - c_a], [c_b, n_b - c_b]]).pvalue)
        wilson = [stats.binomtest(c, n).proportion_ci(0.95, "wilson") for c, n in ((c_a, n_a), (c_b, n_b))]
        rate = [c_a / n_a, c_b / n_b]
        low = rate[1] - rate[0] - np.hypot(rate[1] - wilson[1].low, wilson[0].high - rate[0])
        high = rate[1] - rate[0] + np.hypot(wilson[1].high - rate[1], rate[0] - wilson[0].low)
        check.same(f"{what} p", row["p"], p)
        check.same(f"{what} difference", row["difference"], rate[1] - rate[0])
        check.same(f"{what} low", row["difference_ci_low"], float(low))
        check.same(f"{what} high", row["difference_ci_high"], float(high))
        least = float(stats.fisher_exact([[0, n_a], [n_b, 0]]).pvalue)
        family = families.setdefault((row["factor"], row["stage"] == "pipeline"), [])
        family.append((p, least, what, row, float(low), float(high)))
    for family in families.values():
        family.sort(key=lambda entry: entry[0])
        largest = 0.0
        for rank, (p, least, what, row, low, high) in enumerate(family):
            largest = max(largest, min(1.0, (len(family) - rank) * p))
            check.same(f"{what} p_adj", row["p_adj"], largest)
            check.same(f"{what} tests", row["tests"], len(family))
            least = min(1.0, least * len(family))
            check.same(f"{what} least_p_adj", row["least_p_adj"], least)
            words = "inconclusive" if least < 0.05 else "too few samples"
            if largest < 0.05 and low > 0:
                words = "right more often"
            elif largest < 0.05 and high < 0:
                words = "right less often"
            check.same(f"{what} verdict {row['verdict']}, {words} recomputed", int(row["verdict"] == words), 1)


def check_generation(check, table):
    """What became of every answer, from the facts; and which of several answers the handler is."""
    asks = table.get("generation")
    if asks is None or asks.is_empty():
        return
    seen, _ = outcomes(table["code"], table["invocations"], table["outputs"])
    last = {}
    for row in asks.iter_rows(named=True):
        if row["code"] is not None:
            last[row["variant"], row["stage"]] = row["round"]
    for row in asks.iter_rows(named=True):
        place = row["variant"], row["stage"]
        what = f"generation {row['variant']} {row['stage']} round {row['round']}"
        used = row["code"] is not None and last[place] == row["round"]
        check.same(f"{what} in_handler", int(row["in_handler"]), int(used))
        if used:
            kind = seen.get(place)
            check.same(f"{what} outcome {row['outcome']}, {kind} recomputed", int(row["outcome"] == kind), 1)
        elif row["code"] is not None:
            check.same(f"{what} outcome {row['outcome']} of code that was replaced", int(row["outcome"] is None), 1)
        if row["line"] is not None:
            check.same(f"{what} line is in the code", int(row["line"] in row["code"]), 1)


def check_variance(check, what, row, sample):
    """Omega squared of images, then deployments, then environments, by group means in Polars."""
    if row["variance_image"] is None or sample.is_empty():
        return
    frame = sample.with_columns(rest=pl.col("value").log() - pl.col("value").log().mean())
    total = float((frame["rest"] ** 2).sum())
    known = "environment_id" in frame.columns and frame["environment_id"].null_count() == 0
    deployments = frame["deployment"].n_unique()
    levels = {"image": (["image"], frame["image"].n_unique() - 1)}
    if deployments > 1:
        levels["deployment"] = (["deployment"], deployments - 1)
    if known and frame.n_unique(["deployment", "environment_id"]) > deployments:
        both = ["deployment", "environment_id"]
        levels["environment"] = (both, frame.n_unique(both) - deployments)
    squares = {}
    for name, (keys, _) in levels.items():
        before = float((frame["rest"] ** 2).sum())
        frame = frame.with_columns(rest=pl.col("rest") - pl.col("rest").mean().over(keys))
        squares[name] = before - float((frame["rest"] ** 2).sum())
    noise = float((frame["rest"] ** 2).sum()) / (frame.height - 1 - sum(degrees for _, degrees in levels.values()))
    for name, (_, degrees) in levels.items():
        share = max(0.0, (squares[name] - degrees * noise) / (total + noise))
        check.same(f"{what} variance_{name}", row[f"variance_{name}"], share)


def within_images(x, images):
    """The values without the differences between images, inflated for the degrees of freedom that this costs. With one image, or
    an image with a single value, x itself."""
    names, index = np.unique(images, return_inverse=True)
    if len(names) < 2 or np.bincount(index).min() < 2:
        return x
    levels = np.bincount(index, weights=x) / np.bincount(index)
    return x.mean() + (x - levels[index]) * np.sqrt(len(x) / (len(x) - len(names)))


def random_images(x, images):
    """The t-interval in which every image counts as one observation (cluster-robust, CR1)."""
    names, index = np.unique(images, return_inverse=True)
    k = len(names)
    if k < 2:
        return None, None
    sums = np.bincount(index, weights=x - x.mean())
    reach = stats.t.ppf(0.975, k - 1) * np.sqrt(k / (k - 1) * np.sum(sums**2)) / len(x)
    return float(x.mean() - reach), float(x.mean() + reach)


def check_intervals(check, what, row, x, as_recorded, images):
    low, high = order_statistics(x, 0.5)
    check.same(f"{what} p50_ci_low", row["p50_ci_low"], low)
    check.same(f"{what} p50_ci_high", row["p50_ci_high"], high)
    low, high = random_images(x, images)
    check.same(f"{what} mean_ci_images_low", row["mean_ci_images_low"], low)
    check.same(f"{what} mean_ci_images_high", row["mean_ci_images_high"], high)
    within = within_images(x, images)
    d = within - within.mean()
    if len(x) >= 3:
        if np.ptp(within) > EXACT * abs(within.mean()):
            check.same(f"{what} r1", row["r1"], float((d[1:] * d[:-1]).sum() / (d * d).sum()))
        # Not of the scaled values: scaling makes and removes ties in the last bit.
        tau = float(stats.kendalltau(np.arange(len(x)), as_recorded).statistic)
        check.same(f"{what} trend_tau", row["trend_tau"], tau)
    method = (row["ci_method"] or "").split(";")[0].removeprefix("stratified_")
    if method in ("bca", "abc") and row["metric"] == "duration_ms" and len(x) <= 1500:
        for name, values, statistic in [
            ("mean", within, np.mean),
            ("sd", x, lambda v, axis: np.std(v, ddof=1, axis=axis)),
        ]:
            result = stats.bootstrap((values,), statistic, n_resamples=4000, method="BCa", rng=562, axis=0)
            low, high = result.confidence_interval
            if name == "mean" and row["ci_method"].startswith("stratified_"):  # a bootstrap does not account for degrees of freedom
                degrees = len(x) - len(np.unique(images))
                further = stats.t.ppf(0.975, degrees) / stats.norm.ppf(0.975)
                low, high = x.mean() + (low - x.mean()) * further, x.mean() + (high - x.mean()) * further
            for side, bound in [("low", low), ("high", high)]:
                check.near(f"{what} {name}_ci_{side}", row[f"{name}_ci_{side}"], float(bound), high - low)


def check_costs(check, costs, pipelines, invocations, prices):
    gb_s = {name: tiers[0]["usd"] for name, tiers in prices["lambda"]["compute"].items()}
    request = prices["lambda"]["request"]["usd"]
    counted = invocations.filter(pl.col("billed_ms").is_not_null())
    for row in counted.sample(min(500, counted.height), seed=562).iter_rows(named=True):
        usd = row["memory_mb"] / 1024 * row["billed_ms"] / 1000 * gb_s[row["architecture"]] + request
        if row.get("restore_ms") is not None:
            restore = prices["lambda"].get("snapstart", {}).get("restore_gb")
            usd = None if restore is None else usd + row["memory_mb"] / 1024 * restore["usd"]
        if usd is None:
            check.same(f"invocations {row['request_id']} cost_usd", row["cost_usd"], None)
            continue
        check.same(f"invocations {row['request_id']} cost_usd", row["cost_usd"] * 1e5, usd * 1e5)
    for row in costs.iter_rows(named=True):
        sample = pipelines.filter((pl.col("cell_id") == row["cell_id"]) & (pl.col("counts_as") == "sample"))
        sample = sample.drop_nulls("cost_usd")
        what = f"costs {row['cell_id']}"
        check.same(f"{what} n", row["n"], sample.height)
        total = sample["cost_usd"].mean()
        check.same(f"{what} cost", row["cost_usd_per_100k"], None if total is None else total * 1e5)
        if total is not None:
            parts = sum(row.get(f"{part}_usd_per_100k", 0) for part in ["compute", "init", "request", "ephemeral", "restore"])
            check.same(f"{what} parts", parts, total * 1e5)


def check_comparisons(check, comparisons, invocations, pipelines):
    families = {}
    for row in comparisons.iter_rows(named=True):
        what = f"comparisons {row['cell_a']} {row['cell_b']} {row['stage']} {row['metric']}"
        if row["p_adj"] is not None:
            families.setdefault((row["factor"], row["metric"]), []).append((what, row["p"], row["p_adj"]))
        facts = pipelines if row["stage"] == "pipeline" else invocations.filter(pl.col("stage") == row["stage"])
        facts = facts.filter(pl.col("counts_as") == "sample")
        if row["factor"] == "start" and row["metric"] == "cold_total_ms":  # a warm call has no init, so its duration counts
            facts = facts.with_columns(cold_total_ms=pl.coalesce("cold_total_ms", "duration_ms"))
        facts = facts.drop_nulls(row["metric"])
        key = ["deployment", "image", "repetition"]
        side = lambda cell: facts.filter(pl.col("cell_id") == cell).select(*key, row["metric"])  # noqa: E731
        a, b = side(row["cell_a"]), side(row["cell_b"])
        if row["factor"] == "model":
            check_models(check, what, row, facts)
            continue
        if row["factor"] == "deployment":
            twin = lambda frame, level: (  # noqa: E731
                frame.filter(pl.col("deployment") == int(level)).with_columns(deployment=pl.lit(0)))  # fmt: skip
            a, b = twin(a, row["level_a"]), twin(b, row["level_b"])
        if a.height == 0 or b.height == 0:
            check.same(f"{what} p", row["p"], None)
            continue
        if row["factor"] != "image_set":
            check_units(check, what, row, facts)
        pairs = a.join(b, on=key, suffix="_b")
        if row["paired"]:
            x, y = pairs[row["metric"]].to_numpy(), pairs[row["metric"] + "_b"].to_numpy()
            told_x, told_y = one_of_equals(x, y)
            check.same(f"{what} p", row["p"], wilcoxon(np.log(told_y) - np.log(told_x)))
        else:
            x, y = a[row["metric"]].to_numpy(), b[row["metric"]].to_numpy()
            told_x, told_y = one_of_equals(x, y)
            check.same(f"{what} p", row["p"], float(stats.mannwhitneyu(told_x, told_y, method="asymptotic").pvalue))
        check.same(f"{what} ratio_mean", row["ratio_mean"], float(y.mean() / x.mean()))
        check.same(f"{what} ratio_median", row["ratio_median"], float(np.median(y) / np.median(x)))
        u = float(stats.mannwhitneyu(told_y, told_x).statistic)
        check.same(f"{what} cliffs_delta", row["cliffs_delta"], 2 * u / (len(x) * len(y)) - 1)
    for family in families.values():
        family.sort(key=lambda entry: entry[1])
        largest = 0.0
        for rank, (what, p, adjusted) in enumerate(family):
            largest = max(largest, min(1.0, (len(family) - rank) * p))
            check.same(f"{what} p_adj", adjusted, largest)


def check_units(check, what, row, facts):
    """Welch's test on the mean logarithms of environments (for passes: of rounds of a deployment), without image differences."""
    sides = []
    for side in "ab":
        frame = facts.filter(pl.col("cell_id") == row[f"cell_{side}"])
        if row["factor"] == "deployment":
            frame = frame.filter(pl.col("deployment") == int(row[f"level_{side}"]))
        if row["stage"] == "pipeline":
            own = pl.col("environment_round").is_null()
            unit = pl.when(own).then(pl.int_range(pl.len())).otherwise(-pl.col("environment_round") * 10**6 - pl.col("deployment"))
        elif frame["environment_id"].null_count() == 0:
            unit = pl.col("environment_id")
        else:
            unit = pl.col("deployment")
        sides.append(frame.select("image", unit.alias("unit"), y=pl.col(row["metric"]).cast(pl.Float64).log()))
    levels = [side.group_by("image").agg(pl.col("y").mean()) for side in sides]
    level = levels[0].join(levels[1], on="image", suffix="_b").select("image", level=(pl.col("y") + pl.col("y_b")) / 2)
    means = [
        side.join(level, on="image").group_by("unit").agg((pl.col("y") - pl.col("level")).mean())["y"].to_numpy()
        for side in sides
    ]
    check.same(f"{what} units_a", row["units_a"], len(means[0]))
    check.same(f"{what} units_b", row["units_b"], len(means[1]))
    spread = all(len(mean) > 1 for mean in means) and any(np.ptp(mean) > 0 for mean in means)
    p = float(stats.ttest_ind(*means, equal_var=False).pvalue) if spread else None
    check.same(f"{what} p_units", row["p_units"], p, 1e-7)


def check_choices(check, choices, comparisons, pipelines, summary):
    """From the passes: Pareto fronts of comparable cells, and the best memory sizes of cells that differ in memory only."""
    means, remembering = {}, summary.filter(pl.col("remembers"))["cell_id"].to_list()
    right = choices.filter(pl.col("outputs_ok") & ~pl.col("cell_id").is_in(remembering))
    for row in right.iter_rows(named=True):
        sample = pipelines.filter((pl.col("cell_id") == row["cell_id"]) & (pl.col("counts_as") == "sample"))
        cost, time = sample["cost_usd"].mean(), sample["turnaround_s"].mean()
        if cost is not None and time is not None:
            means[row["cell_id"]] = (cost * 1e5, time)
    alike, family = ["image_set", "trigger", "input", "start", "concurrency"], ["variant", "architecture"]
    family += [column for column in ["runtime"] if column in choices.columns]  # tables of schema 10
    alike += [column for column in ["snapstart"] if column in choices.columns]  # tables of schema 11
    group = lambda row, keys: tuple(row[key] for key in keys)  # noqa: E731
    rows = [row for row in choices.iter_rows(named=True) if row["cell_id"] in means]
    for row in choices.iter_rows(named=True):
        what, mine = f"choices {row['cell_id']}", means.get(row["cell_id"])
        if mine is None:
            for column in ["on_front", "cheapest", "fastest", "balanced"]:
                check.same(f"{what} {column}", row[column], None)
            continue
        cost, time = mine
        check.same(f"{what} cost", row["cost_usd_per_100k"], cost)
        check.same(f"{what} turnaround", row["turnaround_s"], time)
        others = [means[other["cell_id"]] for other in rows if group(other, alike) == group(row, alike)]
        less = lambda a, b: a < b * (1 - 1e-9)  # noqa: E731
        beaten = any(not less(cost, c) and not less(time, t) and (less(c, cost) or less(t, time)) for c, t in others)
        check.same(f"{what} on_front", row["on_front"], not beaten)
        sizes = [other for other in rows if group(other, alike + family) == group(row, alike + family)]
        check.same(f"{what} memory_sizes", row["memory_sizes"], len(sizes))
        if len(sizes) < 2:
            continue
        offers = {other["cell_id"]: means[other["cell_id"]] for other in sizes}
        dearest, slowest = (max(offer[side] for offer in offers.values()) for side in (0, 1))
        balance = {cell: (c / dearest + t / slowest) / 2 for cell, (c, t) in offers.items()}
        check.same(f"{what} balance", row["balance"], balance[row["cell_id"]])
        by = {"cheapest": lambda cell: offers[cell][0], "fastest": lambda cell: offers[cell][1], "balanced": balance.get}
        for column, figure in by.items():
            check.same(f"{what} {column}", row[column], min(offers, key=figure) == row["cell_id"])
        for column, metric in [("cheapest", "cost_usd"), ("fastest", "turnaround_s")]:
            if row[column]:
                claims = comparisons.filter(
                    (pl.col("metric") == metric) & pl.col("verdict").is_in(["faster", "slower", "cheaper", "dearer"])
                )
                pairs = {frozenset(pair) for pair in claims.select("cell_a", "cell_b").iter_rows()}
                rest = [other for other in sizes if other["cell_id"] != row["cell_id"]]
                alike_mb = [o["memory_mb"] for o in rest if frozenset((o["cell_id"], row["cell_id"])) not in pairs]
                spelt = " ".join(str(mb) for mb in sorted(alike_mb))
                check.same(f"{what} {column}_not_told_from_mb", int(row[f"{column}_not_told_from_mb"] == spelt), 1)


def check_models(check, what, row, facts):
    """Two models: pooled values, Welch's test on the means of their samples, and the hierarchical bootstrap, by numpy."""
    metric = row["metric"]
    pooled = lambda side: row[f"cell_{side}"].split() if row[f"samples_{side}"] else []  # noqa: E731
    samples = lambda side: [  # noqa: E731
        frame for cell in pooled(side) if (frame := facts.filter(pl.col("cell_id") == cell)).height
    ]  # fmt: skip
    a, b = samples("a"), samples("b")
    if not a or not b:
        check.same(f"{what} p", row["p"], None)
        check.same(f"{what} ratio_mean", row["ratio_mean"], None)
        return
    values = lambda frames: np.concatenate([frame[metric].cast(pl.Float64).to_numpy() for frame in frames])  # noqa: E731
    x, y = values(a), values(b)
    check.same(f"{what} n_a", row["n_a"], len(x))
    check.same(f"{what} n_b", row["n_b"], len(y))
    check.same(f"{what} ratio_mean", row["ratio_mean"], float(y.mean() / x.mean()))
    check.same(f"{what} ratio_median", row["ratio_median"], float(np.median(y) / np.median(x)))
    u = float(stats.mannwhitneyu(y, x).statistic)
    check.same(f"{what} cliffs_delta", row["cliffs_delta"], 2 * u / (len(x) * len(y)) - 1)
    if min(len(a), len(b)) < 2:
        check.same(f"{what} p", row["p"], None)
        check.same(f"{what} ratio_mean_ci_low", row["ratio_mean_ci_low"], None)
        return
    logs = [np.log([frame[metric].mean() for frame in frames]) for frames in (a, b)]
    check.same(f"{what} p", row["p"], float(stats.ttest_ind(*logs, equal_var=False).pvalue))
    ratios = hierarchical(a, b, metric)
    low, high = np.quantile(ratios, [0.025, 0.975])
    for side, bound in [("low", low), ("high", high)]:
        check.near(f"{what} ratio_mean_ci_{side}", row[f"ratio_mean_ci_{side}"], float(bound), high - low)


def hierarchical(a, b, metric, resamples=4000):
    """Resampled ratios of means: draws samples, then their environments (or deployments), images (both the same), repetitions."""
    rng = np.random.default_rng(562)
    images = sorted({image for frame in a + b for image in frame["image"].unique()})

    def cells(frame):
        known = "environment_id" in frame.columns and frame["environment_id"].null_count() == 0
        unit = "environment_id" if known else "deployment"
        groups = {}
        for (of, image), part in frame.group_by([unit, "image"]):
            groups.setdefault(of, {})[image] = part[metric].cast(pl.Float64).to_numpy()
        return list(groups.values())

    def mean(model, drawn):
        total, n = 0.0, 0
        for s in rng.integers(len(model), size=len(model)):
            units = model[s]
            for d in rng.integers(len(units), size=len(units)):
                for image in drawn:
                    values = units[d].get(images[image])
                    if values is not None:
                        total += values[rng.integers(len(values), size=len(values))].sum()
                        n += len(values)
        return total / n

    a, b = [cells(frame) for frame in a], [cells(frame) for frame in b]
    ratios = []
    for _ in range(resamples):
        drawn = rng.integers(len(images), size=len(images))
        ratios.append(mean(b, drawn) / mean(a, drawn))
    return ratios


def one_of_equals(x, y):
    """Both, with one value for those that differ in their last bits only: sums in another order round otherwise."""
    order = np.sort(np.concatenate([x, y]))
    starts = np.concatenate([[True], np.diff(order) > 1e-12 * np.abs(order[1:])])
    return [order[starts][np.searchsorted(order[starts], values, side="right") - 1] for values in (x, y)]


def wilcoxon(d):
    if not d.any():
        return 1.0
    nonzero = d[d != 0]
    ranks = stats.rankdata(np.round(np.abs(nonzero), 13))
    exact = len(nonzero) <= 25 and len(np.unique(ranks)) == len(ranks)
    method = stats.wilcoxon(nonzero, method="exact") if exact else None
    if method is not None:
        return float(method.pvalue)
    m, w = len(nonzero), float(ranks[nonzero > 0].sum())
    ties = np.unique(ranks, return_counts=True)[1].astype(float)
    variance = m * (m + 1) * (2 * m + 1) / 24 - float((ties**3 - ties).sum()) / 48
    return min(1.0, 2 * float(stats.norm.sf(max(0.0, abs(w - m * (m + 1) / 4) - 0.5) / variance**0.5)))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    run = Path(sys.argv[1])
    table = {path.stem: pl.read_parquet(path) for path in run.glob("*.parquet")}
    prices = tomllib.loads(Path(sys.argv[2] if len(sys.argv) > 2 else DEFAULT_PRICES).read_text())
    check = Check()
    check_summary(check, table["summary"], table["invocations"], table["pipelines"])
    check_starts(check, table["invocations"])
    check_memory(check, table["summary"], table["invocations"])
    check_correctness(check, table)
    check_rate_pairs(check, table)
    check_generation(check, table)
    check_costs(check, table["costs"], table["pipelines"], table["invocations"], prices)
    check_comparisons(check, table["comparisons"], table["invocations"], table["pipelines"])
    check_choices(check, table["choices"], table["comparisons"], table["pipelines"], table["summary"])
    for name, frame in table.items():
        floats = [c for c, dtype in frame.schema.items() if dtype == pl.Float64]
        for column in floats:
            check.same(f"{name}.{column} NaN or infinite", int((~frame[column].drop_nulls().is_finite()).sum()), 0)
    print(f"{check.compared} values recomputed, {len(check.wrong)} differ")
    for line in check.wrong[:40]:
        print("  " + line)
    sys.exit(1 if check.wrong else 0)


if __name__ == "__main__":
    main()
