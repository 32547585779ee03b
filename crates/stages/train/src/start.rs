//! Weights that a training starts from.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

use half::f16;
use sightscan_engine::model::{ModelError, ModelFolder, Reference, shipped};
use sightscan_engine::onnx::proto::{TensorProto, data_type};
use sightscan_engine::onnx::{self, ModelProto, ultralytics};
use sightscan_nn::{Anchors, Architecture, Values, Weights};

use crate::error::{Error, Result};
use crate::evaluation::fold;
use crate::export::{NORMALISATION, Spread, Spreads};
use crate::learn::Start;

/// What YOLOv5 adds to a variance before it divides by its root.
const EPSILON: f32 = 1e-3;

/// The endings of files of weights.
const ENDINGS: [&str; 4] = ["pt", "pth", "safetensors", "onnx"];

/// The entry of a safetensors file's metadata that names the classes, as a JSON list.
const CLASSES: &str = "classes";

/// Weights that have learnt something.
#[derive(Debug, Clone)]
pub struct Learnt {
    /// The weights.
    pub weights: Weights,
    /// The names of the classes that they tell apart; none where their file does not say it.
    pub classes: Vec<String>,
}

impl Learnt {
    /// Which of the classes that were learnt each of these is. They are known by their names; where the file names none, as
    /// many classes are taken to be the same ones.
    pub(crate) fn known(&self, classes: &[String], count: usize) -> Vec<Option<usize>> {
        if self.classes.is_empty() {
            return (0..classes.len()).map(|class| (count == classes.len()).then_some(class)).collect();
        }
        let learnt: Vec<String> = self.classes.iter().map(|name| fold(name)).collect();
        classes.iter().map(|name| learnt.iter().position(|learnt| *learnt == fold(name))).collect()
    }
}

/// What is said of weights in a safetensors file.
pub(crate) fn metadata(classes: &[String]) -> Result<BTreeMap<String, String>> {
    Ok(BTreeMap::from([(CLASSES.to_owned(), serde_json::to_string(classes)?)]))
}

/// What a training starts from, and what is said about it.
#[derive(Debug, Clone)]
pub struct Base {
    /// The weights.
    pub start: Start,
    /// For people: what they are.
    pub name: String,
    /// Their licence, where it is known.
    pub licence: Option<String>,
}

impl Base {
    /// The word for weights drawn by chance.
    const NONE: &str = "none";

    /// What a user means: `none`, a file of weights, or a model by its name, of the folder or the one that comes with the
    /// program.
    ///
    /// # Errors
    /// When there is no such file or model, or it holds no weights of a YOLOv5 network.
    pub fn find(words: &str, models: &ModelFolder) -> Result<Self> {
        if words == Self::NONE {
            return Ok(Self::nothing());
        }
        let path = Path::new(words);
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_file() || ENDINGS.contains(&ending) {
            let name =
                path.file_name().map_or_else(|| words.to_owned(), |name| name.to_string_lossy().into());
            return Ok(Self { start: Start::From(read_weights(path)?), name, licence: None });
        }
        let reference: Reference = words.parse().map_err(ModelError::from)?;
        match models.resolve(&reference) {
            Err(ModelError::NotFound { .. }) if reference == shipped::reference() => Self::shipped(),
            path => {
                let start = Start::From(read_weights(&path?)?);
                Ok(Self { start, name: words.to_owned(), licence: None })
            }
        }
    }

    /// Weights drawn by chance.
    pub fn nothing() -> Self {
        Self { start: Start::Nothing(Architecture::nano(1)), name: "nothing".to_owned(), licence: None }
    }

    fn shipped() -> Result<Self> {
        let learnt = of_onnx(Path::new(shipped::NAME), shipped::ONNX)?;
        let licence = Some(shipped::LICENCE.to_owned());
        Ok(Self { start: Start::From(learnt), name: shipped::NAME.to_owned(), licence })
    }
}

