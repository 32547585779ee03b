//! The numbers of a `.weights` file.
//!
//! A header of three 32-bit integers (major, minor, revision) and the count of pictures seen in training is followed
//! by the numbers of each convolution: biases, then, with batch normalisation, scales, means and variances, then the
//! kernels. Everything is little-endian, as on the machines that write these files.

use super::error::DarknetError;
use super::layer::{Convolution, Kind, Layer};
use super::shape::Shape;

/// Added to variances, so that nothing is divided by zero. Darknet's versions differ: the first one adds this to the
/// square root of the variance, the fork of YOLOv4 ten times as much to the variance. This is what OpenCV does; with
/// real weights, the outputs of the three differ by about 0.001.
const EPSILON: f64 = 1e-6;

/// Kernels and biases of a convolution, with batch normalisation folded in.
#[derive(Debug)]
pub(super) struct Folded {
    /// Row-major `[filters, channels / groups, size, size]`.
    pub(super) kernels: Vec<f32>,
    /// One a filter.
    pub(super) biases: Vec<f32>,
}

/// Reads the weights of all layers; the file must hold exactly as many numbers as they need.
pub(super) fn read(
    file: &[u8],
    layers: &[Layer],
    shapes: &[Shape],
    input: Shape,
) -> Result<Vec<Option<Folded>>, DarknetError> {
    let numbers = file.get(header_length(file)?..).ok_or(DarknetError::Header { bytes: file.len() })?;
    let before = std::iter::once(&input).chain(shapes);
    let sizes: Vec<Option<Sizes>> =
        layers.iter().zip(before).map(|(layer, input)| sizes(&layer.kind, *input)).collect();
    let needed = sizes.iter().flatten().fold(0u64, |sum, sizes| sum.saturating_add(sizes.numbers()));
    // Nothing is allocated before this comparison, so a file of a few bytes cannot ask for much.
    if needed.saturating_mul(4) != numbers.len() as u64 {
        return Err(DarknetError::Weights { found: numbers.len() as u64 / 4, needed });
    }
    let mut reader = Reader { rest: numbers };
    let mut read = |sizes, layer: &Layer| {
        reader.folded(sizes).ok_or_else(|| DarknetError::NotFinite { place: layer.place.clone() })
    };
    layers.iter().zip(sizes).map(|(layer, sizes)| sizes.map(|sizes| read(sizes, layer)).transpose()).collect()
}

/// Length of the header in bytes. From version 0.2 on, the count of pictures has 64 bits.
fn header_length(file: &[u8]) -> Result<usize, DarknetError> {
    let (integers, _) = file.as_chunks::<4>();
    let &[major, minor, _revision, ..] = integers else {
        return Err(DarknetError::Header { bytes: file.len() });
    };
    let [major, minor] = [major, minor].map(i32::from_le_bytes);
    let wide = major < 1000 && minor < 1000 && major.saturating_mul(10).saturating_add(minor) >= 2;
    Ok(if wide { 20 } else { 16 })
}

/// How many numbers a convolution has.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    filters: usize,
    /// Numbers of one filter's kernel.
    kernel: usize,
    batch_normalize: bool,
}

fn sizes(kind: &Kind, input: Shape) -> Option<Sizes> {
    let Kind::Convolution(Convolution { filters, size, groups, batch_normalize, .. }) = *kind else {
        return None;
    };
    let kernel = (input.channels / groups).saturating_mul(size).saturating_mul(size);
    Some(Sizes { filters, kernel, batch_normalize })
}

impl Sizes {
    fn numbers(self) -> u64 {
        let each = self.kernel.saturating_add(if self.batch_normalize { 4 } else { 1 });
        (self.filters as u64).saturating_mul(each as u64)
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl Reader<'_> {
    /// The weights of the next convolution; `None` where they are no finite numbers.
    fn folded(&mut self, sizes: Sizes) -> Option<Folded> {
        let Sizes { filters, kernel, batch_normalize } = sizes;
        let biases = self.take(filters)?;
        if !batch_normalize {
            return Some(Folded { kernels: self.take(filters * kernel)?, biases });
        }
        let [scales, means, variances] = [self.take(filters)?, self.take(filters)?, self.take(filters)?];
        let mut folded = Folded { kernels: self.take(filters * kernel)?, biases };
        for (index, filter) in folded.kernels.chunks_exact_mut(kernel).enumerate() {
            let factor = f64::from(scales[index]) / (f64::from(variances[index]) + EPSILON).sqrt();
            let bias = &mut folded.biases[index];
            *bias = (f64::from(*bias) - f64::from(means[index]) * factor) as f32;
            filter.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * factor) as f32);
        }
        // A negative variance has no square root, and a tiny one can make numbers too large.
        (finite(&folded.kernels) && finite(&folded.biases)).then_some(folded)
    }

    /// The next numbers; the caller has checked that there are enough. `None` where they are not finite.
    fn take(&mut self, count: usize) -> Option<Vec<f32>> {
        let (taken, rest) = self.rest.split_at(4 * count);
        self.rest = rest;
        let numbers: Vec<f32> = taken.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        finite(&numbers).then_some(numbers)
    }
}

fn finite(numbers: &[f32]) -> bool {
    numbers.iter().all(|number| number.is_finite())
}
