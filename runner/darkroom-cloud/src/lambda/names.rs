//! Function, layer and qualifier names: every form that a client may write, and the ARNs in
//! answers.
//!
//! A function is named `name`, `function:name`, `account:function:name` or by its ARN, each with an
//! optional `:qualifier`. Patterns, lengths and messages are those of AWS.

use super::error::{ApiError, ApiResult};
use super::limits;
use super::validate::Violations;

/// What AWS prints as the pattern of a function's name where only functions are meant.
pub const FUNCTION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?";
/// The same where versions and aliases may be meant.
pub const NAMESPACED_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?";
const QUALIFIER_PATTERN: &str = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+";

pub const LATEST: &str = "$LATEST";

/// The account and region that ARNs name.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub region: String,
    pub account_id: String,
}

impl Home {
    /// Returns a function's ARN without a qualifier.
    pub fn function_arn(&self, name: &str) -> String {
        format!(
            "arn:aws:lambda:{}:{}:function:{name}",
            self.region, self.account_id
        )
    }

    /// Returns a function's ARN with a qualifier.
    pub fn qualified_arn(&self, name: &str, qualifier: &str) -> String {
        format!("{}:{qualifier}", self.function_arn(name))
    }

    pub fn layer_arn(&self, name: &str) -> String {
        format!(
            "arn:aws:lambda:{}:{}:layer:{name}",
            self.region, self.account_id
        )
    }
}

/// Which of AWS's two shapes an operation's `FunctionName` has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameShape {
    /// `FunctionName`: at most 140 characters.
    Function,
    /// `NamespacedFunctionName`: a dot is allowed, at most 256 characters.
    Namespaced,
}

/// A function as a client named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FunctionRef {
    pub name: String,
    /// From the name or the `Qualifier` parameter; both must agree.
    pub qualifier: Option<String>,
}

impl FunctionRef {
    /// Returns the ARN as the client meant it: with the qualifier only if one was given.
    pub fn arn(&self, home: &Home) -> String {
        match &self.qualifier {
            Some(qualifier) => home.qualified_arn(&self.name, qualifier),
            None => home.function_arn(&self.name),
        }
    }

    /// Returns the ARN as `Invoke` says it in errors: `:$LATEST` when no qualifier was given.
    pub fn arn_or_latest(&self, home: &Home) -> String {
        home.qualified_arn(&self.name, self.qualifier.as_deref().unwrap_or(LATEST))
    }
}

/// Reads a function's name and the `Qualifier` parameter, checking form, region and account.
pub(crate) fn function(
    home: &Home,
    shape: NameShape,
    text: &str,
    qualifier: Option<&str>,
) -> ApiResult<FunctionRef> {
    let parsed = parse(text, shape);
    let mut violations = Violations::default();
    if let Some(qualifier) = qualifier {
        violations.max_length("qualifier", qualifier, limits::QUALIFIER);
        if !is_qualifier(qualifier) {
            violations.pattern("qualifier", qualifier, QUALIFIER_PATTERN);
        }
    }
    let (longest, pattern) = match shape {
        NameShape::Function => (limits::FUNCTION_IDENTIFIER, FUNCTION_PATTERN),
        NameShape::Namespaced => (limits::NAMESPACED_IDENTIFIER, NAMESPACED_PATTERN),
    };
    violations.max_length("functionName", text, longest);
    if parsed.is_none() {
        violations.pattern("functionName", text, pattern);
    }
    violations.into_result()?;
    // The pattern above was violated otherwise.
    let parsed = parsed.ok_or_else(|| ApiError::service("unreadable function name"))?;
    check_home(home, &parsed)?;
    join(&parsed, qualifier)
}

fn check_home(home: &Home, parsed: &Parsed<'_>) -> ApiResult<()> {
    if let Some(region) = parsed.region.filter(|region| *region != home.region) {
        let here = &home.region;
        return Err(ApiError::not_found(format!(
            "Functions from '{region}' are not reachable in this region ('{here}')"
        )));
    }
    match parsed.account.filter(|account| *account != home.account_id) {
        Some(_) => Err(ApiError::access_denied(None)),
        None => Ok(()),
    }
}

fn join(parsed: &Parsed<'_>, parameter: Option<&str>) -> ApiResult<FunctionRef> {
    if let (Some(derived), Some(given)) = (parsed.qualifier, parameter)
        && derived != given
    {
        return Err(ApiError::invalid(
            "The derived qualifier from the function name does not match the specified qualifier.",
        ));
    }
    let qualifier = parsed.qualifier.or(parameter).map(str::to_owned);
    Ok(FunctionRef {
        name: parsed.name.to_owned(),
        qualifier,
    })
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Parsed<'a> {
    region: Option<&'a str>,
    account: Option<&'a str>,
    name: &'a str,
    qualifier: Option<&'a str>,
}

