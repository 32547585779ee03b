//! What the network is built from.

use burn::module::{Module, Param, RunningState};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::silu;
use burn::tensor::{Device, Tensor};

use crate::error::Result;
use crate::weights::Weights;

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
        silu(self.norm.forward(self.conv.forward(input)))
    }

    /// Takes the weights of the block of this name.
    pub(crate) fn load(&mut self, weights: &Weights, name: &str) -> Result<()> {
        load_param(&mut self.conv.weight, weights, &format!("{name}.conv.weight"))?;
        load_param(&mut self.norm.gamma, weights, &format!("{name}.bn.weight"))?;
        load_param(&mut self.norm.beta, weights, &format!("{name}.bn.bias"))?;
        load_state(&mut self.norm.running_mean, weights, &format!("{name}.bn.running_mean"))?;
        load_state(&mut self.norm.running_var, weights, &format!("{name}.bn.running_var"))
    }
}

/// Takes a parameter of this name.
pub(crate) fn load_param<const D: usize>(
    param: &mut Param<Tensor<D>>,
    weights: &Weights,
    name: &str,
) -> Result<()> {
    let (shape, device) = (param.val().dims(), param.val().device());
    *param = Param::from_tensor(weights.tensor(name, shape, &device)?);
    Ok(())
}

fn load_state<const D: usize>(
    state: &mut RunningState<Tensor<D>>,
    weights: &Weights,
    name: &str,
) -> Result<()> {
    let value = state.value();
    *state = RunningState::new(weights.tensor(name, value.dims(), &value.device())?);
    Ok(())
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

    fn load(&mut self, weights: &Weights, name: &str) -> Result<()> {
        self.reduce.load(weights, &format!("{name}.cv1"))?;
        self.expand.load(weights, &format!("{name}.cv2"))
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

    pub(crate) fn load(&mut self, weights: &Weights, name: &str) -> Result<()> {
        self.through.load(weights, &format!("{name}.cv1"))?;
        self.around.load(weights, &format!("{name}.cv2"))?;
        self.join.load(weights, &format!("{name}.cv3"))?;
        let mut bottlenecks = self.bottlenecks.iter_mut().enumerate();
        bottlenecks
            .try_for_each(|(number, bottleneck)| bottleneck.load(weights, &format!("{name}.m.{number}")))
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

    pub(crate) fn load(&mut self, weights: &Weights, name: &str) -> Result<()> {
        self.reduce.load(weights, &format!("{name}.cv1"))?;
        self.join.load(weights, &format!("{name}.cv2"))
    }
}
