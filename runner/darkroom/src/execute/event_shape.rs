//! The event that a stage receives, and the names of the objects that it reads and writes.

use darkroom_core::adapt::{filled, filled_event};
use darkroom_core::event::PassKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Where the runner puts what it gives to stages that it calls itself.
pub const GIVEN: &str = "input/";

/// Returns what every object name of a pass begins with: image, run and cell, deployment,
/// repetition and attempt.
///
/// No two passes share one, so an output found under it was written by that pass and no other. Made
/// of `[A-Za-z0-9_-]`, at most 80 characters. It tells a handler nothing: not the image, and not
/// whether the pass is counted.
pub fn stem(run_id: &str, key: &PassKey, image_index: usize) -> String {
    let PassKey {
        cell_id,
        deployment,
        image: _,
        warm_up,
        probe,
        repetition,
        attempt,
    } = key;
    let pass = format!(
        "{run_id}/{cell_id}/{deployment}/{image_index}/{warm_up}/{probe}/{repetition}/{attempt}"
    );
    let digest = hex::encode(Sha256::digest(pass));
    format!("image-{}", &digest[..24])
}

/// Returns where the runner puts what it gives to a stage:
/// `input/<stage>/<random>/<stem>-<random>.<extension>`.
///
/// Only the stage's event tells it. The output's name follows from the file's, so it can't be
/// guessed either: not by another stage, and not by another repetition.
pub fn given_key(stage: &str, stem: &str, extension: &str) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    let (folder, file) = random.split_at(random.len() / 2);
    format!("{GIVEN}{stage}/{folder}/{stem}-{file}.{extension}")
}

/// Returns where the runner puts what starts a chain: `<folder><stem>-<random>.<extension>`, which
/// nobody can guess either.
pub fn triggering_key(folder: &str, stem: &str, extension: &str) -> String {
    format!(
        "{folder}{stem}-{}.{extension}",
        &uuid::Uuid::new_v4().simple().to_string()[..12]
    )
}

/// What a stage's templates can name.
pub struct TemplateValues<'a> {
    pub bucket: &'a str,
    pub region: &'a str,
    /// `OUTPUT_PREFIX`, ends with `/`.
    pub prefix: &'a str,
    pub stage: &'a str,
    /// Of the output's key, without the dot.
    pub extension: &'a str,
    pub input_key: &'a str,
}

impl<'a> TemplateValues<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let (folder, file) = self
            .input_key
            .rsplit_once('/')
            .unwrap_or(("", self.input_key));
        Some(match name {
            "bucket" => self.bucket,
            "region" => self.region,
            "prefix" => self.prefix,
            "folder" => self.prefix.trim_end_matches('/'),
            "stage" => self.stage,
            "extension" => self.extension,
            "input_key" => self.input_key,
            "input_file" => file,
            "input_folder" => folder,
            "name" => file.rsplit_once('.').map_or(file, |(name, _)| name),
            _ => return None,
        })
    }

    /// Returns the key under which the stage's output is due.
    pub fn output_key(&self, template: Option<&str>) -> String {
        filled(template.unwrap_or("{prefix}{name}.{extension}"), |name| {
            self.get(name)
        })
    }

    /// Returns the event that handlers of their own habits are called with.
    pub fn own_event(&self, template: &Value, output_key: &str, image: Option<&str>) -> Value {
        filled_event(template, &|name| match name {
            "output_key" => Some(output_key),
            "image" => Some(image.unwrap_or_default()),
            _ => self.get(name),
        })
    }
}

/// Returns what every key that a template gives begins with; empty where its input's name comes
/// first.
pub fn known_start(template: &str, prefix: &str, region: &str, stage: &str) -> String {
    let known = filled(template, |name| match name {
        "prefix" => Some(prefix),
        "folder" => Some(prefix.trim_end_matches('/')),
        "region" => Some(region),
        "stage" => Some(stage),
        _ => None,
    });
    known.split('{').next().unwrap_or_default().to_owned()
}

/// Returns the event of a stage whose image travels in it. The one that writes to S3 is told where.
pub fn payload_event(image: &str, writes_to: Option<(&str, &str)>) -> Value {
    let params = writes_to.map_or_else(
        || json!({}),
        |(bucket, key)| json!({ "bucket": bucket, "key": key }),
    );
    json!({ "image": image, "params": params })
}

/// Who uploads, as events say it. The example in a prompt is made of them too, so nothing in it
/// names the harness. Source: RFC 5737, addresses for documentation.
const SENDER: &str = "192.0.2.1";

