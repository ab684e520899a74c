//! A scripted OpenAI-compatible endpoint on loopback: gives what a story tells it to, and remembers what it was asked.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value as Json, json};
use tokio::runtime::Runtime;

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
        self.body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap()
    }
}

#[derive(Default)]
struct Script {
    replies: VecDeque<Reply>,
    asked: Vec<Asked>,
}

/// Serves until dropped.
pub struct Endpoint {
    url: String,
    script: Arc<Mutex<Script>>,
    /// Its tasks end with it.
    _runtime: Runtime,
}

impl Endpoint {
    /// Gives these replies in this order; after the last one, errors of its own.
    pub fn new(replies: Vec<Reply>) -> Self {
        let script = Arc::new(Mutex::new(Script { replies: replies.into(), asked: Vec::new() }));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(Arc::clone(&script));
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, script, _runtime: runtime }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }
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

async fn answer(State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization =
        headers.get("authorization").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    let reply = {
        let mut script = script.lock().unwrap();
        script.asked.push(Asked { authorization, body: serde_json::from_slice(&body).unwrap() });
        script.replies.pop_front()
    };
    match reply {
        Some(Reply::Text(text)) => completion(&text, &[]).into_response(),
        Some(Reply::Body(body)) => body.into_response(),
        Some(Reply::Status(status, headers, body)) => {
            let mut response = (StatusCode::from_u16(status).unwrap(), body).into_response();
            for (name, value) in headers {
                response.headers_mut().insert(name, value.parse().unwrap());
            }
            response
        }
        Some(Reply::Hang) => std::future::pending().await,
        None => (StatusCode::BAD_REQUEST, json!({ "error": { "message": "the script is at its end" } }).to_string())
            .into_response(),
    }
}
