//! Giving pictures, and taking them back.

use std::sync::Arc;

use serde::Serialize;
use sightscan_http::asked::Named;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::extract::{FromRequest, Request, State};
use sightscan_http::axum::http::{HeaderName, HeaderValue, StatusCode, header};
use sightscan_http::axum::response::IntoResponse;
use sightscan_http::{ClientAddress, Problem, Slug as Kind};
use sightscan_types::{ConsentKind, ImageId, Slug};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::files;
use super::problems::{DonationProblems, LimitProblems, WithdrawalProblems};
use super::upload::Form;
use crate::Cities;
use crate::donations::{Consent, ConsentText, TEXTS};
use crate::error::Result;

/// What a donor has to agree to.
#[derive(Debug, Serialize, ToSchema)]
struct ConsentTexts {
    /// Of the text in English: to be sent as `consent` with a donation.
    version: &'static str,
    /// To be shown to the donor, in English.
    text: &'static str,
    /// The same in other languages; whoever shows one of them sends its version.
    translations: Vec<Translation>,
}

/// What a donor has to agree to, in another language.
#[derive(Debug, Serialize, ToSchema)]
struct Translation {
    /// Its code in ISO 639-1.
    #[schema(example = "de")]
    language: &'static str,
    /// To be sent as `consent` with a donation.
    version: &'static str,
    /// To be shown to the donor.
    text: &'static str,
}

/// A form with a donation.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form, which is read field by field")]
struct DonationForm {
    /// A picture: JPEG, PNG, GIF, BMP, WebP or TIFF.
    #[schema(value_type = String, format = Binary)]
    image: Vec<u8>,
    /// The version of the text that the donor agreed to.
    consent: String,
}

/// A picture that was taken.
#[derive(Debug, Serialize, ToSchema)]
struct Receipt {
    /// The picture.
    image: ImageId,
    /// DELETE at this path deletes the picture. It cannot be told again: whoever has it may delete.
    delete: String,
}

pub(super) fn looking() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(consent))
}

pub(super) fn changing() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(donate)).routes(routes!(withdraw))
}

/// Tells what donors have to agree to.
#[utoipa::path(get, path = "/v1/consent", tag = "donations",
    responses((status = 200, description = "the text that holds now", body = ConsentTexts), LimitProblems))]
async fn consent() -> Json<ConsentTexts> {
    let [ConsentText { version, text, .. }, others @ ..] = TEXTS;
    let translated = |ConsentText { language, version, text }| Translation { language, version, text };
    Json(ConsentTexts { version, text, translations: others.map(translated).into() })
}

/// Takes a picture for a city that somebody has asked for. What its file says about the donor is taken out.
#[utoipa::path(post, path = "/v1/cities/{slug}/images", tag = "donations",
    params(("slug" = Slug, Path, description = "the city")),
    request_body(content = DonationForm, content_type = "multipart/form-data"),
    responses((status = 201, description = "the picture was taken", body = Receipt,
        headers(("link" = String, description = "the path that deletes it"))), DonationProblems))]
async fn donate(
    State(api): State<Api>,
    Named(slug): Named<String>,
    client: ClientAddress,
    request: Request,
) -> Result<impl IntoResponse, Problem> {
    let city = api.cities.find(&slug).await?;
    let form = Form::from_request(request, &api).await?;
    let agreed = TEXTS.iter().find(|text| form.consent.as_deref() == Some(text.version));
    let image = form
        .image
        .ok_or_else(|| Problem::new(Kind::Malformed, "the form has no field `image` with a picture"))?;
    let Some(agreed) = agreed else {
        let what = format!(
            "show the donor the text of /v1/consent, and send its version as the field `consent`: {}",
            TEXTS[0].version
        );
        return Err(Problem::new(Kind::ConsentRequired, what));
    };
    let consent = Consent { kind: ConsentKind::Explicit, text_version: agreed.version.to_owned() };
    let donation = api.cities.donate(&city, image, &consent, &api.cities.salt.requester(client)).await?;
    let receipt = Receipt { image: donation.image, delete: api.cities.deletion_path(&donation.token) };
    Ok((StatusCode::CREATED, [deletion_link(&api.cities, &donation.token)], Json(receipt)))
}

/// Deletes a donated picture for good. Datasets and models that were made with it are marked.
#[utoipa::path(delete, path = "/v1/donations/{token}", tag = "donations",
    params(("token" = String, Path, description = "from the answer to the donation")),
    responses((status = 204, description = "it is deleted"), WithdrawalProblems))]
async fn withdraw(
    State(cities): State<Arc<Cities>>,
    Named(token): Named<String>,
) -> Result<StatusCode, Problem> {
    cities.withdraw(&token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The header that names the path by which a donation is deleted (RFC 8288).
pub(super) fn deletion_link(cities: &Cities, token: &str) -> (HeaderName, HeaderValue) {
    (header::LINK, files::text(format!("<{}>; rel=\"delete\"", cities.deletion_path(token))))
}

impl Cities {
    /// The path, or the whole address where that is configured.
    fn deletion_path(&self, token: &str) -> String {
        let base = self.config.public_url.as_deref().unwrap_or_default();
        format!("{base}/v1/donations/{token}")
    }
}
