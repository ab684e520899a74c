//! Buckets and objects on disk: an index in memory over immutable blobs and one JSON sidecar an
//! object.
//!
//! ```text
//! <root>/buckets/<bucket>/bucket.json              when it was made, its settings
//!                        /objects/<sha256>.json    an `Object`; the name is the hash of its key
//!                        /blobs/<uuid>             the content, written once
//!                        /uploads/<uuid>           parts of multipart uploads (not kept over a restart)
//! ```
//! No path is ever made from a key, so no key can leave its bucket, clash with another one or be
//! too long for a file system. An object exists when its sidecar does; the sidecar appears by
//! rename, so a reader or a crash sees the old object or the new one, never a part of one. Knows
//! nothing of HTTP. Calls block on the disk.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::blob::Blob;
use super::object::{Object, now_ms};
pub use super::settings::{Encryption, ExpiryRule, PublicAccess, Settings};

/// What can go wrong with a stored thing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the bucket already exists")]
    BucketExists,
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the condition `{0}` does not hold")]
    Precondition(&'static str),
    #[error(
        "the bucket holds {stored} bytes, but a bucket of the local cloud holds at most {most}: \
         delete some objects"
    )]
    Full { stored: u64, most: u64 },
    #[error("{action} {}: {source}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{}: this version cannot read this sidecar file: {source}; move it away to open the \
        rest", path.display())]
    Corrupt {
        path: PathBuf,
        source: serde_json::Error,
    },
}

impl StoreError {
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }
}

/// Bytes of all objects of one bucket: more than any run needs, less than a handler that writes
/// without end would take.
const MOST_BYTES: u64 = 32 << 30;

