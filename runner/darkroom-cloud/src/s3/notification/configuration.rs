//! The notification configuration of a bucket: read from the wire, checked, matched against keys.
//! Pure.

use s3s::dto;
use serde::{Deserialize, Serialize};

/// Every event type that S3 lets a bucket name, without the `s3:`.
const EVENT_TYPES: [&str; 27] = [
    "ReducedRedundancyLostObject",
    "ObjectCreated:*",
    "ObjectCreated:Put",
    "ObjectCreated:Post",
    "ObjectCreated:Copy",
    "ObjectCreated:CompleteMultipartUpload",
    "ObjectRemoved:*",
    "ObjectRemoved:Delete",
    "ObjectRemoved:DeleteMarkerCreated",
    "ObjectRestore:*",
    "ObjectRestore:Post",
    "ObjectRestore:Completed",
    "ObjectRestore:Delete",
    "Replication:*",
    "Replication:OperationFailedReplication",
    "Replication:OperationNotTracked",
    "Replication:OperationMissedThreshold",
    "Replication:OperationReplicatedAfterThreshold",
    "LifecycleTransition",
    "IntelligentTiering",
    "ObjectAcl:Put",
    "LifecycleExpiration:*",
    "LifecycleExpiration:Delete",
    "LifecycleExpiration:DeleteMarkerCreated",
    "ObjectTagging:*",
    "ObjectTagging:Put",
    "ObjectTagging:Delete",
];

/// What a bucket tells to whom.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NotificationSettings {
    pub rules: Vec<NotificationRule>,
    /// Kept because a client may ask for it back; there is no event bridge here.
    #[serde(default)]
    pub event_bridge: bool,
}

/// One function that is told of some events of some keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationRule {
    pub id: String,
    pub function_arn: String,
    /// With the `s3:`.
    pub events: Vec<String>,
    pub prefix: Option<String>,
    pub suffix: Option<String>,
}

/// Why a configuration is refused, with the fields that S3 puts beside the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// `MalformedXML`, else `InvalidArgument`.
    pub malformed: bool,
    pub message: String,
    pub fields: Vec<(&'static str, String)>,
}

impl Invalid {
    fn argument(
        message: impl Into<String>,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Self {
        let fields = vec![
            ("ArgumentName", name.into()),
            ("ArgumentValue", value.into()),
        ];
        Self {
            malformed: false,
            message: message.into(),
            fields,
        }
    }

    /// The destination does not exist, or does not let S3 invoke it. S3 says the same of both.
    pub fn destination(arn: &str) -> Self {
        Self {
            malformed: false,
            message: "Unable to validate the following destination configurations".into(),
            fields: vec![
                ("ArgumentName1", format!("{arn}, null")),
                (
                    "ArgumentValue1",
                    format!("Not authorized to invoke function [{arn}]"),
                ),
            ],
        }
    }
}

impl NotificationSettings {
    /// Reads and checks the wire form. Whether the functions exist is not checked here.
    ///
    /// # Errors
    /// An ARN that is not a function's, an unknown event or filter, two rules with one id, or two
    /// rules that would both take one event of one key.
    pub fn from_wire(wire: dto::NotificationConfiguration) -> Result<Self, Invalid> {
        if let Some(queue) = wire.queue_configurations.into_iter().flatten().next() {
            return Err(Invalid::destination(&queue.queue_arn));
        }
        if let Some(topic) = wire.topic_configurations.into_iter().flatten().next() {
            return Err(Invalid::destination(&topic.topic_arn));
        }
        let functions = wire.lambda_function_configurations.into_iter().flatten();
        let rules = functions
            .map(NotificationRule::from_wire)
            .collect::<Result<Vec<_>, _>>()?;
        for (index, rule) in rules.iter().enumerate() {
            for earlier in &rules[..index] {
                earlier.check_apart(rule)?;
            }
        }
        Ok(Self {
            rules,
            event_bridge: wire.event_bridge_configuration.is_some(),
        })
    }

    pub fn to_wire(
        &self,
    ) -> (
        Option<dto::LambdaFunctionConfigurationList>,
        Option<dto::EventBridgeConfiguration>,
    ) {
        let rules: Vec<_> = self.rules.iter().map(NotificationRule::to_wire).collect();
        (
            (!rules.is_empty()).then_some(rules),
            self.event_bridge
                .then(dto::EventBridgeConfiguration::default),
        )
    }

