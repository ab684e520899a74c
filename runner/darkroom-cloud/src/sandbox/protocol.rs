//! The messages between the server and a sandbox's own processes, over the socket that is their
//! standard input.
//!
//! A frame is a length (4 bytes, big-endian) and that many bytes of JSON. The first frame from the
//! inside carries file descriptors. The server sends [`OuterSetup`], [`InnerSetup`], then any
//! number of [`Order`]s. The end of the stream means that the server is gone, so the sandbox must
//! end too.

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::SocketAddrV4;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// The largest frame that is believed; environment variables and paths fit many times.
const LARGEST_FRAME: usize = 1 << 20;

#[cfg(target_os = "linux")]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// The most descriptors that one frame carries.
const MOST_DESCRIPTORS: usize = 4;

/// For the first process: which namespaces to leave, and what to remove when all is over.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct OuterSetup {
    pub namespaces: Option<Namespaces>,
    /// Control group folders of this sandbox alone: removed by the outer process when the inner one
    /// has ended, so that none stays behind even if the server is killed.
    pub cgroups: Vec<PathBuf>,
    /// What stops this sandbox's processes: the outer process lets them go when the server is gone,
    /// so that they can end.
    pub freezer: Option<Freezer>,
}

/// A control group's file that stops every process of the group, and what to write there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freezer {
    pub file: PathBuf,
    pub freeze: String,
    pub thaw: String,
}

/// The namespaces a sandbox gets. Mount, PID, IPC and host name always come together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Namespaces {
    /// A user namespace, which an ordinary user needs to be allowed the others.
    pub user: bool,
    pub network: bool,
}

/// For the second process, the one that starts and stops the runtime.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct InnerSetup {
    pub root: Option<RootPlan>,
    /// Addresses to listen at inside the network namespace; the listeners are handed to the server.
    pub listen: Vec<SocketAddrV4>,
    /// The user and group of the runtime, if this process may change it.
    pub run_as: Option<u32>,
    /// True inside a user namespace: the runtime gets one more, in which it is [`SANDBOX_USER`] and
    /// owns nothing.
    pub nested_user: bool,
    /// True where the runtime's system calls are filtered.
    pub filter: bool,
    pub cgroup: CgroupFiles,
    pub watch: UsageWatch,
}

/// The user that AWS runs handlers as, `sbx_user1051`.
pub const SANDBOX_USER: u32 = 1051;

/// Files a process writes `0` to in order to move itself into a control group and back out of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct CgroupFiles {
    pub join: Vec<PathBuf>,
    /// Empty for cgroup v2, where the inner process stays inside.
    pub leave: Vec<PathBuf>,
    /// Where the group's memory is counted, if the inner process is to watch it.
    pub memory_stat: Option<PathBuf>,
}

/// Limits that the inner process has to imitate where the kernel does not hold them.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct UsageWatch {
    /// Kill when the resident memory of all processes together is above this, in bytes.
    pub memory_bytes: Option<u64>,
    /// Let processes use so much CPU, in cores, once [`Order::Throttle`] asks for it.
    pub cpu_share: Option<f64>,
    /// Processes and threads, for `RLIMIT_NPROC`.
    pub processes: Option<u64>,
    /// See to it that what [`Order::Freeze`] stopped stays so, since no control group does.
    pub hold_frozen: bool,
}

/// What the handler's file system is made of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RootPlan {
    /// An empty folder of the host to mount the new root on.
    pub mount_point: PathBuf,
    /// Read-only binds: a folder or file of the host, and where it appears.
    pub binds: Vec<(PathBuf, PathBuf)>,
    /// Folders of the host that may be written to, and where they appear.
    #[serde(default)]
    pub written: Vec<(PathBuf, PathBuf)>,
    /// Folders inside binds that are covered with an empty one, for example the host's
    /// `site-packages`.
    pub covers: Vec<PathBuf>,
    pub tmp_mb: u32,
    /// What runs inside is to the host's kernel the user that the first process is too, whose files
    /// in `/proc` it could then write to: it gets a `/proc` that is read-only.
    #[serde(default)]
    pub same_user: bool,
}

/// From the server to the inner process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Order {
    Start(Program),
    /// End every process of the sandbox; answered by [`News::Exited`] if the runtime was running.
    Kill,
    Freeze,
    Thaw,
    /// Begin or end to hold [`UsageWatch::cpu_share`].
    Throttle(bool),
}

/// The runtime process.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Program {
    pub path: PathBuf,
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    pub directory: PathBuf,
    /// The variable that gets the number of the descriptor for framed log records.
    pub telemetry_variable: Option<String>,
}

