//! Gives refused connections a body: `hyper` answers bytes that are not HTTP with an empty 4xx, but
//! AWS clients read a body with an error name.
//!
//! Checks only the first bytes of each write; our own answers always carry an AWS request id and
//! pass unchanged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `stream`, with `hyper`'s own refusals put in AWS's form.
pub(crate) struct Framing<S> {
    stream: S,
    /// A refusal on its way out, and how much of it has gone.
    refusal: Vec<u8>,
    sent: usize,
}

impl<S> Framing<S> {
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            refusal: Vec::new(),
            sent: 0,
        }
    }
}

impl<S: AsyncWrite + Unpin> Framing<S> {
    /// Takes the bytes over if they are a refusal of `hyper`'s.
    fn takes(&mut self, bytes: &[u8]) -> bool {
        let Some(refusal) = reworded(bytes) else {
            return false;
        };
        self.refusal.extend(refusal.into_bytes());
        true
    }

    fn poll_refusal(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.refusal.len() {
            let sent =
                ready!(Pin::new(&mut self.stream).poll_write(context, &self.refusal[self.sent..]))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += sent;
        }
        Poll::Ready(Ok(()))
    }
}

/// Returns the refusal with a name and a reason, if `bytes` are an answer that has neither.
fn reworded(bytes: &[u8]) -> Option<String> {
    if !bytes.starts_with(b"HTTP/1.1 4") {
        return None;
    }
    let head = std::str::from_utf8(bytes)
        .ok()
        .filter(|head| head.ends_with("\r\n\r\n"))?
        .to_ascii_lowercase();
    if head.contains("\r\nx-amz") || !head.contains("content-length: 0\r\n") {
        return None;
    }
    let status = std::str::from_utf8(bytes).ok()?.lines().next()?.trim_end();
    let message = match status.split(' ').nth(1) {
        Some("414") => "The request's address is too long.",
        Some("431") => "The request's headers are too many or too long.",
        Some("408") => "The request's headers did not arrive in time.",
        _ => {
            "The local cloud cannot read this request as HTTP/1.1: its first line, a header or \
             its length is malformed."
        }
    };
    let body =
        serde_json::json!({ "__type": "SerializationException", "message": message }).to_string();
    Some(format!(
        "{status}\r\nx-amzn-errortype: SerializationException\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    ))
}

impl<S: AsyncRead + Unpin> AsyncRead for Framing<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Framing<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        if self.takes(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_refusal(context))?;
        if let [only] = slices
            && self.takes(only)
        {
            return Poll::Ready(Ok(only.len()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_refusal(context))?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_refusal_gets_a_name_and_a_reason() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let text = reworded(bare).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\nx-amzn-errortype: "),
            "{text}"
        );
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{text}"
        );
        assert!(body.contains("headers are too many"), "{text}");
    }

    #[test]
    fn our_own_answers_pass_unchanged() {
        for own in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 404 Not Found\r\nx-amz-request-id: R\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 404 Not Found\r\ncontent-length: 7\r\n\r\nmissing",
            b"HTTP/1.1 4",
        ] {
            assert_eq!(reworded(own), None, "{}", String::from_utf8_lossy(own));
        }
    }
}
