//! The built-in runtime: pure Rust, always there.

use std::num::NonZeroUsize;
use std::sync::Arc;

use ::rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueView};

use rten_tensor::Layout;

use super::{Network, Program, RuntimeError, RuntimeKind, TensorView};

/// The version of rten that is built in.
pub const VERSION: &str = "0.27";

/// A network loaded into rten. Instances share its weights.
pub struct RtenProgram {
    model: Arc<Model>,
}

impl RtenProgram {
    /// Loads the bytes of an `.onnx` file.
    ///
    /// # Errors
    /// When the bytes are no network or hold an operator that rten lacks.
    pub fn load(onnx: &[u8]) -> Result<Self, RuntimeError> {
        let model = Model::load(onnx.to_vec())
            .map_err(|error| RuntimeError::Load { runtime: RuntimeKind::Rten, source: error.into() })?;
        Ok(Self { model: Arc::new(model) })
    }
}

impl Program for RtenProgram {
    fn runtime(&self) -> RuntimeKind {
        RuntimeKind::Rten
    }

    fn instance(&self, threads: NonZeroUsize) -> Result<Box<dyn Network>, RuntimeError> {
        let pool = Arc::new(ThreadPool::with_num_threads(threads.get()));
        Ok(Box::new(RtenNetwork {
            input: self.model.input_ids().first().copied(),
            outputs: self.model.output_ids().to_vec(),
            model: Arc::clone(&self.model),
            pool,
        }))
    }
}

struct RtenNetwork {
    model: Arc<Model>,
    pool: Arc<ThreadPool>,
    input: Option<NodeId>,
    outputs: Vec<NodeId>,
}

impl Network for RtenNetwork {
    fn run(
        &mut self,
        input: TensorView<'_>,
        read: &mut dyn FnMut(&[TensorView<'_>]),
    ) -> Result<(), RuntimeError> {
        let outputs =
            self.compute(input).map_err(|source| RuntimeError::Run { runtime: RuntimeKind::Rten, source })?;
        let views: Vec<TensorView<'_>> =
            outputs.iter().map(|(shape, data)| TensorView { shape, data }).collect();
        read(&views);
        Ok(())
    }
}

type Computed = Vec<(Vec<usize>, Vec<f32>)>;

impl RtenNetwork {
    fn compute(&self, input: TensorView<'_>) -> Result<Computed, Box<dyn std::error::Error + Send + Sync>> {
        let view = ValueView::from_shape(input.shape, input.data)?;
        let inputs = self.input.iter().map(|id| (*id, view.clone().into())).collect();
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.pool)));
        let values = self.model.run(inputs, &self.outputs, Some(options))?;
        values.into_iter().map(numbers).collect()
    }
}

fn numbers(value: Value) -> Result<(Vec<usize>, Vec<f32>), Box<dyn std::error::Error + Send + Sync>> {
    match value {
        Value::FloatTensor(tensor) => Ok((tensor.shape().to_vec(), tensor.into_data())),
        other => Err(format!("the network answers {:?} where floats are expected", other.dtype()).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::VERSION;

    #[test]
    fn the_version_shown_is_the_one_that_is_built_in() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../Cargo.lock");
        let lock = fs_err::read_to_string(lock).unwrap();
        assert!(
            lock.contains(&format!("name = \"rten\"\nversion = \"{VERSION}.")),
            "rten {VERSION} is not in Cargo.lock"
        );
    }
}
