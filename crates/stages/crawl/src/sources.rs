//! Where pictures are found, one file a source.
//!
//! | source | key | licence of a picture |
//! |---|---|---|
//! | [`Commons`] | none | as its page says |
//! | [`Openverse`] | none | as its page says |
//! | [`Flickr`] | yes | as its page says |
//! | [`CustomSearch`] | yes | that of the filter, else not known |
//! | `GoogleImages`, `Pinterest` (feature `browser`) | none | not known |
//! | [`Folder`] | none | that of the settings |
//! | [`Addresses`] | none | that of the file |
//!
//! # Adding a source
//!
//! 1. **Read the terms of the service.** A source is for pictures that may be used: its answers should say licence and
//!    author. One that does not say them can be added, but its pictures are quarantined by default.
//! 2. **Write one file**, `sources/NAME.rs`, with a struct that has a [`Fetcher`](crate::fetch::Fetcher) (inside a
//!    `Service`, below) and a config struct with the base URL and the [`ApiKey`], if there is one. Tests set the base
//!    URL; nothing else may name a host.
//! 3. **Describe the answer** with private `#[derive(Deserialize)]` structs that have only the fields that are used, all
//!    of them optional: services leave fields out. A record without what is needed is passed over; an answer that says
//!    an error becomes [`SourceError::Answer`](crate::SourceError::Answer), transient when asking later can help.
//! 4. **Ask through `Service::ask`**, which keeps keys out of errors, and wrap the pages with `pages`, which asks for
//!    the next one only when the stream is read that far and ends a source that repeats itself.
//!    [`Candidate::source`](crate::Candidate::source) has to be the same each time, as the address of the original is: a
//!    crawl that goes on knows by it what it has done.
//! 5. **Read the licence** with [`Licence`](crate::licence::Licence), and write its text form into the candidate.
//! 6. **Test it** over a real socket in `tests/sources.rs`: with an answer shaped after the documentation, which the test
//!    names; an error of the service; an empty answer; the last page; a service that gives the same page for ever; and
//!    that no error has the key in it.
//! 7. **Name it** in the table above, in the `pub use` below, and where the settings choose sources.
//!
//! A page that has to be looked at with a browser is an adapter of the feature `browser`: one file in `sources/browser`
//! that says how to search, and where results are on the page.
//!
//! A source of sights is added in the same way, in [`sights`](crate::sights).

#[cfg(feature = "browser")]
mod browser;
mod commons;
mod custom_search;
mod flickr;
mod folder;
mod markup;
mod openverse;
mod paging;
mod rows;
mod service;
mod urls;

#[cfg(feature = "browser")]
pub use browser::{
    Browser, BrowserConfig, GoogleImages, GoogleImagesConfig, Pinterest, PinterestConfig, find_chromium,
};
pub use commons::{Commons, CommonsConfig};
pub use custom_search::{CustomSearch, CustomSearchConfig};
pub use flickr::{Flickr, FlickrConfig};
pub use folder::{Folder, FolderConfig};
pub use openverse::{Openverse, OpenverseConfig};
pub use service::ApiKey;
pub use urls::Addresses;

pub(crate) use rows::read_rows;
#[cfg(feature = "browser")]
use service::joined;
pub(crate) use service::{Service, fixed};

use reqwest::Url;

use crate::{City, Sight};

/// An address from an answer or a file; `None` where it is no address in the web.
fn address(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
}

/// What is searched for where only words can be.
fn words(city: &City, sight: &Sight) -> String {
    format!("{} {}", sight.name, city.name)
}
