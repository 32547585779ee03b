//! The outside: asking it, with all tries, redirects and manners.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url, redirect, retry};
use tokio::time::{Instant, sleep, timeout};
use tracing::debug;

use super::answer::{Answer, explanation, read};
use super::call::{Call, Kind, bare};
use super::guard::{PublicOnly, Trusted, check};
use super::hosts::{self, Host, Pass, too_long};
use super::keyed::Keyed;
use super::metrics::Metrics;
use super::robots::{self, Origin, Rules};
use super::trouble::Trouble;
use super::wait::{back_off, retry_after};
use super::{FetchConfig, FetchError, opt_out};

/// RFC 9309 wants five followed.
const REDIRECTS: usize = 5;

/// Connections that nobody uses are closed before most servers do it, which would cost a try.
const IDLE: Duration = Duration::from_secs(15);

/// About so many hosts are remembered, each in a few bytes.
const HOSTS: usize = 1000;

/// About so many robots.txt are remembered, which may be large.
const ORIGINS: usize = 200;

/// Everybody who can be asked, and what is known of them.
#[derive(Debug)]
pub(super) struct Web {
    config: FetchConfig,
    /// Our name in robots.txt, in small letters.
    agent: String,
    trusted: Trusted,
    /// Connects to public addresses only.
    outside: Client,
    /// Connects to trusted hosts only.
    inside: Client,
    hosts: Keyed<Host>,
    robots: Keyed<Origin>,
    metrics: Metrics,
}

/// The way to an answer.
#[derive(Debug)]
struct Route {
    /// Where it has led to.
    url: Url,
    is_trusted: bool,
    /// Where it has been before.
    passed: Vec<Url>,
}

/// What one request brings.
enum Hop {
    Answer(Answer),
    /// It is elsewhere.
    Elsewhere(Url),
}

impl Web {
    pub(super) fn new(config: FetchConfig) -> reqwest::Result<Self> {
        Ok(Self {
            agent: product(&config.user_agent),
            trusted: Trusted::new(&config.trusted_hosts),
            outside: client(&config).dns_resolver(PublicOnly).build()?,
            inside: client(&config).build()?,
            hosts: Keyed::new(HOSTS, Host::is_waiting),
            robots: Keyed::new(ORIGINS, |_| false),
            metrics: Metrics::new(),
            config,
        })
    }

    /// What was fetched so far, in Prometheus' text format.
    pub(super) fn metrics(&self) -> String {
        self.metrics.render()
    }

