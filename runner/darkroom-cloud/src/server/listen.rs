//! Accepting connections and ending them: HTTP/1.1 with keep-alive, one task a connection, a
//! graceful stop.

use super::dispatch::Services;
use super::framing::Framing;
use crate::lineage::Working;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long open requests may take to finish once the server stops.
const GRACE: Duration = Duration::from_secs(3);

/// How long a client may take to send a request's headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// The accepting task and the switch that ends it.
pub(crate) struct Server {
    stop: watch::Sender<bool>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers on `listener` until [`Server::finish`].
    pub fn start(listener: TcpListener, services: Arc<Services>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, services, stopped));
        Self { stop, accepting }
    }

    /// Returns the switch that turns true when the server stops.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Takes no further connection; requests in progress continue.
    pub fn stop_accepting(&self) {
        self.stop.send_replace(true);
    }

    /// Waits until the open requests are answered, or cuts them off after [`GRACE`].
    pub async fn finish(self) {
        self.stop.send_replace(true);
        // The task ends by itself and cannot be cancelled from elsewhere; a panic in it was already
        // reported.
        let _ = self.accepting.await;
    }
}

async fn accept(listener: TcpListener, services: Arc<Services>, stopped: watch::Receiver<bool>) {
    let mut stop = stopped.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&services), stopped.clone(), None));
                }
                // Out of file descriptors, or the client left first: neither may end the server.
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            () = until_true(&mut stop) => break,
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, drained).await;
    connections.shutdown().await;
}

/// Serves one connection until the client closes it, or until the request in progress at the stop
/// is answered.
///
/// `working` says what the environment that it comes from works on; clients outside of one have
/// none.
pub(crate) async fn serve(
    stream: TcpStream,
    services: Arc<Services>,
    mut stopped: watch::Receiver<bool>,
    working: Option<Working>,
) {
    if stream.set_nodelay(true).is_err() {
        return; // the client is gone
    }
    let service = service_fn(move |request| {
        let services = Arc::clone(&services);
        let inside = working.clone();
        async move { Ok::<_, std::convert::Infallible>(services.answer(request, inside).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(Framing::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return, // an error here is the client's: it hung up or spoke no HTTP
        () = until_true(&mut stopped) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// Returns once the switch is on, or its owner is gone.
async fn until_true(switch: &mut watch::Receiver<bool>) {
    let _ = switch.wait_for(|on| *on).await;
}
