//! One question to an OpenAI-compatible chat endpoint, through `async-openai`.
//!
//! Messages → [`ModelAnswer`], or the error ([`AskError`]). The client waits out rate limits as the
//! endpoint asks (Retry-After), tries again if the endpoint is overloaded, unreachable or hangs up
//! before it answers, and gives up when the model's time is over. The key goes into the request's
//! header and nowhere else: not into an error, an answer or a file.
//!
//! Every request has its own connection. Between two requests a check may run for minutes; a server
//! or router closes idle connections, often without notice. A connection costs milliseconds, an
//! answer seconds.

use std::collections::BTreeMap;
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use darkroom_core::models::Model;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Mutex;

use crate::error_text::causes;
use crate::provenance::{Answered, hash};

/// Longest part of a foreign text that an error quotes, characters.
const QUOTED: usize = 300;

/// Times that one ask is sent where connections end before an answer has begun.
const SENT_AT_MOST: u32 = 3;
/// Pause before it is sent again: a server that restarts closes what it has, and listens again.
const PAUSE: Duration = Duration::from_millis(500);

/// A model that can be asked.
pub struct Endpoint<'a> {
    model: &'a Model,
    client: Client<OpenAIConfig>,
    key: String,
    runtime: Runtime,
    /// One stream for all questions, so that a Ctrl-C between two of them is not lost. `None` where
    /// there can be none: then a Ctrl-C ends the process.
    interrupts: Mutex<Option<Signal>>,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    role: &'static str,
    pub content: String,
}

/// What a model answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelAnswer {
    /// As given, word for word.
    pub text: String,
    /// The model that the endpoint says answered.
    pub model: String,
    pub id: Option<String>,
    pub finish_reason: Option<String>,
    /// The model's or the endpoint's words when it declines.
    pub refusal: Option<String>,
    pub input_tokens: Option<u64>,
    /// Reasoning tokens included.
    pub output_tokens: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("the endpoint refused the key (HTTP {status}): {message}")]
    Key { status: u16, message: String },
    #[error("the endpoint does not know the model (HTTP 404): {message}")]
    NoModel { message: String },
    #[error("the endpoint still limits requests after several tries (HTTP 429): {message}")]
    Limit { message: String },
    #[error("the endpoint fails (HTTP {status}): {message}")]
    Server { status: u16, message: String },
    #[error("the endpoint refused the request (HTTP {status}): {message}")]
    Request { status: u16, message: String },
    #[error("no answer within {seconds} s")]
    Timeout { seconds: u64 },
    #[error("the connection broke in the middle of the answer: {message}")]
    Cut { message: String },
    #[error("cannot reach the endpoint: {message}")]
    Unreachable { message: String },
    #[error("the answer is not a chat completion: {message}")]
    Malformed { message: String },
    #[error("the endpoint sends its answer in pieces, which was not asked for")]
    Streams,
    #[error("the answer repeats the key, so it was not stored")]
    KeyInAnswer,
    #[error("interrupted")]
    Interrupted,
}

impl AskError {
    /// Names it in a few words, for a line of progress.
    pub const fn in_short(&self) -> &'static str {
        match self {
            Self::Key { .. } => "refused key",
            Self::NoModel { .. } => "unknown model",
            Self::Limit { .. } => "rate limit",
            Self::Server { .. } => "fault of the endpoint",
            Self::Request { .. } => "refused request",
            Self::Timeout { .. } => "no answer in time",
            Self::Cut { .. } => "half an answer",
            Self::Unreachable { .. } => "endpoint down",
            Self::Malformed { .. } | Self::Streams => "not a chat completion",
            Self::KeyInAnswer => "answer with the key in it",
            Self::Interrupted => "interrupted",
        }
    }
}

impl ModelAnswer {
    /// What is known of it beside its text, as far as the answer itself tells.
    pub fn known(&self) -> Answered {
        Answered {
            model_answered: self.model.clone(),
            response_id: self.id.clone(),
            finish_reason: self.finish_reason.clone(),
            refusal: self.refusal.clone(),
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            answer_sha256: hash(self.text.as_bytes()),
            ..Answered::default()
        }
    }

