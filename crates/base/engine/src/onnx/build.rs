//! Small functions that make graphs readable to write.

use super::proto::{
    AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, StringStringEntryProto,
    TensorProto, TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};

/// The operator set that our graphs are written for; ONNX Runtime 1.8 and newer read it.
const OPSET: i64 = 13;
/// The format version that belongs to it.
const IR_VERSION: i64 = 7;

/// A size that is fixed (`Ok`) or named and chosen by the caller (`Err`).
pub type Size<'a> = Result<usize, &'a str>;

/// A file around a graph.
pub fn model(graph: GraphProto, metadata: &[(&str, String)]) -> ModelProto {
    let entry = |(key, value): &(&str, String)| StringStringEntryProto {
        key: Some((*key).to_owned()),
        value: Some(value.clone()),
    };
    ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some("sightscan".into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(graph),
        opset_import: vec![OperatorSetIdProto { domain: Some(String::new()), version: Some(OPSET) }],
        metadata_props: metadata.iter().map(entry).collect(),
        ..Default::default()
    }
}

/// An operation; it is named after its first output.
pub fn node(op_type: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto {
        op_type: Some(op_type.to_owned()),
        name: Some(output.to_owned()),
        input: inputs.iter().map(|&input| input.to_owned()).collect(),
        output: vec![output.to_owned()],
        attribute,
        ..Default::default()
    }
}

/// An integer attribute.
pub fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto { i: Some(value), ..attribute(name, attribute_type::INT) }
}

/// A list of integers.
pub fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { ints: values.to_vec(), ..attribute(name, attribute_type::INTS) }
}

/// A float attribute.
pub fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto { f: Some(value), ..attribute(name, attribute_type::FLOAT) }
}

/// A string attribute.
pub fn string(name: &str, value: &str) -> AttributeProto {
    AttributeProto { s: Some(value.as_bytes().to_vec()), ..attribute(name, attribute_type::STRING) }
}

fn attribute(name: &str, kind: i32) -> AttributeProto {
    AttributeProto { name: Some(name.to_owned()), kind: Some(kind), ..Default::default() }
}

/// A constant of 32-bit floats, row-major.
pub fn floats(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, data_type::FLOAT, shape, bytes)
}

/// A constant of 16-bit floats, rounded to the nearest, row-major.
pub fn halves(name: &str, shape: &[usize], values: &[f32]) -> TensorProto {
    let bytes = values.iter().flat_map(|value| half::f16::from_f32(*value).to_le_bytes()).collect();
    tensor(name, data_type::FLOAT16, shape, bytes)
}

/// A constant of 64-bit integers, row-major.
pub fn integers(name: &str, shape: &[usize], values: &[i64]) -> TensorProto {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    tensor(name, data_type::INT64, shape, bytes)
}

fn tensor(name: &str, kind: i32, shape: &[usize], raw_data: Vec<u8>) -> TensorProto {
    TensorProto {
        name: Some(name.to_owned()),
        data_type: Some(kind),
        dims: shape.iter().map(|&size| size as i64).collect(),
        raw_data: Some(raw_data),
        ..Default::default()
    }
}

/// A float input or output of this shape.
pub fn value(name: &str, shape: &[Size<'_>]) -> ValueInfoProto {
    let dimension = |size: &Size<'_>| match size {
        Ok(fixed) => Dimension { dim_value: Some(*fixed as i64), ..Default::default() },
        Err(name) => Dimension { dim_param: Some((*name).to_owned()), ..Default::default() },
    };
    let shape = TensorShapeProto { dim: shape.iter().map(dimension).collect() };
    let tensor = TensorTypeProto { elem_type: Some(data_type::FLOAT), shape: Some(shape) };
    ValueInfoProto {
        name: Some(name.to_owned()),
        r#type: Some(TypeProto { tensor_type: Some(tensor), ..Default::default() }),
        ..Default::default()
    }
}