/// Reads `(arn:aws:lambda:)?(region:)?(account:)?(function:)?name(:qualifier)?` the way AWS's
/// pattern does: each optional part is taken when it can be and something still follows it.
fn parse(text: &str, shape: NameShape) -> Option<Parsed<'_>> {
    let parts: Vec<&str> = text.split(':').collect();
    let mut rest = parts.as_slice();
    if let ["arn", partition, "lambda", tail @ ..] = rest {
        if !is_partition(partition) || tail.is_empty() {
            return None;
        }
        rest = tail;
    }
    let mut parsed = Parsed::default();
    if let [region, tail @ ..] = rest
        && !tail.is_empty()
        && is_region(region)
    {
        (parsed.region, rest) = (Some(*region), tail);
    }
    if let [account, tail @ ..] = rest
        && !tail.is_empty()
        && is_account(account)
    {
        (parsed.account, rest) = (Some(*account), tail);
    }
    if let ["function", tail @ ..] = rest
        && !tail.is_empty()
    {
        rest = tail;
    }
    (parsed.name, parsed.qualifier) = match rest {
        [name] => (*name, None),
        [name, qualifier] => (*name, Some(*qualifier)),
        _ => return None,
    };
    let dots = shape == NameShape::Namespaced;
    let name_fits = !parsed.name.is_empty()
        && parsed
            .name
            .bytes()
            .all(|byte| is_name_byte(byte) || (dots && byte == b'.'));
    let qualifier_fits = parsed.qualifier.is_none_or(|qualifier| {
        qualifier == LATEST || (!qualifier.is_empty() && qualifier.bytes().all(is_name_byte))
    });
    (name_fits && qualifier_fits).then_some(parsed)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// `[a-zA-Z0-9-_]+`
pub(crate) fn is_plain_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_name_byte)
}

fn is_qualifier(text: &str) -> bool {
    text == "$LATEST.PUBLISHED"
        || (!text.is_empty() && text.bytes().all(|byte| is_name_byte(byte) || byte == b'$'))
}

fn is_partition(text: &str) -> bool {
    text.is_empty()
        || text
            .strip_prefix("aws")
            .is_some_and(|tail| tail.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-'))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}`
pub(crate) fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text
        .strip_prefix("eusc-")
        .unwrap_or(text)
        .split('-')
        .collect();
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let digit = |part: &str| part.len() == 1 && part.bytes().all(|byte| byte.is_ascii_digit());
    let special =
        |part: &str| part == "gov" || (part.starts_with("iso") && part.len() <= 4 && lower(part));
    match parts.as_slice() {
        [country, direction, number] => {
            country.len() == 2 && lower(country) && lower(direction) && digit(number)
        }
        [country, kind, direction, number] => {
            country.len() == 2
                && lower(country)
                && special(kind)
                && lower(direction)
                && digit(number)
        }
        _ => false,
    }
}

/// A layer version's ARN, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LayerVersionRef {
    pub region: String,
    pub account: String,
    pub name: String,
    pub version: u64,
}

/// What AWS prints as the pattern of a layer version's ARN.
pub const LAYER_VERSION_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+:[0-9]+)|(arn:[a-zA-Z0-9-]+:lambda:::awslayer:[a-zA-Z0-9-_]+)";
/// What AWS prints as the pattern of a layer's name.
pub const LAYER_PATTERN: &str = r"(arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:layer:[a-zA-Z0-9-_]+)|[a-zA-Z0-9-_]+";

/// Reads `arn:aws:lambda:region:account:layer:name:version`.
pub(crate) fn layer_version(arn: &str) -> Option<LayerVersionRef> {
    let parts: Vec<&str> = arn.split(':').collect();
    let [
        "arn",
        partition,
        "lambda",
        region,
        account,
        "layer",
        name,
        version,
    ] = parts.as_slice()
    else {
        return None;
    };
    let fits =
        is_partition(partition) && is_region(region) && is_account(account) && is_plain_name(name);
    let digits = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    (fits && digits).then(|| LayerVersionRef {
        region: (*region).to_owned(),
        account: (*account).to_owned(),
        name: (*name).to_owned(),
        // Beyond u64 there is no such version either.
        version: version.parse().unwrap_or(u64::MAX),
    })
}

