//! What a model is: a network, and everything that must be known to use it.
//!
//! That knowledge is read from the command line, from a `model.toml` beside the file, from the metadata that
//! Ultralytics' exporter writes, and from the shapes of the network, in this order. What none of them tells
//! is asked for by name.

pub mod export;
pub mod folder;
pub mod mirror;
pub mod onnx_file;
pub mod pull;
pub mod reference;
pub mod shipped;
pub mod source;
pub mod spec;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::darknet::DarknetError;
use crate::detector::DetectError;
use crate::onnx::FormatError;
use crate::runtime::{self, EngineChoice, Program, RuntimeError};

pub use export::{Exported, export};
pub use folder::{Entry, Imported, ModelFolder, data_folder};
pub use mirror::{Mirror, MirrorError, Refreshed, RemoteServer};
pub use onnx_file::OnnxFile;
pub use reference::{NameError, Reference};
pub use source::Source;
pub use spec::{InputOverrides, Overrides, Spec, SpecError, ThresholdOverrides};

/// A model could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file could not be read.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// There is no such model.
    #[error("there is no model `{reference}`: {hint}")]
    NotFound {
        /// What was asked for.
        reference: String,
        /// Where it was looked for and what to do.
        hint: String,
    },
    /// A name or version cannot be used in the model folder.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The version is there already, with other content.
    #[error(
        "the model `{name}` has a version {version} already, and it is another model; import it as another version, or leave the version out to take the next number"
    )]
    VersionTaken {
        /// Name of the model.
        name: String,
        /// The version that was asked for.
        version: String,
    },
    /// A file would be overwritten.
    #[error("{} exists; give another path, or --force to overwrite it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file is of a kind that SightScan cannot read.
    #[error("{} is no model file: give an .onnx file, or a Darknet .cfg with its .weights beside it", path.display())]
    UnknownKind {
        /// The file.
        path: PathBuf,
    },
    /// The bytes are not an ONNX model.
    #[error("{}: {source}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: FormatError,
    },
    /// The Darknet network cannot be used.
    #[error("{}: {source}", path.display())]
    Darknet {
        /// The configuration file.
        path: PathBuf,
        /// What is wrong.
        source: Box<DarknetError>,
    },
    /// A `model.toml` cannot be read.
    #[error("{}: {source}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        source: toml::de::Error,
    },
    /// The bytes are not those that the model's description names.
    #[error("{} has the SHA-256 {found}, but its description says {expected}: the file is damaged or was replaced; import it again", path.display())]
    WrongHash {
        /// The file.
        path: PathBuf,
        /// The hash in the description.
        expected: String,
        /// The hash of the bytes.
        found: String,
    },
    /// The network was read, but how to use it is not known.
    #[error("{}: {source}", path.display())]
    Spec {
        /// The file.
        path: PathBuf,
        /// What is missing and how to say it.
        source: SpecError,
    },
    /// The runtime does not accept the network.
    #[error("{}: {source}", path.display())]
    Runtime {
        /// The file.
        path: PathBuf,
        /// What the runtime says.
        source: RuntimeError,
    },
    /// The network was loaded, but fails on an empty picture.
    #[error("{} cannot be used: {source}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: Box<DetectError>,
    },
}

/// A model that a runtime has loaded; its instances are [`crate::Detector`]s.
pub struct Model {
    spec: Spec,
    program: Box<dyn Program>,
    file: OnnxFile,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let runtime = self.program.runtime();
        formatter.debug_struct("Model").field("spec", &self.spec).field("runtime", &runtime).finish()
    }
}

impl Model {
    /// Loads a model file into a runtime.
    ///
    /// # Errors
    /// When the files cannot be read or understood, or the runtime does not accept the network.
    pub fn open(path: &Path, overrides: &Overrides, engine: EngineChoice) -> Result<Arc<Self>, ModelError> {
        let source = Source::read(path, overrides)?;
        Self::from_source(source, engine)
    }

    /// Loads a model that was read before into a runtime.
    ///
    /// # Errors
    /// When it cannot be understood, or the runtime does not accept the network.
    pub fn from_source(source: Source, engine: EngineChoice) -> Result<Arc<Self>, ModelError> {
        let refused = |error| ModelError::Runtime { path: source.path.clone(), source: error };
        let program = runtime::compile(engine, Arc::clone(&source.onnx)).map_err(refused)?;
        let spec = source.spec(program.as_ref())?;
        Ok(Arc::new(Self { spec, program, file: source.file().clone() }))
    }

    /// Everything that must be known to use the network.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Its ONNX file, for those who compute it elsewhere.
    pub fn file(&self) -> &OnnxFile {
        &self.file
    }

    /// The network in its runtime.
    pub fn program(&self) -> &dyn Program {
        self.program.as_ref()
    }
}
