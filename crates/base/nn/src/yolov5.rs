//! The whole network.

use burn::module::Module;
use burn::tensor::module::interpolate;
use burn::tensor::ops::{InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};

use crate::architecture::{Anchors, Architecture};
use crate::blocks::{C3, ConvBlock, Sppf};
use crate::error::Result;
use crate::head::{self, Head};
use crate::trainer::{Batch, Beginning};
use crate::walk::{Load, Save, Walk};
use crate::weights::Weights;

/// What Ultralytics calls the layer that predicts boxes.
const HEAD: &str = "model.24";

/// YOLOv5, release 6 and newer.
#[derive(Module, Debug)]
pub struct Yolov5 {
    backbone: Backbone,
    neck: Neck,
    head: Head,
    #[module(skip)]
    anchors: Anchors,
}

impl Yolov5 {
    /// A network that has learnt nothing.
    pub fn new(architecture: &Architecture, device: &Device) -> Self {
        let channels = [256, 512, 1024].map(|full| architecture.channels(full));
        Self {
            backbone: Backbone::new(architecture, device),
            neck: Neck::new(architecture, device),
            head: Head::new(architecture, channels, device),
            anchors: architecture.anchors,
        }
    }

    /// The network of a checkpoint, with what it has learnt.
    ///
    /// # Errors
    /// When the weights are those of another network.
    pub fn of(weights: &Weights, device: &Device) -> Result<Self> {
        let mut network = Self::new(&Architecture::of(weights)?, device);
        network.load(weights)?;
        Ok(network)
    }

    /// Takes weights of a network of this size.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub fn load(&mut self, weights: &Weights) -> Result<()> {
        self.walk(&mut Load(weights))
    }

    /// Takes weights of a network of this size which may tell other classes apart. What the layers that predict boxes know of
    /// classes that both have is taken; of the others nothing changes.
    ///
    /// # Errors
    /// When one is missing or has another shape.
    pub(crate) fn take_over(&mut self, Beginning { weights, classes }: Beginning<'_>) -> Result<()> {
        let mut adapted = weights.clone();
        for (name, own) in self.weights()?.part(HEAD).iter() {
            let name = format!("{HEAD}{name}");
            let learnt = head::adapted(&name, weights.get(&name)?, own, classes)?;
            adapted.insert(name, learnt);
        }
        self.load(&adapted)
    }

    /// [`Self::detect`] as plain numbers, box after box.
    pub fn numbers(&self, batch: &Batch, device: &Device) -> Vec<f32> {
        let [height, width] = batch.size;
        let pixels = TensorData::new(batch.pixels.clone(), [batch.pictures(), 3, height, width]);
        self.detect(Tensor::from_data(pixels, device)).into_data().iter::<f32>().collect()
    }

    /// What it has learnt.
    ///
    /// # Errors
    /// When a device does not give its numbers back.
    pub fn weights(&self) -> Result<Weights> {
        let mut save = Save::default();
        self.clone().walk(&mut save)?;
        save.weights()
    }

    pub(crate) fn walk(&mut self, walk: &mut impl Walk) -> Result<()> {
        self.backbone.walk(walk)?;
        self.neck.walk(walk)?;
        self.head.walk(walk, HEAD)
    }

    /// What is predicted at strides of 8, 16 and 32 pixels, not yet as boxes: `[batch, anchors, height, width, 5 + classes]`.
    /// Height and width of the pictures are multiples of 32.
    pub fn forward(&self, pictures: Tensor<4>) -> [Tensor<5>; 3] {
        self.head.forward(self.neck.forward(self.backbone.forward(pictures)))
    }

    /// The same; the layers that look at pixels do not learn from it, and see as after a training.
    pub(crate) fn forward_frozen(&self, pictures: Tensor<4>) -> [Tensor<5>; 3] {
        let features = self.backbone.valid().forward(pictures.inner());
        self.head.forward(self.neck.forward(features.map(Tensor::from_inner)))
    }

    /// The boxes that are predicted: `[batch, boxes, 5 + classes]`, each the centre and the size in pixels of the input, the
    /// probability of an object, and of each class if there is one: the output of YOLOv5's ONNX files.
    pub fn detect(&self, pictures: Tensor<4>) -> Tensor<3> {
        head::boxes(self.forward(pictures), &self.anchors)
    }
}

/// Halves the size and looks closer.
#[derive(Module, Debug)]
struct Stage {
    down: ConvBlock,
    block: C3,
}

impl Stage {
    /// From and to so many channels, with so many bottlenecks, as in the full network.
    fn new(architecture: &Architecture, [from, to]: [usize; 2], repeats: usize, device: &Device) -> Self {
        let (from, to) = (architecture.channels(from), architecture.channels(to));
        let block = C3::new([to, to], architecture.repeats(repeats), true, device);
        Self { down: ConvBlock::new([from, to], 3, 2, device), block }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.block.forward(self.down.forward(input))
    }

