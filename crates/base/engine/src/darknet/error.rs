//! What can be wrong with a Darknet network.

use std::fmt;

/// A section of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Number of the layer from 0, as `[route]` counts them; `None` for `[net]`.
    pub layer: Option<usize>,
    /// The name between the brackets.
    pub section: String,
    /// The line of the name, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layer {
            Some(number) => write!(formatter, "layer {number} [{}] at line {}", self.section, self.line),
            None => write!(formatter, "[{}] at line {}", self.section, self.line),
        }
    }
}

/// A Darknet network cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DarknetError {
    /// A line is not of the format.
    #[error(
        "line {line} of the configuration is {text:?}; expected `[section]`, `key=value` or a comment after `#`"
    )]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// The configuration does not begin as it must.
    #[error(
        "the configuration does not begin with [net], so it is not Darknet's; give the network's .cfg file"
    )]
    NoNet,
    /// There is nothing to detect with.
    #[error("the network has no [yolo] layer; only detectors with [yolo] layers are supported")]
    NoDetector,
    /// Something that would change the result is not supported.
    #[error("{place}: {found} is not supported; supported: {supported}")]
    Unsupported {
        /// The section.
        place: Place,
        /// The section, key or value found.
        found: String,
        /// What would be understood.
        supported: String,
    },
    /// A value is missing or out of its range.
    #[error("{place}: {key} is {found}; expected {expected}")]
    Value {
        /// The section.
        place: Place,
        /// The key.
        key: &'static str,
        /// The value found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A layer does not fit to the others.
    #[error("{place}: {what}")]
    Layer {
        /// The section.
        place: Place,
        /// What does not fit.
        what: String,
    },
    /// The network cannot be built for an input of this size.
    #[error(
        "an input of {width}x{height} pixels is not supported; choose a width and height from 1 to {limit}"
    )]
    Size {
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// The greatest side in pixels.
        limit: usize,
    },
    /// The weights end before their header does.
    #[error(
        "the weights are only {bytes} bytes long, which is no Darknet file; download the .weights file again"
    )]
    Header {
        /// Length of the file in bytes.
        bytes: usize,
    },
    /// The weights are too few or too many.
    #[error(
        "the weights hold {found} numbers, but the layers of the configuration need {needed}; \
         give the .weights file that belongs to this .cfg, and check that it is complete"
    )]
    Weights {
        /// Numbers in the file.
        found: u64,
        /// Numbers needed.
        needed: u64,
    },
    /// The weights are no ordinary numbers.
    #[error(
        "{place}: its weights are not finite numbers; the file is damaged or belongs to another configuration"
    )]
    NotFinite {
        /// The layer.
        place: Place,
    },
    /// The class names are too few or too many.
    #[error(
        "there are {found} class names, but the network has {needed} classes; give one name for each class"
    )]
    Names {
        /// Names given.
        found: usize,
        /// Classes of the network.
        needed: usize,
    },
}
