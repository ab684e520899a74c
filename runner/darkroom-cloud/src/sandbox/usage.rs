//! Adds up what the processes of a sandbox use, from `/proc`. Linux only.
//!
//! A process that ends between two reads is not an error. Anything else that cannot be read is one,
//! because an unseen limit is not enforced.

use nix::unistd::Pid;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::{Duration, Instant};

/// What is slow to read is read at every such look, for as long as there is none of it.
const SLOW_LOOK: u32 = 10;

/// The CPU time that a look may take: so much at all, and so much more for each process. A handler
/// can make its processes slow to read (60,000 mappings each), and what is read slowly is held
/// late: 300 MB stood in a function of 128 MB for 18 s.
const LONGEST_LOOK: Duration = Duration::from_millis(100);
const LONGEST_LOOK_AT_ONE: Duration = Duration::from_micros(500);

/// What belongs to no process alone has a name that begins so in `/proc/PID/maps` and
/// `/proc/PID/fd`.
const SHARED_NAMES: [&str; 3] = ["/memfd:", "/dev/zero (deleted)", "/dev/shm/"];

/// What all processes use together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Memory of processes alone: their heaps and stacks.
    pub anonymous_bytes: u64,
    /// `memfd`, shared mappings, System V segments: each once, whoever has it.
    pub shared_bytes: u64,
    /// Since the beginning, ended processes included.
    pub cpu: Duration,
    /// One of them runs or could.
    pub awake: bool,
}

/// Device and inode of what belongs to no process alone.
type Object = (u64, u64);

/// Reads again and again.
#[derive(Debug)]
pub struct Reader {
    cores: u32,
    looks: u32,
    shared_bytes: u64,
    /// Mapped objects: no file leads to them once their descriptors are closed, so what they had is
    /// remembered.
    objects: HashMap<Object, u64>,
    /// The processes of the last look with what they had used.
    last: HashMap<i32, Duration>,
    /// Used by processes that ended without any other being told how much.
    unaccounted: Duration,
    /// When the last look was, and the id that the newest process or thread had by then.
    before: Option<(Instant, u64)>,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            looks: 0,
            shared_bytes: 0,
            objects: HashMap::new(),
            last: HashMap::new(),
            unaccounted: Duration::ZERO,
            before: None,
        }
    }
}

impl Reader {
    /// Reads what everything below this process uses.
    pub fn read(&mut self) -> io::Result<Usage> {
        let began = own_time()?;
        let processes = descendants()?;
        let most = LONGEST_LOOK + LONGEST_LOOK_AT_ONE * processes.len() as u32;
        let in_time = || match own_time()?.saturating_sub(began) {
            took if took <= most => Ok(()),
            _ => Err(io::Error::other("what it uses takes too long to read")),
        };
        let ticks = Ticks::read();
        let mut usage = Usage {
            cpu: ended_children()?,
            ..Usage::default()
        };
        let mut now = HashMap::new();
        let mut accounted = usage.cpu;
        for process in &processes {
            let own = process.cpu(ticks)?;
            now.insert(process.pid, own);
            accounted += own + ticks.time(process.children_ticks);
            usage.anonymous_bytes += process.anonymous_bytes()?;
            usage.awake |= !matches!(process.state, 'T' | 't' | 'Z' | 'X');
            in_time()?;
        }
        self.note_ended(&now, &processes)?;
        // What has shared memory may have more of it soon.
        if self.shared_bytes > 0 || self.looks.is_multiple_of(SLOW_LOOK) {
            self.shared_bytes = self.shared(&processes, in_time)?;
        }
        self.looks = self.looks.wrapping_add(1);
        self.last = now;
        usage.shared_bytes = self.shared_bytes;
        usage.cpu = accounted + self.unaccounted;
        Ok(usage)
    }

    /// Counts what ended processes had used if the kernel tells nobody: it does not where a parent
    /// ignores the end of its children. Those that came and went between two looks may have used
    /// all there is.
    fn note_ended(
        &mut self,
        now: &HashMap<i32, Duration>,
        processes: &[Process],
    ) -> io::Result<()> {
        let (time, newest) = (Instant::now(), newest_id()?);
        let (since, before) = self
            .before
            .replace((time, newest))
            .unwrap_or((time, newest));
        let vanished: Duration = self
            .last
            .iter()
            .filter(|(pid, _)| !now.contains_key(pid))
            .map(|(_, used)| *used)
            .sum();
        let new = now
            .keys()
            .filter(|pid| !self.last.contains_key(pid))
            .count() as u64;
        let unseen = newest.saturating_sub(before) > new;
        if (unseen || !vanished.is_zero()) && processes.iter().any(Process::ignores_children) {
            let most = if unseen {
                (time - since) * self.cores
            } else {
                Duration::ZERO
            };
            self.unaccounted += vanished.max(most);
        }
        Ok(())
    }

