//! How wrong a network is.

use burn::tensor::activation::{log_sigmoid, sigmoid};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::architecture::Architecture;
use crate::assign::{Level, Match, Target};

/// How much each part of the loss counts, and what is compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LossWeights {
    /// Of where the boxes are: one less their overlap.
    pub boxes: f64,
    /// Of whether there is an object.
    pub objects: f64,
    /// Of what it is; is multiplied with the share of 80 that the classes are.
    pub classes: f64,
    /// How many times longer or shorter than an anchor an object may be to be learnt by it.
    pub anchor_ratio: f32,
}

impl Default for LossWeights {
    /// YOLOv5's for training from nothing (`hyp.scratch-low.yaml`).
    fn default() -> Self {
        Self { boxes: 0.05, objects: 1.0, classes: 0.5, anchor_ratio: 4.0 }
    }
}

/// How much whether there is an object counts on the fine, the middle and the coarse grid: the finer, the more cells are
/// wrong at once.
const BALANCE: [f64; 3] = [4.0, 1.0, 0.4];

/// The parts of a loss, as they count.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Losses {
    /// Where boxes are.
    pub boxes: f64,
    /// Whether there is an object.
    pub objects: f64,
    /// What it is.
    pub classes: f64,
}

impl Losses {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.boxes + self.objects + self.classes
    }
}

/// The same while it can still be followed back.
pub(crate) struct Loss {
    pub(crate) boxes: Tensor<1>,
    pub(crate) objects: Tensor<1>,
    pub(crate) classes: Tensor<1>,
}

impl Loss {
    /// Of what a network predicts at each stride (see `Yolov5::forward`), where these are the objects. It is that of
    /// YOLOv5: complete intersection over union (Zheng et al., "Distance-IoU Loss", 2020) for boxes, binary cross-entropy
    /// for whether there is an object, where the overlap of the predicted box is what is wanted, and for classes.
    pub(crate) fn of(
        predicted: [Tensor<5>; 3],
        targets: &[Target],
        architecture: &Architecture,
        input: [usize; 2],
        weights: &LossWeights,
    ) -> Self {
        let device = predicted[0].device();
        let nothing = || Tensor::zeros([1], &device);
        let mut loss = Self { boxes: nothing(), objects: nothing(), classes: nothing() };
        let levels = Level::all(architecture, input).into_iter().zip(BALANCE);
        for (predicted, (level, balance)) in predicted.into_iter().zip(levels) {
            let matches = level.matches(targets, weights.anchor_ratio);
            loss.add(predicted, &matches, balance);
        }
        // Larger pictures have more cells without an object.
        let area = (input[0] * input[1]) as f64 / (640.0 * 640.0);
        let classes = architecture.classes as f64 / 80.0;
        Self {
            boxes: loss.boxes * weights.boxes,
            objects: loss.objects * weights.objects * area,
            classes: loss.classes * weights.classes * classes,
        }
    }

    fn add(&mut self, predicted: Tensor<5>, matches: &[Match], balance: f64) {
        let (device, sizes) = (predicted.device(), predicted.dims());
        let [batch, anchors, rows, columns, outputs] = sizes;
        let cells = batch * anchors * rows * columns;
        let predicted = predicted.reshape([cells, outputs]);
        let places: Vec<usize> = matches.iter().map(|found| place(found.place, sizes)).collect();
        let mut wanted = vec![0.0; cells];
        if !matches.is_empty() {
            let found = predicted.clone().select(0, indices(&places, &device));
            let overlap = overlaps(found.clone().slice([0..matches.len(), 0..4]), matches);
            let values = overlap.clone().detach().into_data();
            for (place, overlap) in places.iter().zip(values.iter::<f32>()) {
                wanted[*place] = overlap.max(0.0);
            }
            self.boxes = self.boxes.clone() + (-overlap + 1.0).mean();
            if outputs > 6 {
                let classes = found.slice([0..matches.len(), 5..outputs]);
                let right = one_hot(matches, outputs - 5, &device);
                self.classes = self.classes.clone() + cross_entropy(classes, right).mean();
            }
        }
        let wanted = Tensor::from_data(TensorData::new(wanted, [cells, 1]), &device);
        let objects = cross_entropy(predicted.slice([0..cells, 4..5]), wanted).mean();
        self.objects = self.objects.clone() + objects * balance;
    }

    /// Its parts as numbers.
    pub(crate) fn parts(&self) -> Losses {
        let number = |part: &Tensor<1>| part.clone().detach().into_data().iter::<f64>().sum();
        Losses { boxes: number(&self.boxes), objects: number(&self.objects), classes: number(&self.classes) }
    }

    pub(crate) fn total(&self) -> Tensor<1> {
        self.boxes.clone() + self.objects.clone() + self.classes.clone()
    }
}

/// The number of what is predicted at a place, all pictures, anchors and cells counted on.
fn place([picture, anchor, row, column]: [usize; 4], [_, anchors, rows, columns, _]: [usize; 5]) -> usize {
    ((picture * anchors + anchor) * rows + row) * columns + column
}

fn indices(places: &[usize], device: &Device) -> Tensor<1, Int> {
    let count = places.len();
    let places: Vec<i64> = places.iter().map(|place| *place as i64).collect();
    Tensor::from_data(TensorData::new(places, [count]), device)
}

/// One where the class of a match is, else nothing: `[matches, classes]`.
fn one_hot(matches: &[Match], classes: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0.0_f32; matches.len() * classes];
    for (row, found) in values.chunks_exact_mut(classes).zip(matches) {
        if let Some(value) = row.get_mut(found.class) {
            *value = 1.0;
        }
    }
    Tensor::from_data(TensorData::new(values, [matches.len(), classes]), device)
}

