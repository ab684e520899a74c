//! Small multiples: a panel for each kind of work, for warm and cold, one image set and another are
//! never on one axis.

use darkroom_core::cell::Factors;

use super::canvas::Drawing;
use crate::kinds::kinds;
use crate::run::CellView;

/// Draws what belongs to cells, a panel for each kind of work, one below the other. A panel gets the
/// members of its kind and the name of each among these, marked where its work is not right.
/// Returns nothing where no panel could be drawn.
pub fn by_kind<T>(
    members: impl IntoIterator<Item = T>,
    cell: impl Fn(&T) -> &CellView,
    draw: impl Fn(&[T], &[String]) -> Option<Drawing>,
) -> Option<Drawing> {
    let panels = kinds(members, |member| &cell(member).cell)
        .into_iter()
        .filter_map(|kind| {
            let factors = Factors::of(kind.members.iter().map(|member| &cell(member).cell));
            let name = |member: &T| factors.label(&cell(member).cell) + cell(member).mark();
            let names: Vec<String> = kind.members.iter().map(name).collect();
            Some((kind.name, draw(&kind.members, &names)?))
        });
    Drawing::stacked(panels)
}