    /// Adds up what belongs to no process alone.
    fn shared(
        &mut self,
        processes: &[Process],
        in_time: impl Fn() -> io::Result<()>,
    ) -> io::Result<u64> {
        let mut open = HashMap::new();
        let mut mapped = HashMap::new();
        for process in processes {
            process.open_objects(&mut open)?;
            process.mapped_objects(&mut mapped)?;
            in_time()?;
        }
        for (object, extent) in &mut mapped {
            // With a descriptor the kernel tells how much there really is; without, it is as much
            // as it may be.
            let known = self.objects.get(object).copied().unwrap_or(0);
            *extent = open
                .get(object)
                .copied()
                .unwrap_or_else(|| known.max(*extent));
        }
        self.objects = mapped;
        self.objects.extend(open);
        Ok(self.objects.values().sum::<u64>() + segments()?)
    }
}

/// Returns the CPU time of the calling thread.
fn own_time() -> io::Result<Duration> {
    use nix::sys::resource::UsageWho;
    cpu_time(UsageWho::RUSAGE_THREAD)
}

/// Returns the id that the newest process or thread of this PID namespace has.
fn newest_id() -> io::Result<u64> {
    let load = read("/proc/loadavg")?;
    Ok(load
        .trim_end()
        .rsplit(' ')
        .next()
        .and_then(|id| id.parse().ok())
        .unwrap_or(0))
}

/// Returns the CPU time of this process's children that have ended, and of theirs.
fn ended_children() -> io::Result<Duration> {
    use nix::sys::resource::UsageWho;
    cpu_time(UsageWho::RUSAGE_CHILDREN)
}

