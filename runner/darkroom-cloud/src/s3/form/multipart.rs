//! `multipart/form-data` as a browser sends it: bytes → fields and one file.
//!
//! Small and whole in memory, as S3's forms are. Source: RFC 7578 and RFC 2046, 5.1.1.

use bytes::Bytes;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::super::operations::with_fields;

/// The longest boundary, in characters. Source: RFC 2046, 5.1.1.
const LONGEST_BOUNDARY: usize = 70;
/// Bytes of all fields before the file. Source: Amazon S3 API reference, "POST Object" (20 KB).
const MOST_BEFORE_THE_FILE: usize = 20 << 10;

/// What a form holds, up to its file: S3 ignores what comes after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Names in lowercase, in the form's order.
    pub fields: Vec<(String, String)>,
    pub file: Bytes,
    /// The file's name on the user's machine, without its folders.
    pub file_name: String,
}

impl Form {
    /// Returns the first field of this name, which is in lowercase.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// Puts the file's name in the place of `${filename}`, in every field. The policy is held
    /// against what comes of it.
    pub fn with_file_name(mut self) -> Self {
        for (name, value) in &mut self.fields {
            if name != "policy" {
                *value = value.replace("${filename}", &self.file_name);
            }
        }
        self
    }
}

/// Reads a form. `content_type` is the request's, with the boundary.
pub fn read(content_type: &str, body: &Bytes) -> S3Result<Form> {
    let malformed = || {
        s3_error!(
            MalformedPOSTRequest,
            "The body of your POST request is not well-formed multipart/form-data."
        )
    };
    let fits = |boundary: &String| (1..=LONGEST_BOUNDARY).contains(&boundary.len());
    let boundary = parameter(content_type, "boundary")
        .filter(fits)
        .ok_or_else(malformed)?;
    let (first, between) = (format!("--{boundary}"), format!("\r\n--{boundary}"));
    let mut at = find(body, first.as_bytes(), 0).ok_or_else(malformed)? + first.len();
    let (mut fields, mut before_the_file) = (Vec::new(), 0);
    loop {
        if body[at..].starts_with(b"--") {
            break;
        }
        // A line break after the boundary, which spaces may stand before.
        at = find(body, b"\r\n", at).ok_or_else(malformed)? + 2;
        let content = find(body, b"\r\n\r\n", at.saturating_sub(2)).ok_or_else(malformed)? + 4;
        let end =
            find(body, between.as_bytes(), content.saturating_sub(2)).ok_or_else(malformed)?;
        let head = std::str::from_utf8(&body[at..content]).map_err(|_| malformed())?;
        let disposition = disposition(head).ok_or_else(malformed)?;
        let name = parameter(disposition, "name")
            .ok_or_else(malformed)?
            .to_ascii_lowercase();
        let content = content.min(end)..end;
        if name == "file" {
            let file_name = parameter(disposition, "filename").unwrap_or_default();
            let file_name = file_name
                .rsplit(['/', '\\'])
                .next()
                .unwrap_or_default()
                .to_owned();
            return Ok(Form {
                fields,
                file: body.slice(content),
                file_name,
            });
        }
        before_the_file += end - at;
        if before_the_file > MOST_BEFORE_THE_FILE {
            let message = "Your POST request fields preceding the upload file was too large.";
            let error =
                S3Error::with_message(S3ErrorCode::MaxPostPreDataLengthExceededError, message);
            return Err(with_fields(
                error,
                &[(
                    "MaxPostPreDataLengthBytes",
                    &MOST_BEFORE_THE_FILE.to_string(),
                )],
            ));
        }
        let value = String::from_utf8(body[content].to_vec()).map_err(|_| malformed())?;
        fields.push((name, value));
        at = end + between.len();
    }
    let message = "POST requires exactly one file upload per request.";
    let error = S3Error::with_message(S3ErrorCode::InvalidArgument, message);
    Err(with_fields(
        error,
        &[("ArgumentName", "file"), ("ArgumentValue", "0")],
    ))
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    // The first byte is looked for by itself: a file may be large.
    let mut at = 0;
    loop {
        at += rest.get(at..)?.iter().position(|byte| *byte == what[0])?;
        if rest[at..].starts_with(what) {
            return Some(from + at);
        }
        at += 1;
    }
}

fn disposition(head: &str) -> Option<&str> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim()
            .eq_ignore_ascii_case("content-disposition")
            .then_some(value.trim())
    })
}

/// Returns a parameter of a header: `name=value` or `name="value"`, with what browsers escape in it
/// undone.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = header.split_once(';')?.1;
    loop {
        let (name, after) = rest.split_once('=')?;
        let (value, next) = if let Some(quoted) = after.strip_prefix('"') {
            let end = end_of_quoted(quoted)?;
            (
                quoted[..end].replace("\\\"", "\"").replace("%22", "\""),
                quoted[end + 1..].trim_start(),
            )
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim().to_owned(), &after[end..])
        };
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = next.strip_prefix(';')?;
    }
}