/// Reads a layer's name or ARN and gives the name.
pub(crate) fn layer(text: &str) -> Option<&str> {
    if is_plain_name(text) {
        return Some(text);
    }
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, "lambda", region, account, "layer", name]
            if is_partition(partition)
                && is_region(region)
                && is_account(account)
                && is_plain_name(name) =>
        {
            Some(name)
        }
        _ => None,
    }
}

/// Reads a function's ARN, qualified or not; `None` if it is anything else.
pub(crate) fn function_arn(home: &Home, arn: &str) -> Option<FunctionRef> {
    if !arn.starts_with("arn:") {
        return None;
    }
    let parsed = parse(arn, NameShape::Function)?;
    let here = parsed.region == Some(home.region.as_str())
        && parsed.account == Some(home.account_id.as_str());
    here.then(|| FunctionRef {
        name: parsed.name.to_owned(),
        qualifier: parsed.qualifier.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> Home {
        Home {
            region: "us-east-1".to_owned(),
            account_id: "000000000000".to_owned(),
        }
    }

    fn read(text: &str, qualifier: Option<&str>) -> ApiResult<FunctionRef> {
        function(&home(), NameShape::Namespaced, text, qualifier)
    }

    #[test]
    fn every_form_names_the_same_function() {
        for text in [
            "my-fn",
            "function:my-fn",
            "000000000000:function:my-fn",
            "us-east-1:000000000000:function:my-fn",
            "arn:aws:lambda:us-east-1:000000000000:function:my-fn",
        ] {
            let plain = read(text, None).unwrap();
            assert_eq!(
                (plain.name.as_str(), plain.qualifier),
                ("my-fn", None),
                "{text}"
            );
            let qualified = read(&format!("{text}:live"), None).unwrap();
            assert_eq!(qualified.qualifier.as_deref(), Some("live"), "{text}");
            let latest = read(&format!("{text}:$LATEST"), Some("$LATEST")).unwrap();
            assert_eq!(latest.qualifier.as_deref(), Some("$LATEST"), "{text}");
        }
    }

    #[test]
    fn an_arn_without_a_name_means_a_function_called_function() {
        assert_eq!(
            read("arn:aws:lambda:us-east-1:000000000000:function", None)
                .unwrap()
                .name,
            "function"
        );
    }

    #[test]
    fn malformed_names_are_validation_errors() {
        for text in [
            "*",
            "my-function!",
            "invalid-account:function:my-function",
            "arn:aws:lambda:invalid-region:000000000000:function:f",
            "arn:aws:ec2:us-east-1:000000000000:instance:i-1",
            "arn:aws:lambda:us-east-1:000000000000:function:f:1:2",
            "arn:aws:lambda::000000000000:function:f",
            "arn:aws:lambda:us-east-1:000000000000:function:f:$LATES",
            "",
        ] {
            assert_eq!(
                read(text, None).unwrap_err().name,
                "ValidationException",
                "{text}"
            );
        }
    }

    #[test]
    fn a_missing_account_in_an_arn_is_a_validation_error() {
        assert!(read("arn:aws:lambda:us-east-1::function:f", None).is_err());
    }

    #[test]
    fn qualifiers_that_disagree_are_refused() {
        let error = read("f:1", Some("2")).unwrap_err();
        assert!(error.message.unwrap().starts_with("The derived qualifier"));
    }

    #[test]
    fn another_region_is_not_reachable_and_another_account_is_denied() {
        let region = read("arn:aws:lambda:eu-west-1:000000000000:function:f", None).unwrap_err();
        assert_eq!(region.name, "ResourceNotFoundException");
        let account = read("arn:aws:lambda:us-east-1:111111111111:function:f", None).unwrap_err();
        assert_eq!(account.name, "AccessDeniedException");
    }

    #[test]
    fn a_long_qualifier_and_a_wrong_name_are_reported_together() {
        let error = read(
            "arn:aws:lambda:invalid-region:000000000000:function:f",
            Some(&"a".repeat(129)),
        )
        .unwrap_err();
        assert!(
            error
                .message
                .unwrap()
                .starts_with("2 validation errors detected: Value 'aaa")
        );
    }

    #[test]
    fn layer_arns_are_taken_apart() {
        let layer = layer_version("arn:aws:lambda:us-east-1:000000000000:layer:deps:3").unwrap();
        assert_eq!((layer.name.as_str(), layer.version), ("deps", 3));
        assert_eq!(
            layer_version("arn:aws:lambda:us-east-1:000000000000:layer:deps"),
            None
        );
        assert_eq!(
            super::layer("arn:aws:lambda:us-east-1:000000000000:layer:deps"),
            Some("deps")
        );
        assert_eq!(super::layer("a/../b"), None);
    }
}
