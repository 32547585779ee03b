//! One browser for all who look at pages at the same time.

use std::sync::Arc;
use std::time::Duration;

use chromiumoxide::Browser as Driver;
use chromiumoxide::cdp::browser_protocol::target::CreateTargetParams;
use chromiumoxide::handler::HandlerConfig;
use chromiumoxide::page::Page;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::process::{Process, Start};
use super::{BrowserConfig, limited};
use crate::Held;
use crate::fetch::Door;

/// The browser of those who hold it: started when the first page is opened, ended when nobody holds it any more.
#[derive(Debug, Default)]
pub(super) struct Session(Mutex<Option<Running>>);

#[derive(Debug)]
struct Running {
    driver: Driver,
    /// Carries what it is told and what it answers. It ends when the browser's end of the connection does.
    talk: JoinHandle<()>,
    process: Process,
    _door: Door,
}

impl Session {
    /// An empty page. A browser that has crashed is replaced.
    pub(super) async fn page(&self, config: &BrowserConfig, user_agent: &str) -> Result<Page, String> {
        let mut slot = self.0.lock().await;
        let running = match slot.take().filter(Running::goes_on) {
            Some(running) => slot.insert(running),
            None => slot.insert(Running::start(config, user_agent).await?),
        };
        running.page(config.patience).await
    }

    async fn end(self) {
        if let Some(running) = self.0.into_inner() {
            running.process.end().await;
        }
    }
}

impl Held for Arc<Session> {
    fn let_go(self: Box<Self>) -> BoxFuture<'static, ()> {
        async move {
            // Others end it when they let go of it.
            if let Some(session) = Arc::into_inner(*self) {
                session.end().await;
            }
        }
        .boxed()
    }
}

impl Running {
    async fn start(config: &BrowserConfig, user_agent: &str) -> Result<Self, String> {
        let door = Door::open(&config.trusted_hosts).await;
        let door = door.map_err(|error| format!("no proxy for it: {error}"))?;
        let BrowserConfig { executable, headless, .. } = config;
        let start = Start { executable, headless: *headless, user_agent, proxy: door.address() };
        let process = Process::start(&start).await?;
        let settings = HandlerConfig {
            // Certificates mean what they say.
            ignore_https_errors: false,
            viewport: None,
            request_timeout: config.patience,
            ..HandlerConfig::default()
        };
        let connecting = Driver::connect_with_config(process.address.clone(), settings);
        let (driver, mut handler) = limited(config.patience, connecting).await?;
        let talk =
            tokio::spawn(async move { while handler.next().await.is_some_and(|event| event.is_ok()) {} });
        Ok(Self { driver, talk, process, _door: door })
    }

    fn goes_on(&self) -> bool {
        !self.talk.is_finished()
    }

    /// In a window of its own: a page behind another one is not painted, and does not notice that it is scrolled.
    async fn page(&self, patience: Duration) -> Result<Page, String> {
        let mut target = CreateTargetParams::new("about:blank");
        target.new_window = Some(true);
        limited(patience, self.driver.new_page(target)).await
    }
}
