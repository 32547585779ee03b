//! Going through a network's tensors by name: to take them from weights, and to give them.

use burn::module::{Param, ParamId, RunningState};
use burn::tensor::{Tensor, Transaction};

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
pub(crate) struct Load<'a>(pub(crate) &'a Weights);

impl Walk for Load<'_> {
    fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()> {
        let (shape, device) = (param.val().dims(), param.val().device());
        *param = Param::from_tensor(self.0.tensor(name, shape, &device)?);
        // The same in every run: the state of an optimiser is kept by it.
        param.id = ParamId::from(digest(name));
        Ok(())
    }

    fn state<const D: usize>(&mut self, name: &str, state: &mut RunningState<Tensor<D>>) -> Result<()> {
        let (shape, device) = (state.value().dims(), state.value().device());
        *state = RunningState::new(self.0.tensor(name, shape, &device)?);
        Ok(())
    }
}

/// A number for a name (FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>).
fn digest(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |digest: u64, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Gives all tensors. They are read together: a device that is asked for one after the other spends its time waiting.
#[derive(Default)]
pub(crate) struct Save {
    names: Vec<String>,
    tensors: Transaction,
}

impl Save {
    fn keep<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        self.names.push(name.to_owned());
        self.tensors = std::mem::take(&mut self.tensors).register(tensor);
    }

    /// The tensors that it has come by.
    pub(crate) fn weights(self) -> Result<Weights> {
        let tensors = self.tensors.try_execute().map_err(|error| Error::Unreadable(error.to_string()))?;
        let mut weights = Weights::default();
        for (name, tensor) in self.names.into_iter().zip(tensors) {
            let shape = tensor.shape().to_vec();
            let values =
                tensor.try_to_vec().map_err(|error| Error::Unreadable(format!("{name}: {error}")))?;
            weights.insert(name, Values { shape, values });
        }
        Ok(weights)
    }
}

impl Walk for Save {
    fn param<const D: usize>(&mut self, name: &str, param: &mut Param<Tensor<D>>) -> Result<()> {
        self.keep(name, param.val().inner());
        Ok(())
    }

    fn state<const D: usize>(&mut self, name: &str, state: &mut RunningState<Tensor<D>>) -> Result<()> {
        self.keep(name, state.value_sync().inner());
        Ok(())
    }
}
