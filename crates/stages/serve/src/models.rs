//! The models that are served, and the worker's side of them.

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sightscan_engine::annotate::{self, Encoding};
use sightscan_engine::decode::Limits;
use sightscan_engine::model::Spec;
use sightscan_engine::{DetectError, Detector, Model};
use sightscan_http::{Problem, Slug};
use utoipa::ToSchema;

use crate::error::StartError;
use crate::pool::{Analyse, Answer, Factory, Work, WorkError};

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

    fn encoding(self) -> Encoding {
        match self {
            Self::Jpeg => Encoding::Jpeg,
            Self::Png => Encoding::Png,
        }
    }
}

/// The models that are served; the first is the one that is meant where none is named.
#[derive(Debug)]
pub(crate) struct Models(Vec<Arc<Model>>);

impl Models {
    pub(crate) fn new(models: Vec<Arc<Model>>) -> Result<Self, StartError> {
        if models.is_empty() {
            return Err(StartError::NoModel);
        }
        let mut names = std::collections::HashSet::new();
        match models.iter().find(|model| !names.insert(&model.spec().name)) {
            Some(twice) => Err(StartError::SameName(twice.spec().name.clone())),
            None => Ok(Self(models)),
        }
    }

    pub(crate) fn all(&self) -> &[Arc<Model>] {
        &self.0
    }

    pub(crate) fn spec(&self, index: usize) -> &Spec {
        self.0[index].spec()
    }

    /// The place of the model with this name, or `name@version`; the first model's where none is named.
    pub(crate) fn find(&self, reference: Option<&str>) -> Result<usize, Problem> {
        let Some(reference) = reference else { return Ok(0) };
        let (name, version) = match reference.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (reference, None),
        };
        let fits =
            |spec: &Spec| spec.name == name && (version.is_none() || version == spec.version.as_deref());
        self.0.iter().position(|model| fits(model.spec())).ok_or_else(|| unknown(reference))
    }
}

fn unknown(reference: &str) -> Problem {
    let what = format!("there is no model `{reference}`; GET /v1/models lists those that are served");
    Problem::new(Slug::UnknownModel, what)
}

/// Makes workers that run the engine: each has an instance of every model, warmed up.
pub(crate) fn engine_factory(models: &Models, threads: NonZeroUsize, max_pixels: u64) -> Factory {
    let models = models.0.clone();
    let limits = Limits { max_pixels };
    Arc::new(move || {
        let detectors =
            models.iter().map(|model| warm(model, threads)).collect::<Result<_, DetectError>>()?;
        Ok(Box::new(Engine { detectors, limits }))
    })
}

fn warm(model: &Arc<Model>, threads: NonZeroUsize) -> Result<Detector, DetectError> {
    let mut detector = Detector::new(Arc::clone(model), threads)?;
    detector.warm_up()?;
    Ok(detector)
}

struct Engine {
    detectors: Vec<Detector>,
    limits: Limits,
}

impl Analyse for Engine {
    fn analyse(&mut self, work: &Work) -> Result<Answer, WorkError> {
        let detector = &mut self.detectors[work.model];
        let Some(drawing) = work.drawing else {
            let analysis = detector.detect(&work.picture, &self.limits, &work.options)?;
            return Ok(Answer { analysis, drawn: None });
        };
        let (picture, analysis) = detector.detect_and_keep(&work.picture, &self.limits, &work.options)?;
        let drawn = annotate::annotate(&picture, &analysis.findings);
        Ok(Answer { analysis, drawn: Some(annotate::encode(&drawn, drawing.encoding())?) })
    }
}

/// What is told about a model.
#[derive(Debug, Serialize, ToSchema)]
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
    /// The runtime that computes it.
    runtime: String,
    /// Which boxes are kept unless a request says otherwise.
    #[schema(value_type = Object)]
    thresholds: sightscan_engine::model::spec::Thresholds,
    /// SHA-256 of its file.
    sha256: String,
}

impl ModelInfo {
    pub(crate) fn of(model: &Model) -> Self {
        let spec = model.spec();
        Self {
            name: spec.name.clone(),
            version: spec.version.clone(),
            family: spec.family.to_string(),
            classes: spec.classes.clone(),
            input: spec.input,
            runtime: model.program().runtime().to_string(),
            thresholds: spec.thresholds,
            sha256: spec.sha256.clone(),
        }
    }
}
