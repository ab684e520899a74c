//! What a deployment leaves in an account, and that `clean` finds all of it and nothing that only
//! looks like it.

use std::collections::BTreeMap;

use aws_sdk_iam::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{Tag, Tagging};
use darkroom::deploy::clean::{self, Which};
use darkroom::deploy::{
    Clients, DeploySettings, deploy, last_run, log_groups, role, session_over, tags,
};
use serde_json::Value;

use crate::deploy::{Account, REGION, settings, told};
use crate::injector::{Injector, Plan};

/// Darkroom makes the role itself.
fn own_role() -> DeploySettings {
    DeploySettings {
        role_arn: None,
        ..settings()
    }
}

async fn create_role(clients: &Clients, name: &str, tagged: &[(&str, &str)]) {
    let tag = |(key, value): &(&str, &str)| {
        aws_sdk_iam::types::Tag::builder()
            .key(*key)
            .value(*value)
            .build()
            .unwrap()
    };
    let create = clients
        .iam
        .create_role()
        .role_name(name)
        .assume_role_policy_document(role::trust("000000000000").to_string());
    create
        .set_tags(Some(tagged.iter().map(tag).collect()))
        .send()
        .await
        .unwrap();
}

async fn create_bucket(clients: &Clients, name: &str, tagged: &[(&str, &str)]) {
    clients
        .s3
        .create_bucket()
        .bucket(name)
        .send()
        .await
        .unwrap();
    if !tagged.is_empty() {
        let tags = tagged
            .iter()
            .map(|(key, value)| Tag::builder().key(*key).value(*value).build().unwrap());
        let tagging = Tagging::builder()
            .set_tag_set(Some(tags.collect()))
            .build()
            .unwrap();
        clients
            .s3
            .put_bucket_tagging()
            .bucket(name)
            .tagging(tagging)
            .send()
            .await
            .unwrap();
    }
}

