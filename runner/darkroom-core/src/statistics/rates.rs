//! Rates of right answers: how many of a model's independent samples are right, and how sure that is.
//!
//! Counts in, estimates out. The interval is Wilson's (1927): it keeps its promise for few samples
//! and at 0 or n of n, where the textbook interval (rate ± 1.96 SE) has no width. pass@k is the
//! unbiased estimator of Chen et al. (2021), "Evaluating Large Language Models Trained on Code".

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
