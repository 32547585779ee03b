//! The routes of reviews, for the administrator: what to look at next, what people said, which names are one.

mod wire;

use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{FromRef, State};
use sightscan_http::axum::http::{HeaderValue, StatusCode, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{AdminGate, Asked, Named, Page, PageQuery, Posted, Problem, Slug as Kind, SmallBodies};
use sightscan_types::{CityId, Slug};
use sightscan_warehouse::cities::{self, City};
use sightscan_warehouse::reviews::{self, Filter, Recorded, Undone};
use sightscan_warehouse::{Database, labelling};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::review::{self, Unfit};
use crate::{names, tidy};
use wire::{
    Before, ClassItem, Classes, MergeItem, Merges, NotTheSame, OfCity, Progress, Reopened, ReviewItem, Said,
    TakenBack, TaskItem, Which, Who, Written,
};

/// What the routes share.
#[derive(Debug, Clone)]
pub struct Api {
    database: Database,
    gate: AdminGate,
    bodies: SmallBodies,
}

impl Api {
    /// Routes about the labels of this database; `gate` lets the administrator in.
    pub fn new(database: Database, gate: AdminGate) -> Self {
        Self { database, gate, bodies: SmallBodies::default() }
    }

    async fn city(&self, slug: &str) -> Result<City, Problem> {
        city(&self.database, slug).await
    }
}

/// The city that a request names by its slug.
pub(crate) async fn city(database: &Database, slug: &str) -> Result<City, Problem> {
    let found = match slug.parse::<Slug>() {
        Ok(slug) => cities::by_slug(database, &slug).await.map_err(told)?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        let what = format!("there is no city {slug:?} here; GET /v1/cities lists all");
        Problem::new(Kind::UnknownCity, what)
    })
}

impl FromRef<Api> for SmallBodies {
    fn from_ref(api: &Api) -> Self {
        api.bodies.clone()
    }
}

/// The cause is logged, not told.
fn told(error: sightscan_warehouse::Error) -> Problem {
    let kind = if error.is_transient() { Kind::Unavailable } else { Kind::Internal };
    Problem::new(kind, error.to_string())
}

fn unfit(unfit: &Unfit) -> Problem {
    Problem::new(Kind::Malformed, unfit.to_string())
}

sightscan_http::problem_sets! {
    /// Of a question about a city.
    QuestionProblems: InvalidParameter, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a list that belongs to a city.
    ListProblems: InvalidParameter, BadCursor, Unauthorized, UnknownCity, RateLimited, Internal, Unavailable;
    /// Of a review.
    ReviewProblems: Malformed, Unauthorized, UnknownCity, UnknownImage, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
    /// Of taking something back.
    UndoProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, NotFound, BodyTimeout, NotNow, BodyTooLarge,
        UnsupportedMediaType, RateLimited, Internal, Unavailable;
}

/// All routes with their descriptions for OpenAPI; they are the administrator's.
pub fn router(api: &Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(next))
        .routes(routes!(list, say))
        .routes(routes!(undo))
        .routes(routes!(classes))
        .routes(routes!(progress))
        .routes(routes!(merges))
        .routes(routes!(undo_merge))
        .layer(api.gate.layer())
        .with_state(api.clone())
}

/// The next image for a person: the one that machines leave most open, which nobody else is shown for ten minutes. 204
/// where none is left.
#[utoipa::path(get, path = "/v1/label/next", tag = "labels", params(Who), security(("admin" = [])),
    responses((status = 200, description = "an image with what is proposed", body = TaskItem),
        (status = 204, description = "no image is left for this person"), QuestionProblems))]
async fn next(State(api): State<Api>, Asked(who): Asked<Who>) -> Result<Response, Problem> {
    review::check_name("reviewer's name", &who.reviewer)
        .map_err(|unfit| Problem::new(Kind::InvalidParameter, unfit.to_string()))?;
    let city = api.city(&who.city).await?;
    let task = review::next(&api.database, city.id, who.reviewer.trim()).await.map_err(told)?;
    let fresh = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok(match task {
        Some(task) => (fresh, Json(TaskItem::of(task))).into_response(),
        None => (StatusCode::NO_CONTENT, fresh).into_response(),
    })
}

/// Lists reviews, the newest first.
#[utoipa::path(get, path = "/v1/label/reviews", tag = "labels", params(Which, PageQuery), security(("admin" = [])),
    responses((status = 200, description = "a page of reviews", body = Page<ReviewItem>), ListProblems))]
async fn list(
    State(api): State<Api>,
    page: PageQuery,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<ReviewItem>>, Problem> {
    let city = api.city(&which.city).await?;
    let filter = Filter { reviewer: which.reviewer, image: which.image };
    let before = page.after::<Before>()?.map(|Before(id)| id);
    let most = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
    let found = reviews::list(&api.database, city.id, &filter, before, most).await.map_err(told)?;
    let page = Page::cut(found, page.limit, |review| Before(review.id));
    Ok(Json(page.map(ReviewItem::of)))
}

/// Writes down what a person says about an image. It counts more than whatever machines say, now and later.
#[utoipa::path(post, path = "/v1/label/reviews", tag = "labels", request_body = Said, security(("admin" = [])),
    responses((status = 201, description = "it is written down", body = Written), ReviewProblems))]
