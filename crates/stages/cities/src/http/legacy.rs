//! The original's routes, with its paths and texts, for clients that know no others. Where the original crashed, or
//! answered a failure with 200, these answer with the right status.

use std::sync::Arc;

use serde::Serialize;
use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::extract::{FromRequest, Request, State};
use sightscan_http::axum::http::{HeaderMap, StatusCode, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::axum::routing::get;
use sightscan_http::axum::{Json, Router};
use sightscan_http::exchange::Worded;
use sightscan_http::{ClientAddress, Problem, RequestId, Slug, openapi};
use sightscan_types::{CityName, ConsentKind};
use sightscan_warehouse::cities::City;
use sightscan_warehouse::{marts, models};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::donations::deletion_link;
use super::files;
use super::problems::{CountProblems, LimitProblems, ModelProblems, NameProblems, UploadProblems};
use super::upload::Form;
use crate::donations::{CHECKBOX, Consent};
use crate::error::{Error, Result};
use crate::requests::Wanted;
use crate::{Cities, likeliest};

/// What the original said to everything that went well.
pub(super) const DONE: &str = "Request successfully executed.";
/// And to what it could not understand.
const WRONG: &str = "Wrong request format - please refer to /api/swagger!";
/// The version of a model that is not there.
const NO_VERSION: &str = "-1";

/// The cities that have a model.
#[derive(Debug, Serialize, ToSchema)]
struct CityList {
    /// Their names in capitals, with underscores for spaces; in order.
    #[schema(example = json!(["BERLIN", "NEW_YORK"]))]
    cities: Vec<String>,
}

/// A form with a picture, as the first clients send it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form, which is read field by field")]
struct ImageForm {
    /// A picture: JPEG, PNG, GIF, BMP, WebP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(index))
        .routes(routes!(list))
        .routes(routes!(list_without_slash))
        .routes(routes!(model))
        .routes(routes!(version))
}

pub(super) fn changing() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(add)).routes(routes!(image))
}

/// The original's description of the interface and the page that shows it. JSON is YAML 1.2, so that one text is both.
pub(super) fn documents(api: &OpenApi) -> Router {
    // A document of strings and numbers is always written.
    let text: Arc<str> = api.to_json().unwrap_or_default().into();
    let yaml = move || {
        let text = text.to_string();
        async move { ([(header::CONTENT_TYPE, "application/yaml")], text) }
    };
    Router::new().route("/docs/index.yml", get(yaml)).route("/swagger/", get(page))
}

/// The page that shows the description.
async fn page() -> Response {
    let head = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>SightScan</title>";
    let body = "<h1>SightScan</h1><p>The interface is described at <a href=\"/docs/\">/docs/</a>, in OpenAPI at \
                <a href=\"/openapi.json\">/openapi.json</a> and <a href=\"/docs/index.yml\">/docs/index.yml</a>.</p>";
    let refresh = format!("<meta http-equiv=\"refresh\" content=\"0; url={}/\">", openapi::PAGE);
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], format!("{head}{refresh}{body}")).into_response()
}

/// Says that the server is there.
#[utoipa::path(get, path = "/api/", tag = "original",
    responses((status = 200, description = "it is there", body = String, content_type = "text/plain"), LimitProblems))]
async fn index() -> &'static str {
    DONE
}

/// Lists the cities that have a model.
#[utoipa::path(get, path = "/api/cities/", tag = "original",
    responses((status = 200, description = "the cities", body = CityList), CountProblems))]
async fn list(State(cities): State<Arc<Cities>>) -> Result<Json<CityList>, Problem> {
    let found = marts::current_models(&cities.warehouse.database).await.map_err(Error::from)?;
    let mut cities: Vec<String> = found.into_iter().map(|model| model.legacy_name).collect();
    cities.sort_unstable();
    Ok(Json(CityList { cities }))
}

/// Leads to the path with the slash.
#[utoipa::path(get, path = "/api/cities", tag = "original",
    responses((status = 301, description = "the list is at the path with a slash at its end"), LimitProblems))]
async fn list_without_slash() -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, "/api/cities/")]).into_response()
}

/// Asks for a city. A name that the gazetteer does not know is counted, but only an admin can approve it.
#[utoipa::path(post, path = "/api/cities/{city}/add", tag = "original",
    params(("city" = String, Path, description = "any form of its name")),
    responses((status = 200, description = "the request was counted", body = String, content_type = "text/plain"),
        (status = 400, description = "this is no name", body = String, content_type = "text/plain"), CountProblems))]
