//! What `/openapi.json` says beyond the routes themselves, and the page that shows it.

use std::collections::BTreeMap;

use axum::Router;
use serde::Serialize;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, Header, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Response, ResponseBuilder,
};
use utoipa::{IntoResponses, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::SwaggerUi;

use crate::problem::Slug;

/// The path of the document.
pub const DOCUMENT: &str = "/openapi.json";
/// The path of the page that shows it.
pub const PAGE: &str = "/docs";

/// The name under which [`Problem`] is referred to.
const PROBLEM: &str = "Problem";
/// The name under which routes refer to the administrator's token.
const ADMIN: &str = "admin";

/// An empty document: what is said about the whole interface.
pub fn about(title: &str, description: &str) -> OpenApi {
    let info = InfoBuilder::new()
        .title(title)
        .description(Some(format!("{description} Every error is a problem (RFC 9457).")))
        .license(Some(LicenseBuilder::new().name("MIT OR Apache-2.0").build()))
        .version(env!("CARGO_PKG_VERSION"));
    let token =
        HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("the administrator's token"));
    let components = ComponentsBuilder::new()
        .schema(PROBLEM, Problem::schema())
        .security_scheme(ADMIN, SecurityScheme::Http(token.build()));
    OpenApiBuilder::new().info(info.build()).components(Some(components.build())).build()
}

/// The routes, the document about them, and the page that shows it.
pub fn documented(routes: OpenApiRouter) -> Router {
    let (router, api) = routes.split_for_parts();
    // The page would have a server on the internet check the document.
    let alone = utoipa_swagger_ui::Config::default().validator_url("none");
    router.merge(SwaggerUi::new(PAGE).config(alone).url(DOCUMENT, api))
}

/// An error (RFC 9457).
#[derive(Serialize, ToSchema)]
struct Problem {
    /// What kind of problem it is: `urn:sightscan:problem:` and one of the names in the documentation of errors.
    r#type: String,
    /// A short name of the kind.
    title: String,
    /// The status of the answer.
    status: u16,
    /// What, why, and what to do.
    detail: String,
    /// The id in the header `x-request-id` and in the server's log.
    request_id: String,
    /// Why the server is not ready; only in that problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
    /// Places that may be meant; only in the problems `unknown-place` and `ambiguous-place`.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<Vec<serde_json::Value>>,
}

/// The problems of these kinds as responses of a route, by status.
pub fn problems(slugs: impl IntoIterator<Item = Slug>) -> BTreeMap<String, RefOr<Response>> {
    let mut titles: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for slug in slugs {
        titles.entry(slug.status().as_u16()).or_default().push(slug.title());
    }
    titles.into_iter().map(|(status, titles)| (status.to_string(), problem(status, &titles))).collect()
}

fn problem(status: u16, titles: &[&str]) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(PROBLEM))).build();
    let mut response =
        ResponseBuilder::new().description(titles.join(", ")).content("application/problem+json", content);
    if status == Slug::Busy.status().as_u16() {
        let mut seconds = Header::new(u32::schema());
        seconds.description = Some("seconds after which to try again".to_owned());
        response = response.header("retry-after", seconds);
    }
    response.build().into()
}

/// The problem of the route that tells whether requests are wanted.
pub(crate) struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problems([Slug::NotReady])
    }
}

/// Declares the responses of routes in OpenAPI: the problems that they may answer, by their slugs.
#[macro_export]
macro_rules! problem_sets {
    ($($(#[doc = $doc:literal])+ $name:ident: $($slug:ident),+;)+) => {$(
        $(#[doc = $doc])+
        pub(crate) struct $name;

        impl utoipa::IntoResponses for $name {
            fn responses() -> std::collections::BTreeMap<String, utoipa::openapi::RefOr<utoipa::openapi::Response>> {
                $crate::openapi::problems([$($crate::Slug::$slug),+])
            }
        }
    )+};
}