    /// Asks until there is an answer that can be used, or no hope for one.
    pub(super) async fn fetch<T>(
        &self,
        call: &Call,
        accept: impl Fn(Answer) -> Result<T, Trouble>,
    ) -> Result<T, FetchError> {
        let (mut tried, mut passed) = (0, false);
        let outcome = loop {
            tried += 1;
            let trouble = match self.try_once(call).await.and_then(&accept) {
                Ok(value) => break Ok(value),
                Err(trouble) => trouble,
            };
            let (url, reason) = (call.shown_url(), trouble.reason());
            debug!(%url, kind = call.kind.name(), tried, reason, "not fetched");
            if tried >= self.config.tries || !trouble.may_pass() {
                break Err(trouble.into_error(url, passed));
            }
            passed |= trouble.is_passing();
            sleep(back_off(self.config.back_off, tried)).await;
        };
        self.metrics.count(call.kind, &outcome, tried);
        outcome
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, Trouble> {
        let mut route = self.begin(call);
        let mut left = self.config.timeout;
        loop {
            check(&route.url, route.is_trusted)?;
            let host = self.host(&route.url);
            if call.kind.asks_robots() {
                self.ask_robots(&route.url, &host).await?;
            }
            let pass = host.enter(self.config.max_wait).await?;
            // Waiting for one's turn is not the host's fault.
            let begun = Instant::now();
            let hop = timeout(left, self.hop(call, &route, &host)).await;
            drop(pass);
            match hop.map_err(|_| Trouble::passing("no answer in time"))?? {
                Hop::Answer(answer) => return Ok(answer),
                Hop::Elsewhere(url) => self.follow(&mut route, url)?,
            }
            left = left.saturating_sub(begun.elapsed());
        }
    }

    /// One request and its answer.
    async fn hop(&self, call: &Call, route: &Route, host: &Host) -> Result<Hop, Trouble> {
        let response = self.send(call, route).await.map_err(Trouble::of)?;
        if let Some(location) = location(&response) {
            return elsewhere(call, location).map(Hop::Elsewhere);
        }
        if !response.status().is_success() {
            return Err(self.refusal(call, response, host).await);
        }
        if call.kind == Kind::Picture {
            opt_out::check(response.headers(), &self.agent)?;
        }
        let bytes = read(response, call.kind, self.config.max_bytes).await?;
        debug!(url = %call.shown_url(), kind = call.kind.name(), bytes = bytes.len(), "fetched");
        Ok(Hop::Answer(Answer { bytes, url: route.url.clone() }))
    }

    async fn send(&self, call: &Call, route: &Route) -> reqwest::Result<Response> {
        let client = if route.is_trusted { &self.inside } else { &self.outside };
        let mut request =
            client.request(call.method.clone(), route.url.clone()).header(ACCEPT, call.kind.accepted());
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, body.media_type.clone()).body(body.bytes.clone());
        }
        request.send().await
    }

    /// What a status says that is not good, to us and to the host's other visitors.
    async fn refusal(&self, call: &Call, response: Response, host: &Host) -> Trouble {
        let status = response.status();
        if let Err(trouble) = self.heed(status, retry_after(response.headers()), host) {
            return trouble;
        }
        let description = described(call, response).await;
        if is_passing(status) { Trouble::Passing(description) } else { Trouble::Final(description) }
    }

    /// Gives a host the pause that it asks for, or needs; refused where nobody waits for so long.
    fn heed(&self, status: StatusCode, wanted: Option<Duration>, host: &Host) -> Result<(), Trouble> {
        let wait = match status {
            StatusCode::TOO_MANY_REQUESTS => wanted.unwrap_or(self.config.back_off),
            StatusCode::SERVICE_UNAVAILABLE => wanted.unwrap_or_default(),
            _ => return Ok(()),
        };
        host.pause(wait);
        if wait > self.config.max_wait { Err(too_long(wait)) } else { Ok(()) }
    }

    /// Waits until somebody else, such as a browser, may open a page.
    pub(super) async fn let_visit(&self, url: &Url) -> Result<(Arc<Host>, Pass), Trouble> {
        let route = self.begin(&Call::get(Kind::Page, url.clone()));
        check(&route.url, route.is_trusted)?;
        let host = self.host(&route.url);
        self.ask_robots(&route.url, &host).await?;
        let pass = host.enter(self.config.max_wait).await?;
        Ok((host, pass))
    }

    /// What the status of such a page says, to us and to the host's other visitors.
    pub(super) fn judge_visit(
        &self,
        status: StatusCode,
        wanted: Option<Duration>,
        host: &Host,
    ) -> Result<(), Trouble> {
        if status.is_success() {
            return Ok(());
        }
        self.heed(status, wanted, host)?;
        let description = status.to_string();
        Err(if is_passing(status) { Trouble::Passing(description) } else { Trouble::Final(description) })
    }

    pub(super) fn user_agent(&self) -> &str {
        &self.config.user_agent
    }

    async fn ask_robots(&self, url: &Url, host: &Host) -> Result<(), Trouble> {
        let origin = self.robots.get(&url.origin().ascii_serialization(), Origin::default);
        let rules = origin.rules(async || self.fetch_robots(url).await).await;
        if let Some(delay) = rules.delay() {
            host.slow_down(delay);
        }
        rules.check(url)
    }

    /// Boxed, because fetching may ask for robots.txt, which is fetched.
    fn fetch_robots<'a>(&'a self, url: &Url) -> BoxFuture<'a, Rules> {
        let call = Call::get(Kind::Robots, robots::address(url));
        async move { Rules::of(self.fetch(&call, Ok).await, &self.agent).await }.boxed()
    }

    fn host(&self, url: &Url) -> Arc<Host> {
        self.hosts.get(&hosts::key(url), || Host::new(self.config.per_host, self.config.pace))
    }

    fn begin(&self, call: &Call) -> Route {
        let url = bare(call.url.clone());
        Route { is_trusted: self.trusted.has(&url), url, passed: Vec::new() }
    }

    fn follow(&self, route: &mut Route, location: Url) -> Result<(), Trouble> {
        let next = bare(location);
        // Strangers do not send us to where only those may send us who have set it.
        route.is_trusted = route.is_trusted && self.trusted.has(&next);
        route.passed.push(std::mem::replace(&mut route.url, next));
        if route.passed.contains(&route.url) {
            return Err(Trouble::doubtful("redirects in a circle"));
        }
        if route.passed.len() > REDIRECTS {
            return Err(Trouble::doubtful("redirects too often"));
        }
        Ok(())
    }
}

