//! One page in the browser. Everything that is asked of it has a time limit.

use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::cdp::browser_protocol::network::{EventResponseReceived, ResourceType, Response};
use chromiumoxide::listeners::EventStream;
use chromiumoxide::page::Page;
use futures_util::StreamExt;
use reqwest::Url;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};

use super::session::Session;
use super::{Browser, limited};
use crate::SourceError;

/// How often it is looked whether something has appeared.
pub(super) const LOOK: Duration = Duration::from_millis(50);

/// When the browser has given up loading a page, it has told what it knows by then.
const HEAD: Duration = Duration::from_secs(1);

/// A page that does not close by then ends with its browser.
const CLOSING: Duration = Duration::from_secs(5);

/// An open page. It is closed with this value.
#[derive(Debug)]
pub(super) struct Tab {
    name: &'static str,
    url: Url,
    patience: Duration,
    page: Page,
    /// One of the pages that may be open at once.
    turn: Option<OwnedSemaphorePermit>,
    _session: Arc<Session>,
}

impl Tab {
    /// Opens a page for the source of this name, as robots.txt and the pace of its host allow it.
    pub(super) async fn open(browser: &Browser, name: &'static str, url: Url) -> Result<Self, SourceError> {
        let refused = |error| SourceError::Fetch { name, error: Box::new(error) };
        let turn = browser.turn().await;
        let visit = browser.fetcher().may_visit(&url).await.map_err(refused)?;
        let session = browser.session();
        let page = session.page(browser.config(), browser.fetcher().user_agent()).await;
        let page = page.map_err(|reason| later(name, &format!("the browser does not work: {reason}")))?;
        let patience = browser.config().patience;
        let tab = Self { name, url, patience, page, turn, _session: session };
        let response = tab.load().await?;
        let status = u16::try_from(response.status).unwrap_or_default();
        visit.answered(status, retry_after(&response).as_deref()).map_err(refused)?;
        // Its place is free before another one is asked for.
        drop(visit);
        if let Some(elsewhere) = tab.redirected(&response) {
            browser.fetcher().may_visit(&elsewhere).await.map_err(refused)?;
        }
        Ok(tab)
    }

    /// Where it has been led to, which its own robots.txt has to allow.
    fn redirected(&self, response: &Response) -> Option<Url> {
        Url::parse(&response.url).ok().filter(|url| *url != self.url)
    }

    /// Loads its page; the head of the answer. Pictures may be missing then.
    async fn load(&self) -> Result<Box<Response>, SourceError> {
        let answers = limited(self.patience, self.page.event_listener::<EventResponseReceived>()).await;
        let answers = answers.map_err(|reason| self.later(&reason))?;
        let loaded = limited(self.patience, self.page.goto(self.url.as_str())).await;
        // It may never be complete and show enough.
        let answer = timeout(HEAD, document(answers)).await.ok().flatten();
        answer.ok_or_else(|| self.later(&loaded.err().unwrap_or_default()))
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// Something that has not appeared in this time will not appear.
    pub(super) const fn patience(&self) -> Duration {
        self.patience
    }

    /// A page that has shown nothing new for so long has nothing new.
    pub(super) fn calm(&self) -> Duration {
        self.patience / 4
    }

    /// What a script says.
    pub(super) async fn evaluate<T: DeserializeOwned>(&self, script: &str) -> Result<T, SourceError> {
        let result = limited(self.patience, self.page.evaluate_expression(script)).await;
        let value = result.map(|result| result.value().cloned().unwrap_or_default());
        let read = value.and_then(|value| serde_json::from_value(value).map_err(|error| error.to_string()));
        read.map_err(|reason| self.later(&reason))
    }

    /// Runs a script again and again until it says something, for so long.
    pub(super) async fn until<T: DeserializeOwned>(
        &self,
        script: &str,
        patience: Duration,
    ) -> Result<Option<T>, SourceError> {
        let begun = Instant::now();
        loop {
            match self.evaluate(script).await? {
                None if begun.elapsed() < patience => sleep(LOOK).await,
                said => return Ok(said),
            }
        }
    }

    /// Waits for an element; says whether it has come.
    pub(super) async fn appears(&self, selector: &str, patience: Duration) -> Result<bool, SourceError> {
        let script = format!("document.querySelector({}) && true", literal(selector));
        Ok(self.until::<bool>(&script, patience).await?.is_some())
    }

    /// Clicks on an element as somebody with a mouse would.
    pub(super) async fn click(&self, selector: &str) -> Result<(), SourceError> {
        let clicking = async { self.page.find_element(selector).await?.click().await.map(drop) };
        limited(self.patience, clicking).await.map_err(|reason| self.later(&reason))
    }

    /// Presses a key.
    pub(super) async fn press(&self, key: &str) -> Result<(), SourceError> {
        let pressing = async { self.page.find_element("body").await?.press_key(key).await.map(drop) };
        limited(self.patience, pressing).await.map_err(|reason| self.later(&reason))
    }

    /// The page is not what the source knows: somebody has to look at it.
    pub(super) async fn unknown(&self, missing: &str) -> SourceError {
        let title: String = self.evaluate("document.title.slice(0, 100)").await.unwrap_or_default();
        let reason = format!(
            "{missing} within {} s on {} (“{title}”): it may ask for consent, want to see a person, or have changed; look \
             at it with `--no-gui false`, or ask another source",
            self.patience.as_secs_f32(),
            self.url,
        );
        SourceError::Answer { name: self.name, reason, is_transient: false }
    }

    fn later(&self, reason: &str) -> SourceError {
        later(self.name, &format!("{}: {reason}", self.url))
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        let (page, turn) = (self.page.clone(), self.turn.take());
        // Without a runtime the browser ends, too.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                let _ = timeout(CLOSING, page.close()).await;
                drop(turn);
            });
        }
    }
}

fn later(name: &'static str, reason: &str) -> SourceError {
    SourceError::Answer { name, reason: reason.to_owned(), is_transient: true }
}

/// The head of the page itself, not of what is on it.
async fn document(mut answers: EventStream<EventResponseReceived>) -> Option<Box<Response>> {
    while let Some(answer) = answers.next().await {
        if answer.r#type == ResourceType::Document {
            return Some(Box::new(answer.response.clone()));
        }
    }
    None
}

fn retry_after(response: &Response) -> Option<String> {
    let headers = response.headers.inner().as_object()?;
    let (_, value) = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    value.as_str().map(str::to_owned)
}

/// A text as scripts write it.
pub(super) fn literal(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