    /// Goes through the tensors of two layers, the first one with this number.
    fn walk(&mut self, walk: &mut impl Walk, number: usize) -> Result<()> {
        self.down.walk(walk, &layer(number))?;
        self.block.walk(walk, &layer(number + 1))
    }
}

/// What Ultralytics calls the layer with this number.
fn layer(number: usize) -> String {
    format!("model.{number}")
}

/// From pixels to features at strides of 8, 16 and 32 pixels.
#[derive(Module, Debug)]
struct Backbone {
    stem: ConvBlock,
    edges: Stage,
    fine: Stage,
    middle: Stage,
    coarse: Stage,
    pool: Sppf,
}

impl Backbone {
    fn new(architecture: &Architecture, device: &Device) -> Self {
        let stage = |channels, repeats| Stage::new(architecture, channels, repeats, device);
        Self {
            stem: ConvBlock::padded([3, architecture.channels(64)], 6, 2, 2, device),
            edges: stage([64, 128], 3),
            fine: stage([128, 256], 6),
            middle: stage([256, 512], 9),
            coarse: stage([512, 1024], 3),
            pool: Sppf::new(architecture.channels(1024), device),
        }
    }

    fn forward(&self, pictures: Tensor<4>) -> [Tensor<4>; 3] {
        let fine = self.fine.forward(self.edges.forward(self.stem.forward(pictures)));
        let middle = self.middle.forward(fine.clone());
        let coarse = self.pool.forward(self.coarse.forward(middle.clone()));
        [fine, middle, coarse]
    }

    fn walk(&mut self, walk: &mut impl Walk) -> Result<()> {
        self.stem.walk(walk, &layer(0))?;
        self.edges.walk(walk, 1)?;
        self.fine.walk(walk, 3)?;
        self.middle.walk(walk, 5)?;
        self.coarse.walk(walk, 7)?;
        self.pool.walk(walk, &layer(9))
    }
}

/// Passes what the coarse grid knows to the finer ones, and back: a path aggregation network.
#[derive(Module, Debug)]
struct Neck {
    from_coarse: ConvBlock,
    up_middle: C3,
    from_middle: ConvBlock,
    fine: C3,
    from_fine: ConvBlock,
    middle: C3,
    down_middle: ConvBlock,
    coarse: C3,
}

impl Neck {
    fn new(architecture: &Architecture, device: &Device) -> Self {
        let repeats = architecture.repeats(3);
        let channels = |full: [usize; 2]| full.map(|full| architecture.channels(full));
        let conv = |full, kernel, stride| ConvBlock::new(channels(full), kernel, stride, device);
        let block = |full| C3::new(channels(full), repeats, false, device);
        Self {
            from_coarse: conv([1024, 512], 1, 1),
            up_middle: block([1024, 512]),
            from_middle: conv([512, 256], 1, 1),
            fine: block([512, 256]),
            from_fine: conv([256, 256], 3, 2),
            middle: block([512, 512]),
            down_middle: conv([512, 512], 3, 2),
            coarse: block([1024, 1024]),
        }
    }

    fn forward(&self, [fine, middle, coarse]: [Tensor<4>; 3]) -> [Tensor<4>; 3] {
        let join = |one, other| Tensor::cat(vec![one, other], 1);
        let from_coarse = self.from_coarse.forward(coarse);
        let middle = self.up_middle.forward(join(doubled(from_coarse.clone()), middle));
        let from_middle = self.from_middle.forward(middle);
        let fine = self.fine.forward(join(doubled(from_middle.clone()), fine));
        let middle = self.middle.forward(join(self.from_fine.forward(fine.clone()), from_middle));
        let coarse = self.coarse.forward(join(self.down_middle.forward(middle.clone()), from_coarse));
        [fine, middle, coarse]
    }

    fn walk(&mut self, walk: &mut impl Walk) -> Result<()> {
        self.from_coarse.walk(walk, &layer(10))?;
        self.up_middle.walk(walk, &layer(13))?;
        self.from_middle.walk(walk, &layer(14))?;
        self.fine.walk(walk, &layer(17))?;
        self.from_fine.walk(walk, &layer(18))?;
        self.middle.walk(walk, &layer(20))?;
        self.down_middle.walk(walk, &layer(21))?;
        self.coarse.walk(walk, &layer(23))
    }
}

/// Twice as high and wide, each value four times.
fn doubled(features: Tensor<4>) -> Tensor<4> {
    interpolate(features, InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0, 2.0]))
}