    /// What it says in a conversation that goes on: its text, or its refusal.
    pub fn said(&self) -> String {
        match &self.refusal {
            Some(words) if self.text.trim().is_empty() => words.clone(),
            _ => self.text.clone(),
        }
    }
}

impl Message {
    /// What the model is told before anyone asks.
    pub fn system(content: &str) -> Self {
        Self {
            role: "system",
            content: content.to_owned(),
        }
    }

    pub fn user(content: &str) -> Self {
        Self {
            role: "user",
            content: content.to_owned(),
        }
    }

    pub fn assistant(content: &str) -> Self {
        Self {
            role: "assistant",
            content: content.to_owned(),
        }
    }
}

impl<'a> Endpoint<'a> {
    /// Makes ready to ask; nothing is sent. `key` is printable ASCII, or empty.
    pub fn new(model: &'a Model, key: &str, runtime: Runtime) -> Result<Self, reqwest::Error> {
        let config = OpenAIConfig::new()
            .with_api_base(model.base_url.trim_end_matches('/'))
            .with_api_key(key)
            // Those of OPENAI_ORG_ID and OPENAI_PROJECT_ID are no other vendor's business.
            .with_org_id("")
            .with_project_id("");
        // Fails where one is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()?;
        let client = Client::with_config(config).with_http_client(http);
        let interrupts = {
            let _inside = runtime.enter();
            signal(SignalKind::interrupt()).ok()
        };
        Ok(Self {
            model,
            client,
            key: key.to_owned(),
            runtime,
            interrupts: Mutex::new(interrupts),
        })
    }

    /// Sends the conversation and waits for the answer, retries included, for the model's
    /// `timeout_s` at most.
    pub fn ask(&self, messages: &[Message]) -> Result<ModelAnswer, AskError> {
        let mut request = self.model.parameters.clone();
        request.insert("model".to_owned(), self.model.id.clone().into());
        request.insert(
            "messages".to_owned(),
            serde_json::to_value(messages).expect("messages are plain texts"),
        );
        let seconds = self.model.timeout_s;
        let response = self.runtime.block_on(async {
            let asked = self.sent(Value::Object(request));
            tokio::select! {
                // First: who was interrupted asks nothing.
                biased;
                () = self.interrupted() => None,
                answered = tokio::time::timeout(Duration::from_secs(seconds), asked) => Some(answered),
            }
        });
        match response {
            None => Err(AskError::Interrupted),
            Some(Err(_)) => Err(AskError::Timeout { seconds }),
            Some(Ok(Err(error))) => Err(self.ask_error(&error)),
            Some(Ok(Ok(json))) => self.read(json),
        }
    }

