//! A training as it was: everything that is needed to go on.

use std::borrow::Cow;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, View};

use crate::error::{Error, Result};
use crate::weights::{Values, Weights};

const NETWORK: &str = "network.";
const AVERAGE: &str = "average.";
const OPTIMISER: &str = "optimiser";
const UPDATES: &str = "updates";
const NOTE: &str = "note";

/// All that changes while a network learns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Checkpoint {
    pub(crate) network: Weights,
    pub(crate) average: Weights,
    /// The state of the optimiser, in its own format.
    pub(crate) optimiser: Vec<u8>,
    pub(crate) updates: usize,
    /// What the caller wants to know again.
    pub(crate) note: String,
}

impl Checkpoint {
    /// The bytes of a safetensors file.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let network = named(NETWORK, &self.network);
        let average = named(AVERAGE, &self.average);
        let optimiser = [(OPTIMISER.to_owned(), Entry::Bytes(&self.optimiser, [self.optimiser.len()]))];
        let metadata = [(UPDATES.to_owned(), self.updates.to_string()), (NOTE.to_owned(), self.note.clone())];
        let metadata = metadata.into_iter().collect();
        Ok(safetensors::serialize(network.chain(average).chain(optimiser), Some(metadata))?)
    }

    /// Reads what [`Self::to_bytes`] has written.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let entries = Weights::metadata(bytes)?;
        let all = Weights::from_safetensors(bytes)?;
        Ok(Self {
            network: all.part(NETWORK),
            average: all.part(AVERAGE),
            optimiser: SafeTensors::deserialize(bytes)?.tensor(OPTIMISER)?.data().to_vec(),
            updates: entries
                .get(UPDATES)
                .and_then(|updates| updates.parse().ok())
                .ok_or_else(|| Error::Missing(UPDATES.to_owned()))?,
            note: entries.get(NOTE).cloned().unwrap_or_default(),
        })
    }
}

fn named<'a>(prefix: &'a str, weights: &'a Weights) -> impl Iterator<Item = (String, Entry<'a>)> {
    weights.iter().map(move |(name, values)| (format!("{prefix}{name}"), Entry::Numbers(values)))
}

/// What is in the file.
enum Entry<'a> {
    Numbers(&'a Values),
    /// And how many there are.
    Bytes(&'a [u8], [usize; 1]),
}

impl View for Entry<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Numbers(values) => values.dtype(),
            Self::Bytes(..) => Dtype::U8,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            Self::Numbers(values) => &values.shape,
            Self::Bytes(_, shape) => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Numbers(values) => values.data(),
            Self::Bytes(bytes, _) => Cow::Borrowed(bytes),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.data_len(),
            Self::Bytes(bytes, _) => bytes.len(),
        }
    }
}
