//! Decides who may send requests: programs on this machine that use a loopback name, and no web
//! page of another site.
//!
//! A web page in the user's browser can resolve its own name to 127.0.0.1 (DNS rebinding) and then
//! reach this port, but its requests carry its own name as `Host`. Names under `localhost` always
//! mean this machine (RFC 6761), and clients use them for virtual-hosted buckets.
//!
//! A page can also use a loopback name and send a form or load an image from here. The browser then
//! says which page it is. Programs send no such header, and pages of this machine send a loopback
//! name.

use http::header::{HeaderMap, HeaderValue, ORIGIN};
use http::uri::Authority;
use http::{HeaderName, Uri};

/// How browsers say whose page asks, where they send no `Origin` (Fetch Metadata).
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Tells whether a request's authority (`Host`, or the absolute request target) names this machine.
pub(crate) fn is_loopback(host_header: Option<&str>, target: &Uri) -> bool {
    let target_allowed = target
        .authority()
        .is_none_or(|authority| names_loopback(authority.host()));
    let host_allowed = host_header
        .and_then(|host| host.parse::<Authority>().ok())
        .is_some_and(|authority| names_loopback(authority.host()));
    target_allowed && host_allowed
}

/// Tells whether a browser sends the request for a page of another site.
pub(crate) fn is_of_another_site(headers: &HeaderMap) -> bool {
    let foreign = |origin: &HeaderValue| !origin.to_str().is_ok_and(is_local_origin);
    let cross = |site: &HeaderValue| {
        site.as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"cross-site")
    };
    headers.get_all(ORIGIN).iter().any(foreign) || headers.get_all(FETCH_SITE).iter().any(cross)
}

/// `null`, which pages from files and sandboxed frames send, is nobody's name.
fn is_local_origin(origin: &str) -> bool {
    let Ok(origin) = origin.trim().parse::<Uri>() else {
        return false;
    };
    let web = origin
        .scheme_str()
        .is_some_and(|scheme| scheme == "http" || scheme == "https");
    web && origin.authority().is_some_and(|authority| {
        !authority.as_str().contains('@') && names_loopback(authority.host())
    })
}

fn names_loopback(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host == "127.0.0.1" || host == "[::1]" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str) -> bool {
        is_loopback(Some(host), &Uri::from_static("/"))
    }

    #[test]
    fn loopback_names_with_and_without_port_are_allowed() {
        for host in [
            "127.0.0.1:4566",
            "localhost",
            "LOCALHOST:1",
            "[::1]:80",
            "bucket.s3.localhost:9",
        ] {
            assert!(allowed(host), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "localhost.evil",
            "10.0.0.1:4566",
            "",
            "a b",
        ] {
            assert!(!allowed(host), "{host}");
        }
        assert!(!is_loopback(None, &Uri::from_static("/")));
        assert!(!is_loopback(
            Some("localhost"),
            &Uri::from_static("http://evil.example/")
        ));
    }

    fn of_another_site(headers: &[(&'static str, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        is_of_another_site(&map)
    }

    #[test]
    fn programs_and_pages_of_this_machine_are_let_in() {
        for headers in [
            &[][..],
            &[("origin", "http://localhost:3000")],
            &[
                ("origin", "http://127.0.0.1:4566"),
                ("sec-fetch-site", "same-origin"),
            ],
            &[("origin", "https://[::1]:80")],
            &[("origin", "http://photos.localhost")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-site")],
        ] {
            assert!(!of_another_site(headers), "{headers:?}");
        }
    }

    #[test]
    fn pages_of_other_sites_are_not() {
        for headers in [
            &[("origin", "http://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "file://")],
            &[("origin", "http://localhost.evil.example")],
            &[("origin", "http://127.0.0.1.evil.example:4566")],
            &[("origin", "http://localhost@evil.example")],
            &[("origin", "http://evil@localhost")],
            &[("origin", "chrome-extension://localhost")],
            &[("origin", "localhost")],
            &[("origin", "http://10.0.0.1")],
            &[("origin", "http://évil.example")],
            &[
                ("origin", "http://localhost"),
                ("origin", "http://evil.example"),
            ],
            &[
                ("origin", "http://localhost:1"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", " Cross-Site ")],
        ] {
            assert!(of_another_site(headers), "{headers:?}");
        }
    }
}
