//! Builds the file system that a handler sees, and makes it the root. Linux only.
//!
//! It is a read-only tmpfs with binds of the host's programs and libraries (never its homes or
//! configuration), the code and the layers read-only, and a private `/tmp` and `/proc`.

use super::entry::doing;
use super::protocol::{RootPlan, SANDBOX_USER};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Host paths that every handler sees read-only, where they exist.
const HOST_PATHS: &[&str] = &[
    "/usr",
    "/nix/store",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
];

/// Top-level folders that are links into `/usr` on most hosts, and folders of their own on a few.
const MERGED_PATHS: &[&str] = &["/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32"];

const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

/// Makes the new root out of `plan` and moves this process's whole mount namespace into it. Returns
/// `/proc` as it can be written to, whatever the root shows.
pub fn enter(plan: &RootPlan) -> io::Result<fs::File> {
    let none = None::<&str>;
    doing(
        "make mounts private",
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none),
    )?;
    let root = &plan.mount_point;
    mount_tmpfs(root, 16, 0o755, MsFlags::MS_NOSUID)?;

    for path in HOST_PATHS
        .iter()
        .map(Path::new)
        .filter(|path| path.exists())
    {
        bind(path, &inside(root, path))?;
    }
    cover_local(plan)?;
    for path in MERGED_PATHS.iter().map(Path::new) {
        match fs::read_link(path) {
            Ok(target) => doing("link to /usr", symlink(target, inside(root, path)))?,
            Err(_) if path.is_dir() => bind(path, &inside(root, path))?,
            Err(_) => {}
        }
    }
    for (source, target) in &plan.binds {
        bind(source, &inside(root, target))?;
    }
    for (source, target) in &plan.written {
        bind_with(source, &inside(root, target), MsFlags::empty())?;
    }
    for path in &plan.covers {
        mount_tmpfs(&inside(root, path), 1, 0o755, MsFlags::MS_RDONLY)?;
    }
    make_etc(root)?;
    make_dev(root)?;
    let proc = make_proc(root, plan.same_user)?;

    let tmp = root.join("tmp");
    make_folder(&tmp)?;
    mount_tmpfs(
        &tmp,
        plan.tmp_mb,
        0o1777,
        MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
    )?;
    for folder in ["var/task", "opt"] {
        make_folder(&root.join(folder))?;
    }
    pivot(root)?;
    Ok(proc)
}

/// Hides `/usr/local`, where hosts keep software of their own. A runtime that lives there is bound
/// elsewhere.
fn cover_local(plan: &RootPlan) -> io::Result<()> {
    let local = inside(&plan.mount_point, Path::new("/usr/local"));
    if local.is_dir() {
        mount_tmpfs(&local, 1, 0o755, MsFlags::MS_RDONLY)
    } else {
        Ok(())
    }
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn mount_tmpfs(target: &Path, size_mb: u32, mode: u32, flags: MsFlags) -> io::Result<()> {
    let options = format!("size={size_mb}m,mode={mode:o}");
    doing(
        format!("mount a tmpfs on {}", target.display()),
        mount(
            Some("tmpfs"),
            target,
            Some("tmpfs"),
            flags,
            Some(options.as_str()),
        ),
    )
}

/// Shows `source` at `target`, read-only and without set-user-id programs or devices.
fn bind(source: &Path, target: &Path) -> io::Result<()> {
    bind_with(source, target, MsFlags::MS_RDONLY)
}

/// The same, read-only if `access` says so.
fn bind_with(source: &Path, target: &Path, access: MsFlags) -> io::Result<()> {
    if source.is_dir() {
        make_folder(target)?;
    } else {
        make_file(target)?;
    }
    let none = None::<&str>;
    let bound = mount(Some(source), target, none, MsFlags::MS_BIND, none);
    // A folder with mounts below it can't be bound alone from within a user namespace.
    let bound = bound.or_else(|_| {
        mount(
            Some(source),
            target,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            none,
        )
    });
    doing(
        format!("bind {} to {}", source.display(), target.display()),
        bound,
    )?;
    let flags = MsFlags::MS_BIND
        | MsFlags::MS_REMOUNT
        | access
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NODEV
        | kept_flags(target);
    doing(
        format!("protect {}", target.display()),
        mount(none, target, none, flags, none),
    )
}

/// Returns the flags of the mount at `target` that a user namespace may not clear.
fn kept_flags(target: &Path) -> MsFlags {
    let Ok(stat) = statvfs(target) else {
        return MsFlags::empty();
    };
    let pairs = [
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_NODIRATIME, MsFlags::MS_NODIRATIME),
        (FsFlags::ST_RELATIME, MsFlags::MS_RELATIME),
    ];
    pairs
        .into_iter()
        .filter(|(had, _)| stat.flags().contains(*had))
        .map(|(_, kept)| kept)
        .collect()
}

