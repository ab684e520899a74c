//! Rates of right answers: how many of a model's independent samples are right, and how sure that is.
//!
//! Counts in, estimates out. The interval is Wilson's (1927): it keeps its promise for few samples
//! and at 0 or n of n, where the textbook interval (rate ± 1.96 SE) has no width. pass@k is the
//! unbiased estimator of Chen et al. (2021), "Evaluating Large Language Models Trained on Code". Two
//! rates are compared by Fisher's exact test; their difference has Newcombe's interval.

/// The 0.975 quantile of the standard normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// How many of n samples are right, with the 95% interval of the rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub n: u64,
    pub right: u64,
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

/// Returns the rate of `right` among `n` with its Wilson interval; `None` for no samples.
pub fn wilson(right: u64, n: u64) -> Option<Rate> {
    if n == 0 || right > n {
        return None;
    }
    let (c, m) = (right as f64, n as f64);
    let middle = (c + Z * Z / 2.0) / (m + Z * Z);
    let half = Z / (m + Z * Z) * (c * (m - c) / m + Z * Z / 4.0).sqrt();
    Some(Rate {
        n,
        right,
        rate: c / m,
        // At the ends the bounds are exact, whatever rounding makes of them.
        low: if right == 0 { 0.0 } else { middle - half },
        high: if right == n { 1.0 } else { middle + half },
    })
}

/// Returns the chance that at least one of `k` answers is right, estimated without bias from
/// `right` of `n`: 1 − C(n − right, k) / C(n, k). `None` beyond n, where nothing was seen.
pub fn pass_at_k(right: u64, n: u64, k: u64) -> Option<f64> {
    if k == 0 || k > n || right > n {
        return None;
    }
    let wrong = n - right;
    if wrong < k {
        return Some(1.0); // Every choice of k holds a right one.
    }
    let none_right: f64 = (wrong + 1..=n).map(|i| 1.0 - k as f64 / i as f64).product();
    Some(1.0 - none_right)
}

/// How much larger the rate of b is than that of a.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateDifference {
    pub difference: f64,
    /// The 95% interval.
    pub low: f64,
    pub high: f64,
}

/// Returns the difference of two rates, b less a, with the interval that R. G. Newcombe makes of
/// two Wilson intervals (1998, method 10).
///
/// Like Wilson's it has a width at 0 and n of n, where studies of few samples end up.
pub fn rate_difference(a: Rate, b: Rate) -> RateDifference {
    let difference = b.rate - a.rate;
    RateDifference {
        difference,
        low: difference - (b.rate - b.low).hypot(a.high - a.rate),
        high: difference + (b.high - b.rate).hypot(a.rate - a.low),
    }
}

/// Probabilities this close, relative to their size, are ties: their ratios round.
const TIE: f64 = 1e-9;

/// Returns the two-sided p of Fisher's exact test: the sum of the probabilities of all tables with
/// the same margins that are not above the observed one's, as `scipy.stats.fisher_exact` has it.
///
/// Not statrs's: it takes probabilities that are 1e-4 apart for equal, so that 6 of 15 against 16
/// of 57, for example, has another p.
pub fn fisher_exact(a: Rate, b: Rate) -> f64 {
    let (right, rest) = (a.right + b.right, a.n + b.n - a.right - b.right);
    let (least, most) = (a.n.saturating_sub(rest), right.min(a.n));
    // P(x + 1) / P(x), where x of a's samples are right.
    let rise = |x: u64| {
        let above = (a.n - x) as f64 * (right - x) as f64;
        above / ((x + 1) as f64 * (rest + x + 1 - a.n) as f64)
    };
    // Relative to the observed one's.
    let up = (a.right..most).scan(1.0, |p, x| {
        *p *= rise(x);
        Some(*p)
    });
    let down = (least..a.right).rev().scan(1.0, |p, x| {
        *p /= rise(x);
        Some(*p)
    });
    let (mut all, mut as_rare) = (1.0, 1.0);
    for p in up.chain(down) {
        all += p;
        if p <= 1.0 + TIE {
            as_rare += p;
        }
    }
    as_rare / all
}

