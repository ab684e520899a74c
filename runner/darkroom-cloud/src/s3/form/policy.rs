//! The policy of a form: who signed it, until when it is valid, and what it allows. Pure: the clock
//! is an argument.
//!
//! A form → the access key that signed it, or S3's refusal. Source: Amazon S3 API reference,
//! "Creating a POST policy" and "Authenticating requests in browser-based uploads" (versions 4 and
//! 2, of which boto3 still makes either).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use serde_json::Value as Json;
use sha1::Sha1;
use sha2::Sha256;

use super::super::operations::with_fields;
use super::multipart::Form;
use super::upload::missing;

/// Returns the access key of whoever signed the form's policy, if the form is what it allows at
/// this time.
pub fn admit(
    form: &Form,
    bucket: &str,
    now: jiff::Timestamp,
    secret: &impl Fn(&str) -> S3Result<String>,
) -> S3Result<String> {
    let Some(text) = form.get("policy") else {
        return Err(s3_error!(AccessDenied, "Access Denied"));
    };
    let access_key = signer(form, text, secret)?;
    let policy = FormPolicy::read(text)?;
    if now >= policy.expiration {
        return Err(denied("Policy expired."));
    }
    for condition in &policy.conditions {
        condition.check(form, bucket)?;
    }
    let extra: Vec<&str> = form
        .fields
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| policy.forgets(name))
        .collect();
    if !extra.is_empty() {
        return Err(denied(&format!("Extra input fields: {}", extra.join(", "))));
    }
    Ok(access_key)
}

fn denied(why: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::AccessDenied,
        format!("Invalid according to Policy: {why}"),
    )
}

fn invalid(why: &str) -> S3Error {
    S3Error::with_message(
        S3ErrorCode::InvalidPolicyDocument,
        format!("Invalid Policy: {why}"),
    )
}

/// Checks the signature over the policy's text.
fn signer(
    form: &Form,
    policy: &str,
    secret: &impl Fn(&str) -> S3Result<String>,
) -> S3Result<String> {
    if form.get("x-amz-algorithm").is_some() || form.get("x-amz-credential").is_some() {
        return signer_v4(form, policy, secret);
    }
    let access_key = form
        .get("awsaccesskeyid")
        .ok_or_else(|| missing("AWSAccessKeyId"))?;
    let claimed = form.get("signature").ok_or_else(|| missing("Signature"))?;
    let claimed = STANDARD
        .decode(claimed)
        .map_err(|_| s3_error!(SignatureDoesNotMatch))?;
    let mut mac =
        Hmac::<Sha1>::new_from_slice(secret(access_key)?.as_bytes()).expect("a key of any length");
    mac.update(policy.as_bytes());
    mac.verify_slice(&claimed)
        .map_err(|_| s3_error!(SignatureDoesNotMatch))?;
    Ok(access_key.to_owned())
}

fn signer_v4(
    form: &Form,
    policy: &str,
    secret: &impl Fn(&str) -> S3Result<String>,
) -> S3Result<String> {
    let field = |name: &'static str, shown: &str| form.get(name).ok_or_else(|| missing(shown));
    if field("x-amz-algorithm", "X-Amz-Algorithm")? != "AWS4-HMAC-SHA256" {
        return Err(s3_error!(
            InvalidArgument,
            "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""
        ));
    }
    let credential = field("x-amz-credential", "X-Amz-Credential")?;
    let date = field("x-amz-date", "X-Amz-Date")?;
    let claimed = field("x-amz-signature", "X-Amz-Signature")?;
    let Some((access_key, scope)) = credential
        .split_once('/')
        .filter(|(_, scope)| scope.split('/').count() == 4)
    else {
        let message = "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting \
                       \"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request\".";
        return Err(s3_error!(AuthorizationQueryParametersError, "{message}"));
    };
    if !date.starts_with(scope.split('/').next().unwrap_or_default()) {
        return Err(s3_error!(SignatureDoesNotMatch));
    }
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
        mac.update(text.as_bytes());
        mac
    };
    let mut key = format!("AWS4{}", secret(access_key)?).into_bytes();
    for part in scope.split('/') {
        key = mac(&key, part).finalize().into_bytes().to_vec();
    }
    let claimed = hex::decode(claimed).map_err(|_| s3_error!(SignatureDoesNotMatch))?;
    mac(&key, policy)
        .verify_slice(&claimed)
        .map_err(|_| s3_error!(SignatureDoesNotMatch))?;
    Ok(access_key.to_owned())
}

