//! The peers themselves: they start empty, hold what boto3 puts there, and leave no process behind.

use std::collections::BTreeSet;

use super::endpoint::Account;
use super::endpoint::{Endpoint, Kind, by_the_models, names};
use super::recorder::Recorder;
use crate::processes::is_alive;

#[test]
fn a_peer_starts_empty_holds_what_is_put_there_and_leaves_no_process() {
    for kind in [Kind::Moto, Kind::Ministack] {
        let endpoint = Endpoint::start(kind);
        assert_eq!(names(&endpoint.account().listed()), BTreeSet::new(), "{kind}");
        let recorder = Recorder::before(endpoint.url());
        let planted = names(&Account::of(recorder.url()).plant());
        assert_eq!(planted.len(), 8, "{kind}: {planted:?}");
        // boto3's own requests fit its own models: if not, it is the reader that is wrong.
        let found = by_the_models(recorder.folder(), &[]);
        assert_eq!(found["problems"], serde_json::json!([]), "{kind}");
        for operation in ["lambda:CreateFunction", "s3:PutBucketTagging", "iam:CreateRole", "logs:CreateLogGroup"] {
            assert!(found["operations"].get(operation).is_some(), "{kind}: {operation} was not seen: {found}");
        }
        let processes = endpoint.processes();
        drop(endpoint);
        assert_eq!(processes.into_iter().filter(|it| is_alive(*it)).count(), 0, "{kind} left processes behind");
    }
}