fn cpu_time(of: nix::sys::resource::UsageWho) -> io::Result<Duration> {
    let usage = nix::sys::resource::getrusage(of)?;
    let time = |value: nix::sys::time::TimeVal| {
        Duration::new(
            value.tv_sec().unsigned_abs(),
            value.tv_usec().unsigned_abs() as u32 * 1000,
        )
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// The unit of times in `/proc/PID/stat`.
#[derive(Clone, Copy)]
struct Ticks(u64);

impl Ticks {
    fn read() -> Self {
        Self(rustix::param::clock_ticks_per_second().max(1))
    }

    fn time(self, ticks: u64) -> Duration {
        Duration::from_nanos(ticks.saturating_mul(1_000_000_000) / self.0)
    }
}

/// What `/proc/PID/stat` tells.
#[derive(Clone, Debug)]
struct Process {
    pid: i32,
    state: char,
    parent: i32,
    own_ticks: u64,
    /// Of children that have ended and been waited for, and of theirs.
    children_ticks: u64,
    threads: u64,
    /// A thread that lives on without the first one, through which alone memory and files are to be
    /// seen then.
    survivor: Option<i32>,
}

impl Process {
    /// Reads a process that is there; of one whose first thread has ended, through another.
    fn find(pid: i32) -> io::Result<Option<Self>> {
        let Some(stat) = gone_is(read(&format!("/proc/{pid}/stat")))? else {
            return Ok(None);
        };
        let Some(mut process) = Self::parse(pid, &stat) else {
            return Ok(None);
        };
        if process.state == 'Z' && process.threads > 1 {
            for thread in gone_is(fs::read_dir(process.path("task")))?
                .into_iter()
                .flatten()
            {
                let Some(thread) =
                    gone_is(thread)?.and_then(|thread| thread.file_name().to_str()?.parse().ok())
                else {
                    continue;
                };
                let stat = gone_is(read(&format!("/proc/{pid}/task/{thread}/stat")))?;
                let state = stat
                    .and_then(|stat| Self::parse(pid, &stat))
                    .map_or('X', |thread| thread.state);
                if !matches!(state, 'Z' | 'X') {
                    (process.survivor, process.state) = (Some(thread), state);
                    break;
                }
            }
        }
        Ok(Some(process))
    }

    fn parse(pid: i32, stat: &str) -> Option<Self> {
        // The name before it is in brackets and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            pid,
            state: fields.first()?.chars().next()?,
            parent: fields.get(1)?.parse().ok()?,
            own_ticks: number(11)? + number(12)?,
            children_ticks: number(13)? + number(14)?,
            threads: number(17)?,
            survivor: None,
        })
    }

    /// Returns the CPU time of its threads; those that have ended are in the coarser sum alone.
    fn cpu(&self, ticks: Ticks) -> io::Result<Duration> {
        let mut fine = 0;
        if self.threads <= 1 {
            fine = first_number(&self.read("schedstat")?);
        } else {
            for thread in gone_is(fs::read_dir(format!("/proc/{}/task", self.pid)))?
                .into_iter()
                .flatten()
            {
                let Some(thread) = gone_is(thread)? else {
                    continue;
                };
                fine += first_number(
                    &gone_is(fs::read_to_string(thread.path().join("schedstat")))?
                        .unwrap_or_default(),
                );
            }
        }
        Ok(Duration::from_nanos(fine).max(ticks.time(self.own_ticks)))
    }

    fn anonymous_bytes(&self) -> io::Result<u64> {
        let text = self.read("statm")?;
        let mut pages = text
            .split(' ')
            .skip(1)
            .map(|pages| pages.parse::<u64>().unwrap_or(0));
        let (resident, of_files) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
        Ok(resident.saturating_sub(of_files) * rustix::param::page_size() as u64)
    }

    /// True if the kernel drops its children as they end.
    fn ignores_children(&self) -> bool {
        let status = self.read("status").unwrap_or_default();
        let mask = status
            .lines()
            .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << (nix::libc::SIGCHLD - 1)) != 0)
    }

    /// Adds the shared objects that it has a descriptor of, with the bytes that they hold.
    fn open_objects(&self, found: &mut HashMap<Object, u64>) -> io::Result<()> {
        for entry in self
            .there(fs::read_dir(self.path("fd")))?
            .into_iter()
            .flatten()
        {
            let Some(entry) = self.there(entry)? else {
                continue;
            };
            let Some(target) = self.there(fs::read_link(entry.path()))? else {
                continue;
            };
            if is_shared(&target.to_string_lossy()) {
                let Some(file) = self.there(fs::metadata(entry.path()))? else {
                    continue;
                };
                found.insert((file.dev(), file.ino()), file.blocks() * 512);
            }
        }
        Ok(())
    }

    /// Adds the shared objects that it has mapped, with the most bytes that they can hold.
    fn mapped_objects(&self, found: &mut HashMap<Object, u64>) -> io::Result<()> {
        for line in self.read("maps")?.lines() {
            if let Some((object, end)) = mapped_object(line) {
                let extent = found.entry(object).or_default();
                *extent = (*extent).max(end);
            }
        }
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        match self.survivor {
            Some(thread) => format!("/proc/{}/task/{thread}/{name}", self.pid),
            None => format!("/proc/{}/{name}", self.pid),
        }
    }

    fn read(&self, name: &str) -> io::Result<String> {
        Ok(self.there(read(&self.path(name)))?.unwrap_or_default())
    }

    /// Turns the error of a process that has ended, or is about to, into `None`.
    ///
    /// What has given its memory back belongs to the host's root until it is gone, so that an
    /// ordinary user is refused.
    fn there<T>(&self, result: io::Result<T>) -> io::Result<Option<T>> {
        match gone_is(result) {
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied && self.has_no_memory() =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    fn has_no_memory(&self) -> bool {
        let sizes = gone_is(read(&self.path("statm")));
        sizes.is_ok_and(|sizes| sizes.is_none_or(|sizes| sizes.starts_with("0 ")))
    }
}

/// Reads a file of `/proc`, whose names may hold any bytes.
fn read(path: &str) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Turns the error of a process that has ended into `None`.
fn gone_is<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    let gone = |error: &io::Error| {
        error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
    };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn first_number(text: &str) -> u64 {
    text.split(' ')
        .next()
        .and_then(|first| first.trim().parse().ok())
        .unwrap_or(0)
}

fn is_shared(name: &str) -> bool {
    SHARED_NAMES.iter().any(|prefix| name.starts_with(prefix))
}

/// Returns a shared object and how far into it this line of `maps` reaches.
fn mapped_object(line: &str) -> Option<(Object, u64)> {
    let mut fields = line.splitn(6, ' ');
    let (range, _permissions, offset) = (fields.next()?, fields.next()?, fields.next()?);
    let (device, inode, name) = (fields.next()?, fields.next()?, fields.next()?.trim_start());
    if !is_shared(name) {
        return None;
    }
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = range.split_once('-')?;
    let (major, minor) = device.split_once(':')?;
    let device = nix::sys::stat::makedev(number(major)?, number(minor)?);
    Some((
        (device, inode.parse().ok()?),
        number(offset)? + number(end)?.checked_sub(number(start)?)?,
    ))
}

/// Returns what the System V segments and messages of this IPC namespace hold, attached or not.
fn segments() -> io::Result<u64> {
    Ok(column_sum(&read("/proc/sysvipc/shm")?, "rss")
        + column_sum(&read("/proc/sysvipc/msg")?, "cbytes"))
}

/// Adds up a column of a table with a heading.
fn column_sum(table: &str, name: &str) -> u64 {
    let mut lines = table.lines();
    let at = lines
        .next()
        .and_then(|heading| heading.split_whitespace().position(|column| column == name));
    let Some(at) = at else { return 0 };
    lines
        .filter_map(|line| line.split_whitespace().nth(at)?.parse::<u64>().ok())
        .sum()
}

/// Returns every process that descends from this one.
fn descendants() -> io::Result<Vec<Process>> {
    let me = i32::try_from(std::process::id()).unwrap_or(1);
    let mut others = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        if pid != me {
            others.extend(Process::find(pid)?);
        }
    }
    // The first process of a PID namespace sees nobody but its own.
    Ok(if me == 1 {
        others
    } else {
        family_of(me, others)
    })
}

