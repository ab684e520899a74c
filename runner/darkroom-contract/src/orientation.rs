//! The eight ways a rectangle can lie: rotations by quarter turns, with or without a mirror.

use std::fmt;

use crate::measure::mse_under;
use crate::picture::Picture;

/// A mirror (left to right) or none, then clockwise quarter turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    mirrored: bool,
    /// 0 to 3.
    quarters: u8,
}

impl Turn {
    pub const NONE: Self = Self {
        mirrored: false,
        quarters: 0,
    };
    pub const CLOCKWISE: Self = Self {
        mirrored: false,
        quarters: 1,
    };
    pub const HALF: Self = Self {
        mirrored: false,
        quarters: 2,
    };
    pub const ANTICLOCKWISE: Self = Self {
        mirrored: false,
        quarters: 3,
    };
    pub const MIRRORED: Self = Self {
        mirrored: true,
        quarters: 0,
    };

    /// All eight, the rotations first.
    pub fn all() -> impl Iterator<Item = Self> {
        [false, true]
            .into_iter()
            .flat_map(|mirrored| (0..4).map(move |quarters| Self { mirrored, quarters }))
    }

    /// Returns the rotation by `degrees`, of which only whole quarter turns count.
    pub const fn clockwise(degrees: u32) -> Self {
        Self {
            mirrored: false,
            quarters: (degrees / 90 % 4) as u8,
        }
    }

    /// Returns the turn that does `self` first and then `next`.
    #[must_use]
    pub const fn then(self, next: Self) -> Self {
        // A mirror after a rotation is the opposite rotation after the mirror.
        let first = if next.mirrored {
            4 - self.quarters
        } else {
            self.quarters
        };
        Self {
            mirrored: self.mirrored != next.mirrored,
            quarters: (first + next.quarters) % 4,
        }
    }

    /// Returns the size of a picture of `size` once turned.
    pub const fn size(self, size: (u32, u32)) -> (u32, u32) {
        if self.quarters % 2 == 1 {
            (size.1, size.0)
        } else {
            size
        }
    }

    /// Returns which point of a picture of `size` comes to lie at `point` of the turned one.
    pub const fn source(self, point: (u32, u32), size: (u32, u32)) -> (u32, u32) {
        let (width, height) = size;
        let (x, y) = match self.quarters {
            0 => point,
            1 => (point.1, height - 1 - point.0),
            2 => (width - 1 - point.0, height - 1 - point.1),
            _ => (width - 1 - point.1, point.0),
        };
        if self.mirrored {
            (width - 1 - x, y)
        } else {
            (x, y)
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match (self.mirrored, self.quarters) {
            (false, 0) => "unrotated",
            (false, 1) => "90 clockwise",
            (false, 2) => "180",
            (false, _) => "90 anticlockwise",
            (true, 0) => "mirrored",
            (true, 1) => "mirrored, then 90 clockwise",
            (true, 2) => "mirrored top to bottom",
            (true, _) => "mirrored, then 90 anticlockwise",
        })
    }
}

/// How an output lies, compared with what was expected.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// What would turn the reference into the output.
    pub turn: Turn,
    /// Mean squared difference after that turn.
    pub mse: f64,
    /// No other turn fits nearly as well: the picture is asymmetric enough to tell.
    pub decisive: bool,
}

/// Returns the turn of `reference` that `output` fits best; the unturned reference unless another
/// fits clearly better.
///
/// "Clearly" is a mean squared difference under half: noise of an encoder decides nothing about a
/// symmetric picture. `None` if no turn gives the output's size.
pub fn best_fit(output: &Picture, reference: &Picture) -> Option<Fit> {
    let turns = Turn::all().filter(|turn| turn.size(reference.size()) == output.size());
    let fits: Vec<(Turn, f64)> = turns
        .map(|turn| (turn, mse_under(output, reference, turn)))
        .collect();
    let nearest = fits.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1))?;
    let straight = fits.iter().copied().find(|(turn, _)| *turn == Turn::NONE);
    let (turn, mse) = straight
        .filter(|(_, mse)| nearest.1 >= mse / 2.0)
        .unwrap_or(nearest);
    let decisive = fits
        .iter()
        .all(|(other, other_mse)| *other == turn || *other_mse > 2.0 * mse);
    Some(Fit {
        turn,
        mse,
        decisive,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1 2 3
    /// 4 5 6
    fn numbered() -> Picture {
        Picture::grey(3, 2, |x, y| (1 + x + 3 * y) as u16)
    }

    #[test]
    fn each_turn_moves_the_samples_as_its_name_says() {
        let cases = [
            (Turn::NONE, [1, 2, 3, 4, 5, 6]),
            (Turn::CLOCKWISE, [4, 1, 5, 2, 6, 3]),
            (Turn::HALF, [6, 5, 4, 3, 2, 1]),
            (Turn::ANTICLOCKWISE, [3, 6, 2, 5, 1, 4]),
            (Turn::MIRRORED, [3, 2, 1, 6, 5, 4]),
            (Turn::MIRRORED.then(Turn::CLOCKWISE), [6, 3, 5, 2, 4, 1]),
            (Turn::MIRRORED.then(Turn::HALF), [4, 5, 6, 1, 2, 3]),
            (Turn::MIRRORED.then(Turn::ANTICLOCKWISE), [1, 4, 2, 5, 3, 6]),
        ];
        for (turn, samples) in cases {
            assert_eq!(numbered().turned(turn).samples, samples, "{turn}");
        }
    }

    #[test]
    fn turns_compose_as_pictures_do() {
        for first in Turn::all() {
            for next in Turn::all() {
                assert_eq!(
                    numbered().turned(first).turned(next),
                    numbered().turned(first.then(next)),
                    "{first}, then {next}"
                );
            }
        }
    }

    #[test]
    fn the_turn_of_an_asymmetric_picture_is_found() {
        let picture = Picture::grey(40, 40, |x, y| (x * 7 + y * y) as u16);
        for turn in Turn::all() {
            let fit = best_fit(&picture.turned(turn), &picture).unwrap();
            assert_eq!((fit.turn, fit.decisive), (turn, true));
        }
    }

    #[test]
    fn a_symmetric_picture_counts_as_unturned_but_decides_nothing() {
        let picture = Picture::grey(8, 8, |_, _| 5);
        let fit = best_fit(&picture.turned(Turn::CLOCKWISE), &picture).unwrap();
        assert_eq!((fit.turn, fit.decisive), (Turn::NONE, false));
    }
}
