//! Chooses among cells by cost and time: Pareto front and memory size.
//!
//! [`Offer`]s → their ranks. Pure arithmetic on means. [`crate::statistics`] decides whether a
//! difference is noise, and `darkroom-tables` decides which cells may be compared.

/// Two things that should be small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Offer {
    /// USD of the same number of images.
    pub cost: f64,
    /// Of one image, in one unit.
    pub time: f64,
}

/// Figures this close, relative to their size, are equal: sums in another order round otherwise.
const EQUAL: f64 = 1e-9;

fn is_less(a: f64, b: f64) -> bool {
    a < b - EQUAL * b.abs()
}

impl Offer {
    /// Says whether it is at least as good as `other` in both and better in one.
    fn beats(self, other: Self) -> bool {
        !is_less(other.cost, self.cost)
            && !is_less(other.time, self.time)
            && (is_less(self.cost, other.cost) || is_less(self.time, other.time))
    }
}

/// Says of each offer whether it is on the Pareto front: no other one beats it.
pub fn pareto_front(offers: &[Offer]) -> Vec<bool> {
    offers
        .iter()
        .map(|of| !offers.iter().any(|other| other.beats(*of)))
        .collect()
}

/// The offers to take, as places in the list; of equal ones the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub cheapest: usize,
    pub fastest: usize,
    pub balanced: usize,
}

/// Chooses among offers; `None` when there are none.
pub fn choose(offers: &[Offer]) -> Option<Choice> {
    let balance = balance(offers);
    let least =
        |of: &dyn Fn(usize) -> f64| (0..offers.len()).min_by(|&i, &j| of(i).total_cmp(&of(j)));
    Some(Choice {
        cheapest: least(&|i| offers[i].cost)?,
        fastest: least(&|i| offers[i].time)?,
        balanced: least(&|i| balance[i])?,
    })
}

/// Returns the figure whose least is the balanced offer: the mean of cost / largest cost and time /
/// longest time, from 0 to 1.
///
/// Source: `alexcasalboni/aws-lambda-power-tuning`, strategy `balanced` with its default weight of
/// 0.5.
pub fn balance(offers: &[Offer]) -> Vec<f64> {
    let most = |of: fn(&Offer) -> f64| offers.iter().map(of).fold(0.0f64, f64::max);
    let (dearest, slowest) = (most(|offer| offer.cost), most(|offer| offer.time));
    let share = |value: f64, most: f64| if most > 0.0 { value / most } else { 0.0 };
    offers
        .iter()
        .map(|offer| f64::midpoint(share(offer.cost, dearest), share(offer.time, slowest)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(of: &[(f64, f64)]) -> Vec<Offer> {
        of.iter()
            .map(|&(cost, time)| Offer { cost, time })
            .collect()
    }

    #[test]
    fn the_front_holds_what_no_other_offer_beats_in_both() {
        let found = offers(&[(1.0, 9.0), (2.0, 5.0), (3.0, 5.0), (4.0, 1.0), (5.0, 2.0)]);
        assert_eq!(pareto_front(&found), [true, true, false, true, false]);
        assert_eq!(
            pareto_front(&offers(&[(1.0, 1.0), (1.0, 1.0)])),
            [true, true],
            "equal offers do not beat each other"
        );
        assert_eq!(
            pareto_front(&offers(&[(0.1 + 0.2, 5.0), (0.3, 5.0)])),
            [true, true],
            "the last bit of a sum is no difference"
        );
        assert_eq!(pareto_front(&[]), [false; 0]);
    }

    #[test]
    fn memory_is_chosen_as_power_tuners_choose_it() {
        // Shares of the most: cost 0.2, 0.25, 1; time 1, 0.4, 0.3. Means 0.6, 0.325, 0.65.
        let found = offers(&[(2.0, 10.0), (2.5, 4.0), (10.0, 3.0)]);
        assert_eq!(
            choose(&found),
            Some(Choice {
                cheapest: 0,
                fastest: 2,
                balanced: 1
            })
        );
        let balance = balance(&found);
        [0.6, 0.325, 0.65]
            .iter()
            .zip(&balance)
            .for_each(|(e, f)| assert!((e - f).abs() < 1e-12, "{balance:?}"));
        assert_eq!(choose(&[]), None);
        assert_eq!(
            choose(&offers(&[(0.0, 0.0)])),
            Some(Choice {
                cheapest: 0,
                fastest: 0,
                balanced: 0
            })
        );
    }
}
