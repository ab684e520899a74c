//! The event-stream encoding of `InvokeWithResponseStream`: frames with headers and two checksums.
//!
//! A frame is: total length, header length, CRC-32 of these two, headers, payload, CRC-32 of
//! everything before it; numbers are big-endian. A header is: name length (1 byte), name, type 7
//! (string), value length (2 bytes), value.

use super::environment::InvokeOutcome;
use super::error::ApiResult;
use crate::server::wire::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Map, Value, json};
use std::pin::pin;
use tokio::sync::mpsc;

/// Payload bytes of one frame; clients refuse frames over 16 MB.
const CHUNK: usize = 64 * 1024;

/// Returns the frames of an invocation as they come: `pieces` while it runs, then what is left of
/// its outcome.
pub(crate) fn body(
    mut pieces: mpsc::Receiver<Bytes>,
    running: impl Future<Output = ApiResult<InvokeOutcome>> + Send + 'static,
    with_log: bool,
) -> Body {
    let (frames, mut ready) = mpsc::channel::<Bytes>(1);
    tokio::spawn(async move {
        let mut running = pin!(running);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(piece) = pieces.recv() => if frames.send(chunks(&piece)).await.is_err() {
                    // The caller hung up. The invocation continues by itself, and nobody waits for
                    // its pieces.
                    return;
                },
                outcome = &mut running => break outcome,
            }
        };
        // The last pieces were sent before the outcome, and may have come in the same moment.
        while let Ok(piece) = pieces.try_recv() {
            if frames.send(chunks(&piece)).await.is_err() {
                return;
            }
        }
        let _ = frames.send(end(outcome, with_log)).await;
    });
    let frames = futures::stream::poll_fn(move |context| ready.poll_recv(context));
    StreamBody::new(frames.map(|bytes| Ok(Frame::data(bytes)))).boxed_unsync()
}

/// Returns the frames after the last streamed piece: an answer that was not streamed, and how the
/// invocation ended.
fn end(outcome: ApiResult<InvokeOutcome>, with_log: bool) -> Bytes {
    let mut frames = BytesMut::new();
    let mut complete = Map::new();
    let mut failed = |code: &str, details: &str| {
        complete.insert("ErrorCode".to_owned(), json!(code));
        complete.insert("ErrorDetails".to_owned(), json!(details));
    };
    let log_tail = match outcome {
        Ok(InvokeOutcome {
            function_error: Some(error),
            payload,
            log_tail,
            ..
        }) => {
            failed(&error, &String::from_utf8_lossy(&payload));
            log_tail
        }
        Ok(InvokeOutcome {
            payload, log_tail, ..
        }) => {
            frames.extend_from_slice(&chunks(&payload));
            log_tail
        }
        // The head of the response has gone: an error can only be told here.
        Err(error) => {
            failed(error.name, error.message.as_deref().unwrap_or_default());
            Vec::new()
        }
    };
    if with_log {
        complete.insert("LogResult".to_owned(), json!(STANDARD.encode(log_tail)));
    }
    frame(
        &mut frames,
        "InvokeComplete",
        "application/json",
        Value::Object(complete).to_string().as_bytes(),
    );
    frames.freeze()
}

/// Returns a piece of an answer as frames.
fn chunks(piece: &[u8]) -> Bytes {
    let mut frames = BytesMut::new();
    for chunk in piece.chunks(CHUNK) {
        frame(
            &mut frames,
            "PayloadChunk",
            "application/octet-stream",
            chunk,
        );
    }
    frames.freeze()
}

fn frame(out: &mut BytesMut, event: &str, content_type: &str, payload: &[u8]) {
    let mut headers = BytesMut::new();
    for (name, value) in [
        (":message-type", "event"),
        (":event-type", event),
        (":content-type", content_type),
    ] {
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
