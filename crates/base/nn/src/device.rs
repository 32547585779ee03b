//! What computes.

use burn::tensor::Device;

use crate::error::{Error, Result};

/// A graphics processor that answers by Vulkan, and its name. Where there are several it is the fastest kind; a program that
/// only poses as one comes last.
///
/// # Errors
/// When there is none, or this program was built without the feature `gpu`.
#[cfg(feature = "gpu")]
pub fn gpu() -> Result<(Device, String)> {
    use burn::tensor::DeviceType;

    let device = Device::enumerate(DeviceType::Vulkan).into_iter().next().ok_or(Error::NoGpu)?;
    let name = device.identity().map_or_else(|| "an unnamed graphics processor".to_owned(), |it| it.name);
    Ok((device, name))
}

/// A graphics processor, which this program was built without.
///
/// # Errors
/// Always.
#[cfg(not(feature = "gpu"))]
pub fn gpu() -> Result<(Device, String)> {
    Err(Error::BuiltWithoutGpu)
}

#[cfg(all(test, feature = "gpu"))]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{Param, RunningState};
    use burn::tensor::{Gradients, Tensor, TensorData};

    use super::*;
    use crate::architecture::Architecture;
    use crate::assign::Target;
    use crate::loss::{Loss, LossWeights};
    use crate::walk::Walk;
    use crate::weights::Weights;
    use crate::yolov5::Yolov5;

    const SIZE: usize = 96;
    const PICTURES: usize = 4;

    /// The gradient of each parameter.
    struct Slopes<'a> {
        gradients: &'a Gradients,
        found: BTreeMap<String, Vec<f32>>,
    }

    impl Walk for Slopes<'_> {
        fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()> {
            let gradient = param.val().grad(self.gradients).unwrap();
            self.found.insert(name.to_owned(), gradient.into_data().try_to_vec().unwrap());
            Ok(())
        }

        fn state<const D: usize>(&mut self, _: &str, _: &mut RunningState<Tensor<D>>) -> Result<()> {
            Ok(())
        }
    }

    fn slopes(weights: &Weights, architecture: &Architecture, device: &Device) -> BTreeMap<String, Vec<f32>> {
        let device = device.clone().autodiff();
        let mut network = Yolov5::new(architecture, &device);
        network.load(weights).unwrap();
        let count = PICTURES * 3 * SIZE * SIZE;
        let pixels = (0..count).map(|place| 0.5 + 0.5 * (place as f32 * 0.731 + (place / 977) as f32).sin());
        let pixels = TensorData::new(pixels.collect::<Vec<f32>>(), [PICTURES, 3, SIZE, SIZE]);
        let predicted = network.forward(Tensor::from_data(pixels, &device));
        let targets: Vec<Target> = (0..PICTURES * 2)
            .map(|number| {
                let place = 0.3 + 0.05 * number as f32;
                Target { picture: number / 2, class: number % 3, bounds: [place, 1.0 - place, 0.2, 0.3] }
            })
            .collect();
        let loss = Loss::of(predicted, &targets, architecture, [SIZE; 2], &LossWeights::default());
        let gradients = (loss.total() * PICTURES as f64).backward();
        let mut slopes = Slopes { gradients: &gradients, found: BTreeMap::new() };
        network.walk(&mut slopes).unwrap();
        slopes.found
    }

    /// Needs a graphics processor, or software that poses as one (Debian's mesa-vulkan-drivers).
    #[test]
    fn gradients_of_every_layer_are_those_of_the_processor() {
        let (gpu, name) = gpu().unwrap();
        let architecture = Architecture::nano(3);
        Device::flex().seed(5);
        let weights = Yolov5::new(&architecture, &Device::flex()).weights().unwrap();
        let [right, found] = [Device::flex(), gpu].map(|device| slopes(&weights, &architecture, &device));
        assert_eq!(right.len(), found.len());
        let mut worst = (0.0, String::new());
        for (layer, right) in &right {
            let most = right.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
            let apart = right.iter().zip(&found[layer]).map(|(right, found)| (right - found).abs());
            let apart = apart.fold(0.0_f32, f32::max) / most;
            assert!(apart < 1e-3, "{name}: gradients of {layer} differ by {apart} of the greatest one");
            if apart > worst.0 {
                worst = (apart, layer.clone());
            }
        }
        assert!(worst.0 > 0.0, "{name} computes as the processor does: is it one?");
    }
}
