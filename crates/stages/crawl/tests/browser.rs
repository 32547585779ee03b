//! Sources whose pages a browser looks at: a real Chromium and a fake of the pages.

mod crawls;
mod processes;
mod searches;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use sightscan_crawl::fetch::{FetchConfig, Fetcher};
use sightscan_crawl::sources::{
    Browser, BrowserConfig, GoogleImages, GoogleImagesConfig, Pinterest, PinterestConfig, find_chromium,
};
use sightscan_crawl::{City, Sight};
use sightscan_pictures::{Encoding, Picture, encode};
use sightscan_testkit::upstreams::search_page::SearchPage;
use sightscan_testkit::upstreams::{Upstream, World};

/// Pictures of each of the five sights: more than a page shows before it is scrolled.
const OF_EACH: u64 = 28;

/// What has not appeared by then will not; a page that shows nothing new for a quarter of it has ended.
const PATIENCE: Duration = Duration::from_secs(8);

/// Five sights with pictures that do not look alike.
fn world() -> World {
    World::of_files((0..5 * OF_EACH).map(picture))
}

/// Noise that is the same each time.
fn picture(seed: u64) -> Bytes {
    let mut random = fastrand::Rng::with_seed(seed);
    let (width, height) = (64, 48);
    let rgb = std::iter::repeat_with(|| random.u8(..)).take(width * height * 3).collect();
    let picture = Picture { width: width as u32, height: height as u32, rgb };
    encode(&picture, Encoding::Png).unwrap().into()
}

/// Chromium, without which these tests cannot be: `scripts/test` installs it.
fn chromium() -> PathBuf {
    find_chromium(None)
        .unwrap_or_else(|missing| panic!("{missing}: run scripts/test, or apt-get install chromium"))
}

/// Says who asks in words that only this test uses, so that its processes are known by them.
fn user_agent(upstream: &Upstream) -> String {
    format!("SightScan/0.1 (tests on {}; nobody@example.org)", upstream.host())
}

/// Of one who may ask these servers.
fn fetching(upstreams: &[&Upstream]) -> FetchConfig {
    FetchConfig {
        user_agent: user_agent(upstreams[0]),
        pace: Duration::ZERO,
        back_off: Duration::from_millis(1),
        tries: 2,
        trusted_hosts: upstreams.iter().map(|upstream| upstream.host().to_owned()).collect(),
        ..FetchConfig::default()
    }
}

/// A browser that may go to these servers, with so many pages at once.
fn browser(upstreams: &[&Upstream], pages: usize) -> Browser {
    browser_of(upstreams, pages, PATIENCE)
}

/// One that waits no longer for what does not come.
fn browser_of(upstreams: &[&Upstream], pages: usize, patience: Duration) -> Browser {
    let fetching = fetching(upstreams);
    let config = BrowserConfig {
        pages,
        patience,
        trusted_hosts: fetching.trusted_hosts.clone(),
        ..BrowserConfig::new(chromium())
    };
    Browser::new(Fetcher::new(fetching).unwrap(), config)
}

/// A search of thumbnails, or in full size.
fn google(browser: &Browser, search: &SearchPage, full: bool) -> GoogleImages {
    let base = search.upstream.url().parse().unwrap();
    GoogleImages::new(browser.clone(), GoogleImagesConfig { base, full, face: false })
}

fn pinterest(browser: &Browser, search: &SearchPage) -> Pinterest {
    let base = search.upstream.url().parse().unwrap();
    Pinterest::new(browser.clone(), PinterestConfig { base })
}

fn paris() -> City {
    City { name: "Paris".to_owned(), ..City::default() }
}

fn tower() -> Sight {
    Sight { name: "Eiffel Tower".to_owned(), ..Sight::default() }
}
