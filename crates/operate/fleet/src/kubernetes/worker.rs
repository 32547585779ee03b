//! Asking workers what they do: `GET /v1/worker` at each pod.

use std::time::Duration;

use tracing::{debug, warn};

use super::error::KubernetesError;
use super::look::Seen;
use super::place::in_brackets;
use super::pod::Pod;
use crate::driver::State;
use crate::report::Activity;

/// A worker that has not answered within this time has something to do.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks workers what they do.
#[derive(Debug)]
pub(super) struct Workers {
    http: reqwest::Client,
    /// The port, where it is not the one that the pod names.
    port: Option<u16>,
    patience: Duration,
}

impl Workers {
    pub(super) fn new(port: Option<u16>) -> Result<Self, KubernetesError> {
        let builder = reqwest::Client::builder()
            .no_proxy()
            // A pod's address is another's soon.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none());
        let unfit = |error: reqwest::Error| KubernetesError::Server {
            server: "the workers".to_owned(),
            why: error.to_string(),
        };
        Ok(Self { http: builder.build().map_err(unfit)?, port, patience: PATIENCE })
    }

    pub(super) fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// What the worker of a pod does. Only one that says so is idle: whoever does not answer is not ended.
    pub(super) async fn see(&self, pod: Pod) -> Seen {
        let activity = match () {
            () if pod.is_ending() => Activity::of(State::Draining),
            () if !pod.is_ready() => Activity::of(State::Starting),
            () => self.ask(&pod).await.unwrap_or_else(|| Activity::of(State::Busy)),
        };
        Seen { pod, activity }
    }

    async fn ask(&self, pod: &Pod) -> Option<Activity> {
        let Some(port) = self.port.or_else(|| pod.admin_port()) else {
            warn!(
                pod = pod.name(),
                "nobody can ask the worker what it does, so it is not ended: name its port `admin`, or set `admin_port`"
            );
            return None;
        };
        let url = format!("http://{}:{port}/v1/worker", in_brackets(pod.ip()?));
        match self.answer(&url).await {
            Ok(activity) => Some(activity),
            Err(error) => {
                debug!(pod = pod.name(), %error, "the worker does not tell what it does");
                None
            }
        }
    }

    async fn answer(&self, url: &str) -> reqwest::Result<Activity> {
        self.http.get(url).timeout(self.patience).send().await?.error_for_status()?.json().await
    }
}
