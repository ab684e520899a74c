//! The profile wrapper's line → [`Profile`].
//!
//! The wrapper prints one line of JSON after the handler has returned, so the last line that names
//! the request counts. A handler shares a process with the wrapper and can forge it (a thread that
//! prints later, a patched wrapper). Therefore a profile explains a duration and never replaces it,
//! and one with more time than the platform's REPORT gives the whole invocation is refused.

use serde_json::Value;

use crate::event::{Profile, Report};

/// What the line begins with, and the version of its fields.
const MARK: &str = "{\"darkroom_profile\":1,";
/// REPORT is rounded, and two clocks that count the same time may differ a little.
const SLACK_MS: f64 = 1.0;
/// Longest text that is kept of a name, characters.
const LONGEST_NAME: usize = 120;

/// Returns what the wrapper said of `request_id` in an invocation's log, and `report` does not
/// contradict.
pub fn parse_tail(log_tail: &str, request_id: &str, report: Option<&Report>) -> Option<Profile> {
    let last = log_tail
        .lines()
        .rev()
        .find_map(|line| parse_line(line, request_id))?;
    fits(&last, report).then_some(last)
}

/// Returns what one line says of `request_id`; `None` when it is not the wrapper's or is of another
/// request.
///
/// The handler may have left a line unfinished, so the mark may stand anywhere in it. A figure that
/// is none is left out.
pub fn parse_line(line: &str, request_id: &str) -> Option<Profile> {
    let line = &line[line.rfind(MARK)?..];
    let value: Value = serde_json::from_str(line.trim_end()).ok()?;
    if value["request_id"].as_str() != Some(request_id) {
        return None;
    }
    let mut profile: Profile = serde_json::from_value(value).ok()?;
    let figures = [
        &mut profile.handler_ms,
        &mut profile.s3_ms,
        &mut profile.cpu_user_ms,
        &mut profile.cpu_system_ms,
        &mut profile.steal_ms,
        &mut profile.peak_rss_mb,
    ];
    for figure in figures {
        *figure = figure.filter(|figure| figure.is_finite() && *figure >= 0.0);
    }
    for name in [
        &mut profile.container_id,
        &mut profile.cpu_model,
        &mut profile.kernel,
    ]
    .into_iter()
    .flatten()
    {
        if let Some((end, _)) = name.char_indices().nth(LONGEST_NAME) {
            name.truncate(end);
        }
    }
    Some(profile)
}

/// Returns whether the platform's report leaves room for what the profile claims.
pub fn fits(profile: &Profile, report: Option<&Report>) -> bool {
    let (Some(report), Some(handler_ms)) = (report, profile.handler_ms) else {
        return true;
    };
    handler_ms <= report.duration_ms + SLACK_MS
        && profile
            .s3_ms
            .is_none_or(|s3_ms| s3_ms <= handler_ms + SLACK_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(request_id: &str, handler_ms: &str) -> String {
        format!(
            r#"{{"darkroom_profile":1,"request_id":"{request_id}","handler_ms":{handler_ms},"s3_ms":1.5,"s3_calls":2,"cpu_user_ms":3.25,"steal_ms":null,"container_id":"c0ffee","container_invocation":1,"cpu_model":"A \"B\" C","page_faults_minor":7}}"#
        )
    }

    fn report(duration_ms: f64) -> Report {
        Report {
            duration_ms,
            billed_ms: 9,
            memory_mb: 128,
            max_memory_mb: 36,
            init_ms: None,
            restore: None,
        }
    }

    #[test]
    fn a_line_gives_its_figures_and_leaves_out_what_it_does_not_know() {
        let profile = parse_line(&line("a", "4.5"), "a").unwrap();
        let expected = Profile {
            handler_ms: Some(4.5),
            s3_ms: Some(1.5),
            s3_calls: Some(2),
            cpu_user_ms: Some(3.25),
            page_faults_minor: Some(7),
            container_id: Some("c0ffee".into()),
            container_invocation: Some(1),
            cpu_model: Some("A \"B\" C".into()),
            ..Profile::default()
        };
        assert_eq!(profile, expected);
    }

    #[test]
    fn it_is_found_behind_what_the_handler_left_on_the_line() {
        assert!(parse_line(&format!("half a line{}", line("a", "4.5")), "a").is_some());
    }

    #[test]
    fn of_several_lines_the_last_of_the_request_is_believed() {
        let tail = [
            line("a", "0.01"),
            "text".into(),
            line("a", "4.5"),
            line("b", "9"),
            "END RequestId: a".into(),
        ];
        assert_eq!(
            parse_tail(&tail.join("\n"), "a", None).unwrap().handler_ms,
            Some(4.5)
        );
        assert_eq!(parse_tail(&tail.join("\n"), "c", None), None);
    }

    #[test]
    fn one_that_claims_more_time_than_the_platform_measured_is_refused() {
        assert!(parse_tail(&line("a", "4.5"), "a", Some(&report(4.49))).is_some());
        assert_eq!(parse_tail(&line("a", "4.5"), "a", Some(&report(3.0))), None);
        assert_eq!(
            parse_tail(&line("a", "0.1"), "a", Some(&report(3.0))),
            None,
            "S3 calls longer than the handler"
        );
    }

    #[test]
    fn figures_that_are_not_figures_are_left_out_and_what_is_no_line_is_none() {
        assert_eq!(parse_line(&line("a", "-1"), "a").unwrap().handler_ms, None);
        assert_eq!(parse_line(&line("a", "1e999"), "a"), None);
        assert_eq!(parse_line(&line("a", "\"4\""), "a"), None);
        assert_eq!(
            parse_line(&line("a", "4").replace("profile\":1", "profile\":2"), "a"),
            None
        );
        assert_eq!(parse_line(&line("a", "4")[..40], "a"), None);
        let long = line("a", "4").replace("c0ffee", &"é".repeat(1000));
        assert_eq!(
            parse_line(&long, "a")
                .unwrap()
                .container_id
                .unwrap()
                .chars()
                .count(),
            LONGEST_NAME
        );
    }
}
