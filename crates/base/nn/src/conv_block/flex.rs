//! A block on a processor. The pictures of a batch are worked on side by side.

use burn::backend::DType;
use burn::tensor::{Bytes, Shape};
use burn_flex::{FlexTensor, Layout};
use rayon::prelude::*;

use super::Step;
use super::kernels::{Affine, Into, Matrix, Spread, Window, activate, deactivate, denormalise, multiply};

/// Parts of a batch whose gradients of the weights are added up apart. A number of its own, not that of the cores: sums
/// of floating-point numbers depend on their order, and a training that is run again gives the same.
const PARTS: usize = 8;

/// What the way back needs.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    input: FlexTensor,
    weight: FlexTensor,
    /// What the convolution made.
    features: FlexTensor,
    norm: Norm,
    step: Step,
}

impl Kept {
    /// Mean and variance of each channel.
    pub(super) fn statistics(&self) -> (FlexTensor, FlexTensor) {
        let channels = &self.norm.channels;
        let of = |of: fn(&Channel) -> f32| tensor(channels.iter().map(of).collect(), &[channels.len()]);
        (of(|channel| channel.mean), of(|channel| channel.variance))
    }
}

/// What channels are normalised by.
#[derive(Debug, Clone)]
struct Norm {
    channels: Vec<Channel>,
}

#[derive(Debug, Clone, Copy)]
struct Channel {
    mean: f32,
    variance: f32,
    /// One by the standard deviation.
    inverse: f32,
    affine: Affine,
}

impl Channel {
    fn of(spread: Spread, scale: f32, shift: f32, epsilon: f32) -> Self {
        let inverse = 1.0 / (spread.variance() + f64::from(epsilon)).sqrt();
        let by = f64::from(scale) * inverse;
        let affine = Affine { scale: by as f32, shift: (f64::from(shift) - spread.mean() * by) as f32 };
        Self {
            mean: spread.mean() as f32,
            variance: spread.variance() as f32,
            inverse: inverse as f32,
            affine,
        }
    }
}

/// The sizes of a block.
#[derive(Debug, Clone, Copy)]
struct Block {
    batch: usize,
    /// Of what comes out.
    channels: usize,
    window: Window,
}

impl Block {
    fn of(input: &FlexTensor, weight: &FlexTensor, step: Step) -> Self {
        let (input, weight) = (input.layout().shape(), weight.layout().shape());
        let window = Window {
            channels: input[1],
            from: [input[2], input[3]],
            kernel: weight[2],
            stride: step.stride,
            padding: step.padding,
        };
        Self { batch: input[0], channels: weight[0], window }
    }

    /// Numbers of a channel that comes out.
    fn plane(&self) -> usize {
        self.window.to().iter().product()
    }

    /// Numbers of a picture that comes out.
    fn picture(&self) -> usize {
        self.channels * self.plane()
    }

    /// Numbers of a picture that comes in.
    fn source(&self) -> usize {
        self.window.channels * self.window.from.iter().product::<usize>()
    }

    fn shape(&self) -> [usize; 4] {
        let [height, width] = self.window.to();
        [self.batch, self.channels, height, width]
    }

    /// Numbers that the patches of a tile take.
    fn scratch(&self) -> usize {
        let rows = self.window.tiles().next().map_or(0, |rows| rows.len());
        if self.window.is_point() { 0 } else { self.window.patch() * rows * self.window.to()[1] }
    }
}

/// What comes out, and what the way back needs.
pub(super) fn forward(inputs: [FlexTensor; 4], step: Step) -> (FlexTensor, Kept) {
    let [input, weight, scale, shift] = inputs.map(|input| input.to_contiguous());
    let block = Block::of(&input, &weight, step);
    let (features, spreads) = convolved(&block, input.storage(), weight.storage());
    let affine = scale.storage::<f32>().iter().zip(shift.storage::<f32>());
    let channels = spreads.into_iter().zip(affine);
    let channels = channels.map(|(spread, (scale, shift))| Channel::of(spread, *scale, *shift, step.epsilon));
    let norm = Norm { channels: channels.collect() };
    let output = tensor(activated(&block, &features, &norm), &block.shape());
    let features = tensor(features, &block.shape());
    (output, Kept { input, weight, features, norm, step })
}

