//! A model's files, read and turned into one form: the bytes of an ONNX file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::export::DESCRIPTION_KEY;
use super::onnx_file::OnnxFile;
use super::{ModelError, Overrides, Spec, SpecError, spec};
use crate::darknet;
use crate::family::Family;
use crate::files;
use crate::onnx::{self, Dimension, ModelProto, Port};
use crate::prepare::{Fit, Layout};
use crate::runtime::{self, Program, TensorView};

/// A model's files, read; not yet loaded into a runtime.
pub struct Source {
    /// The model file: an `.onnx`, or the `.cfg` of a Darknet network.
    pub path: PathBuf,
    /// The bytes of an ONNX file that every runtime reads.
    pub onnx: Arc<[u8]>,
    /// What is said about the model by flags and by a `model.toml`.
    pub overrides: Overrides,
    proto: ModelProto,
    sha256: String,
    file: OnnxFile,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Source")
            .field("path", &self.path)
            .field("sha256", &self.sha256)
            .finish_non_exhaustive()
    }
}

impl Source {
    /// Reads a model file and what is said about it beside it.
    ///
    /// An `.onnx` file may have a description in `<name>.toml` or `model.toml` beside it. A Darknet `.cfg` has its
    /// weights in `<name>.weights`, and its class names in `<name>.names` or the only `.names` file of the folder.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the network is not supported.
    pub fn read(path: &Path, overrides: &Overrides) -> Result<Self, ModelError> {
        let overrides = overrides.clone().or(beside(path)?);
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("onnx") => Self::read_onnx(path, overrides),
            Some("cfg") => Self::read_darknet(path, &path.with_extension("weights"), overrides),
            _ => Err(ModelError::UnknownKind { path: path.to_path_buf() }),
        }
    }

    fn read_onnx(path: &Path, overrides: Overrides) -> Result<Self, ModelError> {
        let bytes = fs_err::read(path)?;
        let file = OnnxFile::on_disk(path, &bytes);
        Ok(Self { file, ..Self::of_onnx(path, bytes, overrides)? })
    }

    /// A model of the bytes of an `.onnx` file, which is named after a path; there may be no such file.
    ///
    /// # Errors
    /// When they are damaged, or have another hash than is said about them.
    pub fn of_onnx(path: &Path, bytes: Vec<u8>, overrides: Overrides) -> Result<Self, ModelError> {
        let sha256 = files::sha256(&[&bytes]);
        check_hash(path, &overrides, &sha256)?;
        let refused = |source| ModelError::Format { path: path.to_path_buf(), source };
        let mut proto = onnx::parse(&bytes).map_err(refused)?;
        let overrides = overrides.or(embedded(path, &proto)?);
        // A file that every runtime reads as it is keeps its bytes.
        let onnx: Arc<[u8]> = if modernise(&mut proto) { proto.to_bytes() } else { bytes }.into();
        let file = OnnxFile::in_memory(&onnx);
        Ok(Self { path: path.to_path_buf(), onnx, overrides, proto, sha256, file })
    }

    /// Reads a Darknet network whose weights are in a file of any name.
    ///
    /// # Errors
    /// When a file is missing or damaged, or the network is not supported.
    pub fn read_darknet(cfg: &Path, weights: &Path, overrides: Overrides) -> Result<Self, ModelError> {
        let (text, numbers) = (fs_err::read_to_string(cfg)?, fs_err::read(weights)?);
        let sha256 = files::sha256(&[text.as_bytes(), &numbers]);
        check_hash(cfg, &overrides, &sha256)?;
        let refused = |source| ModelError::Darknet { path: cfg.to_path_buf(), source: Box::new(source) };
        let network = darknet::parse(&text, &numbers).map_err(refused)?;
        let overrides = darknet_overrides(cfg, &network, overrides)?;
        let (width, height) = (overrides.input.width, overrides.input.height);
        let names = overrides.classes.clone().unwrap_or_default();
        let size = (width.unwrap_or(network.width()), height.unwrap_or(network.height()));
        let proto = network.to_onnx(size.0, size.1, &names).map_err(refused)?;
        let onnx: Arc<[u8]> = proto.to_bytes().into();
        let file = OnnxFile::in_memory(&onnx);
        Ok(Self { path: cfg.to_path_buf(), onnx, overrides, proto, sha256, file })
    }

    /// The ONNX file, for those who compute it elsewhere.
    pub(crate) fn file(&self) -> &OnnxFile {
        &self.file
    }

    /// Everything that must be known to use the network; runs it once where its output's shape is not declared.
    pub(crate) fn spec(&self, program: &dyn Program) -> Result<Spec, ModelError> {
        self.understood(program).map_err(|source| ModelError::Spec { path: self.path.clone(), source })
    }

    fn understood(&self, program: &dyn Program) -> Result<Spec, SpecError> {
        let overrides = &self.overrides;
        let (port, declared_layout) = spec::picture_input(&self.proto)?;
        let layout = overrides.input.layout.unwrap_or(declared_layout);
        let size = spec::input_size(&self.proto, &port, layout, overrides)?;
        let output = self.output(program, layout, size)?;
        let family = spec::family(&self.proto, overrides, &output, size)?;
        Ok(Spec {
            name: overrides.name.clone().unwrap_or_else(|| stem(&self.path)),
            version: overrides.version.clone(),
            sha256: self.sha256.clone(),
            family,
            classes: spec::classes(&self.proto, overrides, family, &output)?,
            input: spec::input(family, layout, size, &overrides.input)?,
            thresholds: spec::thresholds(&overrides.thresholds)?,
        })
    }

    /// The first output with the sizes that it has for this input.
    fn output(
        &self,
        program: &dyn Program,
        layout: Layout,
        (width, height): (usize, usize),
    ) -> Result<Port, SpecError> {
        let declared = self.proto.outputs().swap_remove(0);
        // The batch is always one picture, whatever is declared.
        let known = declared.shape.iter().skip(1).all(|size| matches!(size, Dimension::Fixed(_)));
        if known && !declared.shape.is_empty() {
            return Ok(declared);
        }
        let shape = match layout {
            Layout::Nchw => [1, 3, height, width],
            Layout::Nhwc => [1, height, width, 3],
        };
        let failed =
            |reason: runtime::RuntimeError| SpecError::Probe { width, height, reason: reason.to_string() };
        let found = probe(program, shape).map_err(failed)?;
        Ok(Port { name: declared.name, shape: found.into_iter().map(Dimension::Fixed).collect() })
    }
}

