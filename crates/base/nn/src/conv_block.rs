//! Convolution, batch normalisation and SiLU in one step, as they are trained.
//!
//! Nearly all of a network's work is in such blocks. As three operations of the tensor library, a training step on a
//! processor takes several times as long: each reads and writes all features anew, and gradients of the weights take a
//! general way. See `bench/README.md`.

mod flex;
mod kernels;
mod patches;

pub(crate) use patches::convolved;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::tensor::Tensor;

/// How a block looks at pixels, and what keeps its divisor from nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Step {
    pub(crate) stride: usize,
    pub(crate) padding: usize,
    pub(crate) epsilon: f32,
}

/// What a block makes of a batch.
pub(crate) struct Activated {
    pub(crate) output: Tensor<4>,
    /// The mean of each channel before it was normalised.
    pub(crate) mean: Tensor<1>,
    pub(crate) variance: Tensor<1>,
}

/// `silu(batch_norm(conv(input)))`, normalised with the mean and the variance of this batch: `input` as
/// `[batch, channels, height, width]`, `weight` as `[channels, channels of the input, height, width]`.
pub(crate) fn conv_norm_silu(
    input: Tensor<4>,
    weight: Tensor<4>,
    [scale, shift]: [Tensor<1>; 2],
    step: Step,
) -> Activated {
    let (output, mean, variance) = Dispatch::conv_norm_silu(
        input.into_dispatch(),
        weight.into_dispatch(),
        scale.into_dispatch(),
        shift.into_dispatch(),
        step,
    );
    Activated {
        output: Tensor::from_dispatch(output),
        mean: Tensor::from_dispatch(mean),
        variance: Tensor::from_dispatch(variance),
    }
}

#[backend_extension(Flex, Autodiff)]
trait ConvNormSilu: Backend {
    /// What comes out, and mean and variance of each channel.
    fn conv_norm_silu(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl ConvNormSilu for Flex {
    fn conv_norm_silu(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (output, kept) = flex::forward([input, weight, scale, shift], step);
        let (mean, variance) = kept.statistics();
        (output, mean, variance)
    }
}

impl<C: CheckpointStrategy> ConvNormSilu for Autodiff<Flex, C> {
    fn conv_norm_silu(
        input: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        scale: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        step: Step,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let nodes = [input.node(), weight.node(), scale.node(), shift.node()];
        let inputs = [input, weight, scale, shift].map(FloatTensor::<Self>::into_primitive);
        let (output, kept) = flex::forward(inputs, step);
        let (mean, variance) = kept.statistics();
        let output = match Gradient.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
        (output, FloatTensor::<Self>::new(mean), FloatTensor::<Self>::new(variance))
    }
}

#[derive(Debug)]
struct Gradient;

impl Backward<Flex, 4> for Gradient {
    type State = flex::Kept;

    fn backward(self, ops: Ops<Self::State, 4>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<Flex>(&ops.node);
        let is_input_wanted = ops.parents[0].is_some();
        let gradients = flex::backward(ops.state, gradient, is_input_wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                grads.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::silu;
    use burn::tensor::module::{batch_norm_train, conv2d};
    use burn::tensor::ops::ConvOptions;
    use burn::tensor::{Device, Distribution, Int, TensorData, Tolerance};

    use super::*;

    const EPSILON: f32 = 1e-3;

    /// Channels, size, kernel, stride and padding of a block.
    type Case = ([usize; 2], [usize; 2], usize, usize, usize);

    const CASES: [Case; 6] = [
        ([3, 8], [20, 28], 6, 2, 2),
        ([8, 16], [9, 7], 3, 1, 1),
        ([8, 16], [11, 14], 3, 2, 1),
        ([16, 8], [5, 6], 1, 1, 0),
        ([4, 3], [1, 1], 3, 1, 1),
        // So wide that its patches do not fit into one tile.
        ([32, 8], [24, 40], 3, 1, 1),
    ];

    /// Input, weights, scale and shift.
    fn inputs(([from, to], [height, width], kernel, ..): Case) -> (Tensor<4>, Tensor<4>, [Tensor<1>; 2]) {
        let device = Device::flex().autodiff();
        let spread = Distribution::Normal(0.3, 1.0);
        let input = Tensor::random([3, from, height, width], spread, &device).require_grad();
        let weight = Tensor::random([to, from, kernel, kernel], spread, &device).require_grad();
        (input, weight, [0, 1].map(|_| Tensor::random([to], spread, &device).require_grad()))
    }

    /// All that a block gives: its output, mean, variance, and the gradients of a loss that weighs each number.
    fn outcome(
        activated: Activated,
        (input, weight, [scale, shift]): &(Tensor<4>, Tensor<4>, [Tensor<1>; 2]),
    ) -> Vec<TensorData> {
        let output = activated.output;
        let count = output.shape().num_elements();
        let weights = Tensor::<1, Int>::arange(0..count as i64, &output.device()).float();
        let weights = (weights * 0.7).sin().reshape(output.dims());
        let gradients = (output.clone() * weights).sum().backward();
        let mut all = vec![output.into_data(), activated.mean.into_data(), activated.variance.into_data()];
        all.extend(input.grad(&gradients).map(Tensor::into_data));
        all.extend(weight.grad(&gradients).map(Tensor::into_data));
        all.extend(
            [scale, shift].into_iter().filter_map(|tensor| tensor.grad(&gradients)).map(Tensor::into_data),
        );
        all
    }

    #[test]
    fn a_block_is_its_three_operations_however_it_is_computed_and_so_are_its_gradients() {
        for case in CASES {
            let (_, _, _, stride, padding) = case;
            let inputs = inputs(case);
            let (input, weight, [scale, shift]) = inputs.clone();
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
            let features = conv2d(input.clone(), weight.clone(), None, options);
            let normed = batch_norm_train(features, scale.clone(), shift.clone(), f64::from(EPSILON));
            let apart =
                Activated { output: silu(normed.output), mean: normed.mean, variance: normed.variance };
            let multiplied = convolved(input.clone(), weight.clone(), stride, padding);
            let normed_again = batch_norm_train(multiplied, scale.clone(), shift.clone(), f64::from(EPSILON));
            let multiplied = Activated {
                output: silu(normed_again.output),
                mean: normed_again.mean,
                variance: normed_again.variance,
            };
            let step = Step { stride, padding, epsilon: EPSILON };
            let fused = conv_norm_silu(input, weight, [scale, shift], step);
            let apart = outcome(apart, &inputs);
            assert_eq!(apart.len(), 7, "{case:?}");
            for other in [fused, multiplied] {
                for (other, apart) in outcome(other, &inputs).iter().zip(&apart) {
                    other.assert_approx_eq::<f32>(apart, Tolerance::rel_abs(1e-3, 2e-4));
                }
            }
        }
    }
}
