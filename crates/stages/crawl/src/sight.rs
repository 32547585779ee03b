//! The crawl of one sight.
//!
//! Pictures are fetched several at once but decided in the order in which they were named, so that the same pictures are
//! kept however fast they come. What is decided is written down while others are fetched.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{BoxStream, FuturesOrdered};
use sightscan_types::{ImageId, OriginKind, Provenance, Review};
use sightscan_warehouse::crawls::{self, Decision, Deed, Judged};
use sightscan_warehouse::images::{self, LONGEST_SOURCE, NewImage};
use sightscan_warehouse::sights::{self, Sight as KnownSight};

use crate::crawler::{Crawler, Order};
use crate::desk::Desk;
use crate::error::{Error, Result};
use crate::fetch::FetchError;
use crate::intake::{Flaw, Measured, looks_like_one_of};
use crate::licence::Verdict;
use crate::report::{SightReport, Tally};
use crate::{Candidate, City, ImageSource, Picture, Sight, SourceError};

/// So many pictures of a sight are fetched or wait to be stored at once.
const AT_ONCE: usize = 8;

/// The crawl of one sight, while it goes on.
pub(crate) struct SightCrawl<'a> {
    crawler: &'a Crawler,
    order: &'a Order,
    sight: &'a KnownSight,
    tally: Arc<Tally>,
    /// What was decided by an earlier crawl.
    decided: HashMap<String, Decision>,
    /// What this crawl has passed.
    seen: HashSet<String>,
    /// Perceptual hashes of what is kept.
    hashes: Vec<u64>,
    report: SightReport,
}

/// A candidate, looked at.
struct Looked {
    candidate: Candidate,
    fate: Fate,
}

enum Fate {
    /// An earlier crawl has decided.
    Known(Decision),
    /// The warehouse has it from this source, for another sight or city, with this perceptual hash.
    Stored(ImageId, Option<u64>),
    /// It was fetched.
    Fresh(Bytes, Measured),
    /// It is not wanted.
    Flawed(Flaw),
    /// It cannot be reached now.
    Unreachable(String),
}

/// Looks at a picture, while others are looked at and decided.
struct Look<'a> {
    crawler: &'a Crawler,
    tally: Arc<Tally>,
}

impl<'a> Look<'a> {
    fn at(
        self,
        candidate: Candidate,
        decided: &HashMap<String, Decision>,
    ) -> impl Future<Output = Looked> + use<'a> {
        let known = decided.get(&candidate.source).cloned();
        async move {
            let fate = match known {
                Some(decision) => Fate::Known(decision),
                None => {
                    self.fate(&candidate).await.unwrap_or_else(|error| Fate::Unreachable(error.to_string()))
                }
            };
            Looked { candidate, fate }
        }
    }

    async fn fate(&self, candidate: &Candidate) -> Result<Fate> {
        if candidate.source.len() > LONGEST_SOURCE {
            return Ok(Fate::Flawed(Flaw::TooMuchText));
        }
        let database = &self.crawler.warehouse.database;
        if let Some(image) = images::by_source(database, &candidate.source).await?.first() {
            return Ok(Fate::Stored(image.id, image.perceptual_hash));
        }
        Ok(self.fetch(&candidate.picture).await)
    }

    async fn fetch(&self, picture: &Picture) -> Fate {
        let bytes = match picture {
            Picture::Here(bytes) => bytes.clone(),
            Picture::At(url) => match self.crawler.fetcher.picture(url).await {
                Ok(fetched) => fetched.bytes,
                Err(FetchError::Refused { reason, .. }) => return Fate::Flawed(Flaw::Refused(reason)),
                Err(error) => return Fate::Unreachable(error.to_string()),
            },
        };
        self.tally.fetched();
        match self.crawler.demands.look_at(bytes.clone()).await {
            Ok(measured) => Fate::Fresh(bytes, measured),
            Err(flaw) => Fate::Flawed(flaw),
        }
    }
}

impl<'a> SightCrawl<'a> {
    pub(crate) async fn begin(
        crawler: &'a Crawler,
        order: &'a Order,
        sight: &'a KnownSight,
        tally: Arc<Tally>,
    ) -> Result<Self> {
        let database = &crawler.warehouse.database;
        let decided = crawls::decided(database, sight.id).await?;
        let hashes = crawls::hashes(database, sight.id).await?;
        let report = SightReport { name: sight.known.name.clone(), ..SightReport::default() };
        Ok(Self { crawler, order, sight, tally, decided, seen: HashSet::new(), hashes, report })
    }

    /// Whether as many pictures are kept as are wanted. Before anything is asked: by earlier crawls.
    pub(crate) fn is_satisfied(&self) -> bool {
        let kept = self.decided.values().filter(|decision| matches!(decision, Decision::Kept(_))).count();
        self.order.max_pictures > 0 && kept >= self.order.max_pictures as usize
    }

    /// What there is of a sight that is passed over.
    pub(crate) fn skipped(mut self) -> SightReport {
        for decision in self.decided.values() {
            self.report.count(decision);
            self.tally.decided(decision);
        }
        self.tally.sight_is_done(&self.report.name);
        self.report
    }

