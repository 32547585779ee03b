//! Many pictures through one model, on all threads that may be used.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use crate::decode::{Limits, Picture};
use crate::detector::{Analysis, DetectError, Detector, Options};
use crate::model::Model;
use crate::runtime::RuntimeError;

/// One picture of many could not be analysed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file could not be read.
    #[error(transparent)]
    Read(#[from] std::io::Error),
    /// The picture could not be analysed.
    #[error(transparent)]
    Detect(#[from] DetectError),
}

/// Something that has the bytes of a picture.
pub trait Readable: Sync {
    /// All bytes of the picture.
    ///
    /// # Errors
    /// When they cannot be had.
    fn read(&self) -> std::io::Result<Vec<u8>>;
}

/// What came of one picture: its pixels and what was found, or why not.
pub type Outcome = Result<(Picture, Analysis), PictureError>;

/// Analyses every file and hands the outcomes to `done`, in the order of the files; `done` may break it off.
///
/// A single file has all threads for itself; of many, each thread takes every n-th, which is faster.
///
/// # Errors
/// When the runtime cannot set up an instance of the model. A bad file is an outcome, not an error.
pub fn detect_all<F: Readable>(
    model: &Arc<Model>,
    files: &[F],
    threads: NonZeroUsize,
    (limits, options): (&Limits, &Options),
    mut done: impl FnMut(&F, Outcome) -> ControlFlow<()>,
) -> Result<(), RuntimeError> {
    let workers = threads.get().min(files.len()).max(1);
    let threads_each = NonZeroUsize::new(threads.get() / workers).unwrap_or(NonZeroUsize::MIN);
    let detectors: Result<Vec<_>, _> =
        (0..workers).map(|_| Detector::new(Arc::clone(model), threads_each)).collect();
    std::thread::scope(|scope| {
        let mut outcomes: Vec<Receiver<Outcome>> = Vec::new();
        for (first, mut detector) in detectors?.into_iter().enumerate() {
            // Outcomes hold pixels, so a worker waits until its last one is taken.
            let (sender, receiver) = sync_channel(0);
            let share = files.iter().skip(first).step_by(workers);
            scope.spawn(move || {
                share
                    .map(|file| analyse(&mut detector, file, limits, options))
                    .try_for_each(|outcome| sender.send(outcome))
            });
            outcomes.push(receiver);
        }
        for (file, receiver) in files.iter().zip(outcomes.iter().cycle()) {
            let Ok(outcome) = receiver.recv() else { break };
            if done(file, outcome).is_break() {
                break;
            }
        }
        Ok(())
    })
}

fn analyse(detector: &mut Detector, file: &impl Readable, limits: &Limits, options: &Options) -> Outcome {
    Ok(detector.detect_and_keep(&file.read()?, limits, options)?)
}
