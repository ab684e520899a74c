//! Passes bytes between the runner and an endpoint, and keeps a copy of both directions of every
//! connection.
//!
//! Knows nothing of HTTP, so nothing is changed on the way; `tests/peers/models.py` reads the
//! copies.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

pub struct Recorder {
    url: String,
    folder: tempfile::TempDir,
    address: std::net::SocketAddr,
    stopped: Arc<AtomicBool>,
    heads: Arc<Heads>,
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
        let heads = Arc::new(Heads::default());
        let (kept, stop, seen) = (
            folder.path().to_owned(),
            Arc::clone(&stopped),
            Arc::clone(&heads),
        );
        let accepting = thread::spawn(move || {
            for (number, connection) in listener.incoming().enumerate() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                if let (Ok(near), Ok(far)) = (connection, TcpStream::connect(&upstream)) {
                    pass_on(&near, &far, &kept.join(format!("{number:05}")), &seen);
                }
            }
        });
        Self {
            url: format!("http://{address}"),
            folder,
            address,
            stopped,
            heads,
            accepting: Some(accepting),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Waits until the `count`th request from now on that has these words in what is sent of it
    /// first: `true`. Another `false` from `goes_on`, asked now and then, ends it: `false`.
    pub fn wait_for(&self, words: &str, count: usize, mut goes_on: impl FnMut() -> bool) -> bool {
        let mut seen = self.heads.seen.lock().unwrap();
        let before = seen.len();
        loop {
            if seen[before..]
                .iter()
                .filter(|head| head.contains(words))
                .count()
                >= count
            {
                return true;
            }
            if !goes_on() {
                return false;
            }
            seen = self
                .heads
                .more
                .wait_timeout(seen, Duration::from_millis(200))
                .unwrap()
                .0;
        }
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

/// The beginnings of what was sent, in the order in which it came.
#[derive(Default)]
struct Heads {
    seen: Mutex<Vec<String>>,
    more: Condvar,
}

impl Heads {
    fn add(&self, piece: &[u8]) {
        let head = String::from_utf8_lossy(&piece[..piece.len().min(4096)]).into_owned();
        self.seen.lock().unwrap().push(head);
        self.more.notify_all();
    }
}

/// Starts both directions. They end with the connection.
fn pass_on(near: &TcpStream, far: &TcpStream, kept: &Path, heads: &Arc<Heads>) {
    let directions = [
        (near, far, "sent", Some(Arc::clone(heads))),
        (far, near, "answered", None),
    ];
    for (from, to, name, heads) in directions {
        let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        let copy: PathBuf = kept.with_extension(name);
        thread::spawn(move || one_way(from, to, File::create(copy).unwrap(), heads.as_deref()));
    }
}

fn one_way(mut from: TcpStream, mut to: TcpStream, mut copy: File, heads: Option<&Heads>) {
    let mut piece = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        if copy.write_all(&piece[..length]).is_err() || to.write_all(&piece[..length]).is_err() {
            break;
        }
        if let Some(heads) = heads {
            heads.add(&piece[..length]);
        }
    }
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}
