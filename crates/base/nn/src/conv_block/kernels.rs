//! The arithmetic of a block on slices, for processors: what is done to one picture, its channels one after another, row
//! by row.

use pulp::Arch;

/// Numbers of a tile of patches: about what a core keeps near.
const TILE: usize = 256 * 1024;
/// Sums that are kept side by side, so that a core adds many numbers at once.
const LANES: usize = 16;

/// A matrix in a slice.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    /// How far apart two rows, and two columns, are.
    strides: [usize; 2],
}

impl<'a> Matrix<'a> {
    /// Row after row, so far apart.
    pub(super) const fn rows(values: &'a [f32], stride: usize) -> Self {
        Self { values, strides: [stride, 1] }
    }

    /// Columns for rows.
    pub(super) const fn transposed(self) -> Self {
        let [rows, columns] = self.strides;
        Self { values: self.values, strides: [columns, rows] }
    }

    fn holds(&self, [rows, columns]: [usize; 2]) -> bool {
        last([rows, columns], self.strides) < self.values.len()
    }
}

/// The place of the last number of a matrix.
const fn last([rows, columns]: [usize; 2], [row, column]: [usize; 2]) -> usize {
    (rows - 1) * row + (columns - 1) * column
}

/// What becomes of the numbers that are there already.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Into {
    Replace,
    Add,
}

/// The product of a matrix of `m` rows and `k` columns with one of `k` rows and `n` columns, into rows that are `stride`
/// apart.
pub(super) fn multiply(
    out: (&mut [f32], usize, Into),
    [m, k, n]: [usize; 3],
    left: Matrix<'_>,
    right: Matrix<'_>,
) {
    let (out, stride, into) = out;
    if m == 0 || k == 0 || n == 0 {
        return;
    }
    assert!(
        left.holds([m, k]) && right.holds([k, n]) && last([m, n], [stride, 1]) < out.len() && n <= stride
    );
    let add = into == Into::Add;
    let [left_row, left_column] = left.strides.map(|stride| stride as isize);
    let [right_row, right_column] = right.strides.map(|stride| stride as isize);
    // SAFETY: every element of the three matrices lies in its slice, and no two elements of the result are one, as the
    // assertion above has seen; `out` is borrowed alone.
    #[expect(unsafe_code, reason = "the library takes pointers")]
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            stride as isize,
            add,
            left.values.as_ptr(),
            left_column,
            left_row,
            right.values.as_ptr(),
            right_column,
            right_row,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

/// Which pixels a convolution looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) channels: usize,
    /// Height and width of what comes in.
    pub(super) from: [usize; 2],
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

impl Window {
    /// Height and width of what comes out.
    pub(super) fn to(&self) -> [usize; 2] {
        self.from.map(|side| (side + 2 * self.padding - self.kernel) / self.stride + 1)
    }

    /// Numbers that one number is made from.
    pub(super) const fn patch(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }

    /// Whether a pixel is made from one pixel: then a picture is its own patches.
    pub(super) const fn is_point(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// The rows of what comes out, in parts whose patches a core keeps near.
    pub(super) fn tiles(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let [height, width] = self.to();
        let rows = (TILE / (self.patch() * width)).clamp(1, height);
        (0..height).step_by(rows).map(move |first| first..(first + rows).min(height))
    }

    /// Writes the patches of these rows, one a column.
    pub(super) fn gather(&self, picture: &[f32], rows: &std::ops::Range<usize>, patches: &mut [f32]) {
        let [height, width] = self.from;
        let across = self.to()[1];
        let lines = patches.chunks_exact_mut(rows.len() * across);
        for ((channel, (down, right)), line) in self.places().zip(lines) {
            let plane = &picture[channel * height * width..][..height * width];
            let inside = self.inside(right);
            for (row, out) in rows.clone().zip(line.chunks_exact_mut(across)) {
                let Some(from) = self.row(row, down) else {
                    out.fill(0.0);
                    continue;
                };
                out[..inside.start].fill(0.0);
                out[inside.end..].fill(0.0);
                let first = inside.start * self.stride + right - self.padding;
                let from = &plane[from * width + first..(from + 1) * width];
                copy(&mut out[inside.clone()], from, self.stride);
            }
        }
    }

    /// Adds the numbers of patches to the pixels that they came from.
    pub(super) fn scatter(&self, patches: &[f32], rows: &std::ops::Range<usize>, picture: &mut [f32]) {
        let [height, width] = self.from;
        let across = self.to()[1];
        let lines = patches.chunks_exact(rows.len() * across);
        for ((channel, (down, right)), line) in self.places().zip(lines) {
            let plane = &mut picture[channel * height * width..][..height * width];
            let inside = self.inside(right);
            for (row, add) in rows.clone().zip(line.chunks_exact(across)) {
                let Some(to) = self.row(row, down) else { continue };
                let first = inside.start * self.stride + right - self.padding;
                let to = &mut plane[to * width + first..(to + 1) * width];
                add_to(to, &add[inside.clone()], self.stride);
            }
        }
    }

    /// Channel, and place in the kernel, of each number of a patch.
    fn places(&self) -> impl Iterator<Item = (usize, (usize, usize))> + use<> {
        let kernel = self.kernel;
        let places = (0..kernel).flat_map(move |down| (0..kernel).map(move |right| (down, right)));
        (0..self.channels).flat_map(move |channel| places.clone().map(move |place| (channel, place)))
    }

    /// The row that this place of the kernel sees, unless it is outside.
    fn row(&self, row: usize, down: usize) -> Option<usize> {
        (row * self.stride + down).checked_sub(self.padding).filter(|row| *row < self.from[0])
    }

    /// The columns of what comes out whose place in the kernel is not outside.
    fn inside(&self, right: usize) -> std::ops::Range<usize> {
        let across = self.to()[1];
        let start = self.padding.saturating_sub(right).div_ceil(self.stride);
        let end = (self.from[1] + self.padding).saturating_sub(right).div_ceil(self.stride);
        start.min(across)..end.min(across).max(start.min(across))
    }
}

/// Every so manieth number.
fn copy(to: &mut [f32], from: &[f32], stride: usize) {
    if stride == 1 {
        to.copy_from_slice(&from[..to.len()]);
    } else {
        to.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
    }
}

/// To every so manieth number.
fn add_to(to: &mut [f32], add: &[f32], stride: usize) {
    if stride == 1 {
        to.iter_mut().zip(add).for_each(|(to, add)| *to += add);
    } else {
        to.iter_mut().step_by(stride).zip(add).for_each(|(to, add)| *to += add);
    }
}

/// How many numbers there are, their mean, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    pub(super) fn of(values: &[f32]) -> Self {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                let count = values.len() as f64;
                let mean = sum(values, values, |value, _| value) / count;
                let centre = mean as f32;
                let squares = sum(values, values, |value, _| (value - centre) * (value - centre));
                Self { count, mean, squares }
            },
        )
    }

    /// Of both (Chan, Golub and LeVeque, 1979).
    pub(super) fn and(self, other: Self) -> Self {
        let count = self.count + other.count;
        if count == 0.0 {
            return self;
        }
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares + other.squares + apart * apart * self.count * other.count / count,
        }
    }

    pub(super) const fn mean(&self) -> f64 {
        self.mean
    }

    /// The mean square of the distance from the mean.
    pub(super) fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