/// What the convolution makes of a batch, and how the numbers of each channel are spread.
fn convolved(block: &Block, input: &[f32], weight: &[f32]) -> (Vec<f32>, Vec<Spread>) {
    let mut features = vec![0.0; block.batch * block.picture()];
    let mut spreads = vec![Spread::default(); block.batch * block.channels];
    let pictures = features.par_chunks_exact_mut(block.picture()).zip(input.par_chunks_exact(block.source()));
    let pictures = pictures.zip(spreads.par_chunks_exact_mut(block.channels));
    pictures.for_each_init(
        || vec![0.0; block.scratch()],
        |patches, ((features, input), spreads)| {
            convolve(block, input, weight, patches, features);
            let planes = features.chunks_exact(block.plane()).zip(spreads);
            planes.for_each(|(plane, spread)| *spread = Spread::of(plane));
        },
    );
    let all =
        spreads.chunks_exact(block.channels).fold(vec![Spread::default(); block.channels], |all, one| {
            all.into_iter().zip(one).map(|(all, one)| all.and(*one)).collect()
        });
    (features, all)
}

fn convolve(block: &Block, input: &[f32], weight: &[f32], patches: &mut [f32], features: &mut [f32]) {
    let (window, plane) = (&block.window, block.plane());
    let weight = Matrix::rows(weight, window.patch());
    if window.is_point() {
        let sizes = [block.channels, window.channels, plane];
        return multiply((features, plane, Into::Replace), sizes, weight, Matrix::rows(input, plane));
    }
    let across = window.to()[1];
    for rows in window.tiles() {
        let columns = rows.len() * across;
        let patches = &mut patches[..window.patch() * columns];
        window.gather(input, &rows, patches);
        let sizes = [block.channels, window.patch(), columns];
        let out = (&mut features[rows.start * across..], plane, Into::Replace);
        multiply(out, sizes, weight, Matrix::rows(patches, columns));
    }
}

fn activated(block: &Block, features: &[f32], norm: &Norm) -> Vec<f32> {
    let mut output = vec![0.0; features.len()];
    let pictures =
        output.par_chunks_exact_mut(block.picture()).zip(features.par_chunks_exact(block.picture()));
    pictures.for_each(|(output, features)| {
        let planes = output.chunks_exact_mut(block.plane()).zip(features.chunks_exact(block.plane()));
        for ((output, features), channel) in planes.zip(&norm.channels) {
            activate(features, channel.affine, output);
        }
    });
    output
}

/// The gradients of what came in (if it is wanted), of the weights, and of the scale and the shift of the normalisation.
pub(super) fn backward(kept: Kept, gradient: FlexTensor, is_input_wanted: bool) -> [Option<FlexTensor>; 4] {
    let block = Block::of(&kept.input, &kept.weight, kept.step);
    let gradient = gradient.to_contiguous();
    let (mut before, sums) = deactivated(&block, &kept, gradient.storage());
    drop(gradient);
    denormalised(&block, &kept, &sums, &mut before);
    let (input, weight) = deconvolved(&block, &kept, &before, is_input_wanted);
    let channels = [block.channels];
    let scale = sums.iter().zip(&kept.norm.channels).map(|(sums, channel)| channel.of_scale(sums) as f32);
    let shift = sums.iter().map(|[sum, _]| *sum as f32);
    [
        input.map(|input| tensor(input, kept.input.layout().shape())),
        Some(tensor(weight, kept.weight.layout().shape())),
        Some(tensor(scale.collect(), &channels)),
        Some(tensor(shift.collect(), &channels)),
    ]
}

impl Channel {
    /// The sum of gradients, each times its normalised value.
    fn of_scale(&self, [sum, with_value]: &[f64; 2]) -> f64 {
        (with_value - f64::from(self.mean) * sum) * f64::from(self.inverse)
    }
}

/// The gradient before the activation, and its sums by channel.
fn deactivated(block: &Block, kept: &Kept, gradient: &[f32]) -> (Vec<f32>, Vec<[f64; 2]>) {
    let (picture, plane) = (block.picture(), block.plane());
    let features = kept.features.storage::<f32>();
    let mut before = vec![0.0; features.len()];
    let mut sums = vec![[0.0; 2]; block.batch * block.channels];
    let pictures = before.par_chunks_exact_mut(picture).zip(features.par_chunks_exact(picture));
    let pictures =
        pictures.zip(gradient.par_chunks_exact(picture)).zip(sums.par_chunks_exact_mut(block.channels));
    pictures.for_each(|(((before, features), gradient), sums)| {
        let planes = before.chunks_exact_mut(plane).zip(features.chunks_exact(plane));
        let planes = planes.zip(gradient.chunks_exact(plane)).zip(sums).zip(&kept.norm.channels);
        for ((((before, features), gradient), sums), channel) in planes {
            *sums = deactivate(features, channel.affine, gradient, before);
        }
    });
    let all = sums.chunks_exact(block.channels).fold(vec![[0.0; 2]; block.channels], |all, one| {
        all.into_iter().zip(one).map(|(all, one)| [all[0] + one[0], all[1] + one[1]]).collect()
    });
    (before, all)
}

