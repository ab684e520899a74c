//! Passes bytes between the runner and an endpoint, and keeps a copy of both directions of every connection.
//!
//! Knows nothing of HTTP, so nothing is changed on the way; `tests/peers/models.py` reads the copies.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

pub struct Recorder {
    url: String,
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    stopped: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Listens on a free loopback port, in front of the endpoint `url`.
    pub fn before(url: &str) -> Self {
        let upstream = url.strip_prefix("http://").unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let (kept, stop) = (folder.path().to_owned(), Arc::clone(&stopped));
        let accepting = thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                if let (Ok(near), Ok(far)) = (connection, TcpStream::connect(&upstream)) {
                    pass_on(&near, &far, &kept.join(format!("{number:05}")));
                }
            }
        });
        Self { url: format!("http://{address}"), folder, address, stopped, accepting: Some(accepting) }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Holds `<connection>.sent` and `<connection>.answered`.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        let _ = self.accepting.take().map(JoinHandle::join);
    }
}

/// Starts both directions. They end with the connection.
fn pass_on(near: &TcpStream, far: &TcpStream, kept: &Path) {
    for (from, to, name) in [(near, far, "sent"), (far, near, "answered")] {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let copy: PathBuf = kept.with_extension(name);
        thread::spawn(move || one_way(from, to, File::create(copy).unwrap()));
    }
}

fn one_way(mut from: TcpStream, mut to: TcpStream, mut copy: File) {
    let mut piece = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if copy.write_all(&piece[..length]).is_err() || to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
