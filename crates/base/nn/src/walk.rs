//! Going through a network's tensors by name: to take them from weights, and to give them.

use burn::module::{Param, ParamId, RunningState};
use burn::tensor::Tensor;

use crate::error::{Error, Result};
use crate::weights::{Values, Weights};

/// What is done with each tensor of a network. The names are those that Ultralytics gives.
pub(crate) trait Walk {
    /// With a parameter that is trained.
    fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()>;

    /// With an average that follows the training.
    fn state<const D: usize>(&mut self, name: &str, state: &mut RunningState<Tensor<D>>) -> Result<()>;
}

/// Takes all tensors from weights.
pub(crate) struct Load<'a> {
    pub(crate) weights: &'a Weights,
    /// Whether tensors of this name are left as they are, where those of the weights have another shape.
    pub(crate) may_differ: fn(&str) -> bool,
}

impl Load<'_> {
    fn takes(&self, name: &str, shape: &[usize]) -> bool {
        !(self.may_differ)(name) || self.weights.shape(name) == Some(shape)
    }
}

impl Walk for Load<'_> {
    fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()> {
        let (shape, device) = (param.val().dims(), param.val().device());
        if self.takes(name, &shape) {
            *param = Param::from_tensor(self.weights.tensor(name, shape, &device)?);
            // The same in every run: the state of an optimiser is kept by it.
            param.id = ParamId::from(digest(name));
        }
        Ok(())
    }

    fn state<const D: usize>(&mut self, name: &str, state: &mut RunningState<Tensor<D>>) -> Result<()> {
        let (shape, device) = (state.value().dims(), state.value().device());
        *state = RunningState::new(self.weights.tensor(name, shape, &device)?);
        Ok(())
    }
}

/// A number for a name (FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>).
fn digest(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |digest: u64, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Gives all tensors.
#[derive(Default)]
pub(crate) struct Save {
    pub(crate) weights: Weights,
}

impl Save {
    fn keep<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Result<()> {
        let shape = tensor.dims().to_vec();
        let wrong = |error: &dyn std::fmt::Display| Error::Unreadable(format!("{name}: {error}"));
        let values = tensor.into_data().try_to_vec().map_err(|error| wrong(&error))?;
        self.weights.insert(name.to_owned(), Values { shape, values });
        Ok(())
    }
}

impl Walk for Save {
    fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()> {
        self.keep(name, param.val())
    }

    fn state<const D: usize>(&mut self, name: &str, state: &mut RunningState<Tensor<D>>) -> Result<()> {
        self.keep(name, state.value_sync())
    }
}
