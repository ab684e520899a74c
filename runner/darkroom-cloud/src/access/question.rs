//! Translates a request into IAM's terms: an action on a resource. For services that name their
//! operation in the request.

use crate::ACCOUNT_ID;
use crate::metrics::query;
use http::request::Parts;
use serde_json::Value;

/// One action on one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// `s3:GetObject`
    pub action: String,
    /// An ARN, or `*` for actions that know no resource.
    pub resource: String,
}

impl Question {
    pub fn new(service: &str, action: &str, resource: impl Into<String>) -> Self {
        Self {
            action: format!("{service}:{action}"),
            resource: resource.into(),
        }
    }

    /// Tells whether it would write to the log group of a function.
    pub fn writes_a_functions_log(&self) -> bool {
        matches!(
            self.action.as_str(),
            "logs:CreateLogStream" | "logs:PutLogEvents"
        ) && self.resource.contains(":log-group:/aws/lambda/")
    }
}

fn after_dot(target: &str) -> &str {
    target
        .rsplit_once('.')
        .map_or(target, |(_, operation)| operation)
}

fn target(parts: &Parts) -> &str {
    let target = parts
        .headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    after_dot(target.unwrap_or_default())
}

/// Reads a request to CloudWatch Logs.
pub fn of_logs(parts: &Parts, body: &[u8], region: &str) -> Question {
    let action = match target(parts) {
        "" => "Unknown",
        named => named,
    };
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    let named = ["logGroupName", "logGroupIdentifier", "resourceArn"]
        .into_iter()
        .find_map(text);
    let resource = match (action, named) {
        ("DescribeLogGroups" | "ListLogGroups", _) | (_, None) => "*".to_owned(),
        (_, Some(group)) => {
            let group = group
                .split_once(":log-group:")
                .map_or(group, |(_, group)| group)
                .trim_end_matches(":*");
            let stream = text("logStreamName").unwrap_or_default();
            format!("arn:aws:logs:{region}:{ACCOUNT_ID}:log-group:{group}:log-stream:{stream}")
        }
    };
    Question::new("logs", action, resource)
}

/// Reads a request to CloudWatch, whose actions know no resource.
pub fn of_metrics(parts: &Parts, body: &[u8]) -> Question {
    let in_path = parts
        .uri
        .path()
        .rsplit_once("/operation/")
        .map(|(_, operation)| operation);
    let in_header = Some(target(parts)).filter(|operation| !operation.is_empty());
    let action = in_path
        .or(in_header)
        .map_or_else(|| form(parts, body).0, str::to_owned);
    Question::new("cloudwatch", &action, "*")
}

/// Reads a request to IAM.
pub fn of_iam(parts: &Parts, body: &[u8]) -> Question {
    let (action, request) = form(parts, body);
    let resource = match request["RoleName"].as_str() {
        Some(role) => format!("arn:aws:iam::{ACCOUNT_ID}:role/{role}"),
        None => "*".to_owned(),
    };
    Question::new("iam", &action, resource)
}

fn form(parts: &Parts, body: &[u8]) -> (String, Value) {
    let form = if body.is_empty() {
        parts.uri.query().unwrap_or_default().as_bytes()
    } else {
        body
    };
    query::read(&String::from_utf8_lossy(form))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(target: &str, uri: &str) -> Parts {
        Request::post(uri)
            .header("x-amz-target", target)
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    #[test]
    fn logs_name_the_group_and_the_stream_however_the_group_is_given() {
        let put = parts("Logs_20140328.PutLogEvents", "/");
        let by_name = of_logs(
            &put,
            br#"{"logGroupName":"/aws/lambda/f","logStreamName":"s"}"#,
            "us-east-1",
        );
        let arn = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:log-stream:s";
        assert_eq!(
            (by_name.action.as_str(), by_name.resource.as_str()),
            ("logs:PutLogEvents", arn)
        );
        assert!(by_name.writes_a_functions_log());
        let by_arn = r#"{"logGroupIdentifier":"arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/f:*"}"#;
        let found = of_logs(
            &parts("Logs_20140328.FilterLogEvents", "/"),
            by_arn.as_bytes(),
            "us-east-1",
        );
        assert!(
            found
                .resource
                .ends_with(":log-group:/aws/lambda/f:log-stream:")
                && !found.writes_a_functions_log()
        );
    }

    #[test]
    fn metrics_name_their_operation_in_three_places() {
        let action =
            |target: &str, uri: &str, body: &[u8]| of_metrics(&parts(target, uri), body).action;
        let path = "/service/GraniteServiceVersion20100801/operation/PutMetricData";
        assert_eq!(action("", path, b""), "cloudwatch:PutMetricData");
        assert_eq!(
            action("GraniteServiceVersion20100801.GetMetricData", "/", b"{}"),
            "cloudwatch:GetMetricData"
        );
        assert_eq!(
            action("", "/", b"Action=ListMetrics&Version=2010-08-01"),
            "cloudwatch:ListMetrics"
        );
    }

    #[test]
    fn iam_names_the_role() {
        let asked = of_iam(
            &parts("", "/"),
            b"Action=PutRolePolicy&RoleName=r&Version=2010-05-08",
        );
        let expected = ("iam:PutRolePolicy", "arn:aws:iam::000000000000:role/r");
        assert_eq!((asked.action.as_str(), asked.resource.as_str()), expected);
    }
}