struct FormPolicy {
    expiration: jiff::Timestamp,
    conditions: Vec<FormCondition>,
}

enum FormCondition {
    Equal { field: String, value: String },
    StartsWith { field: String, prefix: String },
    Length { min: u64, max: u64 },
}

impl FormPolicy {
    fn read(text: &str) -> S3Result<Self> {
        let decoded = STANDARD
            .decode(text)
            .map_err(|_| invalid("Invalid JSON."))?;
        let policy: Json =
            serde_json::from_slice(&decoded).map_err(|_| invalid("Invalid JSON."))?;
        let expiration = policy["expiration"]
            .as_str()
            .ok_or_else(|| invalid("Policy missing expiration."))?;
        let expiration = expiration
            .parse()
            .map_err(|_| invalid(&format!("Invalid 'expiration' value: '{expiration}'")))?;
        let conditions = policy["conditions"]
            .as_array()
            .ok_or_else(|| invalid("Policy missing conditions."))?;
        let mut read = Vec::new();
        for condition in conditions {
            read.extend(
                FormCondition::read(condition)
                    .ok_or_else(|| invalid(&format!("Invalid Condition: {condition}")))?,
            );
        }
        Ok(Self {
            expiration,
            conditions: read,
        })
    }

    /// Whether a field of the form is in no condition and must be.
    fn forgets(&self, name: &str) -> bool {
        let free = matches!(
            name,
            "policy" | "x-amz-signature" | "signature" | "awsaccesskeyid" | "file" | "submit"
        );
        let named = |condition: &FormCondition| match condition {
            FormCondition::Equal { field, .. } | FormCondition::StartsWith { field, .. } => {
                field == name
            }
            FormCondition::Length { .. } => false,
        };
        !free && !name.starts_with("x-ignore-") && !self.conditions.iter().any(named)
    }
}

impl FormCondition {
    /// Reads `{"field": "value"}` or a list of three; `None` for anything else.
    fn read(condition: &Json) -> Option<Vec<Self>> {
        if let Some(fields) = condition.as_object() {
            let equal = |(field, value): (&String, &Json)| {
                Some(Self::Equal {
                    field: field.to_lowercase(),
                    value: value.as_str()?.to_owned(),
                })
            };
            return fields.iter().map(equal).collect();
        }
        let [operation, a, b] = condition.as_array()?.as_slice() else {
            return None;
        };
        let field = || Some(a.as_str()?.strip_prefix('$')?.to_lowercase());
        let number = |value: &Json| value.as_u64().or_else(|| value.as_str()?.parse().ok());
        Some(vec![match operation.as_str()?.to_lowercase().as_str() {
            "eq" => Self::Equal {
                field: field()?,
                value: b.as_str()?.to_owned(),
            },
            "starts-with" => Self::StartsWith {
                field: field()?,
                prefix: b.as_str()?.to_owned(),
            },
            "content-length-range" => Self::Length {
                min: number(a)?,
                max: number(b)?,
            },
            _ => return None,
        }])
    }

    fn check(&self, form: &Form, bucket: &str) -> S3Result<()> {
        let value = |field: &str| {
            if field == "bucket" {
                Some(bucket)
            } else {
                form.get(field)
            }
        };
        let failed = |operation: &str, field: &str, wanted: &str| {
            let [field, wanted] =
                [format!("${field}"), wanted.to_owned()].map(|text| Json::from(text).to_string());
            Err(denied(&format!(
                "Policy Condition failed: [\"{operation}\", {field}, {wanted}]"
            )))
        };
        match self {
            Self::Equal {
                field,
                value: wanted,
            } if value(field) != Some(wanted) => failed("eq", field, wanted),
            Self::StartsWith { field, prefix }
                if !value(field).is_some_and(|value| value.starts_with(prefix)) =>
            {
                failed("starts-with", field, prefix)
            }
            Self::Length { min, max } => within(form.file.len() as u64, *min, *max),
            _ => Ok(()),
        }
    }
}