    /// Returns the rules that take `event` (without the `s3:`) of `key`.
    pub fn matching<'a>(
        &'a self,
        event: &'a str,
        key: &'a str,
    ) -> impl Iterator<Item = &'a NotificationRule> {
        self.rules.iter().filter(move |rule| rule.takes(event, key))
    }
}

impl NotificationRule {
    fn from_wire(wire: dto::LambdaFunctionConfiguration) -> Result<Self, Invalid> {
        let arn = wire.lambda_function_arn;
        if !is_function_arn(&arn) {
            return Err(Invalid::argument(
                "The ARN could not be parsed",
                "CloudFunction",
                arn,
            ));
        }
        let mut rule = Self {
            id: wire
                .id
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| uuid::Uuid::new_v4().to_string()),
            function_arn: arn,
            events: wire.events.into_iter().map(String::from).collect(),
            prefix: None,
            suffix: None,
        };
        if let Some(unknown) = rule.events.iter().find(|event| !is_known_event(event)) {
            return Err(Invalid::argument(
                "The event is not supported for notifications",
                unknown.clone(),
                "null",
            ));
        }
        let filters = wire
            .filter
            .and_then(|filter| filter.key)
            .and_then(|key| key.filter_rules);
        for filter in filters.into_iter().flatten() {
            rule.add_filter(filter)?;
        }
        Ok(rule)
    }

    fn add_filter(&mut self, filter: dto::FilterRule) -> Result<(), Invalid> {
        let (Some(name), Some(value)) = (filter.name, filter.value) else {
            let message = "The XML you provided was not well-formed or did not validate against our published schema";
            return Err(Invalid {
                malformed: true,
                message: message.to_owned(),
                fields: Vec::new(),
            });
        };
        let name = name.as_str().to_owned();
        let slot = match name.to_ascii_lowercase().as_str() {
            "prefix" => &mut self.prefix,
            "suffix" => &mut self.suffix,
            _ => {
                let message = "filter rule name must be either prefix or suffix";
                return Err(Invalid::argument(message, "FilterRule.Name", name));
            }
        };
        if slot.is_some() {
            let message = format!(
                "Cannot specify more than one {} rule in a filter.",
                name.to_ascii_lowercase()
            );
            return Err(Invalid::argument(message, "FilterRule.Name", name));
        }
        if value.len() > 1024 {
            return Err(Invalid::argument(
                "Size of filter rule value cannot exceed 1024 bytes in UTF-8 representation",
                name,
                value,
            ));
        }
        *slot = Some(value);
        Ok(())
    }

    fn to_wire(&self) -> dto::LambdaFunctionConfiguration {
        let filter = |name, value: &Option<String>| {
            let value = value.clone()?;
            Some(dto::FilterRule {
                name: Some(dto::FilterRuleName::from_static(name)),
                value: Some(value),
            })
        };
        let rules: Vec<_> = [
            filter("Prefix", &self.prefix),
            filter("Suffix", &self.suffix),
        ]
        .into_iter()
        .flatten()
        .collect();
        let filtered = !rules.is_empty();
        dto::LambdaFunctionConfiguration {
            id: Some(self.id.clone()),
            lambda_function_arn: self.function_arn.clone(),
            events: self.events.iter().cloned().map(dto::Event::from).collect(),
            filter: filtered.then_some(dto::NotificationConfigurationFilter {
                key: Some(dto::S3KeyFilter {
                    filter_rules: Some(rules),
                }),
            }),
        }
    }

    fn takes(&self, event: &str, key: &str) -> bool {
        self.events.iter().any(|pattern| covers(pattern, event))
            && key.starts_with(self.prefix.as_deref().unwrap_or_default())
            && key.ends_with(self.suffix.as_deref().unwrap_or_default())
    }

    /// Refuses two rules with one id, or that could both take one event of one key.
    fn check_apart(&self, other: &Self) -> Result<(), Invalid> {
        if self.id == other.id {
            return Err(Invalid::argument(
                "Configurations cannot share the same ID",
                "Id",
                self.id.clone(),
            ));
        }
        let shared = self
            .events
            .iter()
            .any(|a| other.events.iter().any(|b| events_overlap(a, b)));
        let nested = |a: &Option<String>, b: &Option<String>, within: fn(&str, &str) -> bool| {
            let (a, b) = (
                a.as_deref().unwrap_or_default(),
                b.as_deref().unwrap_or_default(),
            );
            within(a, b) || within(b, a)
        };
        let keys = nested(&self.prefix, &other.prefix, |a, b| a.starts_with(b))
            && nested(&self.suffix, &other.suffix, |a, b| a.ends_with(b));
        if shared && keys {
            let message = "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes \
                           are overlapping for the same event type.";
            return Err(Invalid {
                malformed: false,
                message: message.into(),
                fields: Vec::new(),
            });
        }
        Ok(())
    }
}

