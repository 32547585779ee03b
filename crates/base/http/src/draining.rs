//! How answers without an end learn that the server stops.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::watch;

/// Tells when the server stops. It can be extracted by handlers: whoever answers without an end should end then, since
/// the server waits for all answers before it stops.
#[derive(Debug, Clone, Default)]
pub struct Draining(Option<watch::Receiver<bool>>);

impl Draining {
    pub(crate) fn new(stopping: watch::Receiver<bool>) -> Self {
        Self(Some(stopping))
    }

    /// Whether the server stops.
    pub fn has_begun(&self) -> bool {
        self.0.as_ref().is_some_and(|stopping| *stopping.borrow())
    }

    /// Is done when the server stops; without a server, as in tests of a router alone, never.
    pub async fn begun(self) {
        match self.0 {
            // An error says that the server is gone.
            Some(mut stopping) => drop(stopping.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Draining {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn draining_begins_when_the_server_stops_or_is_gone() {
        let (stop, stopping) = watch::channel(false);
        let draining = Draining::new(stopping);
        assert!(!draining.has_begun() && draining.clone().begun().now_or_never().is_none());
        stop.send_replace(true);
        assert!(draining.has_begun() && draining.begun().now_or_never().is_some());
        let (stop, stopping) = watch::channel(false);
        drop(stop);
        assert!(Draining::new(stopping).begun().now_or_never().is_some());
        assert!(Draining::default().begun().now_or_never().is_none());
    }
}
