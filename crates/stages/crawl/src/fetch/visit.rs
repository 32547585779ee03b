//! Pages that are opened by other means than the fetcher.

use std::sync::Arc;

use reqwest::{StatusCode, Url};

use super::FetchError;
use super::hosts::{Host, Pass};
use super::wait::asked_for;
use super::web::Web;

/// A page that may be opened now. It counts as a request in flight to its host as long as this lives.
#[derive(Debug)]
pub struct Visit {
    web: Arc<Web>,
    url: Url,
    host: Arc<Host>,
    _pass: Pass,
}

impl Visit {
    pub(super) async fn begin(web: Arc<Web>, url: Url) -> Result<Self, FetchError> {
        match web.let_visit(&url).await {
            Ok((host, pass)) => Ok(Self { web, url, host, _pass: pass }),
            Err(trouble) => Err(trouble.into_error(url, false)),
        }
    }

    /// Takes note of what the host has answered; one that asks for a pause (`Retry-After`) gets it.
    ///
    /// # Errors
    /// When it is no good answer: [`FetchError::Failed`] where it may be one later.
    pub fn answered(&self, status: u16, retry_after: Option<&str>) -> Result<(), FetchError> {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        let judged = self.web.judge_visit(status, retry_after.and_then(asked_for), &self.host);
        judged.map_err(|trouble| trouble.into_error(self.url.clone(), false))
    }
}