    /// Waits for a Ctrl-C, one since the last question included.
    async fn interrupted(&self) {
        match &mut *self.interrupts.lock().await {
            Some(interrupts) => {
                interrupts.recv().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Sends a request, and again where the connection ended before an answer began.
    ///
    /// Whether the endpoint had begun to work on it can't be known; the vendors' own clients send
    /// it again too.
    async fn sent(&self, request: Value) -> Result<Value, OpenAIError> {
        let mut times = 1;
        loop {
            let answered = match request.get("stream") {
                Some(Value::Bool(true)) => self.streamed(request.clone()).await,
                _ => self.client.chat().create_byot(request.clone()).await,
            };
            match answered {
                Err(error) if times < SENT_AT_MOST && no_answer_began(&error) => times += 1,
                answered => return answered,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends a request whose answer comes in pieces; returns the completion that they make.
    async fn streamed(&self, request: Value) -> Result<Value, OpenAIError> {
        let chat = self.client.chat();
        let mut chunks = chat.create_stream_byot::<_, Value>(request).await?;
        let mut whole = Pieces::default();
        while let Some(chunk) = chunks.next().await {
            whole.add(&chunk?);
        }
        Ok(whole.completion())
    }

    fn ask_error(&self, error: &OpenAIError) -> AskError {
        match error {
            OpenAIError::ApiError(response) => {
                let (status, message) = (
                    response.status_code.as_u16(),
                    self.quoted(&response.api_error.to_string()),
                );
                match status {
                    401 | 403 => AskError::Key { status, message },
                    404 => AskError::NoModel { message },
                    429 => AskError::Limit { message },
                    500.. => AskError::Server { status, message },
                    _ => AskError::Request { status, message },
                }
            }
            OpenAIError::JSONDeserialize(_, text) if text.trim_start().starts_with("data:") => {
                AskError::Streams
            }
            OpenAIError::JSONDeserialize(_, text) => AskError::Malformed {
                message: self.quoted(text),
            },
            OpenAIError::Reqwest(cut) if cut.is_body() || cut.is_decode() => AskError::Cut {
                message: self.quoted(&causes(cut)),
            },
            other => AskError::Unreachable {
                message: self.quoted(&causes(other)),
            },
        }
    }

    fn read(&self, json: Value) -> Result<ModelAnswer, AskError> {
        let shown = json.to_string();
        if !self.key.is_empty() && shown.contains(&self.key) {
            return Err(AskError::KeyInAnswer);
        }
        let malformed = || AskError::Malformed {
            message: self.quoted(&shown),
        };
        let completion: Completion = serde_json::from_value(json).map_err(|_| malformed())?;
        let choice = completion
            .choices
            .into_iter()
            .next()
            .ok_or_else(malformed)?;
        let usage = completion.usage.unwrap_or_default();
        Ok(ModelAnswer {
            text: choice
                .message
                .content
                .map_or_else(String::new, Content::text),
            model: completion.model,
            id: completion.id,
            finish_reason: choice.finish_reason,
            refusal: choice
                .message
                .refusal
                .filter(|words| !words.trim().is_empty()),
            input_tokens: usage.prompt_tokens,
            output_tokens: usage.completion_tokens,
        })
    }

    /// A foreign text as an error may quote it: short, one line, without the key.
    fn quoted(&self, text: &str) -> String {
        let text = match self.key.as_str() {
            "" => text.to_owned(),
            key => text.replace(key, "[key]"),
        };
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(QUOTED) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None if line.is_empty() => "(nothing)".to_owned(),
            None => line,
        }
    }
}

/// Whether a request ended without a byte of an answer, on a connection that had been made. One
/// that can't be made has been tried again already.
fn no_answer_began(error: &OpenAIError) -> bool {
    matches!(error, OpenAIError::Reqwest(error) if error.is_request() && !error.is_connect() && !error.is_timeout())
}

/// The parts of a chat completion that are read; vendors add others and leave some out.
#[derive(Deserialize)]
struct Completion {
    id: Option<String>,
    model: String,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Said,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<Content>,
    refusal: Option<String>,
}

/// A text, or parts of one; parts of other kinds (thoughts, for example) are no answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

impl Content {
    fn text(self) -> String {
        let of_part = |part: Part| part.text.filter(|_| part.kind == "text");
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(of_part).collect(),
        }
    }
}

#[derive(Default, Deserialize)]
struct Usage {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

/// The pieces of an answer that an endpoint streams.
#[derive(Default)]
struct Pieces {
    text: String,
    refusal: String,
    /// The latest that was said of each: most pieces leave them out, or empty.
    said: BTreeMap<&'static str, Value>,
}

impl Pieces {
    fn add(&mut self, chunk: &Value) {
        let choice = &chunk["choices"][0];
        self.text += choice["delta"]["content"].as_str().unwrap_or_default();
        self.refusal += choice["delta"]["refusal"].as_str().unwrap_or_default();
        let of_chunk = ["id", "model", "usage"].map(|name| (name, &chunk[name]));
        let of_choice = [("finish_reason", &choice["finish_reason"])];
        for (name, value) in of_chunk.into_iter().chain(of_choice) {
            if !value.is_null() {
                self.said.insert(name, value.clone());
            }
        }
    }

    /// What the endpoint would have sent as a whole.
    fn completion(mut self) -> Value {
        let mut take = |name| self.said.remove(name).unwrap_or_default();
        json!({
            "id": take("id"),
            "model": take("model"),
            "usage": take("usage"),
            "choices": [{
                "message": { "content": self.text, "refusal": self.refusal },
                "finish_reason": take("finish_reason"),
            }],
        })
    }
}
