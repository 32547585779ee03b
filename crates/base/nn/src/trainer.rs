//! Learning, a batch at a time.

use std::collections::BTreeMap;

use burn::grad_clipping::GradientClipping;
use burn::module::ParamGroup;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::{Bytes, Device, Tensor, TensorData};

use crate::architecture::Architecture;
use crate::assign::Target;
use crate::average::Average;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::loss::{Loss, LossWeights, Losses};
use crate::schedule::Schedule;
use crate::weights::Weights;
use crate::yolov5::Yolov5;

/// What learns which way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Optimiser {
    /// Stochastic gradient descent with Nesterov's momentum.
    Sgd {
        /// How much of a step is that of the step before.
        momentum: f64,
    },
    /// Adam with weight decay apart (Loshchilov and Hutter, 2019).
    AdamW,
}

/// How a network is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// What learns which way.
    pub optimiser: Optimiser,
    /// How fast, counted in updates.
    pub schedule: Schedule,
    /// What weights of convolutions lose of themselves, times the rate, at each update.
    pub weight_decay: f64,
    /// Batches for an update.
    pub accumulate: usize,
    /// The length at most of a parameter's gradient.
    pub clip: Option<f32>,
    /// What is wrong.
    pub loss: LossWeights,
    /// Whether the layers that look at pixels stay as they are.
    pub is_backbone_frozen: bool,
}

/// What a network begins with.
#[derive(Debug, Clone, Copy)]
pub struct Beginning<'a> {
    /// Weights of a network of the same size, which may tell other classes apart.
    pub weights: &'a Weights,
    /// Which class of those weights each class is, if it is one.
    pub classes: &'a [Option<usize>],
}

/// Pictures of one size, and what is in them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// `[picture, channel, row, column]`: red, green and blue from 0 to 1.
    pub pixels: Vec<f32>,
    /// Height and width of the pictures, multiples of 32.
    pub size: [usize; 2],
    /// What is in them.
    pub targets: Vec<Target>,
}

impl Batch {
    /// How many pictures there are.
    pub fn pictures(&self) -> usize {
        self.pixels.len() / (3 * self.size[0] * self.size[1]).max(1)
    }
}

/// A network while it learns.
pub struct Trainer {
    architecture: Architecture,
    device: Device,
    network: Yolov5,
    settings: Settings,
    optimiser: ModuleOptimizer,
    pending: GradientsAccumulator<Yolov5>,
    batches: usize,
    updates: usize,
    average: Average,
}

impl Trainer {
    /// Trains a network of this size, from weights drawn by chance where there are no others.
    ///
    /// # Errors
    /// When the weights are those of a network of another size.
    pub fn new(
        architecture: Architecture,
        beginning: Option<Beginning<'_>>,
        settings: Settings,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let weights = begin(&architecture, beginning, seed)?;
        let device = device.clone().autodiff();
        let mut network = Yolov5::new(&architecture, &device);
        // Names its parameters after what they are, so that a checkpoint's optimiser finds them.
        network.load(&weights)?;
        let average = Average::new(weights);
        let optimiser = optimiser(&settings);
        let pending = GradientsAccumulator::new();
        Ok(Self {
            architecture,
            device,
            network,
            settings,
            optimiser,
            pending,
            batches: 0,
            updates: 0,
            average,
        })
    }

    /// Goes on where a checkpoint was made, and gives back the note that was made with it.
    ///
    /// # Errors
    /// When it is not one of this network.
    pub fn resume(&mut self, checkpoint: &[u8]) -> Result<String> {
        let checkpoint = Checkpoint::from_bytes(checkpoint)?;
        self.network.load(&checkpoint.network)?;
        self.average = Average::at(checkpoint.average, checkpoint.updates);
        self.updates = checkpoint.updates;
        let state = optimiser(&self.settings).from_bytes(Bytes::from_elems(checkpoint.optimiser));
        self.optimiser = state.map_err(|error| Error::Optimiser(error.to_string()))?;
        self.pending = GradientsAccumulator::new();
        self.batches = 0;
        Ok(checkpoint.note)
    }