/// Returns an S3 notification of one created object, as a function subscribed to it receives it.
///
/// `size` is left out where the runner has not looked. The key needs no URL-encoding: see [`stem`].
/// Source: Amazon S3 user guide, "Event message structure".
pub fn s3_event(bucket: &str, key: &str, size: Option<usize>, region: &str, now: &str) -> Value {
    let mut object = json!({ "key": key, "sequencer": sequencer(now) });
    if let Some(size) = size {
        object["size"] = size.into();
    }
    json!({ "Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": region,
        "eventTime": now,
        "eventName": "ObjectCreated:Put",
        "userIdentity": { "principalId": "AWS:EXAMPLEUSER" },
        "requestParameters": { "sourceIPAddress": SENDER },
        "responseElements": {},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "object-created",
            "bucket": {
                "name": bucket,
                "ownerIdentity": { "principalId": "EXAMPLEOWNER" },
                "arn": format!("arn:aws:s3:::{bucket}"),
            },
            "object": object,
        },
    }]})
}

fn sequencer(now: &str) -> String {
    now.chars().filter(char::is_ascii_digit).take(18).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(image: &str, attempt: u32) -> PassKey {
        let cell_id = "pillow.x86_64.512mb.photos.direct.warm.c1"
            .to_owned()
            .into();
        PassKey {
            cell_id,
            deployment: 1,
            image: image.into(),
            warm_up: false,
            probe: false,
            repetition: 7,
            attempt,
        }
    }

    #[test]
    fn no_name_of_the_harness_is_in_an_event() {
        let event = s3_event(
            "bucket",
            "key.png",
            Some(1),
            "us-east-1",
            "2026-01-31T12:00:00.000Z",
        )
        .to_string();
        assert!(
            !event.to_lowercase().contains("darkroom") && !event.contains("127.0.0.1"),
            "{event}"
        );
    }

    #[test]
    fn every_attempt_and_every_image_has_its_own_name() {
        let name = stem("r1", &key("coffee", 1), 3);
        assert!(
            name.starts_with("image-") && !name.contains("coffee"),
            "{name}"
        );
        assert_ne!(
            name,
            stem(
                "r1",
                &PassKey {
                    warm_up: true,
                    ..key("coffee", 1)
                },
                3
            )
        );
        assert_ne!(
            name,
            stem(
                "r1",
                &PassKey {
                    warm_up: true,
                    probe: true,
                    ..key("coffee", 1)
                },
                3
            )
        );
        assert_ne!(name, stem("r1", &key("coffee", 2), 3));
        assert_ne!(name, stem("r1", &key("coffee", 1), 4));
        assert_ne!(name, stem("r2", &key("coffee", 1), 3));
    }

    #[test]
    fn templates_name_the_input_the_way_handlers_derive_their_output_from_it() {
        let (bucket, region) = ("b", "us-east-1");
        let input_key = "input/resize/cat-1.jpg";
        let facts = TemplateValues {
            bucket,
            region,
            prefix: "p/resize/",
            stage: "resize",
            extension: "png",
            input_key,
        };
        assert_eq!(facts.output_key(None), "p/resize/cat-1.png");
        assert_eq!(
            facts.output_key(Some("{folder}/small_{input_file}")),
            "p/resize/small_cat-1.jpg"
        );
        assert_eq!(
            facts.output_key(Some("{input_folder}/out/{name}.{extension}")),
            "input/resize/out/cat-1.png"
        );
        let template = json!({ "from": "s3://{bucket}/{input_key}", "to": "{output_key}" });
        let event = facts.own_event(&template, "x.png", None);
        assert_eq!(
            event,
            json!({ "from": "s3://b/input/resize/cat-1.jpg", "to": "x.png" })
        );
    }

    #[test]
    fn where_outputs_land_is_known_up_to_the_inputs_name() {
        let start = |template: &str| known_start(template, "p/resize/", "us-east-1", "resize");
        assert_eq!(start("{prefix}small_{name}.png"), "p/resize/small_");
        assert_eq!(start("{folder}/{input_file}"), "p/resize/");
        assert_eq!(start("turned/{stage}/{name}.jpg"), "turned/resize/");
        assert_eq!(start("{input_folder}/out/{name}.jpg"), "");
    }

    #[test]
    fn what_a_stage_is_given_has_a_name_that_nothing_else_tells() {
        let keys = ["greyscale", "greyscale", "resize"]
            .map(|stage| given_key(stage, "cat-i0-0123456789-d1-r0001-a1", "png"));
        let parts = keys
            .each_ref()
            .map(|key| key.split('/').collect::<Vec<_>>());
        for (index, part) in parts.iter().enumerate() {
            assert_eq!(
                (part.len(), part[0], part[2].len()),
                (4, "input", 16),
                "{part:?}"
            );
            assert!(
                part[3].starts_with("cat-i0-0123456789-d1-r0001-a1-")
                    && part[3].strip_suffix(".png").is_some(),
                "{part:?}"
            );
            assert!(
                part[3]
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
                "{part:?}"
            );
            // Neither the folder nor the file's name, which the output's follows, is that of
            // another.
            assert!(
                parts[..index]
                    .iter()
                    .all(|other| other[2] != part[2] && other[3] != part[3]),
                "{parts:?}"
            );
        }
    }

    #[test]
    fn names_need_no_url_encoding_whatever_the_image_is_called() {
        let name = stem("r1", &key("Été à la plage/50%+.png", 1), 0);
        assert!(
            name.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)),
            "{name}"
        );
    }
}
