//! Who may use `darkroom serve`: whoever has the key that it printed, and no page of another site.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::presigning::PresigningConfig;

use crate::tour::Server;

fn s3(server: &Server, id: &str, secret: &str) -> aws_sdk_s3::Client {
    crate::clients::s3(server.endpoint(), id, secret)
}

/// Sends a request as a browser would, with these lines in its head, and returns the answer's
/// status line.
fn status(server: &Server, line: &str, head: &str) -> String {
    let address = server.endpoint().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    write!(
        stream,
        "{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{head}\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn only_the_printed_key_is_let_in_and_no_page_of_another_site() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &[]);
    let (id, secret) = server.key();
    let own = s3(&server, id, secret);
    own.create_bucket().bucket("photos").send().await.unwrap();
    for (id, secret, code) in [
        ("test", "test", "InvalidAccessKeyId"),
        ("darkroom", "darkroom", "InvalidAccessKeyId"),
        (id, id, "SignatureDoesNotMatch"),
        (id, "wrong", "SignatureDoesNotMatch"),
        (
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "InvalidAccessKeyId",
        ),
    ] {
        let refused = s3(&server, id, secret)
            .list_buckets()
            .send()
            .await
            .unwrap_err();
        assert_eq!(refused.code(), Some(code), "{id}");
    }

    // What a page can do without any script: a URL that the key's owner made, followed from
    // elsewhere.
    let hour = PresigningConfig::expires_in(Duration::from_hours(1)).unwrap();
    own.put_object()
        .bucket("photos")
        .key("one")
        .send()
        .await
        .unwrap();
    let url = own
        .get_object()
        .bucket("photos")
        .key("one")
        .presigned(hour)
        .await
        .unwrap()
        .uri()
        .to_owned();
    let line = format!("GET {}", url.strip_prefix(server.endpoint()).unwrap());
    assert!(status(&server, &line, "").contains(" 200 "), "signed");
    assert!(
        status(&server, &line, "Origin: http://localhost:8000\r\n").contains(" 200 "),
        "a page of this machine"
    );
    for head in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
    ] {
        assert!(status(&server, &line, head).contains(" 403 "), "{head}");
    }
    let other = tempfile::tempdir().unwrap();
    let mut again = Server::start(other.path(), &[]);
    assert_ne!(again.key(), server.key(), "new at each start");
    again.stop();
    server.stop();
}

/// 127.0.0.2 is this machine too, so a server that listens on all interfaces answers there.
#[test]
fn no_address_but_127_0_0_1_is_listened_on() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &[]);
    let port = server.endpoint().rsplit(':').next().unwrap().to_owned();
    let connect = |host: &str| TcpStream::connect(format!("{host}:{port}"));
    assert!(connect("127.0.0.1").is_ok());
    for other in ["127.0.0.2", "[::1]"] {
        assert!(connect(other).is_err(), "{other}");
    }
    server.stop();
}

#[tokio::test]
async fn an_open_cloud_lets_any_key_in() {
    let home = tempfile::tempdir().unwrap();
    let mut server = Server::start(home.path(), &["--open"]);
    s3(&server, "test", "test")
        .create_bucket()
        .bucket("photos")
        .send()
        .await
        .unwrap();
    let (id, secret) = server.key();
    assert_eq!(
        s3(&server, id, secret)
            .list_buckets()
            .send()
            .await
            .unwrap()
            .buckets()
            .len(),
        1
    );
    server.stop();
}