async fn add(
    State(cities): State<Arc<Cities>>,
    city: Result<Named<String>, Problem>,
    client: ClientAddress,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let name = city.ok().and_then(|Named(city)| CityName::parse(&city).ok());
    let Some(name) = name else { return Ok(wrong()) };
    let wanted = Wanted { place: likeliest(&name).await?, name };
    let (requester, id) = (cities.salt.requester(client), RequestId::of(&headers));
    cities.request(&wanted, &requester, Some(id.as_str())).await?;
    Ok(done())
}

/// Donates a picture for a city that somebody has asked for. It is used once a person has looked at it; the header `link`
/// with `rel="delete"` names the path by which the donor can delete it.
#[utoipa::path(post, path = "/api/cities/{city}/image", tag = "original",
    params(("city" = String, Path, description = "any form of its name")),
    request_body(content = ImageForm, content_type = "multipart/form-data"),
    responses((status = 200, description = "the picture was taken", body = String, content_type = "text/plain",
            headers(("link" = String, description = "the path that deletes it"))),
        (status = 400, description = "there is no picture", body = String, content_type = "text/plain"), UploadProblems))]
async fn image(
    State(api): State<Api>,
    city: Result<Named<String>, Problem>,
    client: ClientAddress,
    request: Request,
) -> Result<Response, Problem> {
    let Ok(Named(city)) = city else { return Ok(wrong()) };
    let Some(city) = known(&api.cities, &city).await? else { return Err(unknown(city)) };
    let form = match Form::from_request(request, &api).await {
        Err(problem) if problem.slug() == Slug::Malformed => return Ok(wrong()),
        form => form?,
    };
    let Some(bytes) = form.image else { return Ok(wrong()) };
    let consent = Consent { kind: ConsentKind::LegacyCheckbox, text_version: CHECKBOX.to_owned() };
    let requester = api.cities.salt.requester(client);
    match api.cities.donate(&city, bytes, &consent, &requester).await {
        Err(Error::Picture(error)) => refused(error),
        donation => Ok(([deletion_link(&api.cities, &donation?.token)], done()).into_response()),
    }
}

/// What is no picture was a wrong request; one that is too large is told so.
fn refused(error: sightscan_pictures::DecodeError) -> Result<Response, Problem> {
    let problem = Problem::from(Error::Picture(error));
    if problem.slug() == Slug::PictureTooLarge { Err(problem) } else { Ok(wrong()) }
}

/// The newest model of a city: an ONNX file.
#[utoipa::path(get, path = "/api/cities/{city}/model", tag = "original",
    params(("city" = String, Path, description = "any form of its name")),
    responses((status = 200, description = "the ONNX file", content_type = "application/octet-stream",
            headers(("etag" = String), ("x-sightscan-sha256" = String), ("x-sightscan-model-version" = i64))),
        ModelProblems))]
async fn model(
    State(cities): State<Arc<Cities>>,
    Named(name): Named<String>,
    request: files::Request,
) -> Result<Response, Problem> {
    let Some(city) = known(&cities, &name).await? else { return Err(unknown(name)) };
    let model = models::current(&cities.warehouse.database, &city.slug).await.map_err(Error::from)?;
    let model = model.ok_or_else(|| Error::UnknownModel(format!("of {}", city.name)))?;
    super::models::file(&city, model).send(&request, &cities.warehouse.blobs).await
}

/// The version of a city's newest model, or -1.
#[utoipa::path(get, path = "/api/cities/{city}/model/version", tag = "original",
    params(("city" = String, Path, description = "any form of its name")),
    responses((status = 200, description = "the version as text", body = String, content_type = "text/plain"),
        NameProblems))]
async fn version(State(cities): State<Arc<Cities>>, Named(city): Named<String>) -> Result<String, Problem> {
    let Some(city) = known(&cities, &city).await? else { return Ok(NO_VERSION.to_owned()) };
    let model = models::current(&cities.warehouse.database, &city.slug).await.map_err(Error::from)?;
    Ok(model.map_or(NO_VERSION.to_owned(), |model| model.version.to_string()))
}

/// The city of this name, where somebody has asked for it.
pub(super) async fn known(cities: &Cities, name: &str) -> Result<Option<City>> {
    match CityName::parse(name) {
        Ok(name) => cities.find_by_name(&name).await,
        Err(_) => Ok(None),
    }
}

pub(super) fn unknown(name: String) -> Problem {
    Error::UnknownCity(name).into()
}

fn done() -> Response {
    DONE.into_response()
}

fn wrong() -> Response {
    let mut response = (StatusCode::BAD_REQUEST, WRONG).into_response();
    response.extensions_mut().insert(Worded);
    response
}
