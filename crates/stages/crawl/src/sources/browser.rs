//! Sources whose pages a browser looks at: the system's Chromium, without a window or with one.
//!
//! | part | what it does |
//! |---|---|
//! | `process` | the browser's process, which ends with its owner, and its profile, which is removed |
//! | `session` | one browser for all searches of a crawl |
//! | `tab` | one page, opened as robots.txt and the pace of its host allow it; everything has a time limit |
//! | `wall`, `viewer` | the two ways in which pages show results |
//! | `google_images`, `pinterest` | the adapters: addresses, and where things are on the page |
//!
//! A page may name anything, so the browser has no way out but a proxy that connects to public addresses only. The
//! pictures themselves are fetched as those of all sources are. These pages do not say under which licence a picture is:
//! by default such pictures are quarantined.

mod data_uri;
mod google_images;
mod pinterest;
mod process;
mod session;
mod tab;
mod viewer;
mod wall;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use chromiumoxide::detection::{DetectionOptions, default_executable};
use futures_util::{StreamExt, TryStreamExt, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::paging::{Named, distinct};
use crate::fetch::Fetcher;
use crate::{Candidate, City, Held, Picture, Sight, SourceError};
use session::Session;
use wall::Shown;

pub use google_images::{GoogleImages, GoogleImagesConfig};
pub use pinterest::{Pinterest, PinterestConfig};

/// More results are not taken from one search.
const MOST_RESULTS: usize = 1000;

/// How pages are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserConfig {
    /// Chromium, or a browser that is made from it.
    pub executable: PathBuf,
    /// Whether it has no window.
    pub headless: bool,
    /// Pages that are open at once.
    pub pages: usize,
    /// What has not appeared on a page by then is given up.
    pub patience: Duration,
    /// Hosts (`host` or `host:port`) that the browser may connect to though their addresses are private.
    pub trusted_hosts: Vec<String>,
}

impl BrowserConfig {
    /// This browser, without a window.
    pub const fn new(executable: PathBuf) -> Self {
        Self {
            executable,
            headless: true,
            pages: 4,
            patience: Duration::from_secs(10),
            trusted_hosts: Vec::new(),
        }
    }
}

/// A browser that sources share. It runs only while somebody searches; clones are the same one.
#[derive(Debug, Clone)]
pub struct Browser {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: BrowserConfig,
    fetcher: Fetcher,
    turns: Arc<Semaphore>,
    session: Mutex<Weak<Session>>,
}

impl Browser {
    /// A browser with these settings, which is not started yet. The fetcher knows who may be asked, and how often.
    pub fn new(fetcher: Fetcher, config: BrowserConfig) -> Self {
        let turns = Arc::new(Semaphore::new(config.pages.clamp(1, Semaphore::MAX_PERMITS)));
        Self { shared: Arc::new(Shared { config, fetcher, turns, session: Mutex::default() }) }
    }

    /// Keeps it running, once it is started, until it is let go.
    fn hold(&self) -> Box<dyn Held> {
        Box::new(self.session())
    }

    fn config(&self) -> &BrowserConfig {
        &self.shared.config
    }

    fn fetcher(&self) -> &Fetcher {
        &self.shared.fetcher
    }

    fn session(&self) -> Arc<Session> {
        let mut current = self.shared.session.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let session = Arc::default();
            *current = Arc::downgrade(&session);
            session
        })
    }

    /// Waits until one more page may be open.
    async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.shared.turns).acquire_owned().await.ok()
    }
}

/// The browser of this machine: the one that is set, else one in its usual place.
///
/// # Errors
/// What is missing.
pub fn find_chromium(set: Option<&Path>) -> Result<PathBuf, String> {
    match set {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(path) => Err(format!("`{}` is no file", path.display())),
        None => default_executable(DetectionOptions::default())
            .map_err(|_| "no Chromium is found on this machine".to_owned()),
    }
}

/// A search that goes on.
trait Search: Send {
    /// What the page shows next; `None` when it has no more.
    fn next(&mut self) -> impl Future<Output = Result<Option<Shown>, SourceError>> + Send;

    /// The picture that is meant by what is shown; `None` where it is of no use.
    fn candidate(&self, shown: Shown) -> Option<Candidate>;
}

/// The pictures of a search, each once. It begins when they are read.
fn named<'a, S: Search + 'a>(begin: impl Future<Output = Result<S, SourceError>> + Send + 'a) -> Named<'a> {
    let all = |search| {
        stream::try_unfold(search, |mut search: S| async move {
            while let Some(shown) = search.next().await? {
                if let Some(candidate) = search.candidate(shown) {
                    return Ok(Some((candidate, search)));
                }
            }
            Ok(None)
        })
    };
    distinct(stream::once(begin).map_ok(all).try_flatten().boxed())
}

/// What is searched for, encoded: the city, then the sight.
fn search_text(city: &City, sight: &Sight) -> String {
    utf8_percent_encode(&format!("{} {}", city.name, sight.name), NON_ALPHANUMERIC).to_string()
}

/// A picture of which only its page is known.
fn unlicensed(source: String, picture: Picture, page_url: Option<String>) -> Candidate {
    Candidate { source, picture, page_url, author: None, licence: None, licence_url: None }
}

/// What the browser answers, if it answers in time.
async fn limited<T, E: std::fmt::Display>(
    patience: Duration,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(patience, asked).await {
        Ok(answered) => answered.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no answer of the browser within {} s", patience.as_secs_f32())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_is_encoded() {
        let city = City { name: "São Paulo".to_owned(), ..City::default() };
        let sight = Sight { name: "A & B#1/2?".to_owned(), ..Sight::default() };
        assert_eq!(search_text(&city, &sight), "S%C3%A3o%20Paulo%20A%20%26%20B%231%2F2%3F");
    }

    /// Shows these addresses; those that are none are of no use.
    struct Page(Vec<&'static str>);

    impl Search for Page {
        async fn next(&mut self) -> Result<Option<Shown>, SourceError> {
            Ok(self.0.pop().map(|picture| Shown { picture: picture.to_owned(), page: None }))
        }

        fn candidate(&self, shown: Shown) -> Option<Candidate> {
            let url = crate::sources::address(&shown.picture)?;
            Some(unlicensed(url.to_string(), Picture::At(url), None))
        }
    }

    #[tokio::test]
    async fn what_is_of_no_use_does_not_end_a_search() {
        let page = Page(vec!["https://a.example/1.jpg", "blob:nothing", "https://a.example/2.jpg"]);
        let found: Vec<Candidate> = named(async { Ok(page) }).try_collect().await.unwrap();
        let found: Vec<&str> = found.iter().map(|candidate| candidate.source.as_str()).collect();
        assert_eq!(found, ["https://a.example/2.jpg", "https://a.example/1.jpg"]);
    }

    #[test]
    fn a_browser_that_is_not_there_is_told() {
        let error = find_chromium(Some(Path::new("/nowhere/chromium"))).unwrap_err();
        assert_eq!(error, "`/nowhere/chromium` is no file");
    }
}
