//! Data sets over HTTP, for the administrator: a ZIP out, a ZIP in.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use serde::{Deserialize, Serialize};
use sightscan_dataset::{Error as DatasetError, Exported, Format, Limits, ZipSink, ZipSource};
use sightscan_http::asked::media_type;
use sightscan_http::axum;
use sightscan_http::axum::Json;
use sightscan_http::axum::body::Body;
use sightscan_http::axum::extract::State;
use sightscan_http::axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use sightscan_http::axum::response::{IntoResponse, Response};
use sightscan_http::{AdminGate, Asked, Named, Problem, Slug as Kind};
use sightscan_types::Slug;
use sightscan_warehouse::{Error as WarehouseError, Warehouse};
use tempfile::TempDir;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tracing::warn;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::city;

use super::{Error, How, MayUse, Only, Report, Tell, Wish};

/// Bytes of a ZIP that is sent, at most.
const MOST_BYTES: u64 = 8 << 30;
/// Data sets on their way at once: each takes the disk's room and a core.
const AT_ONCE: usize = 2;
/// How long the next piece of a body may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of a file that are read at once.
const PIECE: usize = 256 << 10;
/// When to come again if others are on their way.
const BUSY: Duration = Duration::from_secs(30);
/// What a data set that was sent is called.
const SENT: &str = "upload.zip";

/// How many images a data set has.
const IMAGES: HeaderName = HeaderName::from_static("x-sightscan-images");
/// How much was left out of a data set.
const PROBLEMS: HeaderName = HeaderName::from_static("x-sightscan-problems");

sightscan_http::problem_sets! {
    /// Of an export.
    ExportProblems: InvalidParameter, Unauthorized, UnknownCity, Busy, Internal, Unavailable;
    /// Of an import.
    ImportProblems: Malformed, InvalidParameter, Unauthorized, UnknownCity, BodyTimeout, BodyTooLarge, UnsupportedMediaType,
        Busy, Internal, Unavailable;
}

/// What the routes share.
#[derive(Clone)]
pub struct Api {
    warehouse: Warehouse,
    gate: AdminGate,
    may_use: MayUse,
    pictures: sightscan_pictures::Limits,
    most_bytes: u64,
    places: Arc<Semaphore>,
}

impl Api {
    /// Routes of this warehouse; `gate` lets the administrator in, `may_use` is the licence policy, and `pictures` are the
    /// limits under which pictures are decoded.
    pub fn new(
        warehouse: Warehouse,
        gate: AdminGate,
        may_use: MayUse,
        pictures: sightscan_pictures::Limits,
    ) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        Self { warehouse, gate, may_use, pictures, most_bytes: MOST_BYTES, places }
    }

    /// The same routes, but for ZIP files of at most so many bytes; without this they are 8 GiB.
    #[must_use]
    pub fn most_bytes(mut self, most_bytes: u64) -> Self {
        self.most_bytes = most_bytes;
        self
    }

    fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| {
            let what = "other data sets are on their way; try again when they are done";
            Problem::new(Kind::Busy, what).retry_after(BUSY)
        })
    }

    /// What is read of a ZIP: pictures are compressed already, so it does not grow much.
    fn limits(&self) -> Limits {
        let max_total_bytes = self.most_bytes.saturating_mul(2);
        Limits { max_files: 200_000, max_file_bytes: 128 << 20, max_total_bytes }
    }

    fn how(&self, asked: ImportQuery) -> Result<How, Problem> {
        Ok(How {
            format: asked.format.as_deref().map(parameter).transpose()?,
            name: asked.name.unwrap_or_else(|| SENT.to_owned()),
            licence: asked.licence,
            author: asked.author,
            by: asked.by,
            limits: self.pictures,
            may_use: Arc::clone(&self.may_use),
        })
    }
}

/// The routes with their descriptions for OpenAPI, closed to all but the administrator.
pub fn router(api: &Api) -> OpenApiRouter {
    let routes = OpenApiRouter::new().routes(routes!(export_dataset, import_dataset));
    routes.layer(api.gate.layer()).with_state(api.clone())
}

/// Which images are exported, and as what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ExportQuery {
    /// yolo (if nothing else is said), coco, voc or label-studio.
    format: Option<String>,
    /// labelled (if nothing else is said), human, or all, which are the unlabelled ones too.
    only: Option<String>,
    /// Shares for training, validation and testing, such as 0.8,0.1,0.1; without it nothing is divided.
    split: Option<String>,
}

