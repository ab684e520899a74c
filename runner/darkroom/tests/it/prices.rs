//! Price tables beside AWS's price lists, and prices that may be wrong.
//!
//! The lists of `fixtures/made-up-price-lists` are made up, in the form of AWS's offer files.

use std::path::{Path, PathBuf};

use darkroom_core::cost::PriceTable;

use crate::runs::latest;
use crate::story::HOST;

const REGION: &str = "made-up-1";

fn list(service: &str) -> String {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/made-up-price-lists");
    lists.join(format!("{service}.json")).display().to_string()
}

fn table_of(region: &str) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let path = repository.join(format!("experiments/prices/{region}.toml"));
    std::fs::read_to_string(path).unwrap()
}

fn here(region: &str) -> String {
    format!("experiments/prices/{region}.toml")
}

fn read(path: PathBuf) -> PriceTable {
    PriceTable::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_price_table_is_made_from_lists_and_agrees_with_them_until_a_price_changes() {
    let project = crate::runs::project();
    let lists = ["AWSLambda", "AmazonS3", "AmazonCloudWatch"].map(list);
    let (own, lists) = (here(REGION), lists.each_ref().map(String::as_str));
    project.write("experiments/prices/README", "");
    let check = |more: &[&str]| {
        let arguments = [&["prices", "check"], &lists[..], more].concat();
        project.darkroom(&arguments)
    };

    // Without a table everything is missing in it, but for what the lists do not have.
    let said = check(&["--write", &own]).exits(1).stdout();
    assert!(
        said.starts_with("no experiments/prices/made-up-1.toml"),
        "{said}"
    );
    assert!(
        said.contains("MISSING    in the table; $0.0002 / 0.0001"),
        "{said}"
    );
    let made = read(project.root().join(&own));
    assert_eq!(
        (made.region.as_str(), made.date.as_str()),
        (REGION, "2026-11-20")
    );
    assert_eq!(made.lambda.compute.x86_64[0].up_to_gb_s, Some(1000));
    assert_eq!(made.s3.put.source, "AWS Price List, AmazonS3 of 2026-11-20");
    assert_eq!(made.log_ingest().map(|price| price.usd), Some(4.0));

    // What it was made from agrees; one price is in no list.
    let said = check(&[]).exits(1).stdout();
    assert!(
        said.contains("logs.storage_gb_month  NOT FOUND  in the list"),
        "{said}"
    );
    assert_eq!(said.matches("agrees ").count(), 9, "{said}");
    project
        .darkroom(&["prices", "check", lists[0], lists[1]])
        .exits(0);

    let text = std::fs::read_to_string(project.root().join(&own)).unwrap();
    let changed = text.replace(
        "[s3.get]\nusd = 0.000007",
        "[s3.get]\nunconfirmed = true\nusd = 0.000008",
    );
    assert_ne!(changed, text);
    project.write(&own, &changed);
    let said = check(&[]).exits(1).stdout();
    let differs =
        "DIFFERS    $0.000008 in the table, $0.000007 in the list (marked as unconfirmed)";
    assert!(said.contains(differs), "{said}");
    let json = check(&["--json"]).exits(1).stdout();
    let rows: Vec<serde_json::Value> = serde_json::from_str(&json).unwrap();
    let get = rows.iter().find(|row| row["price"] == "s3.get").unwrap();
    assert_eq!(
        (&get["verdict"], &get["unconfirmed"]),
        (&"differs".into(), &true.into())
    );

    // Confirmed and mended, into the table itself.
    check(&["--write", &own]).exits(1);
    assert_eq!(read(project.root().join(&own)), made);
}

#[test]
fn lists_that_do_not_fit_are_refused_by_name() {
    let project = crate::runs::project();
    project.write("list.json", "{}").write("other.toml", "");
    let said = project.darkroom(&["prices", "check", "list.json"]).exits(2);
    said.says("list.json is not an AWS price list (offer file)")
        .says("AWSLambda/current/us-east-1/index.json");
    let (s3, lambda) = (list("AmazonS3"), list("AWSLambda"));
    project
        .darkroom(&["prices", "check", &s3, "--region", "eu-west-1"])
        .exits(2)
        .says("has no price of eu-west-1");
    project
        .darkroom(&["prices", "check", &s3, "--write", "new.toml"])
        .exits(2)
        .says("has no price table yet, and the files lack lambda.request");
    project
        .darkroom(&["prices", "check", &s3, &lambda, "--write", "other.toml"])
        .exits(2)
        .says("other.toml exists already");
    assert!(!project.root().join("new.toml").exists());
}

#[test]
fn unconfirmed_prices_are_named_by_whatever_uses_them() {
    let zurich = PriceTable::parse(&table_of("eu-central-2")).unwrap();
    assert_eq!(
        zurich
            .unconfirmed(darkroom_core::cost::OF_TABLES)
            .as_deref(),
        Some("s3.put, s3.get")
    );
    let project = crate::runs::project();
    crate::runs::manifest(&project, "\"copy\"", &format!("\"{HOST}\""), 1);
    let region = "target.region=\"eu-central-2\"";
    project.write(&here("eu-central-2"), table_of("eu-central-2"));
    let plan = project
        .darkroom(&["plan", "m.toml", "--set", region])
        .exits(0);
    assert!(
        plan.told().contains("Unconfirmed: s3.put, s3.get"),
        "{}",
        plan.told()
    );
    let said = project
        .darkroom(&["run", "m.toml", "--set", region])
        .exits(0)
        .stdout();
    assert!(
        said.contains("Unconfirmed prices: s3.put, s3.get (see experiments/prices)."),
        "{said}"
    );
    assert!(
        said.contains(" at unconfirmed prices (s3.put, s3.get)"),
        "{said}"
    );
    let run = latest(&project);
    let page = std::fs::read_to_string(run.join("report.html")).unwrap();
    assert!(page.matches("Unconfirmed prices: s3.put, s3.get.").count() >= 2);
    let path = run.display().to_string();
    let cost = project.darkroom(&["cost", &path]).exits(0);
    assert!(
        cost.told().contains("Unconfirmed prices: s3.put, s3.get."),
        "{}",
        cost.told()
    );

    project.write(&here("us-east-1"), table_of("us-east-1"));
    let cost = project
        .darkroom(&["cost", &path, "--region", "us-east-1"])
        .exits(0);
    assert!(!cost.stdout().contains("nconfirmed"), "{}", cost.stdout());
}