fn client(config: &FetchConfig) -> ClientBuilder {
    Client::builder()
        .user_agent(&config.user_agent)
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .referer(false)
        .no_proxy()
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(config.per_host)
}

/// What we are called without version and comments.
fn product(user_agent: &str) -> String {
    user_agent.split(['/', ' ']).next().unwrap_or_default().to_ascii_lowercase()
}

/// Where an answer says that it is.
fn location(response: &Response) -> Option<Result<Url, Trouble>> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    let joined = location.to_str().ok().and_then(|location| response.url().join(location).ok());
    Some(joined.ok_or_else(|| Trouble::last("redirects to nowhere")))
}

/// Questions with a body are not carried elsewhere: whoever has set the address knows whom they are for.
fn elsewhere(call: &Call, location: Result<Url, Trouble>) -> Result<Url, Trouble> {
    if call.method == Method::GET { location } else { Err(Trouble::doubtful("redirects")) }
}

/// Whether a server may say something else a moment later.
fn is_passing(status: StatusCode) -> bool {
    // Too slow, too early, too many.
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// A status in words; a service's own where it has some.
async fn described(call: &Call, response: Response) -> String {
    let status = response.status();
    match (call.kind, status) {
        (Kind::Service, _) => {
            explanation(response).await.map_or_else(|| status.to_string(), |said| format!("{status}: {said}"))
        }
        (_, StatusCode::NOT_FOUND | StatusCode::GONE) => "gone".to_owned(),
        _ => status.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_name_in_robots_txt_is_the_word_before_the_version() {
        assert_eq!(product("SightScan/0.1 (https://example.org; a@example.org)"), "sightscan");
        assert_eq!(product("Sights"), "sights");
        assert_eq!(product(&FetchConfig::default().user_agent), "sightscan");
    }

    fn web(trusted: &str) -> Web {
        let trusted_hosts = vec![trusted.to_owned()];
        Web::new(FetchConfig { trusted_hosts, ..FetchConfig::default() }).unwrap()
    }

    fn route(web: &Web, from: &str, to: &str) -> Result<Route, Trouble> {
        let mut route = web.begin(&Call::get(Kind::Picture, from.parse().unwrap()));
        web.follow(&mut route, to.parse().unwrap()).map(|()| route)
    }

    #[test]
    fn strangers_do_not_lead_to_trusted_hosts() {
        let web = web("10.0.0.1:8080");
        let route = route(&web, "https://example.org/a", "http://10.0.0.1:8080/admin").unwrap();
        assert!(check(&route.url, route.is_trusted).is_err());
    }

    #[test]
    fn trusted_hosts_lead_to_each_other_and_to_strangers() {
        let web = web("10.0.0.1");
        assert!(route(&web, "http://10.0.0.1/a", "http://10.0.0.1/b").unwrap().is_trusted);
        assert!(!route(&web, "http://10.0.0.1/a", "https://example.org/b").unwrap().is_trusted);
    }

    #[test]
    fn a_circle_is_noticed_whatever_part_of_a_page_is_meant() {
        let web = web("");
        let trouble = route(&web, "https://example.org/a#1", "https://u:p@example.org/a#2").unwrap_err();
        assert_eq!(trouble, Trouble::doubtful("redirects in a circle"));
    }
}