async fn say(
    State(api): State<Api>,
    Posted(said): Posted<Said>,
) -> Result<(StatusCode, Json<Written>), Problem> {
    let city = api.city(&said.city).await?;
    let review = said.review()?;
    let image = review.image;
    match review::record(&api.database, city.id, review).await.map_err(told)? {
        Recorded::Done { review: id, label } => {
            let open = reviews::open(&api.database, city.id).await.map_err(told)?;
            Ok((StatusCode::CREATED, Json(Written { id, label, open })))
        }
        Recorded::NoImage => {
            let what = format!("there is no image {image} in this city; it may have been withdrawn");
            Err(Problem::new(Kind::UnknownImage, what))
        }
        Recorded::Outdated => {
            let what = "the image has other labels by now; ask for it again and look at those";
            Err(Problem::new(Kind::NotNow, what))
        }
    }
}

/// Takes the last review of an image back: what counted before counts again.
#[utoipa::path(post, path = "/v1/label/reviews/{id}/undo", tag = "labels", request_body = TakenBack,
    security(("admin" = [])), params(("id" = String, Path, description = "the review")),
    responses((status = 200, description = "it is taken back", body = Reopened), UndoProblems))]
async fn undo(
    State(api): State<Api>,
    Named(id): Named<Uuid>,
    Posted(TakenBack { reviewer }): Posted<TakenBack>,
) -> Result<Json<Reopened>, Problem> {
    review::check_name("reviewer's name", &reviewer).map_err(|error| unfit(&error))?;
    match review::undo(&api.database, id, reviewer.trim()).await.map_err(told)? {
        Undone::Done(image) => Ok(Json(Reopened { image })),
        Undone::NoReview => {
            let what = format!("there is no review {id}; GET /v1/label/reviews lists all");
            Err(Problem::new(Kind::NotFound, what))
        }
        Undone::Already => Err(Problem::new(Kind::NotNow, "the review was taken back before")),
        Undone::NotTheLast => {
            let what = "the image has a later review; take that back first";
            Err(Problem::new(Kind::NotNow, what))
        }
    }
}

/// Lists the names that boxes in a city can have: what its labels are read as, and its sights.
#[utoipa::path(get, path = "/v1/label/classes", tag = "labels", params(OfCity), security(("admin" = [])),
    responses((status = 200, description = "the names", body = Classes), QuestionProblems))]
async fn classes(State(api): State<Api>, Asked(of): Asked<OfCity>) -> Result<Json<Classes>, Problem> {
    let city = api.city(&of.city).await?;
    let found = names::classes(&api.database, city.id).await.map_err(told)?;
    Ok(Json(Classes { items: found.into_iter().map(ClassItem::of).collect() }))
}

/// Counts how many images people have decided about, and how many are left.
#[utoipa::path(get, path = "/v1/label/progress", tag = "labels", params(OfCity), security(("admin" = [])),
    responses((status = 200, description = "the numbers", body = Progress), QuestionProblems))]
async fn progress(State(api): State<Api>, Asked(of): Asked<OfCity>) -> Result<Json<Progress>, Problem> {
    let city = api.city(&of.city).await?;
    let decided = reviews::decided(&api.database, city.id).await.map_err(told)?;
    let open = reviews::open(&api.database, city.id).await.map_err(told)?;
    Ok(Json(Progress { decided, open }))
}

/// Lists which names are read as others, and why.
#[utoipa::path(get, path = "/v1/label/merges", tag = "labels", params(OfCity), security(("admin" = [])),
    responses((status = 200, description = "the merges", body = Merges), QuestionProblems))]
async fn merges(State(api): State<Api>, Asked(of): Asked<OfCity>) -> Result<Json<Merges>, Problem> {
    let city = api.city(&of.city).await?;
    Ok(Json(api.merges(city.id).await?))
}

/// Says that two names are not the same sight; they stay apart from then on. Gives the merges as they are now.
#[utoipa::path(post, path = "/v1/label/merges/undo", tag = "labels", request_body = NotTheSame, security(("admin" = [])),
    responses((status = 200, description = "they are two", body = Merges), UndoProblems))]
async fn undo_merge(
    State(api): State<Api>,
    Posted(said): Posted<NotTheSame>,
) -> Result<Json<Merges>, Problem> {
    review::check_name("reviewer's name", &said.reviewer).map_err(|error| unfit(&error))?;
    let city = api.city(&said.city).await?;
    let NotTheSame { label, canonical, reviewer, .. } = &said;
    if !api.undo_merge(city.id, (label, canonical), reviewer).await.map_err(told)? {
        let what = format!("{label:?} is not read as {canonical:?}; GET /v1/label/merges lists what is");
        return Err(Problem::new(Kind::NotFound, what));
    }
    // Others may go together now, where this one stood between.
    tidy(&api.database, city.id).await.map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    Ok(Json(api.merges(city.id).await?))
}

impl Api {
    async fn merges(&self, city: CityId) -> Result<Merges, Problem> {
        let found = labelling::merges(&self.database, city).await.map_err(told)?;
        Ok(Merges { items: found.into_iter().map(MergeItem::of).collect() })
    }

    async fn undo_merge(
        &self,
        city: CityId,
        names: (&str, &str),
        reviewer: &str,
    ) -> sightscan_warehouse::Result<bool> {
        let mut transaction = self.database.begin().await?;
        let now = self.database.now();
        let undone = labelling::undo_merge(&mut transaction, city, names, reviewer.trim(), now).await?;
        transaction.commit().await?;
        Ok(undone)
    }
}
