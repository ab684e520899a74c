//! The query protocol: a form of dotted names in, XML out.

use serde_json::{Map, Value};

use super::{QueryFault, Reply};
use crate::s3::parse_pairs;
use crate::xml::{Element, element, text};

/// No name nests deeper, and no list of a request is longer.
const MAX_DEPTH: usize = 12;

/// Reads a form into the operation's name and its request: `A.member.1.B=x` is
/// `{"A": [{"B": "x"}]}`. All values are text.
pub fn read(form: &str) -> (String, Value) {
    let (mut operation, mut request) = (String::new(), Value::Object(Map::new()));
    for (name, value) in parse_pairs(form) {
        match name.as_str() {
            "Action" => operation = value,
            "Version" => {}
            _ => {
                let steps: Vec<&str> = name.split('.').filter(|step| *step != "member").collect();
                if steps.len() <= MAX_DEPTH {
                    insert(&mut request, &steps, value);
                }
            }
        }
    }
    (operation, lists(request))
}

fn insert(into: &mut Value, steps: &[&str], value: String) {
    let Some((first, rest)) = steps.split_first() else {
        *into = Value::String(value);
        return;
    };
    if !into.is_object() {
        *into = Value::Object(Map::new());
    }
    if let Some(fields) = into.as_object_mut() {
        insert(
            fields.entry((*first).to_owned()).or_insert(Value::Null),
            rest,
            value,
        );
    }
}

/// Turns maps whose keys are all numbers into lists, in the order of the numbers.
fn lists(value: Value) -> Value {
    let Value::Object(fields) = value else {
        return value;
    };
    let numbered: Option<Vec<(u64, &Value)>> = fields
        .iter()
        .map(|(name, value)| Some((name.parse().ok()?, value)))
        .collect();
    match numbered {
        Some(mut items) if !items.is_empty() => {
            items.sort_by_key(|(number, _)| *number);
            items
                .into_iter()
                .map(|(_, value)| lists(value.clone()))
                .collect()
        }
        _ => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (name, lists(value)))
                .collect(),
        ),
    }
}

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// Writes a reply as a document.
pub fn write(operation: &str, reply: &Reply, request_id: &str) -> String {
    answer(
        NAMESPACE,
        operation,
        Some(converted(format!("{operation}Result"), reply)),
        request_id,
    )
}

pub fn write_fault(fault: &QueryFault, request_id: &str) -> String {
    error(NAMESPACE, fault.code, &fault.message, request_id)
}

/// Returns the document of an answer, with its result if it has one.
pub fn answer(
    namespace: &str,
    operation: &str,
    result: Option<Element>,
    request_id: &str,
) -> String {
    let metadata = element("ResponseMetadata", [text("RequestId", request_id)]);
    element(
        format!("{operation}Response"),
        result.into_iter().chain([metadata]),
    )
    .document(Some(namespace))
}

/// Returns the document of an error that the caller made.
pub fn error(namespace: &str, code: &str, message: &str, request_id: &str) -> String {
    let error = element(
        "Error",
        [
            text("Type", "Sender"),
            text("Code", code),
            text("Message", message),
        ],
    );
    element("ErrorResponse", [error, text("RequestId", request_id)]).document(Some(namespace))
}

fn converted(name: impl Into<String>, reply: &Reply) -> Element {
    match reply {
        Reply::Text(it) => text(name, it.as_str()),
        Reply::Number(number) => text(name, number.to_string()),
        Reply::Time(seconds) => {
            let time = jiff::Timestamp::from_second(*seconds).unwrap_or_default();
            text(name, time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
        }
        Reply::List(items) => element(name, items.iter().map(|item| converted("member", item))),
        Reply::Map(fields) => element(
            name,
            fields.iter().map(|(name, value)| converted(*name, value)),
        ),
        Reply::Entries(entries) => element(
            name,
            entries.iter().map(|(key, value)| {
                element(
                    "entry",
                    [text("key", key.as_str()), converted("value", value)],
                )
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn dotted_names_become_lists_and_maps() {
        let form = "Action=PutMetricData&Version=2010-08-01&Namespace=N&MetricData.member.2.MetricName=b&\
                    MetricData.member.1.MetricName=a+1&MetricData.member.1.Dimensions.member.1.Name=d";
        let expected = json!({
            "Namespace": "N",
            "MetricData": [{ "MetricName": "a 1", "Dimensions": [{ "Name": "d" }] }, { "MetricName": "b" }],
        });
        assert_eq!(read(form), ("PutMetricData".to_owned(), expected));
    }

    #[test]
    fn a_reply_is_a_document() {
        let reply = Reply::Map(vec![
            ("Label", Reply::Text("a<b".into())),
            ("Datapoints", Reply::List(vec![Reply::Time(0)])),
        ]);
        assert_eq!(
            write("X", &reply, "R"),
            format!(
                "<XResponse xmlns=\"{NAMESPACE}\"><XResult><Label>a&lt;b</Label><Datapoints><member>1970-01-01T00:00:00Z</member>\
                 </Datapoints></XResult><ResponseMetadata><RequestId>R</RequestId></ResponseMetadata></XResponse>"
            )
        );
    }
}
