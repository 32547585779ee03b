//! Pages that show more results when their end is scrolled to.

use std::collections::VecDeque;

use reqwest::Url;
use serde::Deserialize;

use super::MOST_RESULTS;
use super::tab::{Tab, literal};
use crate::SourceError;

/// Results that are taken from a page at once.
const BATCH: usize = 50;

/// The address of a result has no more letters: 1 MiB of a small picture, in base64.
const LONGEST: usize = 1_400_000;

/// Where results are on a page, as selectors of CSS.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places {
    /// What all results are in; it is there without a result, too.
    pub(super) list: &'static str,
    /// The picture of each.
    pub(super) picture: &'static str,
}

/// A picture as a page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Shown {
    /// Its address.
    pub(super) picture: String,
    /// Where a click on it leads.
    pub(super) page: Option<String>,
}

/// The results of a page, from its top to where it ends.
#[derive(Debug)]
pub(super) struct Wall {
    tab: Tab,
    look: String,
    fresh: VecDeque<Shown>,
    named: usize,
}

impl Wall {
    /// The results of an open page, once their list is there.
    pub(super) async fn of(tab: Tab, places: Places) -> Result<Self, SourceError> {
        if !tab.appears(places.list, tab.patience()).await? {
            return Err(tab.unknown("no list of results").await);
        }
        Ok(Self { tab, look: look(places.picture), fresh: VecDeque::new(), named: 0 })
    }

    /// The page's address.
    pub(super) const fn url(&self) -> &Url {
        self.tab.url()
    }

    /// The next result; `None` when there are no more.
    pub(super) async fn next(&mut self) -> Result<Option<Shown>, SourceError> {
        if self.fresh.is_empty() && self.named < MOST_RESULTS {
            self.fresh = self.tab.until(&self.look, self.tab.calm()).await?.unwrap_or_default();
            self.named += self.fresh.len();
        }
        Ok(self.fresh.pop_front())
    }
}

/// A script that says which results were not there when it ran the last time; where there are none, it scrolls to the
/// end, so that more come. Pages forget what is scrolled away, so the addresses are remembered and not the elements.
fn look(picture: &str) -> String {
    let picture = literal(picture);
    format!(
        "(() => {{
            const known = window.knownResults ??= new Set(), fresh = [];
            for (const image of document.querySelectorAll({picture})) {{
                const picture = image.src || image.dataset.src || '';
                if (picture === '' || picture.length > {LONGEST} || known.has(picture)) continue;
                known.add(picture);
                fresh.push({{ picture, page: image.closest('a')?.href ?? null }});
                if (fresh.length === {BATCH}) break;
            }}
            if (fresh.length > 0) return fresh;
            window.scrollTo(0, document.documentElement.scrollHeight);
            return null;
        }})()"
    )
}