    /// All that is needed to go on, as the bytes of a safetensors file. Gradients that wait for an update are not in it:
    /// call [`Self::update`] before. The note is kept with it.
    ///
    /// # Errors
    /// When the optimiser's state cannot be written.
    pub fn checkpoint(&self, note: &str) -> Result<Vec<u8>> {
        let state = self.optimiser.into_bytes().map_err(|error| Error::Optimiser(error.to_string()))?;
        let checkpoint = Checkpoint {
            network: self.network.weights()?,
            average: self.average.weights().clone(),
            optimiser: state.to_vec(),
            updates: self.updates,
            note: note.to_owned(),
        };
        checkpoint.to_bytes()
    }

    /// Learns from a batch.
    ///
    /// # Errors
    /// When a device does not give its numbers back.
    pub fn learn(&mut self, batch: Batch) -> Result<Losses> {
        let [height, width] = batch.size;
        let pictures = batch.pictures();
        let pixels = TensorData::new(batch.pixels, [pictures, 3, height, width]);
        let predicted = self.predict(Tensor::from_data(pixels, &self.device));
        let loss = Loss::of(predicted, &batch.targets, &self.architecture, batch.size, &self.settings.loss);
        let losses = loss.parts();
        // The loss is that of a picture; the gradients of a batch are those of all of its pictures.
        let gradients = (loss.total() * pictures as f64).backward();
        let gradients = GradientsParams::from_grads(gradients, &self.network);
        self.pending.accumulate(&self.network, gradients);
        self.batches += 1;
        if self.batches >= self.settings.accumulate {
            self.update()?;
        }
        Ok(losses)
    }

    fn predict(&self, pictures: Tensor<4>) -> [Tensor<5>; 3] {
        if self.settings.is_backbone_frozen {
            self.network.forward_frozen(pictures)
        } else {
            self.network.forward(pictures)
        }
    }

    /// Changes the network by the gradients that wait; does nothing where there are none.
    ///
    /// # Errors
    /// When a device does not give its numbers back.
    pub fn update(&mut self) -> Result<()> {
        if self.batches == 0 {
            return Ok(());
        }
        let rate = self.settings.schedule.rate(self.updates);
        let network = self.optimiser.step(rate, self.network.clone(), self.pending.grads());
        self.network = network;
        self.batches = 0;
        self.updates += 1;
        self.average.follow(&self.network)
    }

    /// The rate of learning of the next update.
    pub fn rate(&self) -> f64 {
        self.settings.schedule.rate(self.updates)
    }

    /// The average of the network over its last updates, which is better than the network itself.
    pub fn average(&self) -> &Weights {
        self.average.weights()
    }

    /// The average as the bytes of a safetensors file, from which another training can start, with these entries in its
    /// metadata.
    ///
    /// # Errors
    /// When a device does not give its numbers back.
    pub fn weights(&self, metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
        let mut weights = self.average.weights().clone();
        weights.insert_anchors(&self.architecture.anchors);
        weights.to_safetensors(metadata)
    }

    /// The size of the network.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }
}

/// What a network begins with: weights that are drawn by the processor, so that they are the same whatever trains it, and
/// what is taken over.
fn begin(architecture: &Architecture, beginning: Option<Beginning<'_>>, seed: u64) -> Result<Weights> {
    let processor = Device::flex();
    processor.seed(seed);
    let mut network = Yolov5::new(architecture, &processor);
    if let Some(beginning) = beginning {
        network.take_over(beginning)?;
    }
    network.weights()
}

/// Weights of convolutions decay; what shifts and scales does not.
fn optimiser(settings: &Settings) -> ModuleOptimizer {
    let undecayed = || ParamGroup::from_any_predicates(vec!["norm", "bias"]);
    let clip = || settings.clip.map(GradientClipping::Norm);
    let optimiser = match settings.optimiser {
        Optimiser::Sgd { momentum } => {
            let momentum =
                MomentumConfig::new().with_momentum(momentum).with_dampening(0.0).with_nesterov(true);
            let plain = SgdConfig::new().with_momentum(Some(momentum));
            let decay = WeightDecayConfig::new(settings.weight_decay as f32);
            let decayed = plain.clone().with_weight_decay(Some(decay)).init();
            decayed.with_group(undecayed(), plain.build(), clip())
        }
        Optimiser::AdamW => {
            let plain = AdamWConfig::new().with_epsilon(1e-8);
            let decayed = plain.clone().with_weight_decay(settings.weight_decay as f32).init();
            decayed.with_group(undecayed(), plain.with_weight_decay(0.0).build(), clip())
        }
    };
    match clip() {
        Some(clip) => optimiser.with_grad_clipping(clip),
        None => optimiser,
    }
}
