//! The query protocol: a form of dotted names in, XML out.

use quick_xml::escape::escape;
use serde_json::{Map, Value};

use super::{Fault, Reply};
use crate::s3::parse_pairs;

/// No name nests deeper, and no list of a request is longer.
const MAX_DEPTH: usize = 12;

/// Reads a form into the operation's name and its request: `A.member.1.B=x` is `{"A": [{"B": "x"}]}`. All values are text.
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
        insert(fields.entry((*first).to_owned()).or_insert(Value::Null), rest, value);
    }
}

/// Turns maps whose keys are all numbers into lists, in the order of the numbers.
fn lists(value: Value) -> Value {
    let Value::Object(fields) = value else { return value };
    let numbered: Option<Vec<(u64, &Value)>> =
        fields.iter().map(|(name, value)| Some((name.parse().ok()?, value))).collect();
    match numbered {
        Some(mut items) if !items.is_empty() => {
            items.sort_by_key(|(number, _)| *number);
            items.into_iter().map(|(_, value)| lists(value.clone())).collect()
        }
        _ => Value::Object(fields.into_iter().map(|(name, value)| (name, lists(value))).collect()),
    }
}

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

/// Writes a reply as a document.
pub fn write(operation: &str, reply: &Reply, request_id: &str) -> String {
    let operation = escape(operation);
    let mut result = String::new();
    content(&mut result, reply);
    format!(
        "<{operation}Response xmlns=\"{NAMESPACE}\"><{operation}Result>{result}</{operation}Result>\
         <ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    )
}

pub fn write_fault(fault: &Fault, request_id: &str) -> String {
    format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\"><Error><Type>Sender</Type><Code>{}</Code><Message>{}</Message></Error>\
         <RequestId>{request_id}</RequestId></ErrorResponse>",
        fault.code,
        escape(&fault.message)
    )
}

fn content(into: &mut String, reply: &Reply) {
    match reply {
        Reply::Text(text) => into.push_str(&escape(text)),
        Reply::Number(number) => into.push_str(&number.to_string()),
        Reply::Time(seconds) => {
            let time = jiff::Timestamp::from_second(*seconds).unwrap_or_default();
            into.push_str(&time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        }
        Reply::List(items) => items.iter().for_each(|item| element(into, "member", item)),
        Reply::Map(fields) => fields.iter().for_each(|(name, value)| element(into, name, value)),
        Reply::Entries(entries) => {
            for (name, value) in entries {
                let entry = [("key", Reply::Text(name.clone())), ("value", value.clone())];
                element(into, "entry", &Reply::Map(entry.to_vec()));
            }
        }
    }
}

fn element(into: &mut String, name: &str, value: &Reply) {
    into.extend(["<", name, ">"]);
    content(into, value);
    into.extend(["</", name, ">"]);
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
        let reply =
            Reply::Map(vec![("Label", Reply::Text("a<b".into())), ("Datapoints", Reply::List(vec![Reply::Time(0)]))]);
        assert_eq!(
            write("X", &reply, "R"),
            format!(
                "<XResponse xmlns=\"{NAMESPACE}\"><XResult><Label>a&lt;b</Label><Datapoints><member>1970-01-01T00:00:00Z</member>\
                 </Datapoints></XResult><ResponseMetadata><RequestId>R</RequestId></ResponseMetadata></XResponse>"
            )
        );
    }
}
