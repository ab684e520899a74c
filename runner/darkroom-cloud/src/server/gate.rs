//! Who may speak: only programs on this machine that name it by a loopback name.
//!
//! A web page in the user's browser can resolve its own name to 127.0.0.1 (DNS rebinding) and would then reach this
//! port, but its requests carry its own name as `Host`. Names under `localhost` always mean this machine (RFC 6761), and
//! clients use them for virtual-hosted buckets.

use http::Uri;
use http::uri::Authority;

/// Tells whether a request's authority (`Host`, or the absolute request target) names this machine.
pub(crate) fn is_loopback(host_header: Option<&str>, target: &Uri) -> bool {
    let target_allowed = target.authority().is_none_or(|authority| names_loopback(authority.host()));
    let host_allowed = host_header
        .and_then(|host| host.parse::<Authority>().ok())
        .is_some_and(|authority| names_loopback(authority.host()));
    target_allowed && host_allowed
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
        for host in ["127.0.0.1:4566", "localhost", "LOCALHOST:1", "[::1]:80", "bucket.s3.localhost:9"] {
            assert!(allowed(host), "{host}");
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for host in
            ["evil.example", "127.0.0.1.evil.example", "notlocalhost", "localhost.evil", "10.0.0.1:4566", "", "a b"]
        {
            assert!(!allowed(host), "{host}");
        }
        assert!(!is_loopback(None, &Uri::from_static("/")));
        assert!(!is_loopback(Some("localhost"), &Uri::from_static("http://evil.example/")));
    }
}
