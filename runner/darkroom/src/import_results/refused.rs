//! Refused rows → lines for a person: the first few per cause in full, then a count. Pure.

use darkroom_core::imported::RefusedRow;

/// Causes that are named, and rows of each.
const CAUSES: usize = 20;
const FEW: usize = 5;

/// Rows that are refused for one reason.
struct Cause<'a> {
    key: String,
    rows: Vec<&'a RefusedRow>,
}

/// Returns the lines, in the order of the causes' first rows.
pub fn refusal_lines(refused: &[RefusedRow]) -> Vec<String> {
    let mut causes: Vec<Cause<'_>> = Vec::new();
    for row in refused {
        let key = key(&row.reason);
        match causes.iter_mut().find(|cause| cause.key == key) {
            Some(cause) => cause.rows.push(row),
            None => causes.push(Cause {
                key,
                rows: vec![row],
            }),
        }
    }
    let mut lines: Vec<String> = causes.iter().take(CAUSES).flat_map(lines).collect();
    if let Some(rest) = causes.get(CAUSES..).filter(|rest| !rest.is_empty()) {
        let rows: usize = rest.iter().map(|cause| cause.rows.len()).sum();
        let (rows, reasons) = (
            counted(rows, "more row"),
            counted(rest.len(), "more reason"),
        );
        lines.push(format!(
            "refused {rows} for {reasons}. Fix those above, then import again"
        ));
    }
    lines
}

/// Returns a reason without what is one row's own: values in backticks, and numbers. What a reason
/// begins with names a column.
fn key(reason: &str) -> String {
    let parts = reason.split('`').enumerate();
    let own = |(place, part): (usize, &str)| match place {
        1 if reason.starts_with('`') => part.to_owned(),
        _ if place % 2 == 1 => "`".to_owned(),
        _ => part.replace(|letter: char| letter.is_ascii_digit(), ""),
    };
    parts.map(own).collect()
}

fn lines(cause: &Cause<'_>) -> Vec<String> {
    let few = if is_of_the_file(&cause.rows[0].reason) {
        1
    } else {
        FEW
    };
    // One more row is said as fast as that there is one more.
    let shown = if cause.rows.len() == few + 1 && few > 1 {
        few + 1
    } else {
        few.min(cause.rows.len())
    };
    let mut lines: Vec<String> = cause.rows[..shown]
        .iter()
        .map(|row| format!("refused {}: {}", row.at, row.reason))
        .collect();
    if let [.., last] = &cause.rows[shown..] {
        let more = counted(cause.rows.len() - shown, "more row");
        lines.push(format!(
            "and {more} for the same reason, the last at {}",
            place_in_same_file(&last.at, &cause.rows[0].at)
        ));
    }
    lines
}

/// Whether a reason is about how the file was written, so that each of its rows has it.
fn is_of_the_file(reason: &str) -> bool {
    reason.starts_with("two keys are called") || reason.contains("differ only by case")
}

/// Returns a place as it is said behind one of the same file.
fn place_in_same_file(at: &str, first: &str) -> String {
    let apart = |at: &str| {
        at.rsplit_once([':', ' '])
            .map(|(file, number)| (file.to_owned(), number.to_owned()))
    };
    match (apart(at), apart(first)) {
        (Some((file, number)), Some((same, _))) if file == same => {
            if at.contains(" item ") {
                format!("item {number}")
            } else {
                format!("line {number}")
            }
        }
        _ => at.to_owned(),
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 {
        format!("1 {what}")
    } else {
        format!("{number} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(reasons: &[(usize, &str)], place: &str) -> Vec<RefusedRow> {
        let row = |(line, reason): &(usize, &str)| RefusedRow {
            at: format!("a.csv{place}{line}"),
            reason: (*reason).into(),
        };
        reasons.iter().map(row).collect()
    }

    #[test]
    fn after_a_few_rows_of_one_cause_only_their_number_is_said() {
        let many: Vec<(usize, String)> = (2..502)
            .map(|line| (line, format!("duration `x{line}` is not a number")))
            .collect();
        let many: Vec<(usize, &str)> = many
            .iter()
            .map(|(line, reason)| (*line, reason.as_str()))
            .collect();
        let told = refusal_lines(&rows(&many, ":"));
        assert_eq!(told.len(), 6);
        assert_eq!(told[4], "refused a.csv:6: duration `x6` is not a number");
        assert_eq!(
            told[5],
            "and 495 more rows for the same reason, the last at line 501"
        );
    }

    #[test]
    fn causes_are_told_apart_and_six_rows_are_all_said() {
        let mixed: Vec<(usize, &str)> = (2..8)
            .flat_map(|line| {
                [
                    (line, "no duration"),
                    (line, "`ms` is a list: write one value"),
                ]
            })
            .collect();
        let told = refusal_lines(&rows(&mixed, ":"));
        assert_eq!(
            (told.len(), told[6].as_str()),
            (12, "refused a.csv:2: `ms` is a list: write one value")
        );
        let columns = rows(
            &[
                (2, "`ms` is a list: write one value"),
                (2, "`mb` is a list: write one value"),
            ],
            ":",
        );
        assert_ne!(
            key(&columns[0].reason),
            key(&columns[1].reason),
            "another column is another cause"
        );
    }

    #[test]
    fn what_is_wrong_with_every_item_of_a_file_is_said_once() {
        let twice: Vec<(usize, &str)> = (1..61)
            .map(|item| (item, "two keys are called `ms`"))
            .collect();
        let told = refusal_lines(&rows(&twice, " item "));
        assert_eq!(
            told,
            [
                "refused a.csv item 1: two keys are called `ms`",
                "and 59 more rows for the same reason, the last at item 60"
            ]
        );
    }
}
