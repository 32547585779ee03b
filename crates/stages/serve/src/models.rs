//! The models that are served, and the worker's side of them.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use sightscan_engine::annotate::{self, Encoding};
use sightscan_engine::decode::Limits;
use sightscan_engine::model::{OnnxFile, Spec};
use sightscan_engine::{DetectError, Detector, Model};
use sightscan_http::axum::body::Body;
use sightscan_http::axum::http::{HeaderMap, HeaderValue, Method, header};
use sightscan_http::axum::response::Response;
use sightscan_http::{Download, Problem, Slug};
use sightscan_types::Sha256;
use utoipa::ToSchema;

use crate::error::StartError;
use crate::pool::{Analyse, Answer, Factory, Work, WorkError, lock};

/// Bytes of a model that are sent at a time.
const PART: u64 = 64 << 10;

/// The format of a picture that is drawn with its boxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Drawing {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
}

impl Drawing {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// The format of this media type.
    pub(crate) fn of_media_type(media_type: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|drawing| drawing.media_type() == media_type)
    }

    fn encoding(self) -> Encoding {
        match self {
            Self::Jpeg => Encoding::Jpeg,
            Self::Png => Encoding::Png,
        }
    }
}

/// A model that is served, and when it last answered.
#[derive(Debug)]
pub struct Served {
    model: Arc<Model>,
    proof: Mutex<Option<Instant>>,
}

impl Served {
    pub(crate) fn new(model: Arc<Model>) -> Arc<Self> {
        Arc::new(Self { model, proof: Mutex::default() })
    }

    pub(crate) fn model(&self) -> &Arc<Model> {
        &self.model
    }

    pub(crate) fn spec(&self) -> &Spec {
        self.model.spec()
    }

    /// It has answered just now.
    pub(crate) fn note_proof(&self) {
        *lock(&self.proof) = Some(Instant::now());
    }

    /// How long ago it last answered; `None` where it never did.
    pub(crate) fn since_proof(&self) -> Option<Duration> {
        lock(&self.proof).map(|at| at.elapsed())
    }
}

/// The models that are served; the first is the one that is meant where none is named. They may change at any time: a
/// request keeps the one that it has found.
#[derive(Debug)]
pub(crate) struct Models(Mutex<Table>);

#[derive(Debug, Clone)]
struct Table {
    served: Arc<[Arc<Served>]>,
    /// A model that workers load and nobody can name yet.
    coming: Option<Arc<Served>>,
    /// Counts what workers have to load or let go.
    generation: u64,
}

impl Models {
    pub(crate) fn new(models: Vec<Arc<Model>>) -> Result<Self, StartError> {
        let mut names = std::collections::HashSet::new();
        if let Some(twice) = models.iter().find(|model| !names.insert(&model.spec().name)) {
            return Err(StartError::SameName(twice.spec().name.clone()));
        }
        let served = models.into_iter().map(Served::new).collect();
        Ok(Self(Mutex::new(Table { served, coming: None, generation: 0 })))
    }

    pub(crate) fn all(&self) -> Arc<[Arc<Served>]> {
        Arc::clone(&lock(&self.0).served)
    }

    /// The model with this name, or `name@version`; the first one where none is named.
    pub(crate) fn find(&self, reference: Option<&str>) -> Result<Arc<Served>, Problem> {
        let all = self.all();
        let Some(reference) = reference else { return all.first().cloned().ok_or_else(none_yet) };
        let fits = |spec: &Spec| is_meant(&spec.name, spec.version.as_deref(), reference);
        all.iter().find(|served| fits(served.spec())).cloned().ok_or_else(|| unknown(reference))
    }

    /// What a worker has loaded: what is served, and what is coming.
    pub(crate) fn wanted(&self) -> Vec<Arc<Model>> {
        let table = lock(&self.0);
        table.served.iter().chain(&table.coming).map(|served| Arc::clone(&served.model)).collect()
    }

    /// Has workers load a model that is to be served; the generation in which they have.
    pub(crate) fn announce(&self, coming: &Arc<Served>) -> u64 {
        let mut table = lock(&self.0);
        table.coming = Some(Arc::clone(coming));
        table.generation += 1;
        table.generation
    }

    /// Serves what was coming: in the place of the model of the same name, which is given back, or at the end.
    pub(crate) fn settle(&self) -> Option<Arc<Served>> {
        let mut table = lock(&self.0);
        let coming = table.coming.take()?;
        let mut served = table.served.to_vec();
        let place = served.iter().position(|other| other.spec().name == coming.spec().name);
        let old = match place {
            Some(place) => Some(std::mem::replace(&mut served[place], coming)),
            None => {
                served.push(coming);
                None
            }
        };
        table.served = served.into();
        old
    }

    /// Serves no model of this name any more; gives it back.
    pub(crate) fn remove(&self, name: &str) -> Option<Arc<Served>> {
        let mut table = lock(&self.0);
        let old = table.served.iter().find(|served| served.spec().name == name).cloned()?;
        table.served = table.served.iter().filter(|served| !Arc::ptr_eq(served, &old)).cloned().collect();
        Some(old)
    }

    /// Has workers let go of what is not served and not coming; the generation in which they have.
    pub(crate) fn let_go(&self) -> u64 {
        let mut table = lock(&self.0);
        table.generation += 1;
        table.generation
    }

    /// Nothing is coming any more.
    pub(crate) fn abandon(&self) {
        lock(&self.0).coming = None;
    }
}

pub(crate) fn unknown(reference: &str) -> Problem {
    let what = format!("there is no model `{reference}`; GET /v1/models lists those that are served");
    Problem::new(Slug::UnknownModel, what)
}

