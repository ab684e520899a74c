//! The event-stream encoding of `InvokeWithResponseStream`: frames with headers and two checksums.
//!
//! A frame is: total length, header length, CRC-32 of these two, headers, payload, CRC-32 of everything before it; numbers
//! are big-endian. A header is: name length (1 byte), name, type 7 (string), value length (2 bytes), value.

use super::environment::InvokeOutcome;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Map, Value, json};

/// Payload bytes of one frame; clients refuse frames over 16 MB.
const CHUNK: usize = 64 * 1024;

/// Returns an outcome as the frames that a client of the stream expects.
pub(crate) fn frames(outcome: &InvokeOutcome, with_log: bool) -> Bytes {
    let mut frames = BytesMut::new();
    let mut complete = Map::new();
    if let Some(error) = &outcome.function_error {
        complete.insert("ErrorCode".to_owned(), json!(error));
        complete.insert("ErrorDetails".to_owned(), json!(String::from_utf8_lossy(&outcome.payload)));
    } else {
        for chunk in outcome.payload.chunks(CHUNK) {
            frame(&mut frames, "PayloadChunk", "application/octet-stream", chunk);
        }
    }
    if with_log {
        complete.insert("LogResult".to_owned(), json!(STANDARD.encode(&outcome.log_tail)));
    }
    frame(&mut frames, "InvokeComplete", "application/json", Value::Object(complete).to_string().as_bytes());
    frames.freeze()
}

fn frame(out: &mut BytesMut, event: &str, content_type: &str, payload: &[u8]) {
    let mut headers = BytesMut::new();
    for (name, value) in [(":message-type", "event"), (":event-type", event), (":content-type", content_type)] {
        headers.put_u8(name.len() as u8);
        headers.put_slice(name.as_bytes());
        headers.put_u8(7);
        headers.put_u16(value.len() as u16);
        headers.put_slice(value.as_bytes());
    }
    let start = out.len();
    out.put_u32((16 + headers.len() + payload.len()) as u32);
    out.put_u32(headers.len() as u32);
    out.put_u32(crc32fast::hash(&out[start..]));
    out.put_slice(&headers);
    out.put_slice(payload);
    out.put_u32(crc32fast::hash(&out[start..]));
}
