//! Networks in half precision, widened to single precision.
//!
//! Processors compute in 32-bit floats; a runtime either widens 16-bit weights by itself or lacks the type.
//! Widening the file once at load makes such a network run everywhere and gives every runtime the same numbers.

use super::proto::{
    AttributeProto, GraphProto, ModelProto, TensorProto, ValueInfoProto, attribute_type, data_type,
};

/// Whether any weight, input or output is a 16-bit float.
pub fn has_half(model: &ModelProto) -> bool {
    model.graph.as_ref().is_some_and(graph_has_half)
}

/// Turns every 16-bit float of the model into a 32-bit float: weights, constants, casts, inputs and outputs.
pub fn widen(model: &mut ModelProto) {
    if let Some(graph) = &mut model.graph {
        widen_graph(graph);
    }
}

fn graph_has_half(graph: &GraphProto) -> bool {
    let values = graph.input.iter().chain(&graph.output);
    graph.initializer.iter().any(is_half)
        || values.filter_map(element_type).any(|kind| kind == data_type::FLOAT16)
        || graph.node.iter().flat_map(|node| &node.attribute).any(attribute_has_half)
}

fn attribute_has_half(attribute: &AttributeProto) -> bool {
    attribute.t.as_deref().is_some_and(is_half)
        || attribute.g.as_deref().is_some_and(graph_has_half)
        || is_cast_to_half(attribute)
}

fn is_half(tensor: &TensorProto) -> bool {
    tensor.data_type() == data_type::FLOAT16
}

fn is_cast_to_half(attribute: &AttributeProto) -> bool {
    let names_a_type = matches!(attribute.name(), "to" | "dtype");
    names_a_type && attribute.kind() == attribute_type::INT && attribute.i() == i64::from(data_type::FLOAT16)
}

fn element_type(value: &ValueInfoProto) -> Option<i32> {
    value.r#type.as_ref()?.tensor_type.as_ref().map(|tensor| tensor.elem_type())
}

fn widen_graph(graph: &mut GraphProto) {
    graph.initializer.iter_mut().for_each(widen_tensor);
    let values = graph.input.iter_mut().chain(&mut graph.output).chain(&mut graph.value_info);
    values.for_each(widen_value);
    graph.node.iter_mut().flat_map(|node| &mut node.attribute).for_each(widen_attribute);
}

fn widen_attribute(attribute: &mut AttributeProto) {
    if is_cast_to_half(attribute) {
        attribute.i = Some(i64::from(data_type::FLOAT));
    }
    attribute.t.iter_mut().for_each(|tensor| widen_tensor(tensor));
    attribute.g.iter_mut().for_each(|graph| widen_graph(graph));
}

fn widen_value(value: &mut ValueInfoProto) {
    let tensor = value.r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut());
    if let Some(tensor) = tensor.filter(|tensor| tensor.elem_type() == data_type::FLOAT16) {
        tensor.elem_type = Some(data_type::FLOAT);
    }
}

fn widen_tensor(tensor: &mut TensorProto) {
    if !is_half(tensor) {
        return;
    }
    let bits: Vec<u16> = match tensor.raw_data.take() {
        Some(raw) => raw.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect(),
        // Without raw data the bits are stored one element an integer.
        None => tensor.int32_data.drain(..).map(|bits| bits as u16).collect(),
    };
    tensor.raw_data = Some(bits.into_iter().flat_map(|bits| half_to_single(bits).to_le_bytes()).collect());
    tensor.data_type = Some(data_type::FLOAT);
}

/// The value of an IEEE 754 binary16 number.
fn half_to_single(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let fraction = f32::from(bits & 0x03ff);
    match i32::from((bits >> 10) & 0x1f) {
        // Subnormal: no hidden bit.
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_precision_numbers_keep_their_values() {
        let cases = [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
            (0x7c00, f32::INFINITY),
        ];
        for (bits, value) in cases {
            assert_eq!(half_to_single(bits), value, "bits {bits:#06x}");
        }
        assert!(half_to_single(0x7e00).is_nan());
    }

    #[test]
    fn both_ways_of_storing_half_precision_are_widened() {
        let half = |raw_data, int32_data| TensorProto {
            data_type: Some(data_type::FLOAT16),
            dims: vec![2],
            raw_data,
            int32_data,
            ..Default::default()
        };
        for mut tensor in [half(Some(vec![0x00, 0x3c, 0x00, 0xc0]), vec![]), half(None, vec![0x3c00, 0xc000])]
        {
            widen_tensor(&mut tensor);
            assert_eq!(tensor.data_type(), data_type::FLOAT);
            assert_eq!(tensor.raw_data(), [1.0f32.to_le_bytes(), (-2.0f32).to_le_bytes()].concat());
        }
    }

    #[test]
    fn nothing_of_a_widened_model_is_half() {
        let Some(path) = sightscan_testkit::data("models/squeezenet_fp16.onnx") else { return };
        let mut model = crate::onnx::parse(&fs_err::read(path).unwrap()).unwrap();
        assert!(has_half(&model));
        widen(&mut model);
        assert!(!has_half(&model));
    }
}
