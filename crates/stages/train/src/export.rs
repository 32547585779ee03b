//! A trained network as an ONNX file that every runtime reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sightscan_engine::onnx::build::{self, Size, floats, int, integers, ints, node, string, value};
use sightscan_engine::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use sightscan_engine::onnx::ultralytics;
use sightscan_nn::{Architecture, Values, Weights};

use crate::error::Result;

const INPUT: &str = "images";
const OUTPUT: &str = "output0";
/// Of batch normalisation in YOLOv5; it divides by the root of the variance and this.
const EPSILON: f32 = 1e-3;

/// The entry of the metadata that says the anchors, in pixels: a JSON list of three for each stride.
pub(crate) const ANCHORS: &str = "anchors";

/// The entry of the metadata that says how features were spread before they were normalised, as JSON: [`Spreads`].
pub(crate) const NORMALISATION: &str = "normalisation";

/// How the features of a block are spread, by its name.
pub(crate) type Spreads = BTreeMap<String, Spread>;

/// How the features of a block are spread, as its convolution makes them once normalisation is folded into it and without
/// its bias: what another training needs to take the two apart again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    /// The mean of each channel.
    pub(crate) means: Vec<f32>,
    /// The variance of each channel.
    pub(crate) variances: Vec<f32>,
}

/// How weights are stored. Runtimes compute with all 32 bits either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    #[default]
    Single,
    /// In 16 bits: half as large, and hardly worse.
    Half,
}

/// What is known of a network beside its weights.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Its size.
    pub architecture: &'a Architecture,
    /// The names of its classes, in their order.
    pub classes: &'a [String],
    /// Width and height of the pictures that it was trained with, in pixels; others work, too, as multiples of 32.
    pub size: usize,
    /// Entries of the file's metadata.
    pub metadata: &'a [(&'a str, String)],
}

