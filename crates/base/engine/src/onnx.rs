//! The ONNX file format: the messages that SightScan reads and writes.
//!
//! The messages follow `onnx.proto` of the ONNX project (protocol buffers, proto2), field numbers included.
//! They are written by hand because generating them needs `protoc` at build time. Messages that no
//! detector uses (sparse tensors, functions, training) are left out; a model that is passed on unchanged
//! keeps its original bytes, so nothing is lost by that.

pub mod build;
pub mod metadata;
pub mod proto;
pub mod softmax;
pub mod ultralytics;
pub mod widen;

use prost::Message;
pub use proto::ModelProto;

/// The bytes are not an ONNX model.
#[derive(Debug, thiserror::Error)]
#[error("not a usable ONNX model: {reason}")]
pub struct FormatError {
    reason: String,
}

/// Parses the bytes of an `.onnx` file.
///
/// # Errors
/// When the bytes are no protocol buffer message with a graph.
pub fn parse(bytes: &[u8]) -> Result<ModelProto, FormatError> {
    let model = ModelProto::decode(bytes).map_err(|error| FormatError { reason: error.to_string() })?;
    let Some(graph) = model.graph.as_ref().filter(|graph| !graph.node.is_empty()) else {
        return Err(FormatError { reason: "the file holds no graph".into() });
    };
    if graph.initializer.iter().any(|tensor| tensor.data_location() == proto::EXTERNAL) {
        return Err(FormatError {
            reason: "its weights are in another file; export it into one file".into(),
        });
    }
    Ok(model)
}

/// The size of one dimension of a tensor, as a model declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dimension {
    /// Always this size.
    Fixed(usize),
    /// Chosen by the caller.
    Dynamic,
}

impl std::fmt::Display for Dimension {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(size) => write!(formatter, "{size}"),
            Self::Dynamic => formatter.write_str("?"),
        }
    }
}

/// Name and declared shape of a graph's input or output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Name of the tensor in the graph.
    pub name: String,
    /// Declared shape, outermost dimension first.
    pub shape: Vec<Dimension>,
}

impl std::fmt::Display for Port {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shape: Vec<String> = self.shape.iter().map(Dimension::to_string).collect();
        write!(formatter, "{} [{}]", self.name, shape.join(","))
    }
}

impl ModelProto {
    /// The inputs that a caller must feed: those that no initialiser fills.
    pub fn inputs(&self) -> Vec<Port> {
        let Some(graph) = &self.graph else { return Vec::new() };
        let filled: std::collections::HashSet<&str> =
            graph.initializer.iter().map(|tensor| tensor.name()).collect();
        graph.input.iter().filter(|input| !filled.contains(input.name())).map(port).collect()
    }

    /// The outputs of the graph.
    pub fn outputs(&self) -> Vec<Port> {
        self.graph.iter().flat_map(|graph| &graph.output).map(port).collect()
    }

    /// The value of a metadata key, where the exporter wrote it.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata_props.iter().find(|entry| entry.key() == key).map(|entry| entry.value())
    }

    /// The bytes of an `.onnx` file that holds this model.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode_to_vec()
    }
}

fn port(info: &proto::ValueInfoProto) -> Port {
    let tensor = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let dimensions = tensor.and_then(|tensor| tensor.shape.as_ref()).map(|shape| shape.dim.as_slice());
    let shape = dimensions.unwrap_or_default().iter().map(dimension).collect();
    Port { name: info.name().to_owned(), shape }
}

fn dimension(dimension: &proto::Dimension) -> Dimension {
    match dimension.dim_value.map(usize::try_from) {
        Some(Ok(size)) if size > 0 => Dimension::Fixed(size),
        _ => Dimension::Dynamic,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_not_a_model() {
        let error = parse(b"hello, I am not a model").unwrap_err();
        assert!(error.to_string().contains("not a usable ONNX model"), "{error}");
        assert!(parse(b"").is_err());
    }

    #[test]
    fn a_real_model_declares_its_ports_and_metadata() {
        let Some(path) = sightscan_testkit::data("models/yolov5n.onnx") else { return };
        let model = parse(&fs_err::read(path).unwrap()).unwrap();
        let input = &model.inputs()[0];
        assert_eq!(input.to_string(), "images [?,3,?,?]");
        assert_eq!(model.outputs()[0].name, "output0");
        assert!(model.metadata("names").unwrap().contains("'person'"));
    }

    #[test]
    fn initialisers_listed_as_inputs_are_not_ports() {
        let Some(path) = sightscan_testkit::data("models/squeezenet_fp16.onnx") else { return };
        let model = parse(&fs_err::read(path).unwrap()).unwrap();
        let names: Vec<String> = model.inputs().iter().map(Port::to_string).collect();
        assert_eq!(names, ["data_0 [1,3,224,224]"]);
    }
}