impl ExportQuery {
    fn wish(&self) -> Result<Wish, Problem> {
        Ok(Wish {
            format: self.format.as_deref().map_or(Ok(Format::Yolo), parameter)?,
            only: self.only.as_deref().map_or(Ok(Only::default()), parameter)?,
            split: self.split.as_deref().map(parameter).transpose()?,
        })
    }
}

/// How a data set is taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ImportQuery {
    /// yolo, coco, voc or label-studio; without it the files tell.
    format: Option<String>,
    /// What the data set is called: where its pictures are from if it does not say.
    name: Option<String>,
    /// The licence of pictures whose own the data set does not tell, as SPDX identifier.
    licence: Option<String>,
    /// The author of pictures whose own the data set does not tell.
    author: Option<String>,
    /// Who has labelled, where people have.
    by: Option<String>,
}

/// A ZIP file with a data set.
#[derive(ToSchema)]
#[schema(value_type = String, format = Binary)]
#[expect(dead_code, reason = "it describes a body, which is read as bytes")]
struct ZipFile(Vec<u8>);

/// What was taken.
#[derive(Debug, Serialize, ToSchema)]
struct ImportReport {
    /// Pictures that are in the city now, whether or not they were before.
    images: usize,
    /// Those of them that the city did not have.
    new_images: usize,
    /// Those of them that the data set has boxes of.
    labelled: usize,
    /// Those of them in which somebody has found nothing.
    negatives: usize,
    /// Labellings that nobody had made before.
    new_labels: usize,
    /// Pictures that wait for a review, because their licence is not known to allow their use.
    quarantined: usize,
    /// What was not taken, the first 200.
    problems: Vec<Fault>,
    /// How much was not taken.
    all_problems: usize,
}

/// Something in a data set that was not taken.
#[derive(Debug, Serialize, ToSchema)]
struct Fault {
    /// The file in the data set.
    file: String,
    /// The line in it, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// What was expected and what is there.
    fault: String,
    /// What to do.
    advice: &'static str,
}

/// Exports a city's images with their labels as a ZIP.
#[utoipa::path(get, path = "/v1/cities/{slug}/dataset", tag = "datasets", security(("admin" = [])),
    params(("slug" = Slug, Path, description = "the city"), ExportQuery),
    responses((status = 200, description = "the data set", body = ZipFile, content_type = "application/zip",
        headers(("content-disposition" = String), ("x-sightscan-images" = usize), ("x-sightscan-problems" = usize))),
        ExportProblems))]
async fn export_dataset(
    State(api): State<Api>,
    Named(slug): Named<String>,
    Asked(asked): Asked<ExportQuery>,
) -> Result<Response, Problem> {
    let wish = asked.wish()?;
    let city = city(&api.warehouse.database, &slug).await?;
    let place = api.place()?;
    let name = format!("{}-{}.zip", city.slug, wish.format);
    // A task of its own: it ends in order when the client leaves.
    let export = async move {
        let _place = place;
        let folder = tempfile::tempdir().map_err(DatasetError::Write)?;
        let path = folder.path().join(&name);
        let sink = ZipSink::create(&path)?;
        let exported = super::export(&api.warehouse, city.id, &wish, sink, &silence()).await?;
        Ok::<_, Error>((folder, path, name, exported))
    };
    let (folder, path, name, exported) = tokio::spawn(export).await.map_err(Error::from)??;
    if let Some(first) = exported.problems.list().first() {
        warn!(problems = exported.problems.total(), %first, city = %city.slug, "a data set lacks something");
    }
    answer(folder, &path, &name, &exported).await.map_err(Problem::internal)
}

/// Imports a ZIP with pictures and their labels into a city. What cannot be taken is told; the rest is taken.
#[utoipa::path(post, path = "/v1/cities/{slug}/dataset", tag = "datasets", security(("admin" = [])),
    params(("slug" = Slug, Path, description = "the city"), ImportQuery),
    request_body(description = "the ZIP", content((ZipFile = "application/zip"))),
    responses((status = 200, description = "what was taken", body = ImportReport), ImportProblems))]