/// Returns the smallest p that Fisher's exact test can give of so many samples: all right on one
/// side, none on the other. `None` without samples on a side.
pub fn least_fisher_p(n_a: u64, n_b: u64) -> Option<f64> {
    Some(fisher_exact(wilson(0, n_a)?, wilson(n_b, n_b)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::worked::assert_close;
    use super::*;

    /// `docs/method.md` 8, "Rates": scipy 1.18.1, `binomtest(c, n).proportion_ci(0.95, "wilson")`.
    #[test]
    fn wilson_intervals_are_those_of_scipy() {
        for (right, n, low, high) in [
            (2, 5, 0.117_620_774_232_647_94, 0.769_275_718_723_987),
            (0, 5, 0.0, 0.434_482_464_783_174_76),
            (5, 5, 0.565_517_535_216_825_1, 1.0),
            (1, 1, 0.206_549_314_377_237_45, 1.0),
            (3, 10, 0.107_791_267_406_301_02, 0.603_221_852_538_854_6),
            (37, 100, 0.281_823_605_343_245_35, 0.467_794_704_190_570_9),
        ] {
            let rate = wilson(right, n);
            assert_close(rate.map(|rate| rate.low), low, 1e-12);
            assert_close(rate.map(|rate| rate.high), high, 1e-12);
            assert_close(rate.map(|rate| rate.rate), right as f64 / n as f64, 1e-15);
        }
        assert_eq!((wilson(0, 0), wilson(2, 1)), (None, None));
    }

    /// The same section; numpy 2.5.5, the product of Chen et al., and `math.comb`.
    #[test]
    fn pass_at_k_is_that_of_chen_et_al_and_null_beyond_n() {
        for (right, n, expected) in [
            (2, 5, [Some(0.4), Some(0.9), Some(1.0), None]),
            (0, 5, [Some(0.0), Some(0.0), Some(0.0), None]),
            (1, 1, [Some(1.0), None, None, None]),
            (
                3,
                10,
                [
                    Some(0.3),
                    Some(0.708_333_333_333_333_3),
                    Some(0.916_666_666_666_666_6),
                    Some(1.0),
                ],
            ),
            (
                37,
                100,
                [
                    Some(0.37),
                    Some(0.754_415_584_415_584_4),
                    Some(0.906_639_945_106_44),
                    Some(0.992_616_797_214_249),
                ],
            ),
        ] {
            for (k, expected) in [1, 3, 5, 10].into_iter().zip(expected) {
                let found = pass_at_k(right, n, k);
                match expected {
                    Some(value) => assert_close(found, value, 1e-12),
                    None => assert_eq!(found, None, "{right} of {n}, k {k}"),
                }
            }
        }
        assert_eq!((pass_at_k(1, 5, 0), pass_at_k(6, 5, 1)), (None, None));
    }

    fn of([right, n]: [u64; 2]) -> Rate {
        wilson(right, n).expect("there are samples")
    }

    /// `docs/method.md` 8, "Two rates": scipy 1.18.1, `fisher_exact` and Newcombe's formula of
    /// `binomtest(c, n).proportion_ci(0.95, "wilson")`.
    #[test]
    fn fishers_p_and_newcombes_interval_are_those_of_scipy() {
        for (a, b, p, low, high) in [
            (
                [0, 5],
                [5, 5],
                0.007_936_507_936_507_938,
                0.385_549_005_690_343_56,
                1.0,
            ),
            (
                [1, 5],
                [5, 5],
                0.047_619_047_619_047_616,
                0.192_590_860_510_891_58,
                0.963_775_891_367_569_8,
            ),
            (
                [2, 5],
                [4, 5],
                0.523_809_523_809_523_8,
                -0.162_614_794_481_938_27,
                0.726_436_164_874_866_7,
            ),
            (
                [0, 5],
                [0, 5],
                1.0,
                -0.434_482_464_783_174_76,
                0.434_482_464_783_174_76,
            ),
            (
                [3, 10],
                [9, 10],
                0.019_766_611_097_880_443,
                0.170_522_723_934_502_96,
                0.809_017_973_535_488_1,
            ),
            ([1, 1], [0, 1], 1.0, -1.0, 0.122_108_720_681_941_78),
            (
                [6, 15],
                [16, 57],
                0.367_600_779_242_893_36,
                -0.381_601_859_042_010_66,
                0.119_421_076_806_865_78,
            ),
            (
                [37, 100],
                [12, 97],
                6.602_639_100_669_036e-5,
                -0.356_818_339_285_532_97,
                -0.127_111_163_364_167_45,
            ),
        ] {
            let (a, b) = (of(a), of(b));
            assert_close(Some(fisher_exact(a, b)), p, 1e-12);
            assert_close(Some(fisher_exact(b, a)), p, 1e-12);
            let found = rate_difference(a, b);
            assert_close(Some(found.low), low, 1e-12);
            assert_close(Some(found.high), high, 1e-12);
            assert_close(Some(found.difference), b.rate - a.rate, 1e-15);
        }
    }

    #[test]
    fn of_few_samples_only_the_ends_can_be_told_apart() {
        let below = |n: u64| -> Vec<(u64, u64)> {
            let pairs = (0..=n).flat_map(|a| (a..=n).map(move |b| (a, b)));
            let told = |&(a, b): &(u64, u64)| fisher_exact(of([a, n]), of([b, n])) < 0.05;
            pairs.filter(told).collect()
        };
        assert_eq!(below(3), []);
        assert_eq!(below(5), [(0, 4), (0, 5), (1, 5)]);
        assert_close(least_fisher_p(5, 5), 2.0 / 252.0, 1e-12);
        assert_close(least_fisher_p(3, 3), 0.1, 1e-12);
        assert_close(least_fisher_p(1, 1), 1.0, 1e-12);
        assert_eq!(least_fisher_p(0, 5), None);
    }

    proptest! {
        #[test]
        fn a_difference_lies_in_its_interval_and_turns_with_its_sides(
            n in 1_u64..40, m in 1_u64..40, c in 0_u64..40, d in 0_u64..40,
        ) {
            let (a, b) = (of([c.min(n), n]), of([d.min(m), m]));
            let (one, other) = (rate_difference(a, b), rate_difference(b, a));
            prop_assert!(-1.0 - 1e-12 <= one.low && one.low <= one.difference);
            prop_assert!(one.difference <= one.high && one.high <= 1.0 + 1e-12);
            prop_assert!((one.low + other.high).abs() < 1e-12);
            let p = fisher_exact(a, b);
            prop_assert!(0.0 < p && p <= 1.0);
            prop_assert!(p >= least_fisher_p(n, m).unwrap_or(1.0) - 1e-12);
        }
    }

    proptest! {
        #[test]
        fn a_rate_lies_in_its_interval_and_pass_at_k_rises_with_k(n in 1_u64..60, c in 0_u64..60) {
            let right = c.min(n);
            let rate = wilson(right, n).expect("there are samples");
            prop_assert!(0.0 <= rate.low && rate.low <= rate.rate);
            prop_assert!(rate.rate <= rate.high && rate.high <= 1.0);
            let all: Vec<f64> = (1..=n).filter_map(|k| pass_at_k(right, n, k)).collect();
            prop_assert_eq!(all.len() as u64, n);
            prop_assert!((all[0] - rate.rate).abs() < 1e-12, "pass@1 is the rate");
            prop_assert!(all.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
        }
    }
}