fn family_of(me: i32, mut others: Vec<Process>) -> Vec<Process> {
    let mut family = vec![me];
    let mut found = Vec::new();
    loop {
        let more: Vec<Process> = others
            .extract_if(.., |process| family.contains(&process.parent))
            .collect();
        if more.is_empty() {
            return found;
        }
        family.extend(more.iter().map(|process| process.pid));
        found.extend(more);
    }
}

/// Returns the ids of every process that descends from this one, as well as can be.
pub fn family() -> Vec<Pid> {
    descendants()
        .unwrap_or_default()
        .into_iter()
        .map(|process| Pid::from_raw(process.pid))
        .collect()
}

/// What a control group of version 2 counts, held open: from inside the sandbox its path leads
/// nowhere.
#[derive(Debug)]
pub struct GroupReader {
    stat: File,
    /// True where `/tmp` is a tmpfs of the sandbox's own, whose files the group counts too.
    own_tmp: bool,
}

impl GroupReader {
    pub fn new(stat: File, own_tmp: bool) -> Self {
        Self { stat, own_tmp }
    }

    /// Returns the bytes of processes alone and those that are shared, `/tmp` not included.
    pub fn read(&self) -> io::Result<(u64, u64)> {
        let before = self.tmp_bytes()?;
        let mut bytes = [0; 8192];
        let length = self.stat.read_at(&mut bytes, 0)?;
        let stat = String::from_utf8_lossy(&bytes[..length]);
        let line = |name| super::cgroup::stat_line(&stat, name).unwrap_or(0);
        // Files may come and go between the two; what was there at either time is believed.
        let tmp = before.max(self.tmp_bytes()?);
        Ok((
            line("anon"),
            if self.own_tmp {
                line("shmem").saturating_sub(tmp)
            } else {
                0
            },
        ))
    }

    fn tmp_bytes(&self) -> io::Result<u64> {
        Ok(if self.own_tmp {
            super::cgroup::used_bytes(&nix::sys::statvfs::statvfs("/tmp")?)
        } else {
            0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read_whatever_it_is_called() {
        let stat = "7 (a) R 1 (b) T 3 3 3 0 -1 4194560 100 0 0 0 11 2 30 4 20 0 5 0 100 1000 10";
        let process = Process::parse(7, stat).unwrap();
        assert_eq!(
            (process.state, process.parent, process.threads),
            ('T', 3, 5)
        );
        assert_eq!((process.own_ticks, process.children_ticks), (13, 34));
    }

    #[test]
    fn shared_objects_are_told_from_files_and_private_memory() {
        let object = |name: &str| {
            mapped_object(&format!(
                "7f0000000000-7f0000003000 rw-s 00001000 00:01 42     {name}"
            ))
        };
        for name in ["/memfd:a b (deleted)", "/dev/zero (deleted)", "/dev/shm/x"] {
            assert_eq!(object(name), Some(((1, 42), 0x4000)), "{name}");
        }
        for name in [
            "/usr/lib/libc.so.6",
            "/tmp/memfd:x",
            "[heap]",
            "/SYSV00000000 (deleted)",
            "/dev/zero",
        ] {
            assert_eq!(object(name), None, "{name}");
        }
        assert_eq!(
            mapped_object("7f0000000000-7f0000003000 rw-p 00000000 00:00 0 "),
            None
        );
    }

    #[test]
    fn columns_are_found_by_their_heading() {
        let table = "       key      shmid perms                  size  cpid  lpid                   rss\n\
                     0          0   600             314572800     7     7             314572800\n\
                     0          1   600                  4096     7     7                  4096\n";
        assert_eq!(column_sum(table, "rss"), 314_576_896);
        assert_eq!(column_sum(table, "gone"), 0);
    }

    #[test]
    fn a_family_is_found_in_any_order() {
        let process = |pid, parent| Process {
            pid,
            parent,
            state: 'S',
            own_ticks: 0,
            children_ticks: 0,
            threads: 1,
            survivor: None,
        };
        let family = family_of(
            10,
            vec![
                process(13, 12),
                process(12, 11),
                process(11, 10),
                process(5, 1),
            ],
        );
        let mut pids: Vec<i32> = family.iter().map(|process| process.pid).collect();
        pids.sort_unstable();
        assert_eq!(pids, [11, 12, 13]);
    }
}