fn is_function_arn(arn: &str) -> bool {
    let parts: Vec<&str> = arn.split(':').collect();
    matches!(parts[..], ["arn", partition, "lambda", region, account, "function", name] | ["arn", partition, "lambda", region, account, "function", name, _]
        if partition.starts_with("aws") && !region.is_empty() && !account.is_empty() && !name.is_empty())
}

fn is_known_event(event: &str) -> bool {
    event
        .strip_prefix("s3:")
        .is_some_and(|event| EVENT_TYPES.contains(&event))
}

/// Whether `pattern` (`s3:ObjectCreated:*`) covers `event` (`ObjectCreated:Put`).
fn covers(pattern: &str, event: &str) -> bool {
    let pattern = pattern.strip_prefix("s3:").unwrap_or(pattern);
    match pattern.strip_suffix('*') {
        Some(family) => event.starts_with(family),
        None => pattern == event,
    }
}

fn events_overlap(a: &str, b: &str) -> bool {
    let bare = |event: &str| event.strip_prefix("s3:").unwrap_or(event).to_owned();
    a == b || covers(a, &bare(b)) || covers(b, &bare(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

    fn rule(events: &[&str], prefix: Option<&str>, suffix: Option<&str>) -> NotificationRule {
        NotificationRule {
            id: uuid::Uuid::new_v4().to_string(),
            function_arn: ARN.into(),
            events: events.iter().map(|event| (*event).to_owned()).collect(),
            prefix: prefix.map(str::to_owned),
            suffix: suffix.map(str::to_owned),
        }
    }

    #[test]
    fn a_rule_takes_the_events_and_keys_that_it_names() {
        let rule = rule(&["s3:ObjectCreated:*"], Some("in/"), Some(".png"));
        assert!(rule.takes("ObjectCreated:Put", "in/a.png"));
        assert!(rule.takes("ObjectCreated:Copy", "in/.png"));
        assert!(!rule.takes("ObjectRemoved:Delete", "in/a.png"));
        assert!(!rule.takes("ObjectCreated:Put", "out/a.png"));
        assert!(!rule.takes("ObjectCreated:Put", "in/a.jpg"));
    }

    #[test]
    fn prefixes_within_each_other_are_refused_for_one_event() {
        let outer = rule(&["s3:ObjectCreated:*"], Some("in/"), None);
        assert!(
            outer
                .check_apart(&rule(&["s3:ObjectCreated:Put"], Some("in/a/"), None))
                .is_err()
        );
        assert!(
            outer
                .check_apart(&rule(&["s3:ObjectCreated:Put"], None, Some(".png")))
                .is_err()
        );
        assert!(
            outer
                .check_apart(&rule(&["s3:ObjectRemoved:*"], Some("in/a/"), None))
                .is_ok()
        );
        assert!(
            outer
                .check_apart(&rule(&["s3:ObjectCreated:Put"], Some("out/"), None))
                .is_ok()
        );
    }

    #[test]
    fn suffixes_keep_overlapping_prefixes_apart() {
        let png = rule(&["s3:ObjectCreated:*"], Some("in/"), Some(".png"));
        assert!(
            png.check_apart(&rule(&["s3:ObjectCreated:*"], Some("in/"), Some(".jpg")))
                .is_ok()
        );
        assert!(
            png.check_apart(&rule(&["s3:ObjectCreated:*"], Some("in/"), Some("a.png")))
                .is_err()
        );
    }

    #[test]
    fn only_the_arn_of_a_function_is_one() {
        assert!(is_function_arn(ARN));
        assert!(is_function_arn(&format!("{ARN}:live")));
        for arn in [
            "invalid-queue",
            "arn:aws:sqs:us-east-1:000000000000:q",
            "arn:aws:lambda:us-east-1:000000000000:layer:l:1",
            "",
        ] {
            assert!(!is_function_arn(arn), "{arn}");
        }
    }
}
