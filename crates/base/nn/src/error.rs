//! What can go wrong.

use std::path::PathBuf;

/// Shorthand for what the functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// Why weights cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is no checkpoint.
    #[error("{}: {reason}; give a checkpoint of PyTorch (.pt), such as Ultralytics publishes them", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The weights are those of another network.
    #[error("there is no tensor `{0}`; are these weights of a YOLOv5 network of release 6 or newer?")]
    Missing(String),
    /// No network has such a size.
    #[error(
        "the first layer has {channels} channels and the last one {outputs} numbers for each cell; are these weights of a \
         YOLOv5 detector?"
    )]
    NoSize {
        /// Channels of the first layer.
        channels: usize,
        /// Numbers that are predicted for each cell.
        outputs: usize,
    },
    /// The weights are those of a network of another size.
    #[error(
        "the tensor `{name}` has the shape {found:?}, the network wants {wanted:?}; was it another size of YOLOv5?"
    )]
    Shape {
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What the network has.
        wanted: Vec<usize>,
    },
    /// The bytes are not a file of weights, or cannot become one.
    #[error("not a usable file of weights: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// There is no graphics processor.
    #[error(
        "no graphics processor answers by Vulkan; install its driver and the loader (on Debian: apt-get install libvulkan1), \
         or compute on the processor: --device cpu"
    )]
    NoGpu,
    /// The program cannot use graphics processors.
    #[error(
        "this program was built without support for graphics processors; build it with `--features gpu`, or compute on the \
         processor: --device cpu"
    )]
    BuiltWithoutGpu,
    /// A device does not give a tensor back.
    #[error("a tensor of the network cannot be read: {0}")]
    Unreadable(String),
    /// The state of the optimiser cannot be written or read.
    #[error("the state of the optimiser is not usable: {0}")]
    Optimiser(String),
}
