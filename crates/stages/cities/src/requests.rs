//! Requests for cities: who asks, how often, and when that is enough.

use sightscan_types::{CityName, CityState};
use sightscan_warehouse::cities::{self, City, Requests};
use tracing::info;

use crate::error::{Result, retried};
use crate::places::Place;
use crate::requester::Requester;
use crate::{Cities, life};

/// Who approves a city that enough people have asked for, in its history.
const REQUESTERS: &str = "requesters";

/// A city that somebody wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted<'a> {
    /// The name that was asked for.
    pub name: CityName,
    /// What the gazetteer means by it. A city without a place is counted, but only an admin can approve it.
    pub place: Option<&'a Place>,
}

/// What a request has brought about.
#[derive(Debug, Clone, PartialEq)]
pub struct Requested {
    /// The city.
    pub city: City,
    /// How often it was asked for, this time included.
    pub requests: Requests,
    /// Whether nobody had asked for it before.
    pub is_new: bool,
    /// Whether this request was the one that approved it.
    pub approved_now: bool,
}

impl Wanted<'_> {
    /// The name that a new city gets: the gazetteer's, so that it has one however it was asked for.
    fn proper_name(&self) -> &CityName {
        self.place.map_or(&self.name, |place| &place.city)
    }
}

impl Cities {
    /// Counts a request for a city, which is made where it is new. The request of the last requester who was missing
    /// approves it and enqueues its crawl; all others change nothing but the counts.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn request(
        &self,
        wanted: &Wanted<'_>,
        requester: &Requester,
        request_id: Option<&str>,
    ) -> Result<Requested> {
        let requested = retried(|| self.count(wanted, requester, request_id)).await?;
        self.metrics.requests.increment(1);
        if requested.approved_now {
            info!(city = %requested.city.slug, "enough people have asked for this city");
        }
        Ok(requested)
    }

    async fn count(
        &self,
        wanted: &Wanted<'_>,
        requester: &Requester,
        request_id: Option<&str>,
    ) -> Result<Requested> {
        let database = &self.warehouse.database;
        let (now, place) = (database.now(), wanted.place.map(Place::facts));
        let mut transaction = database.begin().await?;
        let (name, proper) = (&wanted.name, wanted.proper_name());
        let (found, is_new) =
            cities::find_or_create_as(&mut transaction, name, proper, place.as_ref(), now).await?;
        // Of two that count at once the second one sees the first.
        let mut city = cities::lock(&mut transaction, found.id).await?;
        let requests = cities::count_request(&mut transaction, city.id, requester.as_str(), now).await?;
        let approved_now = self.is_enough(&city, requests);
        if approved_now {
            let why = format!("{} of {} requesters", requests.requesters, self.config.request_threshold);
            let step = life::Decision { actor: REQUESTERS, why: Some(&why), request_id };
            city = self.approve(&mut transaction, &city, &step).await?;
        }
        transaction.commit().await?;
        Ok(Requested { city, requests, is_new, approved_now })
    }

    fn is_enough(&self, city: &City, requests: Requests) -> bool {
        city.state == CityState::Requested
            && city.place.is_some()
            && requests.requesters >= i64::from(self.config.request_threshold)
    }
}