    /// Takes the pictures that a source names, until there are enough.
    pub(crate) async fn ask(&mut self, source: &dyn ImageSource, city: &City, sight: &Sight) -> Result<()> {
        let mut desk = Desk::new(&self.crawler.warehouse, self.order.city, self.sight.id);
        let taken = self.take(source.name(), source.pictures(city, sight), &mut desk).await;
        // Also when another one could not be reached: these would be fetched again.
        while let Some(decisions) = desk.written().await {
            self.count_all(&decisions?);
        }
        taken
    }

    async fn take(
        &mut self,
        found_by: &'static str,
        mut named: BoxStream<'_, std::result::Result<Candidate, SourceError>>,
        desk: &mut Desk<'a>,
    ) -> Result<()> {
        let (mut looks, mut is_asked, mut end) = (FuturesOrdered::new(), true, Ok(()));
        loop {
            // All at once: what is looked at takes places at a host that the source may wait for.
            tokio::select! {
                Some(decisions) = desk.written() => self.count_all(&decisions?),
                Some(looked) = looks.next() => {
                    if let Some(picture) = self.judge(found_by, looked)? {
                        desk.put(picture);
                    }
                }
                candidate = named.next(), if is_asked && looks.len() + desk.len() < self.room() => match candidate {
                    Some(Ok(candidate)) if self.seen.insert(candidate.source.clone()) => {
                        self.tally.found();
                        looks.push_back(self.look().at(candidate, &self.decided));
                    }
                    Some(Ok(_)) => {}
                    // What it has named until then is decided.
                    Some(Err(error)) => (is_asked, end) = (false, Err(error.into())),
                    None => is_asked = false,
                },
                else => return end,
            }
        }
    }

    /// How many pictures are still wanted, at most as many as are fetched at once.
    fn room(&self) -> usize {
        match self.order.max_pictures as usize {
            0 => AT_ONCE,
            most => most.saturating_sub(self.report.kept).min(AT_ONCE),
        }
    }

    fn look(&self) -> Look<'a> {
        Look { crawler: self.crawler, tally: Arc::clone(&self.tally) }
    }

    /// Decides what becomes of a picture; `None` where an earlier crawl has.
    fn judge(&mut self, found_by: &'static str, looked: Looked) -> Result<Option<Judged>> {
        let Looked { candidate, fate } = looked;
        let deed = match fate {
            Fate::Known(decision) => {
                self.count(&decision);
                return Ok(None);
            }
            Fate::Stored(image, hash) => self.unless_alike(hash, Deed::Adopt(image)),
            Fate::Fresh(bytes, measured) => {
                let image = Box::new(self.new_image(&candidate, &measured));
                self.unless_alike(Some(measured.perceptual_hash), Deed::Keep(bytes, image))
            }
            Fate::Flawed(flaw) => Deed::SetAside(flaw.to_string()),
            Fate::Unreachable(_) if self.order.give_up => Deed::SetAside(Flaw::Unreachable.to_string()),
            Fate::Unreachable(reason) => {
                return Err(Error::Incomplete { sight: self.sight.known.name.clone(), reason });
            }
        };
        Ok(Some(Judged { source: candidate.source, found_by, deed }))
    }

    /// Sets a picture aside that looks like one that is kept; others are compared with it from now on.
    fn unless_alike(&mut self, hash: Option<u64>, deed: Deed) -> Deed {
        if hash.is_some_and(|hash| looks_like_one_of(hash, &self.hashes)) {
            return Deed::SetAside(Flaw::LooksLikeAnother.to_string());
        }
        self.hashes.extend(hash);
        deed
    }

    fn new_image(&self, candidate: &Candidate, measured: &Measured) -> NewImage {
        let review = match self.crawler.policy.judge(candidate.licence.as_deref()) {
            Verdict::Use => Review::Accepted,
            Verdict::Quarantine(_) => Review::Quarantined,
        };
        NewImage {
            media_type: measured.media_type.to_owned(),
            width: measured.width,
            height: measured.height,
            perceptual_hash: Some(measured.perceptual_hash),
            review,
            provenance: provenance(candidate, self.crawler.warehouse.database.now()),
            consent: None,
            sight: Some(self.sight.id),
        }
    }

    fn count_all(&mut self, decisions: &[Decision]) {
        decisions.iter().for_each(|decision| self.count(decision));
    }

    fn count(&mut self, decision: &Decision) {
        self.report.count(decision);
        self.tally.decided(decision);
    }

    /// Writes down that all sources were asked, so that the sight can be passed over.
    pub(crate) async fn finish(self) -> Result<SightReport> {
        let database = &self.crawler.warehouse.database;
        let mut transaction = database.begin().await?;
        sights::finish_crawl(&mut transaction, self.sight.id, database.now()).await?;
        transaction.commit().await?;
        self.tally.sight_is_done(&self.report.name);
        Ok(self.report)
    }
}

fn provenance(candidate: &Candidate, now: i64) -> Provenance {
    Provenance {
        kind: OriginKind::Crawl,
        source: candidate.source.clone(),
        page_url: candidate.page_url.clone(),
        author: candidate.author.clone(),
        licence: candidate.licence.clone(),
        licence_url: candidate.licence_url.clone(),
        retrieved_at: now,
    }
}