fn within(size: u64, min: u64, max: u64) -> S3Result<()> {
    let [proposed, least, most] = [size, min, max].map(|bytes| bytes.to_string());
    if size > max {
        let error = s3_error!(
            EntityTooLarge,
            "Your proposed upload exceeds the maximum allowed size"
        );
        return Err(with_fields(
            error,
            &[("ProposedSize", &proposed), ("MaxSizeAllowed", &most)],
        ));
    }
    if size < min {
        let error = s3_error!(
            EntityTooSmall,
            "Your proposed upload is smaller than the minimum allowed size"
        );
        return Err(with_fields(
            error,
            &[("ProposedSize", &proposed), ("MinSizeAllowed", &least)],
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(policy: &str, fields: &[(&str, &str)]) -> Form {
        let policy = STANDARD.encode(policy);
        let mut mac = Hmac::<Sha1>::new_from_slice(b"secret").unwrap();
        mac.update(policy.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let own = [
            ("policy", policy.as_str()),
            ("awsaccesskeyid", "someone"),
            ("signature", &signature),
        ];
        let fields = fields
            .iter()
            .chain(&own)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Form {
            fields: fields.collect(),
            file: bytes::Bytes::from_static(b"12345"),
            file_name: "f".into(),
        }
    }

    fn told(policy: &str, fields: &[(&str, &str)]) -> String {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        match admit(&signed(policy, fields), "photos", now, &|_| {
            Ok("secret".to_owned())
        }) {
            Ok(access_key) => access_key,
            Err(error) => format!(
                "{}: {}",
                error.code().as_str(),
                error.message().unwrap_or_default()
            ),
        }
    }

    fn policy(conditions: &str) -> String {
        format!("{{\"expiration\": \"2026-01-01T00:00:01.000Z\", \"conditions\": {conditions}}}")
    }

    #[test]
    fn what_the_policy_allows_is_let_in() {
        for (conditions, fields) in [
            (
                "[{\"bucket\": \"photos\"}, [\"starts-with\", \"$key\", \"up/\"]]",
                &[("key", "up/a")][..],
            ),
            (
                "[[\"EQ\", \"$KEY\", \"k\"], [\"content-length-range\", 5, \"5\"]]",
                &[("key", "k"), ("x-ignore-me", "1")],
            ),
            (
                "[[\"starts-with\", \"$key\", \"\"], {\"acl\": \"private\"}]",
                &[("key", "k"), ("acl", "private")],
            ),
        ] {
            assert_eq!(told(&policy(conditions), fields), "someone", "{conditions}");
        }
    }

    #[test]
    fn what_it_does_not_is_refused_in_s3s_words() {
        let key = &[("key", "down/a")][..];
        for (conditions, said) in [
            (
                "[[\"starts-with\", \"$key\", \"up/\"]]",
                "AccessDenied: Invalid according to Policy: Policy Condition failed: [\"starts-with\", \"$key\", \"up/\"]",
            ),
            (
                "[{\"key\": \"other\"}]",
                "AccessDenied: Invalid according to Policy: Policy Condition failed: [\"eq\", \"$key\", \"other\"]",
            ),
            (
                "[{\"bucket\": \"other\"}, {\"key\": \"down/a\"}]",
                "AccessDenied: Invalid according to Policy: Policy Condition failed: [\"eq\", \"$bucket\", \"other\"]",
            ),
            (
                "[{\"bucket\": \"photos\"}]",
                "AccessDenied: Invalid according to Policy: Extra input fields: key",
            ),
            (
                "[{\"key\": \"down/a\"}, [\"content-length-range\", 0, 4]]",
                "EntityTooLarge: Your proposed upload exceeds the maximum allowed size",
            ),
            (
                "[{\"key\": \"down/a\"}, [\"content-length-range\", 6, 9]]",
                "EntityTooSmall: Your proposed upload is smaller than the minimum allowed size",
            ),
            (
                "{}",
                "InvalidPolicyDocument: Invalid Policy: Policy missing conditions.",
            ),
            (
                "[[\"like\", \"$key\", \"x\"]]",
                "InvalidPolicyDocument: Invalid Policy: Invalid Condition: [\"like\",\"$key\",\"x\"]",
            ),
        ] {
            assert_eq!(told(&policy(conditions), key), said);
        }
        let expired = policy("[{\"key\": \"down/a\"}]").replace("00:00:01", "00:00:00");
        assert_eq!(
            told(&expired, key),
            "AccessDenied: Invalid according to Policy: Policy expired."
        );
        assert_eq!(
            told("{", key),
            "InvalidPolicyDocument: Invalid Policy: Invalid JSON."
        );
        let undated = policy("[]").replace("2026-01-01T", "soon ");
        assert!(
            told(&undated, key)
                .starts_with("InvalidPolicyDocument: Invalid Policy: Invalid 'expiration' value")
        );
    }

    #[test]
    fn a_policy_that_was_changed_or_not_signed_is_refused() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let code = |form: &Form| match admit(form, "photos", now, &|_| Ok("secret".to_owned())) {
            Ok(_) => "let in".to_owned(),
            Err(error) => error.code().as_str().to_owned(),
        };
        let whole = signed(&policy("[{\"key\": \"k\"}]"), &[("key", "k")]);
        assert_eq!(code(&whole), "let in");
        let with = |name: &str, value: &str| {
            let mut form = whole.clone();
            form.fields.retain(|(field, _)| field != name);
            form.fields
                .extend((!value.is_empty()).then(|| (name.to_owned(), value.to_owned())));
            code(&form)
        };
        assert_eq!(
            with("policy", &STANDARD.encode(policy("[]"))),
            "SignatureDoesNotMatch"
        );
        assert_eq!(with("policy", "not base64"), "SignatureDoesNotMatch");
        assert_eq!(with("signature", "AAAA"), "SignatureDoesNotMatch");
        assert_eq!(with("policy", ""), "AccessDenied");
        assert_eq!(with("signature", ""), "InvalidArgument");
        assert_eq!(with("x-amz-algorithm", "AWS4-HMAC-SHA1"), "InvalidArgument");
    }

    /// The worked example of AWS's documentation ("Example: Browser-Based Upload using HTTP POST"),
    /// a day and a half after it was signed: a policy holds until it expires.
    #[test]
    fn the_documented_form_is_let_in() {
        let policy = [
            "{ \"expiration\": \"2015-12-30T12:00:00.000Z\",",
            "  \"conditions\": [",
            "    {\"bucket\": \"sigv4examplebucket\"},",
            "    [\"starts-with\", \"$key\", \"user/user1/\"],",
            "    {\"acl\": \"public-read\"},",
            "    {\"success_action_redirect\": \"http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html\"},",
            "    [\"starts-with\", \"$Content-Type\", \"image/\"],",
            "    {\"x-amz-meta-uuid\": \"14365123651274\"},",
            "    {\"x-amz-server-side-encryption\": \"AES256\"},",
            "    [\"starts-with\", \"$x-amz-meta-tag\", \"\"],",
            "",
            "    {\"x-amz-credential\": \"AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request\"},",
            "    {\"x-amz-algorithm\": \"AWS4-HMAC-SHA256\"},",
            "    {\"x-amz-date\": \"20151229T000000Z\" }",
            "  ]",
            "}",
        ];
        let fields = [
            ("key", "user/user1/photo.jpg"),
            ("acl", "public-read"),
            (
                "success_action_redirect",
                "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html",
            ),
            ("content-type", "image/jpeg"),
            ("x-amz-meta-uuid", "14365123651274"),
            ("x-amz-server-side-encryption", "AES256"),
            (
                "x-amz-credential",
                "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request",
            ),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-date", "20151229T000000Z"),
            ("x-amz-meta-tag", ""),
            ("policy", &STANDARD.encode(policy.join("\r\n"))),
            (
                "x-amz-signature",
                "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e",
            ),
        ];
        let fields = fields
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        let form = Form {
            fields,
            file: bytes::Bytes::new(),
            file_name: String::new(),
        };
        let now = "2015-12-30T11:59:59Z".parse().unwrap();
        let admitted =
            |secret: &str| admit(&form, "sigv4examplebucket", now, &|_| Ok(secret.to_owned()));
        assert_eq!(
            admitted("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY").unwrap(),
            "AKIAIOSFODNN7EXAMPLE"
        );
        assert_eq!(
            admitted("another").unwrap_err().code().as_str(),
            "SignatureDoesNotMatch"
        );
    }
}