fn none_yet() -> Problem {
    Problem::new(
        Slug::UnknownModel,
        "no model is served yet; publish one, or import one with `sightscan model import FILE`",
    )
}

/// Makes workers that run the engine: each has an instance of every model, warmed up.
pub(crate) fn engine_factory(models: &Arc<Models>, threads: NonZeroUsize, max_pixels: u64) -> Factory {
    let (models, limits) = (Arc::clone(models), Limits { max_pixels });
    Arc::new(move || {
        let mut engine = Engine { models: Arc::clone(&models), detectors: Vec::new(), threads, limits };
        engine.renew()?;
        Ok(Box::new(engine))
    })
}

struct Engine {
    models: Arc<Models>,
    detectors: Vec<Detector>,
    threads: NonZeroUsize,
    limits: Limits,
}

impl Engine {
    /// The instance of a model, which is made where there is none: after a change, or a panic.
    fn detector(&mut self, model: &Arc<Model>) -> Result<&mut Detector, DetectError> {
        let place = self.detectors.iter().position(|detector| Arc::ptr_eq(detector.model(), model));
        let place = match place {
            Some(place) => place,
            None => {
                let mut detector = Detector::new(Arc::clone(model), self.threads)?;
                detector.warm_up()?;
                self.detectors.push(detector);
                self.detectors.len() - 1
            }
        };
        Ok(&mut self.detectors[place])
    }
}

impl Analyse for Engine {
    fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
        let limits = self.limits;
        let detector = self.detector(work.model.model())?;
        let Some(drawing) = work.drawing else {
            let analysis = detector.detect(&work.picture, &limits, &work.options)?;
            return Ok(Answer { analysis, drawn: None });
        };
        let (picture, analysis) = detector.detect_and_keep(&work.picture, &limits, &work.options)?;
        let drawn = annotate::annotate(&picture, &analysis.findings);
        Ok(Answer { analysis, drawn: Some(annotate::encode(&drawn, drawing.encoding())?) })
    }

    fn renew(&mut self) -> Result<(), WorkError> {
        let wanted = self.models.wanted();
        self.detectors.retain(|detector| wanted.iter().any(|model| Arc::ptr_eq(model, detector.model())));
        wanted.iter().try_for_each(|model| self.detector(model).map(drop))?;
        Ok(())
    }
}

/// What is told about a model.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct ModelInfo {
    /// Name, as the query parameter `model` takes it.
    name: String,
    /// Version, where the model has one.
    version: Option<String>,
    /// How the output of its network is read.
    family: String,
    /// Names of its classes.
    classes: Vec<String>,
    /// How pictures become the input of its network.
    #[schema(value_type = Object)]
    input: sightscan_engine::prepare::Input,
    /// The runtime that computes it; none where workers elsewhere do.
    runtime: Option<String>,
    /// Which boxes are kept unless a request says otherwise.
    #[schema(value_type = Object)]
    thresholds: sightscan_engine::model::spec::Thresholds,
    /// SHA-256 of its file.
    sha256: String,
    /// Bytes of its ONNX file.
    size: u64,
    /// SHA-256 of its ONNX file, which may have been made from files of another kind.
    file_sha256: Sha256,
    #[serde(skip)]
    file: OnnxFile,
}

impl ModelInfo {
    pub(crate) fn of(model: &Model) -> Self {
        Self { runtime: Some(model.program().runtime().to_string()), ..Self::elsewhere(model) }
    }

    /// The same of a model that workers elsewhere compute.
    pub(crate) fn elsewhere(model: &Model) -> Self {
        let (spec, file) = (model.spec(), model.file().clone());
        Self {
            name: spec.name.clone(),
            version: spec.version.clone(),
            family: spec.family.to_string(),
            classes: spec.classes.clone(),
            input: spec.input,
            runtime: None,
            thresholds: spec.thresholds,
            sha256: spec.sha256.clone(),
            size: file.size(),
            file_sha256: file.sha256(),
            file,
        }
    }

    /// Answers its ONNX file: whole, in part, or not at all where the client has it.
    pub(crate) async fn download(self, method: &Method, asked: &HeaderMap) -> Result<Response, Problem> {
        let Self { name, version, file, .. } = self;
        let version = version.map_or_else(String::new, |version| format!("-{version}"));
        let download = Download {
            sha256: file.sha256(),
            size: file.size(),
            // ONNX has no registered media type.
            media_type: HeaderValue::from_static("application/octet-stream"),
            file_name: Some(format!("{name}{version}.onnx")),
            // By its name, which may mean another version by then.
            headers: HeaderMap::from_iter([(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))]),
        };
        download.answer(method, asked, async |range| Ok(Body::from_stream(parts(file, range)))).await
    }

    /// Whether this reference, `name` or `name@version`, means it.
    pub(crate) fn is_meant_by(&self, reference: &str) -> bool {
        is_meant(&self.name, self.version.as_deref(), reference)
    }
}

/// Some bytes of a file, a part at a time: many slow clients must not hold as many files in memory.
fn parts(file: OnnxFile, all: Range<u64>) -> impl Stream<Item = io::Result<Vec<u8>>> {
    let file = Arc::new(file);
    stream::try_unfold(all, move |left| {
        let (part, file) = (left.start..left.end.min(left.start + PART), Arc::clone(&file));
        async move {
            if part.is_empty() {
                return Ok(None);
            }
            let end = part.end;
            let read = tokio::task::spawn_blocking(move || file.read(part));
            let bytes = read.await.map_err(io::Error::from)??;
            Ok(Some((bytes, end..left.end)))
        }
    })
}

fn is_meant(name: &str, version: Option<&str>, reference: &str) -> bool {
    match reference.split_once('@') {
        Some((other, wanted)) => other == name && version == Some(wanted),
        None => reference == name,
    }
}
