//! A scripted OpenAI-compatible endpoint on loopback: gives what a story tells it to, and remembers
//! what it was asked.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value as Json, json};

/// What the endpoint does with one request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A chat completion of this text.
    Text(String),
    /// This body with status 200.
    Body(String),
    /// This status, headers and body.
    Status(u16, Vec<(&'static str, &'static str)>, String),
    /// Never answers.
    Hang,
    /// Closes the connection without a byte.
    HangUp,
    /// Begins an answer and closes the connection in its middle.
    Cut,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Asked {
    pub authorization: String,
    pub body: Json,
}

impl Asked {
    /// Content of the last message.
    pub fn words(&self) -> &str {
        self.body["messages"].as_array().unwrap().last().unwrap()["content"]
            .as_str()
            .unwrap()
    }
}

struct Script {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
    manners: Manners,
}

/// How the endpoint treats connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    /// Keeps them, and has errors of its own after the last reply.
    Good,
    /// Promises to keep them, and closes each after an answer, without a word.
    ClosesIdle,
    /// Listens no more after the last reply.
    Dies,
}

/// Serves until its last connection ends.
pub struct Endpoint {
    url: String,
    script: Arc<Mutex<Script>>,
}

impl Endpoint {
    /// Gives these replies in this order; after the last one, errors of its own.
    pub fn new(replies: Vec<Reply>) -> Self {
        Self::with(replies, Manners::Good)
    }

    pub fn that_closes_idle_connections(replies: Vec<Reply>) -> Self {
        Self::with(replies, Manners::ClosesIdle)
    }

    pub fn that_dies_after(replies: Vec<Reply>) -> Self {
        Self::with(replies, Manners::Dies)
    }

    fn with(replies: Vec<Reply>, manners: Manners) -> Self {
        let script = Arc::new(Mutex::new(Script {
            replies: replies.into(),
            asked: Vec::new(),
            manners,
        }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let told = Arc::clone(&script);
        std::thread::spawn(move || serve(&listener, &told));
        Self { url, script }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }
}

/// One connection after the other, until the script says that it dies.
fn serve(listener: &TcpListener, script: &Mutex<Script>) {
    for stream in listener.incoming() {
        // A client that goes away ends its connection and nothing else.
        let _ = connection(&stream.unwrap(), script);
        let script = script.lock().unwrap();
        if script.manners == Manners::Dies && script.replies.is_empty() {
            return;
        }
    }
}

fn connection(mut stream: &TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    while let Some(asked) = request(&mut lines)? {
        let (reply, manners) = {
            let mut script = script.lock().unwrap();
            script.asked.push(asked);
            (script.replies.pop_front(), script.manners)
        };
        let over = || json!({ "error": { "message": "the script is at its end" } }).to_string();
        let (status, headers, body) = match reply {
            Some(Reply::Text(text)) => (200, Vec::new(), completion(&text, &[])),
            Some(Reply::Body(body)) => (200, Vec::new(), body),
            Some(Reply::Status(status, headers, body)) => (status, headers, body),
            Some(Reply::Hang) => return lines.read_to_end(&mut Vec::new()).map(drop),
            Some(Reply::HangUp) => return Ok(()),
            Some(Reply::Cut) => {
                return stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{\"id\": ");
            }
            None => (400, Vec::new(), over()),
        };
        let headers = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect::<Vec<_>>()
            .concat();
        let length = body.len();
        stream.write_all(
            format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{headers}\r\n{body}")
                .as_bytes(),
        )?;
        if manners == Manners::ClosesIdle {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads one request; `None` where the client has closed the connection.
fn request(lines: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let (mut line, mut length, mut authorization) = (String::new(), 0, String::new());
    loop {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.parse().unwrap();
            }
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                value.clone_into(&mut authorization);
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    lines.read_exact(&mut body)?;
    Ok(Some(Asked {
        authorization,
        body: serde_json::from_slice(&body).unwrap(),
    }))
}

/// A chat completion as vendors spell it, with what a story changes in it.
pub fn completion(text: &str, changes: &[(&str, Json)]) -> String {
    let mut body = json!({
        "id": "scripted-1",
        "object": "chat.completion",
        "created": 1_764_000_000,
        "model": "scripted-model",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500 },
    });
    for (pointer, value) in changes {
        *body.pointer_mut(pointer).unwrap() = value.clone();
    }
    body.to_string()
}