async fn import_dataset(
    State(api): State<Api>,
    Named(slug): Named<String>,
    Asked(asked): Asked<ImportQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ImportReport>, Problem> {
    let how = api.how(asked)?;
    let city = city(&api.warehouse.database, &slug).await?;
    if !["application/zip", "application/octet-stream"].contains(&media_type(&headers).as_str()) {
        let what = "send a ZIP file, with the header `content-type: application/zip`";
        return Err(Problem::new(Kind::UnsupportedMediaType, what));
    }
    let place = api.place()?;
    let (folder, path) = receive(body, api.most_bytes).await?;
    // A task of its own: a client that leaves does not end it half-way.
    let import = async move {
        let (_place, _folder, limits) = (place, folder, api.limits());
        let source = tokio::task::spawn_blocking(move || ZipSource::open(&path, limits)).await??;
        super::import(&api.warehouse, city.id, Arc::new(source), &how, &silence()).await
    };
    let report = tokio::spawn(import).await.map_err(Error::from)??;
    Ok(Json(report.into()))
}

fn silence() -> Tell {
    Arc::new(|_, _| ())
}

/// Reads a parameter of the query.
fn parameter<T>(text: &str) -> Result<T, Problem>
where
    T: FromStr,
    T::Err: ToString,
{
    text.parse().map_err(|error: T::Err| Problem::new(Kind::InvalidParameter, error.to_string()))
}

/// The file as an answer; its folder goes with the last of it.
async fn answer(folder: TempDir, path: &Path, name: &str, exported: &Exported) -> io::Result<Response> {
    let file = File::open(path).await?;
    let size = file.metadata().await?.len();
    let mut response = Body::from_stream(pieces(file, folder)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, size.into());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A slug has no letter that has to be quoted.
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    disposition.into_iter().for_each(|value| drop(headers.insert(header::CONTENT_DISPOSITION, value)));
    headers.insert(IMAGES, exported.images.into());
    headers.insert(PROBLEMS, exported.problems.total().into());
    Ok(response)
}

fn pieces(file: File, folder: TempDir) -> impl Stream<Item = io::Result<Bytes>> {
    stream::try_unfold((file, folder), |(mut file, folder)| async move {
        let mut piece = vec![0; PIECE];
        let length = file.read(&mut piece).await?;
        piece.truncate(length);
        Ok((length > 0).then(|| (piece.into(), (file, folder))))
    })
}

/// Writes a body to a file in a folder of its own.
async fn receive(body: Body, most: u64) -> Result<(TempDir, PathBuf), Problem> {
    let folder = tempfile::tempdir().map_err(Problem::internal)?;
    let path = folder.path().join(SENT);
    let mut file = File::create(&path).await.map_err(Problem::internal)?;
    let mut pieces = body.into_data_stream();
    let mut length = 0;
    while let Some(piece) = timeout(PATIENCE, pieces.next()).await.map_err(|_| too_slow())? {
        let piece =
            piece.map_err(|error| malformed(format!("the body broke off: {error}; send it again")))?;
        length += piece.len() as u64;
        if length > most {
            return Err(too_large(most));
        }
        file.write_all(&piece).await.map_err(Problem::internal)?;
    }
    file.flush().await.map_err(Problem::internal)?;
    Ok((folder, path))
}

fn too_slow() -> Problem {
    Problem::new(Kind::BodyTimeout, "the body does not arrive; send it without long pauses")
}

fn too_large(most: u64) -> Problem {
    let what = format!("the body has more than {most} bytes, which is the limit; send the data set in parts");
    Problem::new(Kind::BodyTooLarge, what)
}

fn malformed(what: String) -> Problem {
    Problem::new(Kind::Malformed, what)
}

impl From<Report> for ImportReport {
    fn from(report: Report) -> Self {
        let Report { images, new_images, labelled, negatives, new_labels, quarantined, problems } = report;
        let all_problems = problems.total();
        let problems = problems.list().iter().cloned().map(|problem| Fault {
            file: problem.file,
            line: problem.line,
            fault: problem.fault,
            advice: problem.advice,
        });
        let problems = problems.collect();
        Self { images, new_images, labelled, negatives, new_labels, quarantined, problems, all_problems }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            // Without the path, which is that of a temporary file.
            Error::Dataset(DatasetError::Open { reason, .. }) => {
                malformed(format!("the ZIP cannot be opened: {reason}"))
            }
            Error::Dataset(DatasetError::NotThisFormat { .. }) | Error::UnknownFormat => {
                malformed(error.to_string())
            }
            Error::Warehouse(WarehouseError::TooLong { .. }) => {
                Self::new(Kind::InvalidParameter, error.to_string())
            }
            Error::Warehouse(ref cause) if cause.is_transient() => {
                Self::new(Kind::Unavailable, error.to_string())
            }
            Error::Dataset(_) | Error::Warehouse(_) | Error::Task(_) => Self::internal(error),
        }
    }
}
