//! The crawl of one sight.
//!
//! Pictures are fetched several at once but decided in the order in which they were named, so that the same pictures are
//! kept however fast they come.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::FuturesOrdered;
use futures_util::{StreamExt, TryStreamExt};
use sightscan_types::{ImageId, OriginKind, Provenance, Review};
use sightscan_warehouse::crawls::{self, Decision, Named};
use sightscan_warehouse::images::{self, LONGEST_SOURCE, NewImage};
use sightscan_warehouse::sights::{self, Sight as KnownSight};

use crate::crawler::{Crawler, Order};
use crate::error::{Error, Result};
use crate::fetch::FetchError;
use crate::intake::{Flaw, Measured, looks_like_one_of};
use crate::licence::Verdict;
use crate::report::{SightReport, Tally};
use crate::{Candidate, City, ImageSource, Picture, Sight};

/// So many pictures of a sight are fetched at once.
const AT_ONCE: usize = 8;

/// The crawl of one sight, while it goes on.
pub(crate) struct SightCrawl<'a> {
    crawler: &'a Crawler,
    order: &'a Order,
    sight: &'a KnownSight,
    tally: Arc<Tally>,
    /// What was decided, now or by an earlier crawl.
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
    /// The warehouse has it from this source, for another sight or city.
    Stored(ImageId),
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
            return Ok(Fate::Stored(image.id));
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
        let (demands, looked_at) = (self.crawler.demands, bytes.clone());
        match tokio::task::spawn_blocking(move || demands.measure(&looked_at)).await {
            Ok(Ok(measured)) => Fate::Fresh(bytes, measured),
            Ok(Err(flaw)) => Fate::Flawed(flaw),
            // It has made the decoder panic.
            Err(_) => Fate::Flawed(Flaw::Unreadable),
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
        let mut named = source.pictures(city, sight);
        let (mut looks, mut is_asked) = (FuturesOrdered::new(), true);
        loop {
            // Both at once: what is looked at takes places at a host that the source may wait for.
            tokio::select! {
                Some(looked) = looks.next() => self.settle(source.name(), looked).await?,
                candidate = named.try_next(), if is_asked && looks.len() < self.room() => match candidate? {
                    Some(candidate) if self.seen.insert(candidate.source.clone()) => {
                        self.tally.found();
                        looks.push_back(self.look().at(candidate, &self.decided));
                    }
                    Some(_) => {}
                    None => is_asked = false,
                },
                else => return Ok(()),
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

    /// Decides what becomes of a picture, and writes it down.
    async fn settle(&mut self, found_by: &'static str, looked: Looked) -> Result<()> {
        let Looked { candidate, fate } = looked;
        let decision = match fate {
            Fate::Known(decision) => {
                self.count(candidate.source, decision);
                return Ok(());
            }
            Fate::Stored(image) => self.adopt(image).await?,
            Fate::Fresh(bytes, measured) => self.store(&candidate, bytes, measured).await?,
            Fate::Flawed(flaw) => Decision::SetAside(flaw.to_string()),
            Fate::Unreachable(_) if self.order.give_up => Decision::SetAside(Flaw::Unreachable.to_string()),
            Fate::Unreachable(reason) => {
                return Err(Error::Incomplete { sight: self.sight.known.name.clone(), reason });
            }
        };
        self.write_down(found_by, &candidate.source, &decision).await?;
        self.count(candidate.source, decision);
        Ok(())
    }

    async fn write_down(&self, found_by: &str, source: &str, decision: &Decision) -> Result<()> {
        let database = &self.crawler.warehouse.database;
        let named = Named { city: self.order.city, sight: self.sight.id, source, found_by };
        let mut transaction = database.begin().await?;
        crawls::decide(&mut transaction, named, decision, database.now()).await?;
        Ok(transaction.commit().await?)
    }

    fn count(&mut self, source: String, decision: Decision) {
        self.report.count(&decision);
        self.tally.decided(&decision);
        self.decided.insert(source, decision);
    }

    /// Takes an image over that was stored before: by a crawl that was stopped just then, or of another sight or city.
    async fn adopt(&mut self, image: ImageId) -> Result<Decision> {
        let database = &self.crawler.warehouse.database;
        let hash = images::get(database, image).await?.and_then(|image| image.perceptual_hash);
        if hash.is_some_and(|hash| looks_like_one_of(hash, &self.hashes)) {
            return Ok(Decision::SetAside(Flaw::LooksLikeAnother.to_string()));
        }
        let mut transaction = database.begin().await?;
        let (city, sight) = (self.order.city, Some(self.sight.id));
        images::add_to_city(database, &mut transaction, city, image, sight).await?;
        transaction.commit().await?;
        self.hashes.extend(hash);
        Ok(Decision::Kept(image))
    }

    async fn store(&mut self, candidate: &Candidate, bytes: Bytes, measured: Measured) -> Result<Decision> {
        if looks_like_one_of(measured.perceptual_hash, &self.hashes) {
            return Ok(Decision::SetAside(Flaw::LooksLikeAnother.to_string()));
        }
        let review = match self.crawler.policy.judge(candidate.licence.as_deref()) {
            Verdict::Use => Review::Accepted,
            Verdict::Quarantine(_) => Review::Quarantined,
        };
        let warehouse = &self.crawler.warehouse;
        let image = NewImage {
            media_type: measured.media_type.to_owned(),
            width: measured.width,
            height: measured.height,
            perceptual_hash: Some(measured.perceptual_hash),
            review,
            provenance: provenance(candidate, warehouse.database.now()),
            consent: None,
            sight: Some(self.sight.id),
        };
        let stored = images::store(warehouse, self.order.city, bytes, &image).await?;
        self.hashes.push(measured.perceptual_hash);
        Ok(Decision::Kept(stored.image))
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