/// The shape of the first output for an input of zeros.
fn probe(program: &dyn Program, shape: [usize; 4]) -> Result<Vec<usize>, runtime::RuntimeError> {
    let mut network = program.instance(runtime::available_threads())?;
    let zeros = vec![0.0; shape.iter().product()];
    let mut found = Vec::new();
    network.run(TensorView { shape: &shape, data: &zeros }, &mut |outputs| {
        found = outputs.first().map(|output| output.shape.to_vec()).unwrap_or_default();
    })?;
    Ok(found)
}

/// Rewrites what some runtime does not read as it was meant; whether there was anything.
fn modernise(proto: &mut ModelProto) -> bool {
    let (half, old) = (onnx::widen::has_half(proto), onnx::softmax::is_old(proto));
    if half {
        onnx::widen::widen(proto);
    }
    if old {
        onnx::softmax::spell_out(proto);
    }
    half || old
}

/// What Darknet's configuration and the usual files around it say, after what the user says.
fn darknet_overrides(
    cfg: &Path,
    network: &darknet::Network,
    mut overrides: Overrides,
) -> Result<Overrides, ModelError> {
    if overrides.classes.is_none() {
        overrides.classes = names_beside(cfg, network.classes())?;
    }
    overrides.family = Some(Family::YoloV5);
    overrides.input.fit = overrides.input.fit.or(Some(Fit::Stretch));
    Ok(overrides)
}

/// The names in `<name>.names`, else in the only file of that ending in the folder, if they are as many as needed.
fn names_beside(cfg: &Path, count: usize) -> Result<Option<Vec<String>>, ModelError> {
    let own = cfg.with_extension("names");
    let file = if own.exists() { Some(own) } else { only_names_file(cfg) };
    let Some(file) = file else { return Ok(None) };
    let names = read_names(&file)?;
    Ok((names.len() == count).then_some(names))
}