/// The gradient before the normalisation, in place of that after it.
fn denormalised(block: &Block, kept: &Kept, sums: &[[f64; 2]], gradient: &mut [f32]) {
    let count = (block.batch * block.plane()) as f64;
    let channels = kept.norm.channels.iter().zip(sums).map(|(channel, sums)| {
        let slope = -f64::from(channel.affine.scale * channel.inverse) * channel.of_scale(sums) / count;
        let shift = -f64::from(channel.affine.scale) * sums[0] / count - slope * f64::from(channel.mean);
        (Affine { scale: channel.affine.scale, shift: shift as f32 }, slope as f32)
    });
    let channels: Vec<_> = channels.collect();
    let features = kept.features.storage::<f32>().par_chunks_exact(block.picture());
    gradient.par_chunks_exact_mut(block.picture()).zip(features).for_each(|(gradient, features)| {
        let planes = gradient.chunks_exact_mut(block.plane()).zip(features.chunks_exact(block.plane()));
        for ((gradient, features), (affine, slope)) in planes.zip(&channels) {
            denormalise(gradient, features, *affine, *slope);
        }
    });
}

/// The gradients of what came in, where it is wanted, and of the weights.
fn deconvolved(
    block: &Block,
    kept: &Kept,
    gradient: &[f32],
    is_input_wanted: bool,
) -> (Option<Vec<f32>>, Vec<f32>) {
    let (input, weight) = (kept.input.storage::<f32>(), kept.weight.storage::<f32>());
    let part = block.batch.div_ceil(PARTS);
    let mut of_input = if is_input_wanted { vec![0.0; input.len()] } else { Vec::new() };
    let mut of_weights = vec![0.0; weight.len() * block.batch.div_ceil(part)];
    let parts = of_weights.par_chunks_exact_mut(weight.len());
    let parts =
        parts.zip(input.par_chunks(part * block.source())).zip(gradient.par_chunks(part * block.picture()));
    let work = |of_weight: &mut [f32], input: &[f32], gradient: &[f32], of_input: &mut [f32]| {
        let mut patches = vec![0.0; block.scratch()];
        let mut of_pictures = of_input.chunks_exact_mut(block.source());
        let pictures = input.chunks_exact(block.source()).zip(gradient.chunks_exact(block.picture()));
        for (input, gradient) in pictures {
            deconvolve(block, [input, gradient, weight], &mut patches, of_weight, of_pictures.next());
        }
    };
    if is_input_wanted {
        let parts = parts.zip(of_input.par_chunks_mut(part * block.source()));
        parts.for_each(|(((of_weight, input), gradient), of_input)| {
            work(of_weight, input, gradient, of_input)
        });
    } else {
        parts.for_each(|((of_weight, input), gradient)| work(of_weight, input, gradient, &mut []));
    }
    let mut parts = of_weights.chunks_exact(weight.len());
    let mut all = parts.next().map(<[f32]>::to_vec).unwrap_or_default();
    parts.for_each(|part| all.iter_mut().zip(part).for_each(|(all, part)| *all += part));
    (is_input_wanted.then_some(of_input), all)
}

fn deconvolve(
    block: &Block,
    [input, gradient, weight]: [&[f32]; 3],
    patches: &mut [f32],
    of_weight: &mut [f32],
    mut of_input: Option<&mut [f32]>,
) {
    let (window, plane, patch) = (&block.window, block.plane(), block.window.patch());
    let back = Matrix::rows(weight, patch).transposed();
    if window.is_point() {
        let (gradient, input) = (Matrix::rows(gradient, plane), Matrix::rows(input, plane).transposed());
        multiply((of_weight, patch, Into::Add), [block.channels, plane, patch], gradient, input);
        if let Some(of_input) = of_input {
            multiply((of_input, plane, Into::Replace), [patch, block.channels, plane], back, gradient);
        }
        return;
    }
    let across = window.to()[1];
    for rows in window.tiles() {
        let columns = rows.len() * across;
        let patches = &mut patches[..patch * columns];
        window.gather(input, &rows, patches);
        let gradient = Matrix::rows(&gradient[rows.start * across..], plane);
        let right = Matrix::rows(patches, columns).transposed();
        multiply((of_weight, patch, Into::Add), [block.channels, columns, patch], gradient, right);
        if let Some(of_input) = &mut of_input {
            multiply((patches, columns, Into::Replace), [patch, block.channels, columns], back, gradient);
            window.scatter(patches, &rows, of_input);
        }
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(Shape::from(shape.to_vec())), DType::F32)
}
