//! What a handler finds of the process that started the server, and which sockets it can make.

use super::Stage;
use serde_json::json;

/// What a handler has open: of each descriptor its number, device, inode and kind; and what it can
/// do with it.
const DESCRIPTORS: &str = r"
import os, stat
def handler(event, context):
    found = []
    for number in map(int, os.listdir('/proc/self/fd')):
        try:
            status = os.fstat(number)
        except OSError:
            continue  # the listing's own
        found.append([number, status.st_dev, status.st_ino, stat.S_IFMT(status.st_mode)])
    return found
";

/// Whatever the server's parent left open, at whatever number, a handler has nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn descriptors_that_the_server_inherited_end_before_the_handler() {
    use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
    use std::os::unix::fs::MetadataExt;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "only for root").unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let appended = std::fs::File::options().append(true).open(&path).unwrap();
    let opened = [
        std::os::fd::OwnedFd::from(std::fs::File::open(&path).unwrap()),
        std::fs::File::open(folder.path()).unwrap().into(),
        std::fs::File::open("/").unwrap().into(),
        appended.into(),
        reader.into(),
        socket.into(),
    ];
    let (_, most) =
        nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, most, most).unwrap();
    assert!(most > 2100, "this test needs descriptors beyond 1024");
    // As a shell's `exec 40<file` leaves them, at low and at high numbers.
    let mut inherited = Vec::new();
    for least in [40, 1500, 2048] {
        for descriptor in &opened {
            let copy = fcntl_dupfd_cloexec(descriptor, least).unwrap();
            fcntl_setfd(&copy, FdFlags::empty()).unwrap();
            inherited.push(copy);
        }
    }
    let theirs: Vec<_> = opened
        .iter()
        .map(|descriptor| {
            let file = std::fs::File::from(descriptor.try_clone().unwrap());
            let status = file.metadata().unwrap();
            (status.dev(), status.ino())
        })
        .collect();

    let stage = Stage::new().await;
    let answer = stage
        .invoke(&stage.python(DESCRIPTORS), json!({}))
        .await
        .ok();
    stage.environments.stop().await;
    drop(inherited);
    let found = answer.as_array().unwrap();
    assert!(found.len() >= 3, "standard streams at least: {answer}");
    for descriptor in found {
        let of = (
            descriptor[1].as_u64().unwrap(),
            descriptor[2].as_u64().unwrap(),
        );
        assert!(
            !theirs.contains(&of),
            "descriptor {} is the server's: {answer}",
            descriptor[0]
        );
        assert!(descriptor[0].as_u64().unwrap() < 40, "{answer}");
        let kind = descriptor[3].as_u64().unwrap();
        assert!(
            ![0o100_000, 0o040_000].contains(&kind),
            "a handler begins without open files and folders: {answer}"
        );
    }
}

/// Tries every address family there is, of every usual kind.
const SOCKETS: &str = r"
import socket
def handler(event, context):
    made = set()
    for family in range(64):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
            try:
                socket.socket(family, kind).close()
                made.add(family)
            except OSError:
                pass
    return sorted(made)
";

/// A vsock reaches the hypervisor from any network namespace; the kernel has many more families
/// that no handler needs.
#[tokio::test(flavor = "multi_thread")]
async fn a_handler_gets_sockets_of_four_families() {
    let stage = Stage::new().await;
    let made = stage.invoke(&stage.python(SOCKETS), json!({})).await.ok();
    stage.environments.stop().await;
    let made: Vec<u64> = made
        .as_array()
        .unwrap()
        .iter()
        .map(|family| family.as_u64().unwrap())
        .collect();
    // UNIX, INET, INET6 where the machine has it, NETLINK.
    assert!(made.starts_with(&[1, 2]) && made.contains(&16), "{made:?}");
    assert!(
        made.iter().all(|family| [1, 2, 10, 16].contains(family)),
        "{made:?}"
    );
}
