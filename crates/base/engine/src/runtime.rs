//! The runtimes that compute a network, behind one trait.
//!
//! `rten` is built in and always there. ONNX Runtime is loaded at run time where its library is found; it is
//! about twice as fast. Both read the same ONNX bytes, so a network needs no form of its own for either.

pub mod heap;
pub mod install;
pub mod onnxruntime;
pub mod rten;

use std::num::NonZeroUsize;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// A runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeKind {
    /// The built-in runtime.
    Rten,
    /// Microsoft's ONNX Runtime.
    OnnxRuntime,
}

impl std::fmt::Display for RuntimeKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Rten => "rten",
            Self::OnnxRuntime => "onnxruntime",
        })
    }
}

/// Which runtime a user wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineChoice {
    /// ONNX Runtime where its library is found, else the built-in one.
    #[default]
    Auto,
    /// The built-in runtime.
    Rten,
    /// ONNX Runtime, or an error.
    OnnxRuntime,
}

impl std::str::FromStr for EngineChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "rten" => Ok(Self::Rten),
            "onnxruntime" | "ort" => Ok(Self::OnnxRuntime),
            _ => Err(format!("`{text}` is no engine; choose auto, rten or onnxruntime")),
        }
    }
}

impl std::fmt::Display for EngineChoice {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Rten => "rten",
            Self::OnnxRuntime => "onnxruntime",
        })
    }
}

/// A runtime could not load or run a network.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// The library of ONNX Runtime was asked for and is not there.
    #[error(transparent)]
    LibraryMissing(#[from] onnxruntime::LibraryError),
    /// The runtime does not accept the network.
    #[error("{runtime} cannot load this network: {source}")]
    Load {
        /// The runtime that refused.
        runtime: RuntimeKind,
        /// Its own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The network failed on an input.
    #[error("{runtime} failed while it ran the network: {source}")]
    Run {
        /// The runtime that failed.
        runtime: RuntimeKind,
        /// Its own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A tensor of 32-bit floats that somebody else owns, row-major.
#[derive(Debug, Clone, Copy)]
pub struct TensorView<'a> {
    /// Sizes of the dimensions, outermost first.
    pub shape: &'a [usize],
    /// The numbers; as many as the product of the sizes.
    pub data: &'a [f32],
}

/// A network that is ready to run on one thread of the caller's.
pub trait Network: Send {
    /// Runs the network on one input and shows its outputs to `read`, without copying them.
    ///
    /// # Errors
    /// When the runtime fails, as it does for an input of the wrong shape.
    fn run(
        &mut self,
        input: TensorView<'_>,
        read: &mut dyn FnMut(&[TensorView<'_>]),
    ) -> Result<(), RuntimeError>;
}

/// A network that a runtime has accepted; makes as many instances as are wanted.
pub trait Program: Send + Sync {
    /// The runtime.
    fn runtime(&self) -> RuntimeKind;

    /// Makes an instance that computes on `threads` threads.
    ///
    /// # Errors
    /// When the runtime fails to set it up.
    fn instance(&self, threads: NonZeroUsize) -> Result<Box<dyn Network>, RuntimeError>;
}

/// Loads the bytes of an `.onnx` file into the chosen runtime.
///
/// # Errors
/// When ONNX Runtime is demanded and missing, or the runtime does not accept the network.
pub fn compile(choice: EngineChoice, onnx: Arc<[u8]>) -> Result<Box<dyn Program>, RuntimeError> {
    match choice {
        EngineChoice::Rten => Ok(Box::new(rten::RtenProgram::load(&onnx)?)),
        EngineChoice::OnnxRuntime => Ok(Box::new(onnxruntime::OrtProgram::load(onnx)?)),
        EngineChoice::Auto if library_works() => compile_with_fallback(onnx),
        EngineChoice::Auto => compile(EngineChoice::Rten, onnx),
    }
}

/// Whether ONNX Runtime can be used; a library that is there and does not work is worth a warning.
fn library_works() -> bool {
    let library = onnxruntime::library();
    if let Err(error @ onnxruntime::LibraryError::Broken { .. }) = &library {
        tracing::warn!(%error, "the built-in runtime is used instead of a library that does not work");
    }
    library.is_ok()
}

/// ONNX Runtime, and the built-in runtime for a network that only that one accepts.
fn compile_with_fallback(onnx: Arc<[u8]>) -> Result<Box<dyn Program>, RuntimeError> {
    let refused = match compile(EngineChoice::OnnxRuntime, Arc::clone(&onnx)) {
        Ok(program) => return Ok(program),
        Err(refused) => refused,
    };
    match compile(EngineChoice::Rten, onnx) {
        Ok(program) => {
            tracing::warn!(error = %refused, "the built-in runtime is used instead");
            Ok(program)
        }
        // The reader wants to know about the runtime that was meant.
        Err(_) => Err(refused),
    }
}

/// How many threads this process may keep busy: the cores of its affinity mask, or less where a control
/// group (version 1 or 2) grants a smaller share. Half a core counts as one.
pub fn available_threads() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
