//! What all measurements measure: a model on a runtime, and pictures.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use sightscan_engine::model::Overrides;
use sightscan_engine::{EngineChoice, Model, Options};

/// The model, the runtime and the pictures.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// Model file [default: yolov5n.onnx of the test data].
    #[arg(long, global = true)]
    model: Option<PathBuf>,
    /// Runtime.
    #[arg(long, global = true, default_value_t = EngineChoice::Auto)]
    pub(crate) engine: EngineChoice,
    /// The built program, for measurements of a process.
    #[arg(long, global = true, default_value = "target/release/sightscan")]
    pub(crate) program: PathBuf,
}

impl Subject {
    /// The model file.
    pub(crate) fn model_path(&self) -> Result<PathBuf> {
        let usual = || sightscan_testkit::data("models/yolov5n.onnx");
        self.model.clone().or_else(usual).context("no model: give --model FILE")
    }

    /// The model, loaded.
    pub(crate) fn model(&self) -> Result<Arc<Model>> {
        Ok(Model::open(&self.model_path()?, &Overrides::default(), self.engine)?)
    }

    /// The bytes of the course's pictures.
    pub(crate) fn pictures(&self) -> Result<Vec<Vec<u8>>> {
        let paths = sightscan_testkit::pictures("iweblens", "jpg")
            .context("no pictures: the test data is missing")?;
        Ok(paths.into_iter().map(fs_err::read).collect::<Result<_, _>>()?)
    }

    /// The thresholds of the course's route.
    pub(crate) fn options() -> Options {
        Options { confidence: 0.3, iou: 0.1, agnostic: true, ..Options::default() }
    }
}

/// The body that the course's client since 2021 sends for a picture.
pub(crate) fn course_body(picture: &[u8]) -> Vec<u8> {
    let image = base64_simd::STANDARD.encode_to_string(picture);
    let inner = serde_json::json!({ "image": image, "id": "ebc3f668-730d-5e67-8f07-4f1e1bbc3ab8" });
    serde_json::Value::String(inner.to_string()).to_string().into_bytes()
}