fn make_folder(path: &Path) -> io::Result<()> {
    doing(format!("make {}", path.display()), fs::create_dir_all(path))
}

fn make_file(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    doing(format!("make {}", path.display()), fs::File::create(path)).map(drop)
}

/// Writes the few files of `/etc` that libraries look for; the host's own stay outside.
fn make_etc(root: &Path) -> io::Result<()> {
    let user = SANDBOX_USER;
    let files = [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/root:/sbin/nologin\nsbx_user{user}:x:{user}:{user}::/home/sbx_user{user}:/sbin/nologin\n"
            ),
        ),
        ("group", format!("root:x:0:\nsbx_user{user}:x:{user}:\n")),
        ("hosts", "127.0.0.1 localhost\n".to_owned()),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files\n".to_owned(),
        ),
        ("resolv.conf", String::new()),
    ];
    make_folder(&root.join("etc"))?;
    for (name, text) in files {
        let path = root.join("etc").join(name);
        doing(format!("write {}", path.display()), fs::write(&path, text))?;
    }
    Ok(())
}

/// Makes a minimal `/dev`. As on AWS there is no `/dev/shm`.
fn make_dev(root: &Path) -> io::Result<()> {
    let dev = root.join("dev");
    make_folder(&dev)?;
    for name in DEVICES {
        let (source, target) = (Path::new("/dev").join(name), dev.join(name));
        make_file(&target)?;
        let bound = mount(
            Some(&source),
            &target,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        );
        doing(format!("bind {}", source.display()), bound)?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        doing("link in /dev", symlink(target, dev.join(name)))?;
    }
    Ok(())
}

/// Parts of `/proc` that concern the whole machine: read-only, whoever the handler may be.
const PROC_READ_ONLY: &[&str] = &[
    "sys",
    "sysrq-trigger",
    "irq",
    "bus",
    "fs",
    "acpi",
    "scsi",
    "asound",
    "mtrr",
];

/// Parts of `/proc` that are hidden.
const PROC_HIDDEN: &[&str] = &["kcore", "keys", "key-users", "timer_list", "kmsg"];

/// Mounts `/proc`, and returns it. `read_only` shows it so that nobody can write to it by its path.
fn make_proc(root: &Path, read_only: bool) -> io::Result<fs::File> {
    let none = None::<&str>;
    let proc = root.join("proc");
    make_folder(&proc)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    doing(
        "mount /proc",
        mount(Some("proc"), &proc, Some("proc"), flags, none),
    )?;
    let writable = doing("open /proc", fs::File::open(&proc))?;
    if read_only {
        doing(
            "cover /proc",
            mount(Some(&proc), &proc, none, MsFlags::MS_BIND, none),
        )?;
        let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        doing(
            "protect all of /proc",
            mount(none, &proc, none, flags, none),
        )?;
    }
    for path in PROC_READ_ONLY
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        doing(
            "bind in /proc",
            mount(Some(&path), &path, none, MsFlags::MS_BIND, none),
        )?;
        let flags = flags | MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        doing("protect /proc", mount(none, &path, none, flags, none))?;
    }
    for path in PROC_HIDDEN
        .iter()
        .map(|name| proc.join(name))
        .filter(|path| path.exists())
    {
        doing(
            "hide in /proc",
            mount(
                Some(&root.join("dev/null")),
                &path,
                none,
                MsFlags::MS_BIND,
                none,
            ),
        )?;
    }
    Ok(writable)
}

/// Makes `root` the root of everything in this mount namespace and lets go of the old one.
fn pivot(root: &Path) -> io::Result<()> {
    doing("enter the new root", std::env::set_current_dir(root))?;
    // New and old root stacked on one place: see pivot_root(2), "pivot_root(".", ".")".
    doing("change the root", nix::unistd::pivot_root(".", "."))?;
    doing(
        "let go of the host's root",
        umount2(".", MntFlags::MNT_DETACH),
    )?;
    doing("enter /", std::env::set_current_dir("/"))?;
    fs::set_permissions("/", fs::Permissions::from_mode(0o755))?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | MsFlags::MS_NOSUID;
    doing(
        "make the root read-only",
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>),
    )
}
