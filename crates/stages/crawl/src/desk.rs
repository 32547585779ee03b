//! Where it is written down what became of pictures: all that have come together while those before were written, in one
//! transaction.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use sightscan_types::{CityId, SightId};
use sightscan_warehouse::Warehouse;
use sightscan_warehouse::crawls::{self, Decision, Judged};

use crate::error::Result;

/// The desk of one sight.
pub(crate) struct Desk<'a> {
    warehouse: &'a Warehouse,
    city: CityId,
    sight: SightId,
    waiting: Vec<Judged>,
    /// At most one.
    writing: FuturesUnordered<BoxFuture<'a, Result<Vec<Decision>>>>,
    /// Pictures that are being written.
    in_hand: usize,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(warehouse: &'a Warehouse, city: CityId, sight: SightId) -> Self {
        Self { warehouse, city, sight, waiting: Vec::new(), writing: FuturesUnordered::new(), in_hand: 0 }
    }

    /// Pictures that are not yet written down.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len() + self.in_hand
    }

    pub(crate) fn put(&mut self, picture: Judged) {
        self.waiting.push(picture);
    }

    /// What was written down next; `None` where nothing lies here. Nothing is lost when this is dropped.
    pub(crate) async fn written(&mut self) -> Option<Result<Vec<Decision>>> {
        if self.writing.is_empty() && !self.waiting.is_empty() {
            self.begin();
        }
        let decisions = self.writing.next().await?;
        self.in_hand = 0;
        Some(decisions)
    }

    fn begin(&mut self) {
        let pictures = std::mem::take(&mut self.waiting);
        self.in_hand = pictures.len();
        let Self { warehouse, city, sight, .. } = *self;
        let write = async move { Ok(crawls::settle(warehouse, city, sight, &pictures).await?) };
        self.writing.push(write.boxed());
    }
}