/// Binary cross-entropy of what is predicted before its sigmoid.
fn cross_entropy(predicted: Tensor<2>, wanted: Tensor<2>) -> Tensor<2> {
    (-wanted + 1.0) * predicted.clone() - log_sigmoid(predicted)
}

/// How much each predicted box overlaps with what it should be: `[matches]`.
fn overlaps(predicted: Tensor<2>, matches: &[Match]) -> Tensor<1> {
    let device = predicted.device();
    let count = matches.len();
    let of =
        |values: Vec<[f32; 2]>| Tensor::<2>::from_data(TensorData::new(values.concat(), [count, 2]), &device);
    let predicted = sigmoid(predicted) * 2.0;
    let centre = predicted.clone().slice([0..count, 0..2]) - 0.5;
    let size = predicted.slice([0..count, 2..4]).powi_scalar(2)
        * of(matches.iter().map(|found| found.anchor).collect());
    let right_centre = of(matches.iter().map(|found| [found.bounds[0], found.bounds[1]]).collect());
    let right_size = of(matches.iter().map(|found| [found.bounds[2], found.bounds[3]]).collect());
    complete_overlap([centre, size], [right_centre, right_size])
}

/// The complete intersection over union of boxes, each the centres and the sizes: the intersection over union, less how far
/// the centres are apart, less how much the shapes differ.
fn complete_overlap([centre, size]: [Tensor<2>; 2], [right_centre, right_size]: [Tensor<2>; 2]) -> Tensor<1> {
    const EPSILON: f64 = 1e-7;
    let corners = |centre: &Tensor<2>, size: &Tensor<2>| {
        let half = size.clone() / 2.0;
        (centre.clone() - half.clone(), centre.clone() + half)
    };
    let ((low, high), (right_low, right_high)) =
        (corners(&centre, &size), corners(&right_centre, &right_size));
    let common =
        (high.clone().min_pair(right_high.clone()) - low.clone().max_pair(right_low.clone())).clamp_min(0.0);
    let area = |size: Tensor<2>| column(&size, 0) * column(&size, 1);
    let intersection = area(common);
    let union = area(size.clone()) + area(right_size.clone()) - intersection.clone() + EPSILON;
    let overlap = intersection / union;
    let around = high.max_pair(right_high) - low.min_pair(right_low);
    let diagonal = around.powi_scalar(2).sum_dim(1).squeeze_dim::<1>(1) + EPSILON;
    let apart = (centre - right_centre).powi_scalar(2).sum_dim(1).squeeze_dim::<1>(1);
    let angle = |size: &Tensor<2>| (column(size, 0) / (column(size, 1) + EPSILON)).atan();
    let shape = (angle(&right_size) - angle(&size)).powi_scalar(2) * (4.0 / std::f64::consts::PI.powi(2));
    // How much the shape counts is no way to change it.
    let weight = (shape.clone() / (shape.clone() - overlap.clone() + (1.0 + EPSILON))).detach();
    overlap - apart / diagonal - shape * weight
}

fn column(values: &Tensor<2>, number: usize) -> Tensor<1> {
    let count = values.dims()[0];
    values.clone().slice([0..count, number..number + 1]).squeeze_dim(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that other programs can make, too: `2 * sin(0.37 * place + level)`.
    fn predicted(level: usize, cells: usize, device: &Device) -> Tensor<5> {
        let count = 2 * 3 * cells * cells * 8;
        let values: Vec<f32> =
            (0..count).map(|place| (2.0 * (0.37 * place as f64 + level as f64).sin()) as f32).collect();
        Tensor::from_data(TensorData::new(values, [2, 3, cells, cells, 8]), device).require_grad()
    }

    fn targets() -> Vec<Target> {
        let target = |picture, class, bounds| Target { picture, class, bounds };
        vec![
            target(0, 0, [0.52, 0.56, 0.3, 0.4]),
            target(0, 2, [0.1, 0.9, 0.15, 0.1]),
            target(1, 1, [0.7, 0.31, 0.8, 0.9]),
        ]
    }

    /// What PyTorch 2.15 gives for the loss as YOLOv5 defines it, for three classes and pictures of 64 pixels.
    #[test]
    fn the_loss_and_its_gradients_are_those_of_another_implementation() {
        let device = Device::flex().autodiff();
        let levels: [Tensor<5>; 3] = std::array::from_fn(|level| predicted(level, 8 >> level, &device));
        let architecture = Architecture::nano(3);
        let loss = Loss::of(levels.clone(), &targets(), &architecture, [64, 64], &LossWeights::default());
        let Losses { boxes, objects, classes } = loss.parts();
        for (found, wanted) in [(boxes, 0.141_172_6), (objects, 0.049_247_8), (classes, 0.051_934_3)] {
            assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
        }
        let gradients = loss.total().backward();
        for (level, wanted) in levels.iter().zip([0.039_910_2, 0.025_150_0, 0.021_101_2]) {
            let gradient = level.grad(&gradients).unwrap().into_data();
            let found: f64 = gradient.iter::<f64>().map(f64::abs).sum();
            assert!((found - wanted).abs() < 1e-5, "{found} is not {wanted}");
        }
    }

    #[test]
    fn pictures_without_objects_have_a_loss_of_objects_only() {
        let device = Device::flex().autodiff();
        let levels: [Tensor<5>; 3] = std::array::from_fn(|level| predicted(level, 8 >> level, &device));
        let loss = Loss::of(levels, &[], &Architecture::nano(3), [64, 64], &LossWeights::default());
        let losses = loss.parts();
        assert!(losses.objects > 0.0 && losses.boxes == 0.0 && losses.classes == 0.0, "{losses:?}");
        loss.total().backward();
    }
}