impl fmt::Display for Base {
    /// Name and licence.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.licence {
            Some(licence) => write!(formatter, "{} ({licence})", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// Reads weights of a YOLOv5 network: a checkpoint of Ultralytics (`.pt`), an ONNX file that Ultralytics or we have
/// exported, or `weights.safetensors` of a training.
///
/// # Errors
/// When the file is of another kind, is damaged, or holds another network.
pub fn read_weights(path: &Path) -> Result<Learnt> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("pt" | "pth") => Ok(Learnt { weights: Weights::read_pt(path)?, classes: Vec::new() }),
        Some("safetensors") => of_safetensors(&fs_err::read(path)?),
        Some("onnx") => of_onnx(path, &fs_err::read(path)?),
        _ => Err(Error::NoWeights(path.to_owned())),
    }
}

fn of_safetensors(bytes: &[u8]) -> Result<Learnt> {
    let classes = Weights::metadata(bytes)?.get(CLASSES).map(|names| serde_json::from_str(names));
    Ok(Learnt {
        weights: Weights::from_safetensors(bytes)?,
        classes: classes.transpose()?.unwrap_or_default(),
    })
}

/// The weights of a network whose normalisation was folded into its convolutions.
pub(crate) fn of_onnx(path: &Path, bytes: &[u8]) -> Result<Learnt> {
    let wrong = |reason: String| Error::Onnx { path: path.to_owned(), reason };
    let model = onnx::parse(bytes).map_err(|error| wrong(error.to_string()))?;
    let unread = |what: &str, error: &dyn Display| wrong(format!("its {what} cannot be read: {error}"));
    let spreads = spreads(&model).map_err(|error| unread("normalisation", &error))?;
    let mut weights = Weights::default();
    for tensor in model.graph.iter().flat_map(|graph| &graph.initializer) {
        let name = tensor.name().trim_end_matches(".half");
        if let Some(values) = numbers(tensor) {
            add(&mut weights, name, values, &spreads).map_err(wrong)?;
        }
    }
    weights.insert_anchors(&anchors(&model).map_err(|error| unread("anchors", &error))?);
    let classes = model.metadata("names").and_then(ultralytics::names).unwrap_or_default();
    Ok(Learnt { weights, classes })
}

fn add(
    weights: &mut Weights,
    name: &str,
    values: Values,
    spreads: &Spreads,
) -> std::result::Result<(), String> {
    // The last layer has no normalisation; we call it a convolution, as all others.
    let (head, last) = (name.starts_with("model.24.m."), name.replace(".conv.", "."));
    match name.strip_suffix(".conv.bias") {
        _ if head => weights.insert(last, values),
        Some(block) => unfold(weights, block, values, spreads.get(block))?,
        None => weights.insert(name.to_owned(), values),
    }
    Ok(())
}

/// Gives a block the normalisation back that was folded into its convolution. Where it is not known how the features were
/// spread, one that changes nothing but adds the bias: right for detecting, but the first step of a training sees something
/// else.
fn unfold(
    weights: &mut Weights,
    block: &str,
    bias: Values,
    spread: Option<&Spread>,
) -> std::result::Result<(), String> {
    let count = bias.values.len();
    let unknown = || Spread { means: vec![0.0; count], variances: vec![1.0 - EPSILON; count] };
    let Spread { means, variances } = spread.cloned().unwrap_or_else(unknown);
    if means.len() != count || variances.len() != count {
        return Err(format!("its normalisation of {block} is not that of {count} channels"));
    }
    let scales = variances.iter().map(|variance| (variance + EPSILON).sqrt()).collect();
    let shifts = bias.values.iter().zip(&means).map(|(bias, mean)| bias + mean).collect();
    let parts = [("weight", scales), ("bias", shifts), ("running_mean", means), ("running_var", variances)];
    for (part, values) in parts {
        weights.insert(format!("{block}.bn.{part}"), Values { shape: bias.shape.clone(), values });
    }
    Ok(())
}

/// Ours say how features were spread before they were normalised.
fn spreads(model: &ModelProto) -> serde_json::Result<Spreads> {
    model.metadata(NORMALISATION).map_or_else(|| Ok(Spreads::new()), serde_json::from_str)
}

/// Ours say their anchors; exports of Ultralytics have those of COCO unless they say something else.
fn anchors(model: &ModelProto) -> serde_json::Result<Anchors> {
    let said = model.metadata(crate::export::ANCHORS).map(serde_json::from_str);
    said.unwrap_or(Ok(Architecture::COCO_ANCHORS))
}

