//! What the network is built from.

use burn::module::{Module, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use crate::conv_block::{Step, conv_norm_silu, convolved};
use crate::error::Result;
use crate::walk::Walk;

/// YOLOv5's, which are not the usual ones.
const EPSILON: f64 = 1e-3;
const MOMENTUM: f64 = 0.03;

/// Pixels of a side that a pooling of [`Sppf`] sees.
const POOLED: usize = 5;

/// Convolution, batch normalisation, SiLU.
#[derive(Module, Debug)]
pub(crate) struct ConvBlock {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvBlock {
    pub(crate) fn new(channels: [usize; 2], kernel: usize, stride: usize, device: &Device) -> Self {
        Self::padded(channels, kernel, stride, kernel / 2, device)
    }

    pub(crate) fn padded(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        padding: usize,
        device: &Device,
    ) -> Self {
        let conv = Conv2dConfig::new(channels, [kernel; 2])
            .with_stride([stride; 2])
            .with_padding(PaddingConfig2d::Explicit(padding, padding, padding, padding))
            .with_bias(false)
            .init(device);
        let norm =
            BatchNormConfig::new(channels[1]).with_epsilon(EPSILON).with_momentum(MOMENTUM).init(device);
        Self { conv, norm }
    }

    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let device = input.device();
        if device.is_autodiff() && device.inner() == Device::flex() {
            self.trained(input)
        } else {
            silu(self.norm.forward(convolution(&self.conv, input)))
        }
    }

    /// As the three operations would, in one, on a processor that keeps what gradients need.
    fn trained(&self, input: Tensor<4>) -> Tensor<4> {
        let affine = [self.norm.gamma.val(), self.norm.beta.val()];
        let (stride, padding) = (self.conv.stride[0], padding(&self.conv));
        let step = Step { stride, padding, epsilon: EPSILON as f32 };
        let block = conv_norm_silu(input, self.conv.weight.val(), affine, step);
        follow(&self.norm.running_mean, block.mean);
        follow(&self.norm.running_var, block.variance);
        block.output
    }

    /// Goes through the tensors of the block of this name.
    pub(crate) fn walk(&mut self, walk: &mut impl Walk, name: &str) -> Result<()> {
        walk.param(&format!("{name}.conv.weight"), &mut self.conv.weight)?;
        walk.param(&format!("{name}.bn.weight"), &mut self.norm.gamma)?;
        walk.param(&format!("{name}.bn.bias"), &mut self.norm.beta)?;
        walk.state(&format!("{name}.bn.running_mean"), &mut self.norm.running_mean)?;
        walk.state(&format!("{name}.bn.running_var"), &mut self.norm.running_var)
    }
}

/// What a convolution makes; while it learns on a graphics processor as a product of matrices.
pub(crate) fn convolution(conv: &Conv2d, input: Tensor<4>) -> Tensor<4> {
    let device = input.device();
    if !device.is_autodiff() || device.inner() == Device::flex() {
        return conv.forward(input);
    }
    let output = convolved(input, conv.weight.val(), conv.stride[0], padding(conv));
    match &conv.bias {
        Some(bias) => {
            let channels = bias.val().dims()[0];
            output + bias.val().reshape([1, channels, 1, 1])
        }
        None => output,
    }
}

/// Pixels that are added at each side; of this network's layers the same at all four.
fn padding(conv: &Conv2d) -> usize {
    match conv.padding {
        PaddingConfig2d::Explicit(padding, ..) => padding,
        PaddingConfig2d::Valid => 0,
        PaddingConfig2d::Same => conv.kernel_size[0] / 2,
    }
}

/// Moves a running average on.
fn follow(average: &RunningState<Tensor<1>>, value: Tensor<1>) {
    let before = average.value_sync().inner();
    average.update(Tensor::from_inner(before * (1.0 - MOMENTUM) + value.inner() * MOMENTUM));
}

/// Two convolutions, whose result is added to what came in.
#[derive(Module, Debug)]
struct Bottleneck {
    reduce: ConvBlock,
    expand: ConvBlock,
    is_residual: bool,
}

impl Bottleneck {
    fn new(channels: usize, is_residual: bool, device: &Device) -> Self {
        Self {
            reduce: ConvBlock::new([channels; 2], 1, 1, device),
            expand: ConvBlock::new([channels; 2], 3, 1, device),
            is_residual,
        }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let output = self.expand.forward(self.reduce.forward(input.clone()));
        if self.is_residual { input + output } else { output }
    }

    fn walk(&mut self, walk: &mut impl Walk, name: &str) -> Result<()> {
        self.reduce.walk(walk, &format!("{name}.cv1"))?;
        self.expand.walk(walk, &format!("{name}.cv2"))
    }
}

/// A cross-stage partial block with three convolutions: half of the channels go through bottlenecks, half around them.
#[derive(Module, Debug)]
pub(crate) struct C3 {
    through: ConvBlock,
    around: ConvBlock,
    bottlenecks: Vec<Bottleneck>,
    join: ConvBlock,
}

impl C3 {
    pub(crate) fn new(channels: [usize; 2], repeats: usize, is_residual: bool, device: &Device) -> Self {
        let [from, to] = channels;
        let half = to / 2;
        Self {
            through: ConvBlock::new([from, half], 1, 1, device),
            around: ConvBlock::new([from, half], 1, 1, device),
            bottlenecks: (0..repeats).map(|_| Bottleneck::new(half, is_residual, device)).collect(),
            join: ConvBlock::new([2 * half, to], 1, 1, device),
        }
    }

    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let begin = self.through.forward(input.clone());
        let through =
            self.bottlenecks.iter().fold(begin, |features, bottleneck| bottleneck.forward(features));
        self.join.forward(Tensor::cat(vec![through, self.around.forward(input)], 1))
    }

    pub(crate) fn walk(&mut self, walk: &mut impl Walk, name: &str) -> Result<()> {
        self.through.walk(walk, &format!("{name}.cv1"))?;
        self.around.walk(walk, &format!("{name}.cv2"))?;
        self.join.walk(walk, &format!("{name}.cv3"))?;
        let mut bottlenecks = self.bottlenecks.iter_mut().enumerate();
        bottlenecks.try_for_each(|(number, bottleneck)| bottleneck.walk(walk, &format!("{name}.m.{number}")))
    }
}

