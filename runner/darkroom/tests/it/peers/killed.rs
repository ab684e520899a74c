//! `kill -9` at moments from the first call to the first measurement: `clean` finds what is there,
//! by tag alone.

use super::endpoint::{Account, Endpoint, Kind};
use super::recorder::Recorder;
use super::study::{Person, small};

const MANIFEST: &str = r#"
[experiment]
name = "llm-study"

[matrix]
variants = ["purepy"]
image_sets = ["photos"]
architectures = ["HOST"]
trigger = ["s3"]

[repetitions]
count = 50
"#;

/// What of a request the kill follows, and how many of those.
const MOMENTS: [(&str, usize); 9] = [
    ("Action=CreateRole", 1),
    ("Action=PutRolePolicy", 1),
    ("tagging", 1),
    ("/layers/", 2),
    ("POST /2015-03-31/functions ", 1),
    ("POST /2015-03-31/functions ", 4),
    ("/policy", 2),
    ("PUT /dkr-llm-study-", 3),
    ("/upload/", 1),
];

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn what_a_killed_run_leaves_on_moto_is_cleaned() {
    let endpoint = Endpoint::start(Kind::Moto);
    killed_at_every_moment(endpoint.url());
}

#[test]
#[ignore = "with the other peers it takes minutes: `.ci/run` has them as a step"]
fn what_a_killed_run_leaves_on_ministack_is_cleaned() {
    let endpoint = Endpoint::start(Kind::Ministack);
    killed_at_every_moment(endpoint.url());
}

fn killed_at_every_moment(url: &str) {
    let of_others = Account::of(url).plant();
    let mut left = 0;
    for (words, count) in MOMENTS {
        let project = small(&["purepy"]);
        project.write("m.toml", MANIFEST.replace("HOST", crate::story::HOST));
        let recorder = Recorder::before(url);
        let person = Person::new(&project, recorder.url());
        let mut run = person.start(&["run", "m.toml", "--target", "aws", "--yes"]);
        let seen = recorder.wait_for(words, count, || run.goes_on());
        assert!(
            seen,
            "the run ended before {count} x {words}\n{}",
            run.text()
        );
        run.kill();
        left += usize::from(Account::of(url).listed() != of_others);
        person.cleans();
        assert_eq!(
            Account::of(url).listed(),
            of_others,
            "killed after {count} x {words}"
        );
    }
    assert!(
        left >= MOMENTS.len() - 1,
        "only {left} kills left something to clean"
    );
}
