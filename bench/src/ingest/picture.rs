//! Pictures that nobody looks at.

use bytes::Bytes;

/// Pixels.
pub(super) const WIDTH: u32 = 640;
/// Pixels.
pub(super) const HEIGHT: u32 = 480;

/// Random bytes, since neither system decodes what it stores and neither shall gain by compressing it.
pub(super) struct Picture {
    /// What is stored.
    pub(super) bytes: Bytes,
    /// Where it is from; each has another one.
    pub(super) source: String,
}

impl Picture {
    /// The picture with this number; every number has its own bytes.
    pub(super) fn new(number: usize, size: usize) -> Self {
        let mut bytes = vec![0; size];
        fastrand::Rng::with_seed(number as u64).fill(&mut bytes);
        Self { bytes: bytes.into(), source: format!("https://pictures.example/{number}.jpg") }
    }
}
