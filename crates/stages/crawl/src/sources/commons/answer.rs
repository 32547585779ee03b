//! What the API of MediaWiki answers.

use std::collections::BTreeMap;
use std::fmt;

use reqwest::Url;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::address;
use super::super::markup::plain_text;
use super::Continue;
use crate::licence::Licence;
use crate::{Candidate, Picture};

/// Pixels across. Wikimedia gives thumbnails of these widths only, and asks programs to take them instead of originals.
const WIDTHS: [u32; 11] = [20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840];

/// The width that is wanted: enough for a detector, which sees 640 pixels, to cut from.
pub(super) const WIDTH: u32 = 1280;

/// A longer name of a file is shortened in the address of its thumbnails.
const LONGEST_NAME: usize = 160;

/// Media types that are taken.
const TYPES: [&str; 3] = ["image/jpeg", "image/png", "image/webp"];

#[derive(Debug, Deserialize)]
pub(super) struct Answer {
    #[serde(default)]
    pub(super) query: Query,
    #[serde(rename = "continue", default, deserialize_with = "texts")]
    pub(super) next: Option<Continue>,
    pub(super) error: Option<ApiError>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Query {
    #[serde(default)]
    pub(super) pages: Vec<WikiPage>,
    #[serde(rename = "categorymembers", default)]
    pub(super) members: Vec<WikiPage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WikiPage {
    pub(super) title: String,
    /// The place in the order of a search; pages come in the order of their ids.
    index: Option<i64>,
    #[serde(rename = "imageinfo", default)]
    versions: Vec<ImageInfo>,
}

#[derive(Debug, Deserialize)]
struct ImageInfo {
    url: Option<String>,
    #[serde(rename = "thumburl")]
    thumbnail: Option<String>,
    #[serde(rename = "descriptionurl")]
    page: Option<String>,
    #[serde(default)]
    width: u32,
    mime: Option<String>,
    user: Option<String>,
    /// A map, or an empty list where there are none.
    #[serde(default, rename = "extmetadata")]
    metadata: Value,
}

/// What the API does not do, and why.
#[derive(Debug, Deserialize)]
pub(super) struct ApiError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    info: String,
}

impl ApiError {
    pub(super) fn is_transient(&self) -> bool {
        let passing = ["maxlag", "ratelimited", "readonly", "internal_api_error", "cirrussearch"];
        passing.iter().any(|code| self.code.starts_with(code))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({})", self.info, self.code)
    }
}

/// Values are texts or numbers, and are sent back as texts.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Continue>, D::Error> {
    let values = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?;
    let text = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    Ok(values.map(|values| values.into_iter().map(|(name, value)| (name, text(value))).collect()))
}

/// The pictures among files, in the order of the answer.
pub(super) fn candidates(mut files: Vec<WikiPage>) -> Vec<Candidate> {
    files.sort_by_key(|file| file.index.unwrap_or(i64::MAX));
    files.into_iter().filter_map(|file| file.versions.into_iter().next()?.candidate()).collect()
}

impl ImageInfo {
    fn candidate(self) -> Option<Candidate> {
        let url = address(self.url.as_deref()?)?;
        if !TYPES.contains(&self.mime.as_deref()?) {
            return None;
        }
        let artist = self.metadatum("Artist").map(plain_text).filter(|name| !name.is_empty());
        let licence_url = self.metadatum("LicenseUrl");
        let words = self.metadatum("LicenseShortName").and_then(Licence::read);
        let licence = words.or_else(|| licence_url.and_then(Licence::read));
        let own_url = licence.as_ref().and_then(Licence::url);
        Some(Candidate {
            source: url.to_string(),
            picture: Picture::At(self.smaller(url)),
            author: artist.or_else(|| self.user.clone()),
            licence: licence.map(|licence| licence.to_string()),
            licence_url: licence_url.map(str::to_owned).or(own_url),
            page_url: self.page,
        })
    }

    fn metadatum(&self, name: &str) -> Option<&str> {
        self.metadata.get(name)?.get("value")?.as_str().filter(|value| !value.trim().is_empty())
    }

    /// The thumbnail of the wanted width; where the original is not wider, the widest one that there is.
    fn smaller(&self, original: Url) -> Url {
        if self.width > WIDTH {
            return self.thumbnail.as_deref().and_then(address).unwrap_or(original);
        }
        let widest = WIDTHS.into_iter().rev().find(|&width| width < self.width);
        widest.and_then(|width| thumbnail(&original, width)).unwrap_or(original)
    }
}

/// `…/commons/a/ab/Gate.jpg` has its thumbnails at `…/commons/thumb/a/ab/Gate.jpg/960px-Gate.jpg`. Those of WebP are of
/// other types and have other names.
fn thumbnail(original: &Url, width: u32) -> Option<Url> {
    let (folder, file) = original.path().split_once("/commons/")?;
    let name = file.rsplit('/').next().filter(|name| name.len() <= LONGEST_NAME)?;
    let ending = name.rsplit('.').next()?.to_ascii_lowercase();
    if !matches!(ending.as_str(), "jpg" | "jpeg" | "png") {
        return None;
    }
    let mut url = original.clone();
    url.set_path(&format!("{folder}/commons/thumb/{file}/{width}px-{name}"));
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smaller(width: u32, name: &str) -> String {
        let original = format!("https://upload.wikimedia.org/wikipedia/commons/a/ab/{name}");
        let info = ImageInfo {
            url: None,
            thumbnail: Some("https://upload.wikimedia.org/thumb-of-the-api".to_owned()),
            page: None,
            width,
            mime: None,
            user: None,
            metadata: Value::Null,
        };
        info.smaller(address(&original).unwrap()).path().to_owned()
    }

    #[test]
    fn thumbnails_have_standard_widths_below_the_original() {
        assert_eq!(smaller(4000, "Gate.jpg"), "/thumb-of-the-api");
        assert_eq!(smaller(1281, "Gate.jpg"), "/thumb-of-the-api");
        let thumbnail = |width| format!("/wikipedia/commons/thumb/a/ab/Gate.jpg/{width}px-Gate.jpg");
        assert_eq!(smaller(1280, "Gate.jpg"), thumbnail(960));
        assert_eq!(smaller(960, "Gate.jpg"), thumbnail(500));
        assert_eq!(smaller(20, "Gate.jpg"), "/wikipedia/commons/a/ab/Gate.jpg");
        assert_eq!(smaller(1000, "Gate.webp"), "/wikipedia/commons/a/ab/Gate.webp");
        assert_eq!(
            smaller(1000, "S%C3%A4ule.png"),
            "/wikipedia/commons/thumb/a/ab/S%C3%A4ule.png/960px-S%C3%A4ule.png"
        );
    }
}
