//! Softmax as old operator sets define it.
//!
//! Before operator set 13, `Softmax` with axis `a` flattened its input to a matrix at `a` (1 by default) and normalised
//! the rows; since then it normalises along one axis (the last by default). A runtime that knows only the new meaning
//! answers nonsense for old files, so such nodes are spelt out: flatten, softmax, and back into shape.

use super::build;
use super::proto::{GraphProto, ModelProto, NodeProto};

/// The first operator set with the new meaning.
const NEW_MEANING: i64 = 13;

/// Whether the model has softmax nodes with the old meaning.
pub fn is_old(model: &ModelProto) -> bool {
    let old_set = model.opset_import.iter().any(|set| set.domain().is_empty() && set.version() < NEW_MEANING);
    old_set && model.graph.iter().flat_map(|graph| &graph.node).any(is_softmax)
}

/// Spells out every softmax of a model for which [`is_old`] holds.
pub fn spell_out(model: &mut ModelProto) {
    if let Some(graph) = &mut model.graph {
        spell_out_graph(graph);
    }
}

fn is_softmax(node: &NodeProto) -> bool {
    matches!(node.op_type(), "Softmax" | "LogSoftmax") && node.input.len() == 1 && node.output.len() == 1
}

fn spell_out_graph(graph: &mut GraphProto) {
    let nodes = std::mem::take(&mut graph.node);
    graph.node = nodes
        .into_iter()
        .flat_map(|node| if is_softmax(&node) { spelt_out(&node) } else { vec![node] })
        .collect();
}

fn spelt_out(node: &NodeProto) -> Vec<NodeProto> {
    let axis = node
        .attribute
        .iter()
        .find(|attribute| attribute.name() == "axis")
        .map_or(1, |attribute| attribute.i());
    let (input, output) = (node.input[0].as_str(), node.output[0].as_str());
    let [shape, rows, normal] = ["shape", "rows", "normal"].map(|part| format!("{output}_{part}"));
    vec![
        build::node("Shape", &[input], &shape, vec![]),
        build::node("Flatten", &[input], &rows, vec![build::int("axis", axis)]),
        build::node(node.op_type(), &[&rows], &normal, vec![build::int("axis", 1)]),
        build::node("Reshape", &[&normal, &shape], output, vec![]),
    ]
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::runtime::{Program, TensorView, rten::RtenProgram};

    fn softmax(axis: Option<i64>, opset: i64) -> ModelProto {
        let shape = [Ok(1), Ok(2), Ok(2)];
        let attributes = axis.map(|axis| build::int("axis", axis)).into_iter().collect();
        let graph = GraphProto {
            name: Some("softmax".into()),
            node: vec![build::node("Softmax", &["x"], "y", attributes)],
            input: vec![build::value("x", &shape)],
            output: vec![build::value("y", &shape)],
            ..Default::default()
        };
        let mut model = build::model(graph, &[]);
        model.opset_import[0].version = Some(opset);
        model
    }

    fn run(model: &ModelProto) -> Vec<f32> {
        let mut network = RtenProgram::load(&model.to_bytes()).unwrap().instance(NonZeroUsize::MIN).unwrap();
        let mut numbers = Vec::new();
        let input = TensorView { shape: &[1, 2, 2], data: &[0.0, 1.0, 2.0, 3.0] };
        network.run(input, &mut |outputs| numbers = outputs[0].data.to_vec()).unwrap();
        numbers
    }

    #[test]
    fn an_old_softmax_normalises_all_that_follows_its_axis() {
        for (axis, rows) in [(None, 1), (Some(1), 1), (Some(2), 2)] {
            let mut model = softmax(axis, 7);
            assert!(is_old(&model));
            spell_out(&mut model);
            for row in run(&model).chunks(4 / rows) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "axis {axis:?}: {row:?}");
            }
        }
    }

    #[test]
    fn a_new_softmax_is_left_alone() {
        assert!(!is_old(&softmax(None, 13)));
    }
}
