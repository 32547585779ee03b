//! The ONNX graph of a network.

use super::Network;
use super::layer::{Activation, Convolution, Kind, MaxPool, Route, Shortcut, Yolo};
use super::shape::Shape;
use super::weights::Folded;
use crate::onnx::build::{self, float, floats, int, integers, ints, node, string, value};
use crate::onnx::proto::{AttributeProto, GraphProto, NodeProto, TensorProto};
use crate::onnx::{ModelProto, ultralytics};

const INPUT: &str = "images";
const OUTPUT: &str = "output0";

/// Builds the model for an input and the shapes that follow from it.
pub(super) fn build(network: &Network, input: Shape, shapes: &[Shape], names: &[String]) -> ModelProto {
    let mut builder =
        Builder { network, input, shapes, values: Vec::new(), nodes: Vec::new(), constants: Vec::new() };
    (0..network.layers.len()).for_each(|index| builder.layer(index));
    builder.output();
    let sizes = [Err("batch"), Ok(input.channels), Ok(input.height), Ok(input.width)];
    let heads = network.yolo_layers().map(|(index, yolo)| yolo.anchors.len() * area(shapes[index]));
    let graph = GraphProto {
        name: Some("darknet".into()),
        input: vec![value(INPUT, &sizes)],
        output: vec![value(OUTPUT, &[Err("batch"), Ok(heads.sum()), Ok(5 + network.classes)])],
        node: builder.nodes,
        initializer: builder.constants,
        ..Default::default()
    };
    build::model(graph, &metadata(network, input, shapes, names))
}

/// What Ultralytics' exporter says about a model.
fn metadata(
    network: &Network,
    input: Shape,
    shapes: &[Shape],
    names: &[String],
) -> Vec<(&'static str, String)> {
    let strides = network.yolo_layers().map(|(index, _)| input.width / shapes[index].width);
    ultralytics::metadata(names, [input.height, input.width], strides.max().unwrap_or(1))
}

fn area(shape: Shape) -> usize {
    shape.height * shape.width
}

struct Builder<'a> {
    network: &'a Network,
    input: Shape,
    shapes: &'a [Shape],
    /// The name of each layer's output. Layers that change nothing share their input's.
    values: Vec<String>,
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
}