/// The sum of what a function makes of pairs of numbers.
#[inline(always)]
fn sum(left: &[f32], right: &[f32], of: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0_f32; LANES];
    let ((left, left_rest), (right, right_rest)) = (left.as_chunks::<LANES>(), right.as_chunks::<LANES>());
    for (left, right) in left.iter().zip(right) {
        for ((lane, left), right) in lanes.iter_mut().zip(left).zip(right) {
            *lane += of(*left, *right);
        }
    }
    let rest = left_rest.iter().zip(right_rest).map(|(left, right)| f64::from(of(*left, *right)));
    lanes.iter().map(|lane| f64::from(*lane)).chain(rest).sum()
}

/// What a channel is multiplied with, and what is added then.
#[derive(Debug, Clone, Copy)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) shift: f32,
}

/// `silu(scale * value + shift)`, where `silu(x) = x * sigmoid(x)`.
pub(super) fn activate(values: &[f32], affine: Affine, out: &mut [f32]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (out, value) in out.iter_mut().zip(values) {
                let value = affine.scale.mul_add(*value, affine.shift);
                *out = value * sigmoid(value);
            }
        },
    );
}

/// What a gradient of [`activate`] is before it, and its sums: itself, and times the value.
pub(super) fn deactivate(values: &[f32], affine: Affine, gradient: &[f32], out: &mut [f32]) -> [f64; 2] {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((out, value), gradient) in out.iter_mut().zip(values).zip(gradient) {
                *out = before(*value, affine, *gradient);
            }
        },
    );
    sums(out, values)
}

/// The sum of numbers, and of their products.
fn sums(left: &[f32], right: &[f32]) -> [f64; 2] {
    Arch::new().dispatch(
        #[inline(always)]
        || [sum(left, right, |left, _| left), sum(left, right, |left, right| left * right)],
    )
}

/// The gradient of a number, where that of its activation is known.
#[inline(always)]
fn before(value: f32, affine: Affine, gradient: f32) -> f32 {
    let value = affine.scale.mul_add(value, affine.shift);
    let sigmoid = sigmoid(value);
    gradient * sigmoid * (1.0 - sigmoid).mul_add(value, 1.0)
}

/// `gradient * scale + value * slope + shift`, in place of the gradient.
pub(super) fn denormalise(gradient: &mut [f32], values: &[f32], affine: Affine, slope: f32) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for (gradient, value) in gradient.iter_mut().zip(values) {
                *gradient = affine.scale.mul_add(*gradient, slope.mul_add(*value, affine.shift));
            }
        },
    );
}

/// `1 / (1 + exp(-x))`.
#[inline(always)]
fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + exponential(-value))
}

/// `exp(x)` to 2 units in the last place, without a branch: `2^n * p(r)`, where `n` is the whole part of `x / ln 2`, and
/// `p` the Taylor polynomial of degree 6 of what is left. What is out of the range of numbers ends at its ends.
#[inline(always)]
fn exponential(value: f32) -> f32 {
    /// Adding it leaves the whole part in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first of few digits, so that its multiples are exact.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let value = value.clamp(-87.0, 88.0);
    let rounded = value.mul_add(std::f32::consts::LOG2_E, ROUND);
    let whole = rounded - ROUND;
    let rest = whole.mul_add(-LN_2[1], whole.mul_add(-LN_2[0], value));
    let high = (1.0_f32 / 720.0).mul_add(rest, 1.0 / 120.0).mul_add(rest, 1.0 / 24.0);
    let high = high.mul_add(rest, 1.0 / 6.0).mul_add(rest, 0.5);
    let power = f32::from_bits((rounded.to_bits() << 23).wrapping_add(1.0_f32.to_bits()));
    power * high.mul_add(rest * rest, rest + 1.0)
}