fn only_names_file(cfg: &Path) -> Option<PathBuf> {
    let folder = cfg.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = fs_err::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let mut found = entries.filter(|path| path.extension().is_some_and(|ending| ending == "names"));
    found.next().filter(|_| found.next().is_none())
}

/// Class names from a file: a JSON list, a JSON object with the numbers from 0 up as keys, or a name a line.
///
/// # Errors
/// When the file cannot be read.
pub fn read_names(path: &Path) -> Result<Vec<String>, ModelError> {
    let text = fs_err::read_to_string(path)?;
    Ok(json_names(&text).unwrap_or_else(|| {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }))
}

fn json_names(text: &str) -> Option<Vec<String>> {
    if let Ok(list) = serde_json::from_str::<Vec<String>>(text) {
        return Some(list);
    }
    let numbered: std::collections::BTreeMap<usize, String> = serde_json::from_str(text).ok()?;
    let complete = numbered.keys().copied().eq(0..numbered.len());
    complete.then(|| numbered.into_values().collect())
}

/// The description in `<name>.toml` or `model.toml` beside the model; says nothing where there is none.
pub(super) fn beside(path: &Path) -> Result<Overrides, ModelError> {
    let candidates = [path.with_extension("toml"), path.with_file_name("model.toml")];
    let Some(file) = candidates.into_iter().find(|candidate| candidate.is_file()) else {
        return Ok(Overrides::default());
    };
    let text = fs_err::read_to_string(&file)?;
    toml::from_str(&text).map_err(|source| ModelError::Toml { path: file, source })
}

/// The description that [`super::export()`] wrote into the file; says nothing where there is none.
fn embedded(path: &Path, proto: &ModelProto) -> Result<Overrides, ModelError> {
    let text = proto.metadata(DESCRIPTION_KEY).unwrap_or_default();
    toml::from_str(text).map_err(|source| ModelError::Toml { path: path.to_path_buf(), source })
}

fn check_hash(path: &Path, overrides: &Overrides, found: &str) -> Result<(), ModelError> {
    match &overrides.sha256 {
        Some(expected) if !expected.eq_ignore_ascii_case(found) => Err(ModelError::WrongHash {
            path: path.to_path_buf(),
            expected: expected.clone(),
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_from_json_and_from_lines() {
        let folder = tempfile::tempdir().unwrap();
        let cases = ["[\"a b\", \"c\"]", "{\"1\": \"c\", \"0\": \"a b\"}", "a b\n\n  c \r\n"];
        for (index, text) in cases.iter().enumerate() {
            let path = folder.path().join(index.to_string());
            fs_err::write(&path, text).unwrap();
            assert_eq!(read_names(&path).unwrap(), ["a b", "c"], "{text}");
        }
    }

    #[test]
    fn the_only_names_file_of_the_right_length_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let cfg = folder.path().join("tiny.cfg");
        fs_err::write(folder.path().join("coco.names"), "a\nb\n").unwrap();
        assert_eq!(names_beside(&cfg, 2).unwrap().unwrap(), ["a", "b"]);
        assert_eq!(names_beside(&cfg, 3).unwrap(), None);
        fs_err::write(folder.path().join("other.names"), "x\ny\n").unwrap();
        assert_eq!(names_beside(&cfg, 2).unwrap(), None);
        fs_err::write(folder.path().join("tiny.names"), "x\ny\n").unwrap();
        assert_eq!(names_beside(&cfg, 2).unwrap().unwrap(), ["x", "y"]);
    }

    #[test]
    fn a_replaced_file_is_noticed_and_a_typing_error_in_a_description_is_named() {
        let Some(real) = sightscan_testkit::data("models/yolox_nano.onnx") else { return };
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.onnx");
        fs_err::copy(real, &model).unwrap();
        fs_err::write(folder.path().join("model.toml"), "sha256 = \"00\"").unwrap();
        let error = Source::read(&model, &Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("damaged or was replaced"), "{error}");
        fs_err::write(folder.path().join("model.toml"), "familly = \"yolox\"").unwrap();
        let error = Source::read(&model, &Overrides::default()).unwrap_err();
        assert!(error.to_string().contains("familly"), "{error}");
    }
}