async fn create_group(clients: &Clients, name: &str, tagged: &[(&str, &str)]) {
    let tags = tagged
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    clients
        .logs
        .create_log_group()
        .log_group_name(name)
        .set_tags(Some(tags))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn everything_a_deployment_makes_is_tagged_closed_and_confined() {
    let account = Account::new().await;
    let clients = account.clients();
    let deployed = deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();

    assert!(deployed.policy_put.is_some(), "the role's policy is new");
    let expected: BTreeMap<String, String> = tags::of(&own_role());
    assert_eq!(expected[tags::RUN], own_role().run_id);
    for function in deployed.functions.values() {
        let found = clients
            .lambda
            .get_function()
            .function_name(&function.name)
            .send()
            .await
            .unwrap();
        let found_tags: BTreeMap<_, _> = found.tags().unwrap().clone().into_iter().collect();
        assert_eq!(found_tags, expected, "{}", function.name);
        let role = found.configuration().unwrap().role().unwrap();
        assert_eq!(role, "arn:aws:iam::000000000000:role/dkr-smoke-us-east-1");
    }
    let groups = log_groups::list(&clients.logs, "dkr-smoke-").await.unwrap();
    assert_eq!(groups.len(), deployed.functions.len());
    for group in &groups {
        assert_eq!(
            group.retention_days,
            Some(log_groups::RETENTION_DAYS),
            "{}",
            group.name
        );
        assert_eq!(
            log_groups::tags(&clients.logs, group)
                .await
                .unwrap()
                .unwrap(),
            expected
        );
    }
    let bucket = deployed.bucket.as_str();
    let blocked = clients
        .s3
        .get_public_access_block()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    let blocked = blocked.public_access_block_configuration.unwrap();
    assert_eq!(
        (blocked.block_public_acls, blocked.restrict_public_buckets),
        (Some(true), Some(true))
    );
    let rules = clients
        .s3
        .get_bucket_lifecycle_configuration()
        .bucket(bucket)
        .send()
        .await
        .unwrap();
    assert_eq!(rules.rules()[0].expiration().unwrap().days(), Some(30));
    let policy = clients
        .iam
        .get_role_policy()
        .role_name("dkr-smoke-us-east-1")
        .policy_name(role::POLICY);
    let policy = policy.send().await.unwrap().policy_document;
    assert!(
        policy.contains("%3Adkr-smoke-000000000000-us-east-1-an") || policy.contains(bucket),
        "{policy}"
    );

    // The same again makes and changes nothing; another run is only written on the tags.
    let again = deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    assert_eq!(again.counts.unchanged, deployed.functions.len());
    let next = DeploySettings {
        run_id: "the-next-run".into(),
        ..own_role()
    };
    let again = deploy(
        &clients,
        &next,
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    assert_eq!(again.counts.unchanged, deployed.functions.len());
    assert_eq!(
        again.policy_put, None,
        "new tags change nothing of what it may do"
    );
    let function = &again.functions.values().next().unwrap().name;
    let found = clients
        .lambda
        .get_function()
        .function_name(function)
        .send()
        .await
        .unwrap();
    assert_eq!(found.tags().unwrap()[tags::RUN], "the-next-run");
    account.cloud.stop().await;
}

#[test]
fn functions_can_touch_their_bucket_and_their_logs_alone() {
    let policy = role::policy(
        "arn:aws:s3:::b",
        "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/dkr-smoke-*",
    );
    let allowed: Vec<(Vec<&str>, &str)> = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .map(|statement| {
            let actions = statement["Action"]
                .as_array()
                .unwrap()
                .iter()
                .map(|action| action.as_str().unwrap());
            (actions.collect(), statement["Resource"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        allowed,
        [
            (
                vec!["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
                "arn:aws:s3:::b/*"
            ),
            (
                vec!["logs:CreateLogStream", "logs:PutLogEvents"],
                "arn:aws:logs:us-east-1:1:log-group:/aws/lambda/dkr-smoke-*:*"
            ),
        ]
    );
    let denied = policy["Statement"]
        .as_array()
        .unwrap()
        .iter()
        .find(|statement| statement["Effect"] == "Deny")
        .unwrap();
    assert_eq!(denied["Resource"], Value::from("arn:aws:s3:::b/packages/*"));
}

#[tokio::test]
async fn clean_leaves_nothing_behind() {
    let account = Account::new().await;
    let clients = account.clients();
    let deployed = deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "another dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    let bucket = deployed.bucket.as_str();
    for key in ["a.jpg", "b/c.jpg"] {
        clients
            .s3
            .put_object()
            .bucket(bucket)
            .key(key)
            .body(ByteStream::from_static(b"x"))
            .send()
            .await
            .unwrap();
    }
    clients
        .s3
        .create_multipart_upload()
        .bucket(bucket)
        .key("unfinished")
        .send()
        .await
        .unwrap();

    let found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    let counts = (
        found.functions.len(),
        found.layers.len(),
        found.log_groups.len(),
        found.roles.len(),
    );
    assert_eq!(counts, (8, 2, 8, 1));
    assert_eq!((found.buckets[0].objects, found.buckets[0].uploads), (2, 1));
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);

    assert!(
        clients
            .lambda
            .list_functions()
            .send()
            .await
            .unwrap()
            .functions()
            .is_empty()
    );
    assert!(
        clients
            .lambda
            .list_layers()
            .send()
            .await
            .unwrap()
            .layers()
            .is_empty()
    );
    assert!(
        clients
            .s3
            .list_buckets()
            .send()
            .await
            .unwrap()
            .buckets()
            .is_empty()
    );
    assert!(
        clients
            .iam
            .list_roles()
            .send()
            .await
            .unwrap()
            .roles()
            .is_empty()
    );
    assert!(
        clients
            .logs
            .describe_log_groups()
            .send()
            .await
            .unwrap()
            .log_groups()
            .is_empty()
    );
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);
    account.cloud.stop().await;
}

#[tokio::test]
async fn what_only_looks_like_ours_is_left_alone() {
    let account = Account::new().await;
    let clients = account.clients();
    let other = (tags::EXPERIMENT, "other");
    create_role(&clients, "dkr-smoke-us-east-2", &[("owner", "someone")]).await;
    create_role(
        &clients,
        "dkr-other-us-east-1",
        &[other, (tags::REGION, "us-east-1")],
    )
    .await;
    create_role(
        &clients,
        "dkr-smoke-eu-west-1",
        &[(tags::EXPERIMENT, "smoke"), (tags::REGION, "eu-west-1")],
    )
    .await;
    create_group(&clients, "/aws/lambda/dkr-smoke-theirs", &[]).await;
    create_group(
        &clients,
        "/aws/lambda/dkr-smoke-foreign",
        &[("owner", "someone")],
    )
    .await;
    create_group(&clients, "/aws/lambda/dkr-other-x", &[other]).await;
    create_bucket(&clients, "dkr-smoke-theirs", &[]).await;
    create_bucket(
        &clients,
        "dkr-smoke2-000000000000-us-east-1-an",
        &[("owner", "someone")],
    )
    .await;
    create_bucket(&clients, "dkr-other-000000000000-us-east-1-an", &[other]).await;
    // Names that are ours to the letter: only a tag makes a bucket ours, empty or not.
    create_bucket(&clients, "dkr-smoke-000000000000-us-east-1-an", &[]).await;
    create_bucket(&clients, "dkr-full-000000000000-us-east-1-an", &[]).await;
    let full = "dkr-full-000000000000-us-east-1-an";
    clients
        .s3
        .put_object()
        .bucket(full)
        .key("theirs")
        .body(ByteStream::from_static(b"x"))
        .send()
        .await
        .unwrap();

    let smoke = clean::find(&clients, REGION, &Which::Experiment("smoke".into()))
        .await
        .unwrap();
    assert!(smoke.is_empty(), "{smoke}");
    let all = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    let names = |names: Vec<&String>| {
        names
            .into_iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(
        names(all.roles.iter().map(|role| &role.name).collect()),
        "dkr-other-us-east-1"
    );
    assert_eq!(
        names(all.log_groups.iter().map(|group| &group.name).collect()),
        "/aws/lambda/dkr-other-x"
    );
    assert_eq!(
        names(all.buckets.iter().map(|bucket| &bucket.name).collect()),
        "dkr-other-000000000000-us-east-1-an"
    );
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_role_to_which_someone_attached_a_policy_is_not_torn_from_it() {
    let account = Account::new().await;
    let clients = account.clients();
    deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    let arn = "arn:aws:iam::000000000000:policy/theirs";
    clients
        .iam
        .attach_role_policy()
        .role_name("dkr-smoke-us-east-1")
        .policy_arn(arn)
        .send()
        .await
        .unwrap();
    let found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    let left = told(&clean::remove(&clients, &found).await);
    assert!(
        left.len() == 1
            && left[0].contains("role dkr-smoke-us-east-1")
            && left[0].contains("DeleteConflict"),
        "{left:?}"
    );
    let left = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(
        (left.count(), left.roles.len()),
        (1, 1),
        "all else is gone: {left}"
    );
    clients
        .iam
        .detach_role_policy()
        .role_name("dkr-smoke-us-east-1")
        .policy_arn(arn)
        .send()
        .await
        .unwrap();
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);
    let gone = clients
        .iam
        .get_role()
        .role_name("dkr-smoke-us-east-1")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("NoSuchEntity"));
    account.cloud.stop().await;
}

async fn is_empty(clients: &Clients) -> bool {
    let found = clean::find(clients, REGION, &Which::Everything)
        .await
        .unwrap();
    found.is_empty() && found.unseen.is_empty()
}

#[test]
fn clean_goes_on_where_something_is_refused_and_a_second_one_finishes() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let account = runtime.block_on(Account::new());
    // It has a runtime of its own, and so begins outside of ours.
    let injector = Injector::new(account.cloud.endpoint_url(), 1);
    runtime.block_on(clean_goes_on(account, &injector));
}

async fn clean_goes_on(account: Account, injector: &Injector) {
    let clients = account.clients();
    deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    injector.begin(Plan {
        gone_at: Some(1),
        ..Plan::default()
    });
    let through = account.clients_at(injector.url());
    let found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(found.count(), 8 + 1 + 8 + 1 + 1);

    let left = told(&clean::remove(&through, &found).await);
    assert_eq!(
        left.iter()
            .filter(|why| why.starts_with("removal of function dkr-smoke-"))
            .count(),
        8,
        "{left:?}"
    );
    assert_eq!(
        left.iter()
            .filter(|why| why.starts_with("removal of layer dkr-smoke-"))
            .count(),
        1,
        "{left:?}"
    );
    assert!(
        left.len() == 9 && left.iter().all(|why| why.contains("AccessDenied")),
        "{left:?}"
    );
    let rest = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(
        (rest.functions.len(), rest.layers.len(), rest.count()),
        (8, 1, 9),
        "all else is gone: {rest}"
    );

    // What can't be listed is said, and the rest is found all the same; the permission comes back.
    let blind = clean::find(&through, REGION, &Which::Everything)
        .await
        .unwrap();
    assert!(
        blind.is_empty() && blind.unseen.len() == 2,
        "{:?}",
        blind.unseen
    );
    injector.begin(Plan::default());
    let rest = clean::find(&through, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(told(&clean::remove(&through, &rest).await), [""; 0]);
    assert!(is_empty(&clients).await);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_function_stays_while_it_alone_leads_to_its_log_group() {
    let account = Account::new().await;
    let clients = account.clients();
    let wanted = account.wanted("code", "dependency");
    let deployed = deploy(&clients, &own_role(), &wanted[..2], &mut |_| {})
        .await
        .unwrap();
    // As if Lambda had made one of the groups: it has no tags.
    let name = &deployed.functions.values().next().unwrap().name;
    let group = log_groups::of_function(name);
    clients
        .logs
        .delete_log_group()
        .log_group_name(&group)
        .send()
        .await
        .unwrap();
    create_group(&clients, &group, &[]).await;
    let found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refusing = format!("http://{}", listener.local_addr().unwrap());
    let refusal = || async {
        (
            axum::http::StatusCode::BAD_REQUEST,
            r#"{"__type":"AccessDeniedException"}"#,
        )
    };
    let server =
        tokio::spawn(
            async move { axum::serve(listener, axum::Router::new().fallback(refusal)).await },
        );
    let partly = Clients {
        logs: account.clients_at(&refusing).logs,
        ..account.clients()
    };
    let left = told(&clean::remove(&partly, &found).await);
    server.abort();
    let mut stay = vec![
        format!("removal of log group {group}"),
        format!("removal of function {name}"),
    ];
    stay.extend(
        found
            .log_groups
            .iter()
            .filter(|it| it.tagged)
            .map(|it| format!("removal of log group {}", it.name)),
    );
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(
        stay.iter()
            .all(|what| left.iter().any(|why| why.starts_with(what.as_str()))),
        "{left:?}"
    );

    let rest = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    assert_eq!(
        (rest.functions.len(), rest.log_groups.len()),
        (1, 2),
        "{rest}"
    );
    assert_eq!(told(&clean::remove(&clients, &rest).await), [""; 0]);
    assert!(is_empty(&clients).await);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_run_removes_its_own_things_and_not_those_that_a_later_one_took_over() {
    let account = Account::new().await;
    let clients = account.clients();
    let (first, later) = (
        own_role(),
        DeploySettings {
            run_id: "20261125-111111-abcdef".into(),
            ..own_role()
        },
    );
    assert_eq!(last_run(&clients, &first).await.unwrap(), None);
    let wanted = account.wanted("code", "dependency");
    deploy(&clients, &first, &wanted, &mut |_| {})
        .await
        .unwrap();
    let last = last_run(&clients, &later).await.unwrap().unwrap();
    assert_eq!(
        (last.run_id.as_str(), last.expires_on.as_str()),
        (first.run_id.as_str(), "2026-12-24")
    );
    assert!(last.under_way.is_some());
    deploy(&clients, &later, &wanted[..4], &mut |_| {})
        .await
        .unwrap();
    assert_eq!(
        last_run(&clients, &first).await.unwrap().unwrap().run_id,
        later.run_id
    );
    let bucket = "dkr-smoke-000000000000-us-east-1-an";
    session_over(&clients, bucket, &first.run_id).await.unwrap();
    assert!(
        last_run(&clients, &first)
            .await
            .unwrap()
            .unwrap()
            .under_way
            .is_some(),
        "the later run's is not the first's to end"
    );
    session_over(&clients, bucket, &later.run_id).await.unwrap();
    let last = last_run(&clients, &first).await.unwrap().unwrap();
    assert_eq!(last.under_way, None);

    let of = |settings: &DeploySettings| Which::Run {
        experiment: settings.experiment.clone(),
        run_id: settings.run_id.clone(),
        made_role: true,
    };
    let own = clean::find(&clients, REGION, &of(&first)).await.unwrap();
    assert_eq!(
        (own.functions.len(), own.log_groups.len(), own.count()),
        (4, 4, 8),
        "{own}"
    );
    assert_eq!(
        own.spared,
        BTreeMap::from([("smoke".to_owned(), 4 + 1 + 1)])
    );
    assert_eq!(told(&clean::remove(&clients, &own).await), [""; 0]);

    let own = clean::find(&clients, REGION, &of(&later)).await.unwrap();
    assert_eq!(
        (
            own.functions.len(),
            own.layers.len(),
            own.roles.len(),
            own.buckets.len()
        ),
        (4, 1, 1, 1),
        "{own}"
    );
    assert_eq!(told(&clean::remove(&clients, &own).await), [""; 0]);
    assert!(is_empty(&clients).await);
    account.cloud.stop().await;
}

#[tokio::test]
async fn a_layer_that_no_function_ever_used_expires_by_the_day_it_was_made_on() {
    let account = Account::new().await;
    let clients = account.clients();
    deploy(
        &clients,
        &own_role(),
        &account.wanted("code", "dependency"),
        &mut |_| {},
    )
    .await
    .unwrap();
    let mut found = clean::find(&clients, REGION, &Which::Everything)
        .await
        .unwrap();
    found.layers.clear();
    assert_eq!(told(&clean::remove(&clients, &found).await), [""; 0]);
    let in_days = |days: i64| {
        let day = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        Which::ExpiredBefore(day.strftime("%Y-%m-%d").to_string())
    };
    assert!(
        clean::find(&clients, REGION, &in_days(29))
            .await
            .unwrap()
            .is_empty()
    );
    let expired = clean::find(&clients, REGION, &in_days(32)).await.unwrap();
    assert_eq!((expired.layers.len(), expired.count()), (1, 1), "{expired}");
    assert_eq!(told(&clean::remove(&clients, &expired).await), [""; 0]);
    assert!(is_empty(&clients).await);
    account.cloud.stop().await;
}