impl Builder<'_> {
    fn layer(&mut self, index: usize) {
        let network = self.network;
        let input = self.values.last().map_or(INPUT, String::as_str).to_owned();
        let name = format!("layer_{index}");
        let value = match (&network.layers[index].kind, &network.weights[index]) {
            (Kind::Convolution(convolution), Some(weights)) => {
                self.convolution(convolution, weights, &input, name)
            }
            (Kind::MaxPool(pool), _) => self.max_pool(pool, &input, name),
            (Kind::Route(route), _) => self.route(route, name),
            (Kind::Shortcut(shortcut), _) => self.shortcut(shortcut, input, name),
            (Kind::Upsample(stride), _) => self.upsample(*stride, &input, name),
            (Kind::Yolo(yolo), _) => self.yolo(yolo, &input, index),
            // Every convolution has weights.
            (Kind::Convolution(_) | Kind::Dropout, _) => input,
        };
        self.values.push(value);
    }

    /// Adds an operation and gives its output back.
    fn node(
        &mut self,
        op_type: &str,
        inputs: &[&str],
        output: String,
        attributes: Vec<AttributeProto>,
    ) -> String {
        self.nodes.push(node(op_type, inputs, &output, attributes));
        output
    }

    /// Adds a constant and gives its name back.
    fn constant(&mut self, tensor: TensorProto) -> String {
        let name = tensor.name().to_owned();
        self.constants.push(tensor);
        name
    }

    fn convolution(&mut self, layer: &Convolution, weights: &Folded, input: &str, name: String) -> String {
        let Convolution { filters, size, stride, padding, groups, activation, .. } = *layer;
        let shape = [filters, weights.kernels.len() / (filters * size * size), size, size];
        let kernels = self.constant(floats(&format!("{name}.weight"), &shape, &weights.kernels));
        let biases = self.constant(floats(&format!("{name}.bias"), &[filters], &weights.biases));
        let attributes = vec![
            ints("kernel_shape", &[size as i64; 2]),
            ints("strides", &[stride as i64; 2]),
            ints("pads", &[padding as i64; 4]),
            int("group", groups as i64),
        ];
        let plain = if activation == Activation::Linear { name.clone() } else { format!("{name}.conv") };
        let plain = self.node("Conv", &[input, &kernels, &biases], plain, attributes);
        self.activation(activation, plain, name)
    }

    fn activation(&mut self, activation: Activation, input: String, name: String) -> String {
        match activation {
            Activation::Linear => input,
            Activation::Leaky => self.node("LeakyRelu", &[&input], name, vec![float("alpha", 0.1)]),
            Activation::Relu => self.node("Relu", &[&input], name, vec![]),
            Activation::Logistic => self.node("Sigmoid", &[&input], name, vec![]),
            Activation::Swish => {
                let gate = self.node("Sigmoid", &[&input], format!("{name}.gate"), vec![]);
                self.node("Mul", &[&input, &gate], name, vec![])
            }
            Activation::Mish => self.mish(&input, name),
        }
    }

    /// x·tanh(ln(1 + eˣ)) (Misra, "Mish", 2020), rewritten as x − 2x/((1 + eˣ)² + 1).
    ///
    /// Runtimes compute `Softplus` number by number, which takes several times as long. Where eˣ overflows, the
    /// fraction is 0 and x is left, as it should be.
    fn mish(&mut self, x: &str, name: String) -> String {
        let one = self.constant(floats(&format!("{name}.one"), &[1], &[1.0]));
        let part = |part: &str| format!("{name}.{part}");
        let exponential = self.node("Exp", &[x], part("exponential"), vec![]);
        let sum = self.node("Add", &[&exponential, &one], part("sum"), vec![]);
        let square = self.node("Mul", &[&sum, &sum], part("square"), vec![]);
        let divisor = self.node("Add", &[&square, &one], part("divisor"), vec![]);
        let double = self.node("Add", &[x, x], part("double"), vec![]);
        let fraction = self.node("Div", &[&double, &divisor], part("fraction"), vec![]);
        self.node("Sub", &[x, &fraction], name, vec![])
    }

    fn max_pool(&mut self, layer: &MaxPool, input: &str, name: String) -> String {
        let before = (layer.padding / 2) as i64;
        let after = layer.padding as i64 - before;
        let attributes = vec![
            ints("kernel_shape", &[layer.size as i64; 2]),
            ints("strides", &[layer.stride as i64; 2]),
            ints("pads", &[before, before, after, after]),
        ];
        self.node("MaxPool", &[input], name, attributes)
    }

    fn route(&mut self, layer: &Route, name: String) -> String {
        let parts: Vec<String> = layer.layers.iter().map(|&index| self.part(layer, index, &name)).collect();
        match parts.as_slice() {
            [only] => only.clone(),
            parts => {
                let inputs: Vec<&str> = parts.iter().map(String::as_str).collect();
                self.node("Concat", &inputs, name, vec![int("axis", 1)])
            }
        }
    }

    /// The channels that a route takes of one layer.
    fn part(&mut self, route: &Route, index: usize, name: &str) -> String {
        let whole = self.values[index].clone();
        if route.groups == 1 {
            return whole;
        }
        let channels = (self.shapes[index].channels / route.groups) as i64;
        let start = channels * route.group as i64;
        // A route may take the same layer twice, so the number of nodes keeps the name unique.
        let part = format!("{name}.part_{}", self.nodes.len());
        let mut bound =
            |kind: &str, value| self.constant(integers(&format!("{part}.{kind}"), &[1], &[value]));
        let (start, end, axis) = (bound("start", start), bound("end", start + channels), bound("axis", 1));
        self.node("Slice", &[&whole, &start, &end, &axis], part, vec![])
    }

    fn shortcut(&mut self, layer: &Shortcut, input: String, name: String) -> String {
        let mut sum = input;
        for (position, &index) in layer.layers.iter().enumerate() {
            let last = position + 1 == layer.layers.len() && layer.activation == Activation::Linear;
            let output = if last { name.clone() } else { format!("{name}.sum_{position}") };
            let other = self.values[index].clone();
            sum = self.node("Add", &[&sum, &other], output, vec![]);
        }
        self.activation(layer.activation, sum, name)
    }

    fn upsample(&mut self, stride: usize, input: &str, name: String) -> String {
        let factor = stride as f32;
        let scales = self.constant(floats(&format!("{name}.scales"), &[4], &[1.0, 1.0, factor, factor]));
        let attributes = vec![
            string("mode", "nearest"),
            string("coordinate_transformation_mode", "asymmetric"),
            string("nearest_mode", "floor"),
        ];
        // The second input is for another mode.
        self.node("Resize", &[input, "", &scales], name, attributes)
    }

    /// Turns a grid of numbers into boxes.
    fn yolo(&mut self, yolo: &Yolo, input: &str, index: usize) -> String {
        let name = format!("layer_{index}");
        let (anchors, columns, cells) = (yolo.anchors.len(), yolo.columns(), area(self.shapes[index]));
        let cut = self.reshape(input, &[0, anchors, columns, cells], format!("{name}.cut"));
        let [centre, size, scores] = self.split(&cut, [2, 2, 1 + yolo.classes], &name);
        let centre = self.centres(yolo, index, centre);
        let size = self.sizes(yolo, size, &name);
        // With `new_coords`, the convolution before ends in a logistic function of its own.
        let scores = if yolo.new_coords {
            scores
        } else {
            self.node("Sigmoid", &[&scores], format!("{name}.probabilities"), vec![])
        };
        let decoded =
            self.node("Concat", &[&centre, &size, &scores], format!("{name}.decoded"), vec![int("axis", 2)]);
        let order = vec![ints("perm", &[0, 3, 1, 2])];
        let ordered = self.node("Transpose", &[&decoded], format!("{name}.ordered"), order);
        self.reshape(&ordered, &[0, cells * anchors, columns], format!("{name}.boxes"))
    }

    /// A size of 0 keeps that of the input.
    fn reshape(&mut self, input: &str, sizes: &[usize], name: String) -> String {
        let sizes: Vec<i64> = sizes.iter().map(|&size| size as i64).collect();
        let shape = self.constant(integers(&format!("{name}.shape"), &[sizes.len()], &sizes));
        self.node("Reshape", &[input, &shape], name, vec![])
    }

    fn split(&mut self, input: &str, sizes: [usize; 3], name: &str) -> [String; 3] {
        let outputs = ["centre", "size", "scores"].map(|part| format!("{name}.{part}"));
        let sizes = self.constant(integers(&format!("{name}.split"), &[3], &sizes.map(|size| size as i64)));
        let split = node("Split", &[input, &sizes], &outputs[0], vec![int("axis", 2)]);
        self.nodes.push(NodeProto { output: outputs.to_vec(), ..split });
        outputs
    }

    /// x = (σ(t)·scale − (scale − 1)/2 + column) · stride, and y likewise (YOLOv3, section 2.1; YOLOv4).
    fn centres(&mut self, yolo: &Yolo, index: usize, offsets: String) -> String {
        let name = format!("layer_{index}");
        let grid = self.shapes[index];
        let stride =
            [self.input.width as f32 / grid.width as f32, self.input.height as f32 / grid.height as f32];
        let inside = if yolo.new_coords {
            offsets
        } else {
            self.node("Sigmoid", &[&offsets], format!("{name}.offset"), vec![])
        };
        let scale =
            floats(&format!("{name}.scale"), &[1, 1, 2, 1], &stride.map(|stride| stride * yolo.scale));
        let corners =
            floats(&format!("{name}.corners"), &[1, 1, 2, area(grid)], &corners(grid, stride, yolo.scale));
        let (scale, corners) = (self.constant(scale), self.constant(corners));
        let scaled = self.node("Mul", &[&inside, &scale], format!("{name}.scaled"), vec![]);
        self.node("Add", &[&scaled, &corners], format!("{name}.centres"), vec![])
    }

    /// w = exp(t)·anchor (YOLOv3, section 2.1), or (2t)²·anchor with `new_coords` (Scaled-YOLOv4); h likewise.
    fn sizes(&mut self, yolo: &Yolo, input: String, name: &str) -> String {
        let (op_type, inputs, factor) = if yolo.new_coords { ("Mul", 2, 4.0) } else { ("Exp", 1, 1.0) };
        let grown = self.node(op_type, &vec![input.as_str(); inputs], format!("{name}.grown"), vec![]);
        let anchors: Vec<f32> = yolo.anchors.iter().flatten().map(|side| side * factor).collect();
        let anchors =
            self.constant(floats(&format!("{name}.anchors"), &[1, yolo.anchors.len(), 2, 1], &anchors));
        self.node("Mul", &[&grown, &anchors], format!("{name}.sizes"), vec![])
    }

    /// All boxes, one `[yolo]` layer after the other.
    fn output(&mut self) {
        let heads: Vec<String> =
            self.network.yolo_layers().map(|(index, _)| self.values[index].clone()).collect();
        let inputs: Vec<&str> = heads.iter().map(String::as_str).collect();
        self.nodes.push(node("Concat", &inputs, OUTPUT, vec![int("axis", 1)]));
    }
}

/// x of every cell, then y of every cell, in pixels; moved so that a scale other than 1 keeps the middle.
fn corners(grid: Shape, [stride_x, stride_y]: [f32; 2], scale: f32) -> Vec<f32> {
    let moved = (scale - 1.0) / 2.0;
    let cells =
        || (0..grid.height).flat_map(|row| (0..grid.width).map(move |column| (column as f32, row as f32)));
    let x = cells().map(|(column, _)| (column - moved) * stride_x);
    let y = cells().map(|(_, row)| (row - moved) * stride_y);
    x.chain(y).collect()
}