/// The numbers of a constant of floating-point numbers.
fn numbers(tensor: &TensorProto) -> Option<Values> {
    let raw = tensor.raw_data.as_deref().unwrap_or_default();
    let values: Vec<f32> = match tensor.data_type() {
        data_type::FLOAT if !raw.is_empty() => {
            raw.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
        }
        data_type::FLOAT => tensor.float_data.clone(),
        data_type::FLOAT16 => {
            raw.as_chunks::<2>().0.iter().map(|b| f16::from_le_bytes(*b).to_f32()).collect()
        }
        _ => return None,
    };
    let shape: Vec<usize> =
        tensor.dims.iter().map(|size| usize::try_from(*size).ok()).collect::<Option<_>>()?;
    let count = shape.iter().try_fold(1_usize, |count, size| count.checked_mul(*size));
    (count == Some(values.len())).then_some(Values { shape, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, ModelFolder) {
        let folder = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(folder.path().join("models"));
        (folder, models)
    }

    #[test]
    fn w_c41_base_weights_come_with_the_program_and_are_always_the_same_ones() {
        let (_folder, models) = folder();
        let base = Base::find(shipped::NAME, &models).unwrap();
        assert_eq!(base.to_string(), format!("{} ({})", shipped::NAME, shipped::LICENCE));
        let Start::From(learnt) = base.start else { panic!("they have learnt something") };
        assert_eq!(Architecture::of(&learnt.weights).unwrap().classes, learnt.classes.len());
        assert_eq!(learnt.classes, ["tower", "arch", "dome", "bridge", "obelisk", "gate"]);
    }

    #[test]
    fn base_weights_are_a_file_a_name_or_none() {
        let (folder, models) = folder();
        assert!(matches!(Base::find("none", &models).unwrap().start, Start::Nothing(_)));
        let file = folder.path().join("weights.safetensors");
        let learnt = of_onnx(Path::new(shipped::NAME), shipped::ONNX).unwrap();
        let bytes = learnt.weights.to_safetensors(&metadata(&learnt.classes).unwrap()).unwrap();
        fs_err::write(&file, bytes).unwrap();
        let base = Base::find(file.to_str().unwrap(), &models).unwrap();
        assert_eq!((base.name.as_str(), base.licence), ("weights.safetensors", None));
        let Start::From(again) = base.start else { panic!("they have learnt something") };
        assert_eq!((again.classes, again.weights), (learnt.classes, learnt.weights));
        for words in ["gone.pt", "gone"] {
            let error = Base::find(words, &models).unwrap_err().to_string();
            assert!(error.contains("gone"), "{error}");
        }
    }

    #[test]
    fn a_normalisation_of_other_channels_is_refused() {
        let bias = || Values { shape: vec![2], values: vec![0.5, -0.5] };
        let of = |count| Spread { means: vec![0.1; count], variances: vec![1.0; count] };
        let mut weights = Weights::default();
        unfold(&mut weights, "model.0", bias(), Some(&of(2))).unwrap();
        assert_eq!(weights.get("model.0.bn.bias").unwrap().values, [0.6, -0.4]);
        let error = unfold(&mut weights, "model.0", bias(), Some(&of(3))).unwrap_err();
        assert!(error.contains("model.0") && error.contains("2 channels"), "{error}");
    }

    #[test]
    fn classes_are_known_by_their_names() {
        let learnt = |classes: &[&str]| Learnt {
            weights: Weights::default(),
            classes: classes.iter().map(|name| (*name).to_owned()).collect(),
        };
        let wanted = ["Eiffel Tower".to_owned(), "arch".to_owned()];
        assert_eq!(learnt(&["arch", "dome", "eiffel_tower"]).known(&wanted, 3), [Some(2), Some(0)]);
        assert_eq!(learnt(&["dome", "gate"]).known(&wanted, 2), [None, None]);
        assert_eq!(learnt(&[]).known(&wanted, 2), [Some(0), Some(1)]);
        assert_eq!(learnt(&[]).known(&wanted, 80), [None, None]);
    }
}
