//! The Lambda service, as the server and S3 use it.

use super::code::{Code, CodeStore};
use super::concurrency::Concurrency;
use super::environment::{Environments, MetricSink};
use super::invoker::{Event, Invoker};
use super::location::Locations;
use super::names::{self, Home};
use super::objects::Objects;
use super::store::FunctionStore;
use super::{api, function};
use crate::StartError;
use crate::access::Access;
use crate::keys::Keys;
use crate::lineage::Lineage;
use bytes::Bytes;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the control plane needs to know.
pub(crate) struct LambdaSettings {
    /// Where code and the function store live.
    pub folder: PathBuf,
    pub region: String,
    pub endpoint_url: String,
    pub retry_delays: Vec<Duration>,
    pub concurrent_executions: u32,
    pub environments: Arc<Environments>,
    pub metrics: Arc<dyn MetricSink>,
    pub objects: Arc<dyn Objects>,
    pub keys: Arc<Keys>,
    pub access: Access,
}

/// The Lambda service of one local cloud.
pub(crate) struct Lambda {
    pub(super) home: Home,
    pub(super) store: Arc<FunctionStore>,
    pub(super) code: CodeStore,
    pub(super) objects: Arc<dyn Objects>,
    pub(super) invoker: Arc<Invoker>,
    pub(super) locations: Locations,
    pub(super) concurrent_executions: u32,
    pub(super) keys: Arc<Keys>,
    pub(super) access: Access,
    pub(super) stop: watch::Sender<bool>,
}

/// Why an AWS service may not invoke a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotInvocable {
    /// The ARN is no function's ARN of this account and region.
    NotAFunction,
    /// There is no such function, version or alias.
    Missing,
    /// No statement of its policy allows it.
    NotAllowed,
}

impl Lambda {
    /// Loads the store, or starts with an empty one.
    pub fn open(settings: LambdaSettings) -> Result<Self, StartError> {
        let folder = settings.folder;
        let unusable = |source| StartError::DataDir {
            path: folder.clone(),
            source,
        };
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let code = CodeStore::open(folder.join("code")).map_err(unusable)?;
        let file = folder.join("functions.json");
        let store = FunctionStore::open(file.clone())
            .map_err(|source| StartError::Store { path: file, source })?;
        let store = Arc::new(store);
        let home = Home {
            region: settings.region,
            account_id: crate::ACCOUNT_ID.to_owned(),
        };
        let (stop, stopped) = watch::channel(false);
        let invoker = Invoker {
            home: home.clone(),
            store: Arc::clone(&store),
            code: code.clone(),
            environments: settings.environments,
            metrics: settings.metrics,
            concurrency: Concurrency::default(),
            pool: settings.concurrent_executions,
            retry_delays: settings.retry_delays,
            stopped,
        };
        Ok(Self {
            locations: Locations::new(settings.endpoint_url, &home),
            home,
            store,
            code,
            objects: settings.objects,
            invoker: Arc::new(invoker),
            concurrent_executions: settings.concurrent_executions,
            keys: settings.keys,
            access: settings.access,
            stop,
        })
    }

    /// Ends what waits in the queue: no further event is run.
    pub fn stop_queue(&self) {
        self.stop.send_replace(true);
    }

    /// Writes the store down.
    pub async fn close(&self) -> std::io::Result<()> {
        self.store.close().await
    }

    /// Returns a URL under which a zip can be read for ten minutes, as `GetFunction` gives it.
    pub(super) fn location(&self, code: &Code, kind: &str, name: &str) -> String {
        self.locations.url(kind, name, &code.sha256)
    }

    /// Begins to install what a runtime needs, so that the first invocation waits less. It will say
    /// so if this fails.
    pub(super) fn prepare(&self, runtime: &str) {
        let (environments, runtime) = (Arc::clone(&self.invoker.environments), runtime.to_owned());
        tokio::spawn(async move {
            if let Err(reason) = environments.prepare(&runtime).await {
                tracing::warn!("the runtime {runtime} is not ready yet: {reason}");
            }
        });
    }

    /// Ends the environments of a function that was deleted.
    pub(super) fn forget(&self, name: &str) {
        self.invoker
            .environments
            .retire(&self.home.function_arn(name));
    }

    /// Tells whether an AWS service may invoke a function for a source: S3 asks before it takes a
    /// notification.
    pub fn may_invoke(
        &self,
        arn: &str,
        service: &str,
        source_arn: &str,
    ) -> Result<(), NotInvocable> {
        let wanted = names::function_arn(&self.home, arn).ok_or(NotInvocable::NotAFunction)?;
        let records = self.store.read();
        let function = records
            .functions
            .get(&wanted.name)
            .ok_or(NotInvocable::Missing)?;
        function
            .version(wanted.qualifier.as_deref())
            .ok_or(NotInvocable::Missing)?;
        let key = wanted
            .qualifier
            .filter(|qualifier| qualifier != names::LATEST)
            .unwrap_or_default();
        let policy = function
            .policies
            .get(&key)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let allowed = api::allows(policy, service, source_arn, &self.home.account_id);
        allowed.then_some(()).ok_or(NotInvocable::NotAllowed)
    }

    /// Invokes a function asynchronously for an AWS service, as the next of `chain`. An unknown
    /// function is an error; all else is the queue's.
    pub fn invoke_event(
        &self,
        arn: &str,
        payload: Bytes,
        chain: Lineage,
    ) -> Result<(), NotInvocable> {
        let wanted = names::function_arn(&self.home, arn).ok_or(NotInvocable::NotAFunction)?;
        self.invoker
            .resolve(&wanted)
            .map_err(|_| NotInvocable::Missing)?;
        let event = Event {
            request_id: function::new_id(),
            payload,
            client_context: None,
            chain,
        };
        self.invoker.enqueue(wanted, event);
        Ok(())
    }
}