/// From a sandbox's processes to the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// The sandbox is ready. Carries the read end for framed log records, a listener for each
    /// address, and `/tmp` if that is the sandbox's own.
    Ready,
    /// The sandbox could not be made.
    Failed(String),
    /// The runtime runs, with this process id as seen inside.
    Started(u32),
    /// The program could not be executed.
    NotStarted { missing: bool, message: String },
    /// The runtime ended, and nothing it started is left.
    Exited(Exit),
    /// How much memory is used now.
    Memory(MemoryUse),
}

/// How the runtime process ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// The inner process killed it, and why.
    pub killed_for: Option<Offence>,
    /// The most memory that a process of the sandbox had resident, in kB.
    pub peak_kb: u64,
}

/// Memory that counts towards the size, in kB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// Of all processes, also of those that have ended since.
    pub alone: u64,
    /// What belongs to no process alone: `memfd`, shared mappings, System V segments.
    pub shared: u64,
}

/// How much CPU time everything frozen may use before it is ended. Nothing that stands still uses
/// any; what is in the middle of a system call when it is stopped, and clocks that count in ticks
/// of 10 ms, stay well below.
pub const FROZEN_ALLOWANCE: Duration = Duration::from_millis(25);

/// Why the inner process, or the server, ended everything in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Offence {
    /// Its processes were too big together.
    OutOfMemory,
    /// What it uses could not be read any more.
    Unwatchable,
    /// It went on while it should have stood still, for so long in milliseconds of CPU time.
    WorkedWhileFrozen { cpu_ms: u64 },
}

/// Writes one frame.
pub fn send(mut stream: &UnixStream, message: &impl Serialize) -> io::Result<()> {
    stream.write_all(&encode(message)?)
}

/// Writes one frame with descriptors attached to its first byte.
pub fn send_with(
    stream: &UnixStream,
    message: &impl Serialize,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let frame = encode(message)?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("more descriptors than a frame carries"));
    }
    let sent = rustix::net::sendmsg(
        stream,
        &[IoSlice::new(&frame)],
        &mut control,
        SendFlags::empty(),
    )?;
    let mut stream = stream;
    stream.write_all(&frame[sent..])
}

/// Returns a message as a frame's bytes.
pub fn encode(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let body = serde_json::to_vec(message)?;
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_be_bytes());
    frame.extend_from_slice(&body);
    Ok(frame)
}

/// Reads exactly one frame and not a byte more; `None` at the end of the stream.
pub fn receive<T: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<Option<T>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let mut body = vec![0; frame_length(length)?];
    stream.read_exact(&mut body)?;
    Ok(Some(serde_json::from_slice(&body)?))
}

/// Takes one whole frame off the front of `buffer`, if there is one.
pub fn take<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> io::Result<Option<T>> {
    let Some(head) = buffer.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = frame_length(*head)?;
    let Some(body) = buffer.get(4..4 + length) else {
        return Ok(None);
    };
    let message = serde_json::from_slice(body)?;
    buffer.drain(..4 + length);
    Ok(Some(message))
}

fn frame_length(head: [u8; 4]) -> io::Result<usize> {
    let length = u32::from_be_bytes(head) as usize;
    if length > LARGEST_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "frame too long"));
    }
    Ok(length)
}

/// Reads what has arrived into `buffer` and `descriptors`; returns how many bytes, 0 at the end of
/// the stream.
pub fn read_available(
    stream: impl AsFd,
    buffer: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let message = rustix::net::recvmsg(
        stream,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        CLOSE_ON_EXEC,
    )?;
    for ancillary in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = ancillary {
            descriptors.extend(received);
        }
    }
    if message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("descriptors were lost on the way"));
    }
    buffer.extend_from_slice(&bytes[..message.bytes]);
    Ok(message.bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_arrive_whole_and_in_order_with_their_descriptors() {
        let (left, right) = UnixStream::pair().unwrap();
        let (reader, mut writer) = std::io::pipe().unwrap();
        send_with(&left, &News::Ready, &[reader.as_fd()]).unwrap();
        send(&left, &News::Started(2)).unwrap();
        let (mut buffer, mut descriptors) = (Vec::new(), Vec::new());
        let mut news = Vec::new();
        while news.len() < 2 {
            read_available(&right, &mut buffer, &mut descriptors).unwrap();
            while let Some(message) = take::<News>(&mut buffer).unwrap() {
                news.push(message);
            }
        }
        assert_eq!(news, [News::Ready, News::Started(2)]);
        writer.write_all(b"x").unwrap();
        let mut byte = [0];
        std::fs::File::from(descriptors.remove(0))
            .read_exact(&mut byte)
            .unwrap();
        assert_eq!(byte, *b"x");
    }

    #[test]
    fn a_frame_that_claims_to_be_huge_is_refused() {
        let mut buffer = u32::MAX.to_be_bytes().to_vec();
        assert!(take::<News>(&mut buffer).is_err());
    }
}
