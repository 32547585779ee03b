//! Reading forms with one picture.

use std::time::{Duration, Instant};

use bytes::Bytes;
use sightscan_http::asked::media_type;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::{FromRequest, Multipart, Request};
use sightscan_http::{Hold, Problem, Slug};

use super::Api;

/// How long a form may take to arrive.
const PATIENCE: Duration = Duration::from_secs(60);
/// A form has two fields; more than these are a mistake.
const MOST_FIELDS: usize = 8;
/// A field that is no picture is no longer.
const LONGEST_TEXT: usize = 1024;

/// A form with one picture.
#[derive(Debug)]
pub(super) struct Form {
    /// The field `image`.
    pub(super) image: Option<Bytes>,
    /// The field `consent`.
    pub(super) consent: Option<String>,
    /// Keeps the form's share of the memory.
    _hold: Hold,
}

impl FromRequest<Api> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if media_type(&parts.headers) != "multipart/form-data" {
            let what = "send a form: `multipart/form-data` with the picture in the field `image`";
            return Err(Problem::new(Slug::UnsupportedMediaType, what));
        }
        let received = api.uploads.receive(body, Instant::now() + PATIENCE).await?;
        let request = Request::from_parts(parts, Body::from(received.bytes));
        let fields = Multipart::from_request(request, &()).await.map_err(|error| bad(&error.body_text()))?;
        let mut form = Self { image: None, consent: None, _hold: received.hold };
        form.read(fields).await?;
        Ok(form)
    }
}

impl Form {
    async fn read(&mut self, mut fields: Multipart) -> Result<(), Problem> {
        for _ in 0..MOST_FIELDS {
            let field = fields.next_field().await.map_err(|error| bad(&error.body_text()))?;
            let Some(field) = field else { return Ok(()) };
            let name = field.name().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.map_err(|error| bad(&error.body_text()))?;
            self.take(&name, bytes)?;
        }
        Err(bad("there are too many fields"))
    }

    fn take(&mut self, name: &str, bytes: Bytes) -> Result<(), Problem> {
        match name {
            "image" if self.image.is_some() => Err(Problem::new(
                Slug::TooManyPictures,
                "one form holds one picture; send the others in further forms",
            )),
            "image" => {
                self.image = Some(bytes);
                Ok(())
            }
            "consent" => {
                self.consent = Some(text(&bytes)?);
                Ok(())
            }
            // The first clients sent further fields once.
            _ => Ok(()),
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, Problem> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST_TEXT);
    text.map(|text| text.trim().to_owned()).ok_or_else(|| bad("the field `consent` is no short text"))
}

fn bad(reason: &str) -> Problem {
    Problem::new(Slug::Malformed, format!("the form cannot be read: {reason}"))
}
