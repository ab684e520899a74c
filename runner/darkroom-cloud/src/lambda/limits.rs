//! AWS Lambda's quotas, in one place. Sources by tag as in FACTS.md: \[LS\] recorded from AWS,
//! \[DOC\] AWS text, \[BC\] botocore's model, \[MEM\] widely documented.

use std::ops::RangeInclusive;

/// Memory in MB, step 1 \[DOC\].
pub const MEMORY_MB: RangeInclusive<i64> = 128..=10_240;
/// Size of `/tmp` in MB \[DOC\].
pub const EPHEMERAL_MB: RangeInclusive<i64> = 512..=10_240;
/// Timeout in seconds \[MEM\].
pub const TIMEOUT_S: RangeInclusive<i64> = 1..=900;
pub const DEFAULT_MEMORY_MB: u32 = 128;
pub const DEFAULT_EPHEMERAL_MB: u32 = 512;
pub const DEFAULT_TIMEOUT_S: u32 = 3;

/// Payload of a synchronous invocation, in bytes \[LS\].
pub const SYNC_PAYLOAD: usize = 6_291_456;
/// Payload of an asynchronous invocation, in bytes: 1 MB since October 2025 \[DOC\].
pub const ASYNC_PAYLOAD: usize = 1_048_576;
/// A request to `CreateFunction` (base64 of the zip and all), in bytes \[LS\].
pub const CREATE_REQUEST: usize = 70_167_211;
/// Any other control-plane request: what `CreateFunction` allows, since code and layers travel in
/// bodies too.
pub const CONTROL_REQUEST: usize = CREATE_REQUEST;
/// A zip uploaded in the request, in bytes \[LS\].
pub const ZIPPED: usize = 52_428_800;
/// Unzipped code with its layers, in bytes \[LS\].
pub const UNZIPPED: u64 = 262_144_000;
/// A zip read from S3: nothing larger than the unzipped limit can be useful.
pub const ZIPPED_FROM_S3: u64 = UNZIPPED;
/// Files and folders in one zip; the unzipped size limits bytes, this limits inodes. Ours, not
/// AWS's.
pub const ZIP_ENTRIES: usize = 100_000;
/// All code of the account, in bytes: 75 GB \[BC\].
pub const TOTAL_CODE: u64 = 80_530_636_800;

pub const LAYERS: usize = 5;
/// Names and values as JSON, in bytes \[LS\].
pub const ENVIRONMENT: usize = 4096;
/// A function's name alone; 140 for the whole identifier \[LS\].
pub const FUNCTION_NAME: usize = 64;
pub const FUNCTION_IDENTIFIER: usize = 140;
/// The identifier where a version or alias may be meant \[BC\].
pub const NAMESPACED_IDENTIFIER: usize = 256;
pub const QUALIFIER: usize = 128;
pub const DESCRIPTION: usize = 256;
pub const HANDLER: usize = 128;
/// Tags of one resource \[LS\].
pub const TAGS: usize = 50;

/// Concurrent executions of an account and region \[DOC\].
pub const CONCURRENT_EXECUTIONS: u32 = 1000;
/// Reserving may not leave fewer than these to the functions that reserve nothing \[LS\].
pub const MIN_UNRESERVED: u32 = 100;

/// Runs of a function in one chain of events; the next is dropped \[DOC: "approximately 16"\].
pub const RUNS_IN_CHAIN: u32 = 16;

/// Retries of an asynchronous invocation \[DOC\].
pub const RETRIES: RangeInclusive<i64> = 0..=2;
/// Age of an asynchronous event in seconds; the maximum is also the default \[DOC\].
pub const EVENT_AGE_S: RangeInclusive<i64> = 60..=21_600;

/// Items on a page when `MaxItems` is absent \[MEM\].
pub const PAGE: usize = 50;
