//! The one event stream of a run: execution emits; the journal and the display receive.
//!
//! Writing and drawing happen on their own threads, outside of the timed part. If the journal
//! cannot be written, the run stops; if the display cannot keep up or is gone, it continues.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use darkroom_core::event::Event;
use tokio::sync::oneshot;

use super::journal::{Journal, JournalError};

enum Message {
    Fact(Arc<Event>),
    /// Answered when everything before it has been handed to the operating system.
    Barrier(oneshot::Sender<()>),
}

/// Where execution puts its facts. Cheap to clone.
#[derive(Clone)]
pub struct Emitter {
    facts: mpsc::Sender<Message>,
    failure: Arc<Mutex<Option<JournalError>>>,
}

/// The recording has stopped; the reason is what [`Recorder::finish`] returns.
#[derive(Debug, thiserror::Error)]
#[error("the journal cannot be written")]
pub struct RecordingStopped;

impl Emitter {
    /// Hands a fact to the journal and the display without waiting for either.
    pub fn emit(&self, event: Event) {
        // A closed channel means the writer has failed: the next `settle` says so.
        let _ = self.facts.send(Message::Fact(Arc::new(event)));
    }

    /// Waits until every fact emitted so far is in the journal and with the observers.
    pub async fn settle(&self) -> Result<(), RecordingStopped> {
        let (done, written) = oneshot::channel();
        self.facts
            .send(Message::Barrier(done))
            .map_err(|_| RecordingStopped)?;
        written.await.map_err(|_| RecordingStopped)?;
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.is_some() {
            Err(RecordingStopped)
        } else {
            Ok(())
        }
    }
}

impl Emitter {
    /// Returns an emitter whose facts go to `take` instead of a journal; it ends when every copy of
    /// it is gone.
    pub fn to(mut take: impl FnMut(Arc<Event>) + Send + 'static) -> (Self, JoinHandle<()>) {
        let (facts, received) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            for message in received {
                match message {
                    Message::Fact(event) => take(event),
                    Message::Barrier(done) => {
                        let _ = done.send(());
                    }
                }
            }
        });
        (
            Self {
                facts,
                failure: Arc::new(Mutex::new(None)),
            },
            thread,
        )
    }
}

/// The threads behind an [`Emitter`].
pub struct Recorder {
    writer: JoinHandle<()>,
    emitter: Emitter,
}

impl Recorder {
    /// Starts recording into `journal`; each recorded fact is then sent to the observers.
    pub fn start(mut journal: Journal, observers: Vec<mpsc::Sender<Arc<Event>>>) -> Self {
        let (facts, received) = mpsc::channel();
        let failure = Arc::new(Mutex::new(None));
        let emitter = Emitter {
            facts,
            failure: failure.clone(),
        };
        let writer = std::thread::spawn(move || {
            for message in received {
                match message {
                    Message::Fact(event) => {
                        if let Err(error) = journal.append(&event) {
                            *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                            return;
                        }
                        for observer in &observers {
                            let _ = observer.send(event.clone());
                        }
                    }
                    Message::Barrier(done) => {
                        let _ = done.send(());
                    }
                }
            }
            if let Err(error) = journal.sync() {
                *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        });
        Self { writer, emitter }
    }

    pub fn emitter(&self) -> Emitter {
        self.emitter.clone()
    }

    /// Waits for the last fact and returns why the journal could not be written, if it could not.
    ///
    /// Every [`Emitter`] must be gone by then, or this waits for it.
    pub fn finish(self) -> Result<(), JournalError> {
        let Self { writer, emitter } = self;
        let failure = emitter.failure.clone();
        drop(emitter);
        writer.join().expect("the writer thread does not panic");
        failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .map_or(Ok(()), Err)
    }
}
