//! An S3 address on a command line.

use std::str::FromStr;

/// `s3://bucket/prefix`, the prefix without slashes at its ends and perhaps empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Uri {
    pub bucket: String,
    pub prefix: String,
}

impl std::fmt::Display for S3Uri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let between = if self.prefix.is_empty() { "" } else { "/" };
        write!(f, "s3://{}{between}{}", self.bucket, self.prefix)
    }
}

impl FromStr for S3Uri {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted =
            || format!("`{text}` is not an S3 address; write s3://BUCKET or s3://BUCKET/PREFIX");
        let rest = text.strip_prefix("s3://").ok_or_else(wanted)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(plain) {
            return Err(format!(
                "`{bucket}` is not a bucket name; use 3 to 63 of a-z, 0-9, `-` and `.`"
            ));
        }
        let prefix = prefix.trim_matches('/');
        if prefix
            .split('/')
            .any(|part| part.is_empty() || part.contains(['\\', '\n']))
            && !prefix.is_empty()
        {
            return Err(wanted());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_s3_is_a_bucket_and_perhaps_a_prefix() {
        let of = |text: &str| text.parse::<S3Uri>().map(|uri| (uri.bucket, uri.prefix));
        assert_eq!(of("s3://tables/a/b/"), Ok(("tables".into(), "a/b".into())));
        assert_eq!(of("s3://tables"), Ok(("tables".into(), String::new())));
        assert!(of("outputs").unwrap_err().contains("s3://BUCKET"));
        assert!(of("s3://Up/x").unwrap_err().contains("not a bucket name"));
        assert!(of("s3://tables/a//b").is_err());
    }
}