fn end_of_quoted(text: &str) -> Option<usize> {
    let quotes = text.match_indices('"').map(|(at, _)| at);
    quotes.into_iter().find(|at| !text[..*at].ends_with('\\'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(parts: &[(&str, &[u8])]) -> Bytes {
        let mut body = Vec::new();
        for (head, content) in parts {
            body.extend_from_slice(b"--b0\r\nContent-Disposition: form-data; ");
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(b"\r\n\r\n");
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"--b0--\r\n");
        body.into()
    }

    const KIND: &str = "multipart/form-data; boundary=b0";

    #[test]
    fn fields_and_file_are_read_and_what_follows_the_file_is_not() {
        let body = form(&[
            ("name=\"Key\"", b"up/${filename}"),
            ("name=\"empty\"", b""),
            (
                "name=\"file\"; filename=\"C:\\photos\\café (1).png\"\r\nContent-Type: image/png",
                b"\r\n--b\0\xff",
            ),
            ("name=\"later\"", b"x"),
        ]);
        let form = read(KIND, &body).unwrap().with_file_name();
        assert_eq!(&form.file[..], b"\r\n--b\0\xff");
        assert_eq!(form.get("key"), Some("up/café (1).png"));
        assert_eq!((form.get("empty"), form.get("later")), (Some(""), None));
    }

    #[test]
    fn names_may_stand_without_quotes_and_in_any_order_and_hold_quotes() {
        let body = form(&[
            ("name=key", b"k"),
            ("filename=\"a\\\"b.png\"; name=file", b"1"),
        ]);
        let form = read("multipart/form-data; charset=utf-8; boundary=\"b0\"", &body).unwrap();
        assert_eq!(
            (form.get("key"), form.file_name.as_str(), &form.file[..]),
            (Some("k"), "a\"b.png", &b"1"[..])
        );
    }

    #[test]
    fn what_is_no_form_is_refused_in_s3s_words() {
        let refusal = |kind: &str, body: &[u8]| {
            let error = read(kind, &Bytes::copy_from_slice(body)).unwrap_err();
            (
                error.code().as_str().to_owned(),
                error.message().unwrap_or_default().to_owned(),
            )
        };
        let malformed = |(code, _): (String, String)| code == "MalformedPOSTRequest";
        assert!(malformed(refusal("multipart/form-data", b"--b0--")));
        assert!(malformed(refusal(KIND, b"nothing")));
        assert!(malformed(refusal(
            KIND,
            b"--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nnever ends"
        )));
        let (code, message) = refusal(KIND, &form(&[("name=\"key\"", b"k")]));
        assert_eq!(code, "InvalidArgument");
        assert_eq!(
            message,
            "POST requires exactly one file upload per request."
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(body in proptest::collection::vec(prop_oneof![Just(b'-'), Just(b'\r'), Just(b'\n'), Just(b'b'), Just(b'0'), Just(b'"'), Just(b'='), Just(b';'), any::<u8>()], 0..200)) {
            let _ = read(KIND, &Bytes::from([b"--b0\r\n".to_vec(), body].concat()));
        }

        #[test]
        fn any_file_comes_out_as_it_went_in(file in proptest::collection::vec(any::<u8>(), 0..300)) {
            let body = form(&[("name=\"key\"", b"k"), ("name=\"file\"; filename=\"f\"", &file)]);
            prop_assert_eq!(&read(KIND, &body).unwrap().file[..], &file[..]);
        }
    }

    #[test]
    fn whatever_a_browser_sends_is_a_form_or_is_refused() {
        let words = &[
            "--b0",
            "--b0--",
            "\r\n",
            "\r\n\r\n",
            "Content-Disposition: form-data; name=\"",
            "key",
            "\"",
            "; filename=\"",
            "policy",
            "file",
            "=",
            "${filename}",
            "\\",
            "--",
            "-",
            "é",
            "x-amz-credential",
            "tagging",
            "<Tag><Key>a</Key>",
        ];
        crate::hostile::Parser { name: "form", words, longest: 1 << 20 }.hold(|input| {
            let body = Bytes::copy_from_slice(input);
            // The boundary is the sender's too: it may look like what is in the body.
            for kind in
                [KIND, "multipart/form-data; boundary=----------------------------------------------------------"]
            {
                if let Ok(form) = read(kind, &body) {
                    let form = form.with_file_name();
                    let _ = super::super::policy::admit(&form, "photos", jiff::Timestamp::UNIX_EPOCH, &|_| {
                        Ok("secret".to_owned())
                    });
                    if let Some(tags) = form.get("tagging") {
                        super::super::upload::tag_header(tags);
                    }
                }
            }
        });
    }
}
