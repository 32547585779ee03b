//! A convolution as a product of matrices, out of operations that every device has.
//!
//! On graphics processors, without its tuning, the tensor library computes the gradients of a convolution's weights with one
//! thread for each weight, so that most of the device has nothing to do. Products of matrices keep it busy, and so do their
//! gradients.

use burn::tensor::ops::PadMode;
use burn::tensor::{Slice, Tensor};

/// The convolution of `[batch, channels, height, width]` with `[outputs, channels, kernel, kernel]`.
pub(crate) fn convolved(input: Tensor<4>, weight: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let [outputs, _, kernel, _] = weight.dims();
    let steps = |side: usize| (side + 2 * padding - kernel) / stride + 1;
    let (rows, columns) = (steps(height), steps(width));
    let patches = if kernel == 1 && stride == 1 && padding == 0 {
        input
    } else {
        let padded = input.pad((padding, padding, padding, padding), PadMode::Constant(0.0));
        let seen = |first: usize, count: usize| {
            let end = first + (count - 1) * stride + 1;
            Slice::with_step(first as isize, Some(end as isize), stride as isize)
        };
        let place = |place: usize| {
            let (row, column) = (seen(place / kernel, rows), seen(place % kernel, columns));
            padded.clone().slice([Slice::full(), Slice::full(), row, column])
        };
        Tensor::cat((0..kernel * kernel).map(place).collect(), 1)
    };
    let patch = kernel * kernel * channels;
    // In the order of the patches: all channels of a place, then those of the next.
    let weight = weight.permute([0, 2, 3, 1]).reshape([1, outputs, patch]);
    weight.matmul(patches.reshape([batch, patch, rows * columns])).reshape([batch, outputs, rows, columns])
}