/// The bytes of an ONNX file. Its input is that of YOLOv5's own exports, `[batch, 3, height, width]` in RGB from 0 to 1, and
/// so is its output, `[batch, boxes, 5 + classes]`: centre and size in pixels of the input, the probability of an object,
/// and of each class if there is one. Batch, height and width are free. Normalisation is folded into the convolutions.
///
/// # Errors
/// When the weights are not those of a network of this size.
pub fn onnx(weights: &Weights, about: &About<'_>, precision: Precision) -> Result<Vec<u8>> {
    let (nodes, constants, spreads) = (Vec::new(), Vec::new(), Spreads::new());
    let mut graph = Graph { weights, precision, nodes, constants, spreads };
    graph.network(about.architecture)?;
    let spreads = serde_json::to_string(&graph.spreads)?;
    let sizes: [Size<'_>; 4] = [Err("batch"), Ok(3), Err("height"), Err("width")];
    let outputs: [Size<'_>; 3] = [Err("batch"), Err("boxes"), Ok(5 + about.classes.len())];
    let graph = GraphProto {
        name: Some("yolov5".into()),
        input: vec![value(INPUT, &sizes)],
        output: vec![value(OUTPUT, &outputs)],
        node: graph.nodes,
        initializer: graph.constants,
        ..Default::default()
    };
    let mut metadata = ultralytics::metadata(about.classes, [about.size; 2], 32);
    metadata.push((ANCHORS, serde_json::to_string(&about.architecture.anchors)?));
    metadata.push((NORMALISATION, spreads));
    metadata.extend(about.metadata.iter().map(|(key, value)| (*key, value.clone())));
    Ok(build::model(graph, &metadata).to_bytes())
}

struct Graph<'a> {
    weights: &'a Weights,
    precision: Precision,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    spreads: Spreads,
}

impl Graph<'_> {
    /// Layer by layer, as Ultralytics numbers them.
    fn network(&mut self, size: &Architecture) -> Result<()> {
        let stem = self.block("model.0", INPUT, [6, 2, 2])?;
        let edges = self.stage(1, &stem, size.repeats(3))?;
        let fine = self.stage(3, &edges, size.repeats(6))?;
        let middle = self.stage(5, &fine, size.repeats(9))?;
        let coarse = self.stage(7, &middle, size.repeats(3))?;
        let coarse = self.pyramid("model.9", &coarse)?;
        let repeats = size.repeats(3);
        let from_coarse = self.block("model.10", &coarse, [1, 1, 0])?;
        let up = self.doubled(&from_coarse, "model.11");
        let up = self.join(&[&up, &middle], "model.12");
        let up = self.cross("model.13", &up, repeats, false)?;
        let from_middle = self.block("model.14", &up, [1, 1, 0])?;
        let up = self.doubled(&from_middle, "model.15");
        let up = self.join(&[&up, &fine], "model.16");
        let fine = self.cross("model.17", &up, repeats, false)?;
        let down = self.block("model.18", &fine, [3, 2, 1])?;
        let down = self.join(&[&down, &from_middle], "model.19");
        let middle = self.cross("model.20", &down, repeats, false)?;
        let down = self.block("model.21", &middle, [3, 2, 1])?;
        let down = self.join(&[&down, &from_coarse], "model.22");
        let coarse = self.cross("model.23", &down, repeats, false)?;
        let levels = [fine, middle, coarse];
        let boxes: Vec<String> =
            (0..3).map(|level| self.boxes(level, &levels[level], size)).collect::<Result<_>>()?;
        let boxes: Vec<&str> = boxes.iter().map(String::as_str).collect();
        self.nodes.push(node("Concat", &boxes, OUTPUT, vec![int("axis", 1)]));
        Ok(())
    }

    fn node(
        &mut self,
        kind: &str,
        inputs: &[&str],
        output: String,
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(node(kind, inputs, &output, attributes));
        output
    }

    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name().to_owned();
        self.constants.push(tensor);
        name
    }

    /// A constant that is as precise as weights are.
    fn weight(&mut self, name: &str, shape: &[usize], values: &[f32]) -> String {
        match self.precision {
            Precision::Single => self.constant(floats(name, shape, values)),
            Precision::Half => {
                let half = self.constant(build::halves(&format!("{name}.half"), shape, values));
                self.node("Cast", &[&half], name.to_owned(), vec![int("to", FLOAT)])
            }
        }
    }

    fn tensor(&self, name: &str) -> Result<&Values> {
        Ok(self.weights.get(name)?)
    }

    /// A convolution with its normalisation, and SiLU. The window is kernel, stride and padding.
    fn block(&mut self, name: &str, input: &str, window: [usize; 3]) -> Result<String> {
        let (kernels, biases, spread) = self.folded(name)?;
        self.spreads.insert(name.to_owned(), spread);
        let features = self.convolution(name, input, window, (&kernels, &biases));
        let gate = self.node("Sigmoid", &[&features], format!("{name}.gate"), vec![]);
        Ok(self.node("Mul", &[&features, &gate], format!("{name}.out"), vec![]))
    }

    fn convolution(
        &mut self,
        name: &str,
        input: &str,
        [kernel, stride, padding]: [usize; 3],
        (kernels, biases): (&Values, &[f32]),
    ) -> String {
        let attributes = vec![
            ints("kernel_shape", &[kernel as i64; 2]),
            ints("strides", &[stride as i64; 2]),
            ints("pads", &[padding as i64; 4]),
        ];
        let weight = self.weight(&format!("{name}.conv.weight"), &kernels.shape, &kernels.values);
        let bias = self.weight(&format!("{name}.conv.bias"), &[biases.len()], biases);
        self.node("Conv", &[input, &weight, &bias], format!("{name}.conv"), attributes)
    }

    /// Kernels and biases that do what convolution and normalisation do one after the other, and how their features are
    /// spread.
    fn folded(&self, name: &str) -> Result<(Values, Vec<f32>, Spread)> {
        let part = |part: &str| self.tensor(&format!("{name}.{part}"));
        let (scale, shift) = (part("bn.weight")?, part("bn.bias")?);
        let (mean, variance) = (part("bn.running_mean")?, part("bn.running_var")?);
        let mut kernels = part("conv.weight")?.clone();
        let channels = scale.values.len();
        let by: Vec<f32> = scale
            .values
            .iter()
            .zip(&variance.values)
            .map(|(scale, v)| scale / (v + EPSILON).sqrt())
            .collect();
        let length = kernels.values.len() / channels.max(1);
        for (kernel, by) in kernels.values.chunks_exact_mut(length.max(1)).zip(&by) {
            kernel.iter_mut().for_each(|weight| *weight *= by);
        }
        let biases =
            shift.values.iter().zip(&mean.values).zip(&by).map(|((shift, mean), by)| shift - mean * by);
        let spread = Spread {
            means: mean.values.iter().zip(&by).map(|(mean, by)| mean * by).collect(),
            variances: variance.values.iter().zip(&by).map(|(variance, by)| variance * by * by).collect(),
        };
        Ok((kernels, biases.collect(), spread))
    }

    /// Halves the size and looks closer: layers `number` and the next.
    fn stage(&mut self, number: usize, input: &str, repeats: usize) -> Result<String> {
        let down = self.block(&format!("model.{number}"), input, [3, 2, 1])?;
        self.cross(&format!("model.{}", number + 1), &down, repeats, true)
    }

    /// A cross-stage partial block.
    fn cross(&mut self, name: &str, input: &str, repeats: usize, is_residual: bool) -> Result<String> {
        let mut through = self.block(&format!("{name}.cv1"), input, [1, 1, 0])?;
        for number in 0..repeats {
            let inner = format!("{name}.m.{number}");
            let reduced = self.block(&format!("{inner}.cv1"), &through, [1, 1, 0])?;
            let expanded = self.block(&format!("{inner}.cv2"), &reduced, [3, 1, 1])?;
            through = if is_residual {
                self.node("Add", &[&through, &expanded], format!("{inner}.sum"), vec![])
            } else {
                expanded
            };
        }
        let around = self.block(&format!("{name}.cv2"), input, [1, 1, 0])?;
        let joined = self.join(&[&through, &around], &format!("{name}.cat"));
        self.block(&format!("{name}.cv3"), &joined, [1, 1, 0])
    }

    /// Spatial pyramid pooling.
    fn pyramid(&mut self, name: &str, input: &str) -> Result<String> {
        let mut seen = vec![self.block(&format!("{name}.cv1"), input, [1, 1, 0])?];
        for number in 0..3 {
            let attributes =
                vec![ints("kernel_shape", &[5; 2]), ints("strides", &[1; 2]), ints("pads", &[2; 4])];
            let pooled = self.node("MaxPool", &[&seen[number]], format!("{name}.pool.{number}"), attributes);
            seen.push(pooled);
        }
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        let joined = self.join(&seen, &format!("{name}.cat"));
        self.block(&format!("{name}.cv2"), &joined, [1, 1, 0])
    }

    fn join(&mut self, parts: &[&str], name: &str) -> String {
        self.node("Concat", parts, name.to_owned(), vec![int("axis", 1)])
    }

    /// Twice as high and wide.
    fn doubled(&mut self, input: &str, name: &str) -> String {
        let scales = self.constant(floats(&format!("{name}.scales"), &[4], &[1.0, 1.0, 2.0, 2.0]));
        let attributes = vec![
            string("mode", "nearest"),
            string("coordinate_transformation_mode", "asymmetric"),
            string("nearest_mode", "floor"),
        ];
        // The second input is for another mode.
        self.node("Resize", &[input, "", &scales], name.to_owned(), attributes)
    }

    /// The boxes that are predicted at a stride: `[batch, boxes, 5 + classes]`.
    fn boxes(&mut self, level: usize, input: &str, size: &Architecture) -> Result<String> {
        let name = format!("model.24.m.{level}");
        let (kernels, biases) =
            (self.tensor(&format!("{name}.weight"))?.clone(), self.tensor(&format!("{name}.bias"))?.clone());
        let predicted = self.convolution(&name, input, [1, 1, 0], (&kernels, &biases.values));
        let outputs = biases.values.len() / 3;
        let cut = self.reshaped(&predicted, &[0, 3, outputs as i64, -1], format!("{name}.cut"));
        let ordered =
            self.node("Transpose", &[&cut], format!("{name}.ordered"), vec![ints("perm", &[0, 1, 3, 2])]);
        let likely = self.node("Sigmoid", &[&ordered], format!("{name}.likely"), vec![]);
        let part = |graph: &mut Self, part: &str, from, to| {
            graph.slice(&likely, [from, to], format!("{name}.{part}"))
        };
        let (centre, side) = (part(self, "offset", 0, 2), part(self, "side", 2, 4));
        let rest = part(self, "rest", 4, outputs as i64);
        let stride = Architecture::STRIDES[level] as f32;
        let cells = self.cells(&predicted, &name);
        let centre = self.centres(&centre, &cells, stride, &name);
        let sides = self.sides(&side, &size.anchors[level].concat(), &name);
        let boxes =
            self.node("Concat", &[&centre, &sides, &rest], format!("{name}.decoded"), vec![int("axis", 3)]);
        Ok(self.reshaped(&boxes, &[0, -1, outputs as i64], format!("{name}.boxes")))
    }

    /// A size of 0 keeps that of the input, -1 is what is left.
    fn reshaped(&mut self, input: &str, sizes: &[i64], name: String) -> String {
        let shape = self.constant(integers(&format!("{name}.shape"), &[sizes.len()], sizes));
        self.node("Reshape", &[input, &shape], name, vec![])
    }

    /// Numbers of the last of four dimensions.
    fn slice(&mut self, input: &str, [from, to]: [i64; 2], name: String) -> String {
        let mut bound =
            |kind: &str, value| self.constant(integers(&format!("{name}.{kind}"), &[1], &[value]));
        let (start, end, axis) = (bound("start", from), bound("end", to), bound("axis", 3));
        self.node("Slice", &[input, &start, &end, &axis], name, vec![])
    }

    /// Column and row of each cell of a grid of any size, row after row: `[cells, 2]`.
    fn cells(&mut self, features: &str, name: &str) -> String {
        let named = |part: &str| format!("{name}.{part}");
        let shape = self.node("Shape", &[features], named("shape"), vec![]);
        let mut side = |part: &str, axis| {
            let axis = self.constant(integers(&named(&format!("{part}.axis")), &[], &[axis]));
            let side = self.node("Gather", &[&shape, &axis], named(part), vec![int("axis", 0)]);
            self.node("Cast", &[&side], named(&format!("{part}.float")), vec![int("to", FLOAT)])
        };
        let (height, width) = (side("height", 2), side("width", 3));
        let count = self.node("Mul", &[&height, &width], named("count"), vec![]);
        let (zero, one) = (
            self.constant(floats(&named("zero"), &[], &[0.0])),
            self.constant(floats(&named("one"), &[], &[1.0])),
        );
        let number = self.node("Range", &[&zero, &count, &one], named("number"), vec![]);
        // A half is added, so that no rounding brings a cell to the row before.
        let half = self.constant(floats(&named("half"), &[], &[0.5]));
        let middle = self.node("Add", &[&number, &half], named("middle"), vec![]);
        let row = self.node("Div", &[&middle, &width], named("row.exact"), vec![]);
        let row = self.node("Floor", &[&row], named("row"), vec![]);
        let before = self.node("Mul", &[&row, &width], named("row.begin"), vec![]);
        let column = self.node("Sub", &[&number, &before], named("column"), vec![]);
        let (column, row) = (
            self.reshaped(&column, &[-1, 1], named("columns")),
            self.reshaped(&row, &[-1, 1], named("rows")),
        );
        self.node("Concat", &[&column, &row], named("cells"), vec![int("axis", 1)])
    }

    /// `(2 * offset - 0.5 + cell) * stride`.
    fn centres(&mut self, offset: &str, cells: &str, stride: f32, name: &str) -> String {
        let named = |part: &str| format!("{name}.centre.{part}");
        let scale = self.constant(floats(&named("scale"), &[], &[2.0 * stride]));
        let scaled = self.node("Mul", &[offset, &scale], named("scaled"), vec![]);
        let (stride, half) = (
            self.constant(floats(&named("stride"), &[], &[stride])),
            self.constant(floats(&named("half"), &[], &[0.5])),
        );
        let corner = self.node("Sub", &[cells, &half], named("corner"), vec![]);
        let corner = self.node("Mul", &[&corner, &stride], named("pixels"), vec![]);
        self.node("Add", &[&scaled, &corner], named("out"), vec![])
    }

    /// `(2 * side)² * anchor`.
    fn sides(&mut self, side: &str, anchors: &[f32], name: &str) -> String {
        let named = |part: &str| format!("{name}.side.{part}");
        let square = self.node("Mul", &[side, side], named("square"), vec![]);
        let anchors: Vec<f32> = anchors.iter().map(|anchor| anchor * 4.0).collect();
        let anchors = self.constant(floats(&named("anchors"), &[1, 3, 1, 2], &anchors));
        self.node("Mul", &[&square, &anchors], named("out"), vec![])
    }
}

/// `TensorProto.DataType.FLOAT`.
const FLOAT: i64 = sightscan_engine::onnx::proto::data_type::FLOAT as i64;
