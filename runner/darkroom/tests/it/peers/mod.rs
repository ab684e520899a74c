//! The AWS path against independent implementations of AWS: moto and ministack, looked into through
//! boto3.
//!
//! `tests/peers` holds what is Python: the endpoints' start, what an account holds, and the SDK's
//! service models. Needs Python 3.13 and, the first time, a package index that pip reaches.

mod canaries;
mod endpoint;
mod execution;
mod killed;
mod matrix;
mod recorder;
mod start;
mod study;
mod versions;
