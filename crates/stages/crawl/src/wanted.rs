//! What is looked for, and what is found.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use reqwest::Url;

use crate::fetch::FetchError;

/// A city whose sights are looked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct City {
    /// Its name, `New York City`.
    pub name: String,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
    /// Its id in GeoNames.
    pub geonames: Option<i64>,
}

/// A sight whose pictures are looked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sight {
    /// What it is mostly called.
    pub name: String,
    /// Degrees north, WGS 84.
    pub latitude: Option<f64>,
    /// Degrees east, WGS 84.
    pub longitude: Option<f64>,
    /// Its item in Wikidata, `Q82425`.
    pub wikidata: Option<String>,
    /// Its category in Wikimedia Commons, without `Category:`.
    pub commons_category: Option<String>,
    /// Which [`SightSource`] named it.
    pub source: String,
    /// Its id there.
    pub external_id: Option<String>,
}

/// A picture that a source names, before it is fetched.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// What identifies the picture in its source and is stored as its origin: the address of the original, a path.
    pub source: String,
    /// Where its bytes are.
    pub picture: Picture,
    /// The page that shows it.
    pub page_url: Option<String>,
    /// Who made it, as plain text.
    pub author: Option<String>,
    /// SPDX identifier where there is one, else the source's own words; `None` where nothing is known.
    pub licence: Option<String>,
    /// The licence's text.
    pub licence_url: Option<String>,
}

/// Where the bytes of a picture are.
#[derive(Debug, Clone, PartialEq)]
pub enum Picture {
    /// They have to be fetched.
    At(Url),
    /// They came with the candidate, as from a folder or a `data:` URI.
    Here(Bytes),
}

/// Something that names the sights of a city.
pub trait SightSource: Send + Sync {
    /// What it is called in settings and provenance: `wikidata`.
    fn name(&self) -> &'static str;

    /// The sights of a city, the most notable first, at most `limit`. An empty answer means that there are none.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn sights<'a>(&'a self, city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>>;
}

/// Something that names pictures of a sight. The same question gives the same pictures in the same order, as far as the
/// service does, so that a crawl that was stopped goes on where it was.
pub trait ImageSource: Send + Sync {
    /// What it is called in settings and provenance: `commons`.
    fn name(&self) -> &'static str;

    /// Pictures of a sight, the likeliest first; pages are fetched as the stream is read. It ends after an error.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn pictures<'a>(
        &'a self,
        city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>>;

    /// Keeps open what is slow to open, as a browser is, from the first sight of a crawl to the last. Most sources have
    /// nothing of the kind.
    fn hold(&self) -> Option<Box<dyn Held>> {
        None
    }
}

/// What a source keeps open as long as a crawl goes on. Dropped, it ends by itself a moment later.
pub trait Held: Send + Sync {
    /// Ends it, if nobody else holds it, and waits until it has ended.
    fn let_go(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Why a source named nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// It did not answer, or refused.
    #[error("{name}: {error}")]
    Fetch {
        /// The source.
        name: &'static str,
        /// What happened.
        error: Box<FetchError>,
    },
    /// It answered something that cannot be understood, or said why it does not answer (a wrong key, a used-up quota).
    #[error("{name}: {reason}")]
    Answer {
        /// The source.
        name: &'static str,
        /// What is wrong, and what to do.
        reason: String,
        /// Whether asking later can help.
        is_transient: bool,
    },
}

impl SourceError {
    /// Whether asking later can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Fetch { error, .. } => error.is_transient(),
            Self::Answer { is_transient, .. } => *is_transient,
        }
    }
}