/// Spatial pyramid pooling, fast: what is seen in 5, 9 and 13 pixels around, by pooling three times.
#[derive(Module, Debug)]
pub(crate) struct Sppf {
    reduce: ConvBlock,
    pool: MaxPool2d,
    join: ConvBlock,
}

impl Sppf {
    pub(crate) fn new(channels: usize, device: &Device) -> Self {
        let half = channels / 2;
        let padding = PaddingConfig2d::Explicit(POOLED / 2, POOLED / 2, POOLED / 2, POOLED / 2);
        Self {
            reduce: ConvBlock::new([channels, half], 1, 1, device),
            pool: MaxPool2dConfig::new([POOLED; 2]).with_strides([1, 1]).with_padding(padding).init(),
            join: ConvBlock::new([4 * half, channels], 1, 1, device),
        }
    }

    pub(crate) fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        let five = self.reduce.forward(input);
        let nine = self.pool.forward(five.clone());
        let thirteen = self.pool.forward(nine.clone());
        let most = self.pool.forward(thirteen.clone());
        self.join.forward(Tensor::cat(vec![five, nine, thirteen, most], 1))
    }

    pub(crate) fn walk(&mut self, walk: &mut impl Walk, name: &str) -> Result<()> {
        self.reduce.walk(walk, &format!("{name}.cv1"))?;
        self.join.walk(walk, &format!("{name}.cv2"))
    }
}