/// What must hold of the object that a write or a delete replaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteCondition {
    Always,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: *`
    Present,
    /// `If-Match: "<etag>"`
    Matches(String),
}

impl WriteCondition {
    /// Checks the condition against what is stored now.
    pub fn check(&self, current: Option<&Object>) -> Result<(), StoreError> {
        match (self, current) {
            (Self::Always, _) | (Self::Absent, None) | (Self::Present, Some(_)) => Ok(()),
            (Self::Absent, Some(_)) => Err(StoreError::Precondition("If-None-Match")),
            (Self::Present | Self::Matches(_), None) => Err(StoreError::NoSuchKey),
            (Self::Matches(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Self::Matches(_), Some(_)) => Err(StoreError::Precondition("If-Match")),
        }
    }
}

/// All buckets.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
}

/// One bucket: its settings, and the index of its objects in key order.
#[derive(Debug)]
pub struct Bucket {
    pub name: String,
    pub created_ms: i64,
    directory: PathBuf,
    objects: RwLock<BTreeMap<String, Arc<Object>>>,
    settings: RwLock<Settings>,
    /// Held while sidecar and index change together; its value says that the bucket was deleted.
    commit: Mutex<bool>,
    /// Bytes of all objects; changed with the index.
    stored: AtomicU64,
    most: u64,
}

#[derive(Serialize, Deserialize)]
struct BucketFile {
    created_ms: i64,
    settings: Settings,
}

impl Store {
    /// Opens the store under `root`, making it if need be, and reads every sidecar.
    ///
    /// Blobs that no sidecar names (a write that was cut short) and unfinished multipart uploads
    /// are removed.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = root.join("buckets");
        fs::create_dir_all(&root).map_err(StoreError::io("create", &root))?;
        let mut buckets = BTreeMap::new();
        for entry in read_dir(&root)? {
            // A bucket whose `bucket.json` never appeared was not yet made.
            if let (true, Ok(name)) = (
                entry.path().join("bucket.json").exists(),
                entry.file_name().into_string(),
            ) {
                buckets.insert(name.clone(), Arc::new(Bucket::open(name, entry.path())?));
            }
        }
        Ok(Self {
            root,
            buckets: RwLock::new(buckets),
        })
    }

    pub fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        self.buckets
            .read()
            .get(name)
            .cloned()
            .ok_or(StoreError::NoSuchBucket)
    }

    /// Returns every bucket, by name.
    pub fn buckets(&self) -> Vec<Arc<Bucket>> {
        self.buckets.read().values().cloned().collect()
    }

    /// Makes an empty bucket. The name must already be a valid bucket name: it becomes a folder.
    pub fn create_bucket(&self, name: &str, settings: Settings) -> Result<(), StoreError> {
        let mut buckets = self.buckets.write();
        if buckets.contains_key(name) {
            return Err(StoreError::BucketExists);
        }
        let bucket = Bucket::create(name.to_owned(), self.root.join(name), settings)?;
        buckets.insert(name.to_owned(), Arc::new(bucket));
        Ok(())
    }

    /// Deletes an empty bucket.
    pub fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let mut buckets = self.buckets.write();
        let bucket = buckets.get(name).ok_or(StoreError::NoSuchBucket)?;
        let mut deleted = bucket.commit.lock();
        if !bucket.objects.read().is_empty() {
            return Err(StoreError::BucketNotEmpty);
        }
        let gone = self
            .root
            .join(format!("deleted-{}", uuid::Uuid::new_v4().simple()));
        fs::rename(&bucket.directory, &gone)
            .map_err(StoreError::io("rename", &bucket.directory))?;
        *deleted = true;
        drop(deleted);
        buckets.remove(name);
        drop(buckets);
        fs::remove_dir_all(&gone).map_err(StoreError::io("remove", &gone))
    }
}

impl Bucket {
    fn create(name: String, directory: PathBuf, settings: Settings) -> Result<Self, StoreError> {
        let bucket = Self {
            name,
            created_ms: now_ms(),
            directory,
            objects: RwLock::default(),
            settings: RwLock::new(settings),
            commit: Mutex::new(false),
            stored: AtomicU64::new(0),
            most: MOST_BYTES,
        };
        for folder in [bucket.sidecars(), bucket.blobs(), bucket.uploads()] {
            fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        }
        bucket.save_settings()?;
        Ok(bucket)
    }

    fn open(name: String, directory: PathBuf) -> Result<Self, StoreError> {
        let file: BucketFile = read_json(&directory.join("bucket.json"))?;
        let mut bucket = Self {
            name,
            created_ms: file.created_ms,
            directory,
            objects: RwLock::default(),
            settings: RwLock::new(file.settings),
            commit: Mutex::new(false),
            stored: AtomicU64::new(0),
            most: MOST_BYTES,
        };
        let uploads = bucket.uploads();
        fs::remove_dir_all(&uploads)
            .or_else(ignore_absent)
            .map_err(StoreError::io("clear", &uploads))?;
        for folder in [bucket.sidecars(), bucket.blobs(), uploads] {
            fs::create_dir_all(&folder).map_err(StoreError::io("create", &folder))?;
        }
        let objects = bucket.read_sidecars()?;
        bucket.remove_orphans(&objects)?;
        *bucket.stored.get_mut() = objects.values().map(|object| object.size).sum();
        *bucket.objects.write() = objects;
        Ok(bucket)
    }

    fn read_sidecars(&self) -> Result<BTreeMap<String, Arc<Object>>, StoreError> {
        let mut objects = BTreeMap::new();
        for entry in read_dir(&self.sidecars())? {
            let path = entry.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let object: Object = read_json(&path)?;
                objects.insert(object.key.clone(), Arc::new(object));
            } else {
                fs::remove_file(&path).map_err(StoreError::io("remove", &path))?;
            }
        }
        Ok(objects)
    }

    fn remove_orphans(&self, objects: &BTreeMap<String, Arc<Object>>) -> Result<(), StoreError> {
        let named: HashSet<&str> = objects
            .values()
            .map(|object| object.blob.as_str())
            .collect();
        for entry in read_dir(&self.blobs())? {
            if !entry
                .file_name()
                .to_str()
                .is_some_and(|name| named.contains(name))
            {
                fs::remove_file(entry.path()).map_err(StoreError::io("remove", &entry.path()))?;
            }
        }
        Ok(())
    }

    /// Returns the folder of contents; a [`Blob`] is written here before it is committed.
    pub fn blobs(&self) -> PathBuf {
        self.directory.join("blobs")
    }

    /// Returns the folder of multipart uploads.
    pub fn uploads(&self) -> PathBuf {
        self.directory.join("uploads")
    }

    fn sidecars(&self) -> PathBuf {
        self.directory.join("objects")
    }

    fn sidecar(&self, key: &str) -> PathBuf {
        self.sidecars()
            .join(format!("{}.json", hex::encode(Sha256::digest(key))))
    }

    pub fn object(&self, key: &str) -> Result<Arc<Object>, StoreError> {
        self.objects
            .read()
            .get(key)
            .cloned()
            .ok_or(StoreError::NoSuchKey)
    }

    /// Gives the index to a reader, for a listing.
    pub fn with_objects<T>(&self, read: impl FnOnce(&BTreeMap<String, Arc<Object>>) -> T) -> T {
        read(&self.objects.read())
    }

    /// Makes `object` the one under its key, if `condition` holds of the present one. The blob must
    /// be in [`Bucket::blobs`].
    pub fn commit(
        &self,
        object: Object,
        blob: Blob,
        condition: &WriteCondition,
    ) -> Result<Arc<Object>, StoreError> {
        let object = Arc::new(object);
        let sidecar = self.sidecar(&object.key);
        let temporary = self.sidecars().join(format!("{}.new", object.blob));
        write_json(&temporary, &*object)?;
        let replaced = {
            let deleted = self.commit.lock();
            let checked = if *deleted {
                Err(StoreError::NoSuchBucket)
            } else {
                let objects = self.objects.read();
                let current = objects.get(&object.key).map(|object| &**object);
                condition
                    .check(current)
                    .and_then(|()| self.fits(object.size, current))
            };
            let renamed = checked.and_then(|()| {
                fs::rename(&temporary, &sidecar).map_err(StoreError::io("rename", &temporary))
            });
            if let Err(error) = renamed {
                drop(deleted);
                // The bucket may be gone, and the file with it.
                let _ = fs::remove_file(&temporary);
                return Err(error);
            }
            blob.keep();
            let replaced = self
                .objects
                .write()
                .insert(object.key.clone(), Arc::clone(&object));
            self.stored.fetch_add(object.size, Ordering::Relaxed);
            self.stored.fetch_sub(
                replaced.as_ref().map_or(0, |replaced| replaced.size),
                Ordering::Relaxed,
            );
            replaced
        };
        if let Some(replaced) = replaced {
            self.remove_blob(&replaced.blob)?;
        }
        Ok(object)
    }

    /// Whether a part of an upload may come to this size, where parts of `held` bytes wait to be
    /// completed.
    ///
    /// # Errors
    /// [`StoreError::Full`].
    pub fn takes_part(&self, held: u64, size: u64) -> Result<(), StoreError> {
        let stored = self.stored.load(Ordering::Relaxed).saturating_add(held);
        if stored.saturating_add(size) > self.most {
            Err(StoreError::Full {
                stored,
                most: self.most,
            })
        } else {
            Ok(())
        }
    }

    /// Whether an object of this size may take the place of the present one.
    fn fits(&self, size: u64, current: Option<&Object>) -> Result<(), StoreError> {
        let stored = self.stored.load(Ordering::Relaxed);
        let after = stored
            .saturating_sub(current.map_or(0, |current| current.size))
            .saturating_add(size);
        if after > self.most {
            Err(StoreError::Full {
                stored,
                most: self.most,
            })
        } else {
            Ok(())
        }
    }

    /// Replaces what is known of an object whose content stays (its tags, for instance).
    pub fn amend(
        &self,
        key: &str,
        change: impl FnOnce(&mut Object),
    ) -> Result<Arc<Object>, StoreError> {
        let _deleted = self.commit.lock();
        let mut object = Object::clone(&*self.object(key)?);
        change(&mut object);
        let temporary = self.sidecars().join(format!("{}.new", object.blob));
        let sidecar = self.sidecar(key);
        write_json(&temporary, &object)?;
        fs::rename(&temporary, &sidecar).map_err(StoreError::io("rename", &temporary))?;
        let object = Arc::new(object);
        self.objects
            .write()
            .insert(key.to_owned(), Arc::clone(&object));
        Ok(object)
    }

    /// Removes the object under `key`, and returns it if there was one.
    pub fn remove(
        &self,
        key: &str,
        condition: &WriteCondition,
    ) -> Result<Option<Arc<Object>>, StoreError> {
        let removed = {
            let deleted = self.commit.lock();
            if *deleted {
                return Err(StoreError::NoSuchBucket);
            }
            condition.check(self.objects.read().get(key).map(|object| &**object))?;
            let sidecar = self.sidecar(key);
            fs::remove_file(&sidecar)
                .or_else(ignore_absent)
                .map_err(StoreError::io("remove", &sidecar))?;
            let removed = self.objects.write().remove(key);
            self.stored.fetch_sub(
                removed.as_ref().map_or(0, |removed| removed.size),
                Ordering::Relaxed,
            );
            removed
        };
        if let Some(object) = &removed {
            self.remove_blob(&object.blob)?;
        }
        Ok(removed)
    }

    fn remove_blob(&self, name: &str) -> Result<(), StoreError> {
        let path = self.blobs().join(name);
        fs::remove_file(&path)
            .or_else(ignore_absent)
            .map_err(StoreError::io("remove", &path))
    }

    pub fn settings(&self) -> Settings {
        self.settings.read().clone()
    }

    /// Gives the settings to a reader without copying them.
    pub fn with_settings<T>(&self, read: impl FnOnce(&Settings) -> T) -> T {
        read(&self.settings.read())
    }

    /// Changes the settings and stores them.
    pub fn configure(&self, change: impl FnOnce(&mut Settings)) -> Result<(), StoreError> {
        let deleted = self.commit.lock();
        if *deleted {
            return Err(StoreError::NoSuchBucket);
        }
        change(&mut self.settings.write());
        self.save_settings()
    }

    fn save_settings(&self) -> Result<(), StoreError> {
        let path = self.directory.join("bucket.json");
        let temporary = self.directory.join("bucket.json.new");
        write_json(
            &temporary,
            &BucketFile {
                created_ms: self.created_ms,
                settings: self.settings(),
            },
        )?;
        fs::rename(&temporary, &path).map_err(StoreError::io("rename", &temporary))
    }
}

fn read_dir(path: &Path) -> Result<Vec<fs::DirEntry>, StoreError> {
    fs::read_dir(path)
        .and_then(Iterator::collect)
        .map_err(StoreError::io("read", path))
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let text = fs::read(path).map_err(StoreError::io("read", path))?;
    serde_json::from_slice(&text).map_err(|source| StoreError::Corrupt {
        path: path.to_owned(),
        source,
    })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), StoreError> {
    let text = serde_json::to_vec(value).expect("plain data with text keys is always JSON");
    fs::write(path, text).map_err(StoreError::io("write", path))
}

fn ignore_absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::object::{Attributes, Checksums};
    use super::*;

    /// What a client may do to one key.
    #[derive(Debug, Clone)]
    enum Step {
        Put(String, u8),
        Remove(String),
        Reopen,
    }

    fn key() -> impl Strategy<Value = String> {
        prop_oneof![
            "[ab./]{1,6}",
            "(\\.\\./){1,4}[a-c]",
            "\\PC{1,12}",
            Just("k".repeat(1024)),
            Just("a\0b".to_owned())
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (key(), any::<u8>()).prop_map(|(key, byte)| Step::Put(key, byte)),
            2 => key().prop_map(Step::Remove),
            1 => Just(Step::Reopen),
        ]
    }

    fn put(
        bucket: &Bucket,
        key: &str,
        byte: u8,
        condition: &WriteCondition,
    ) -> Result<Arc<Object>, StoreError> {
        let (blob, mut file) = Blob::create(&bucket.blobs()).unwrap();
        io::Write::write_all(&mut file, &[byte]).unwrap();
        let object = Object {
            key: key.to_owned(),
            blob: blob.name(),
            size: 1,
            etag: byte.to_string(),
            modified_ms: 0,
            attributes: Attributes::default(),
            checksums: Checksums::default(),
            part_sizes: Vec::new(),
            tags: BTreeMap::new(),
        };
        bucket.commit(object, blob, condition)
    }

    fn opened(folder: &Path) -> Arc<Bucket> {
        let store = Store::open(folder).unwrap();
        if let Err(StoreError::NoSuchBucket) = store.bucket("photos") {
            store.create_bucket("photos", Settings::default()).unwrap();
        }
        store.bucket("photos").unwrap()
    }

    fn files(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever the keys look like, the store is a map of them: before and after it is opened
        /// again, with one sidecar and one blob for each and nothing beside its folder.
        #[test]
        fn a_bucket_is_a_map_of_its_keys(steps in prop::collection::vec(step(), 1..25)) {
            let root = tempfile::TempDir::new().unwrap();
            let folder = root.path().join("s3");
            let mut bucket = opened(&folder);
            let mut model: BTreeMap<String, u8> = BTreeMap::new();
            for step in steps {
                match step {
                    Step::Put(key, byte) => {
                        put(&bucket, &key, byte, &WriteCondition::Always).unwrap();
                        model.insert(key, byte);
                    }
                    Step::Remove(key) => {
                        let removed = bucket.remove(&key, &WriteCondition::Always).unwrap();
                        prop_assert_eq!(removed.is_some(), model.remove(&key).is_some());
                    }
                    Step::Reopen => bucket = opened(&folder),
                }
                let stored = bucket.with_objects(|objects| {
                    objects.iter().map(|(key, object)| (key.clone(), fs::read(bucket.blobs().join(&object.blob)).unwrap()[0])).collect()
                });
                prop_assert_eq!(&model, &stored);
                prop_assert_eq!(files(&bucket.blobs()), model.len());
                prop_assert_eq!(files(&bucket.sidecars()), model.len());
                prop_assert_eq!(files(root.path()), 1);
            }
        }
    }

    #[test]
    fn a_bucket_takes_so_much_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let mut bucket = Arc::into_inner(opened(folder.path())).unwrap();
        let one = put(&bucket, "a", 1, &WriteCondition::Always).unwrap().size;
        bucket.most = 2 * one;
        put(&bucket, "b", 1, &WriteCondition::Always).unwrap();
        assert!(matches!(
            put(&bucket, "c", 1, &WriteCondition::Always),
            Err(StoreError::Full { .. })
        ));
        assert!(matches!(
            bucket.takes_part(0, 1),
            Err(StoreError::Full { .. })
        ));
        put(&bucket, "a", 2, &WriteCondition::Always).expect("it takes the place of another");
        bucket.remove("b", &WriteCondition::Always).unwrap();
        assert!(
            bucket.takes_part(0, one).is_ok() && bucket.takes_part(1, one).is_err(),
            "parts that wait take room too"
        );
        put(&bucket, "c", 1, &WriteCondition::Always).unwrap();
        assert_eq!(bucket.stored.load(Ordering::Relaxed), 2 * one);
        assert_eq!(
            (files(&bucket.blobs()), files(&bucket.sidecars())),
            (2, 2),
            "what was refused left nothing"
        );
    }

    #[test]
    fn a_write_whose_condition_fails_leaves_no_file() {
        let root = tempfile::TempDir::new().unwrap();
        let bucket = opened(root.path());
        put(&bucket, "k", 1, &WriteCondition::Absent).unwrap();
        let refused = put(&bucket, "k", 2, &WriteCondition::Absent);
        assert!(matches!(
            refused,
            Err(StoreError::Precondition("If-None-Match"))
        ));
        assert_eq!((files(&bucket.blobs()), files(&bucket.sidecars())), (1, 1));
    }

    #[test]
    fn what_a_crash_left_behind_is_cleared() {
        let root = tempfile::TempDir::new().unwrap();
        let bucket = opened(root.path());
        put(&bucket, "k", 1, &WriteCondition::Always).unwrap();
        for path in [
            bucket.blobs().join("orphan"),
            bucket.sidecars().join("half.new"),
            bucket.uploads().join("part"),
        ] {
            fs::write(path, "x").unwrap();
        }
        let bucket = opened(root.path());
        assert_eq!(
            (
                files(&bucket.blobs()),
                files(&bucket.sidecars()),
                files(&bucket.uploads())
            ),
            (1, 1, 0)
        );
        assert!(bucket.object("k").is_ok());
    }

    #[test]
    fn a_sidecar_that_cannot_be_read_is_named() {
        let root = tempfile::TempDir::new().unwrap();
        let bucket = opened(root.path());
        fs::write(bucket.sidecars().join("bad.json"), "{").unwrap();
        let error = Store::open(root.path()).unwrap_err().to_string();
        assert!(error.contains("bad.json"), "{error}");
    }
}
