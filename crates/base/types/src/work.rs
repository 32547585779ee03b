//! What the jobs of the stages carry, and where a job is in its life.

use serde::{Deserialize, Serialize};

use crate::ids::CityId;
use crate::life::words;

words! {
    /// Where a job is in its life.
    JobState {
        /// It waits for its time and for a worker.
        Waiting = "waiting",
        /// A worker has it.
        Running = "running",
        /// It is finished, and its effect with it.
        Done = "done",
        /// It failed for good.
        Dead = "dead",
        /// Somebody did not want it any more.
        Cancelled = "cancelled",
    }
}

/// Collect images of a city's sights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CrawlCity {
    /// Which city.
    pub city: CityId,
    /// At most so many sights.
    pub max_sights: u32,
    /// At most so many images are stored for each sight.
    pub max_images_per_sight: u32,
}

/// Label images of a city that have no label yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelCity {
    /// Which city.
    pub city: CityId,
    /// At most so many paid calls in the city's lifetime.
    pub budget: u32,
}

/// Train a detector of a city's sights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrainCity {
    /// Which city.
    pub city: CityId,
    /// Passes over the training images.
    pub epochs: u32,
    /// Labels with fewer images are left out.
    pub min_images_per_label: u32,
}

/// Whoever wants to know what a worker does.
pub trait Watcher: Send + Sync + std::fmt::Debug {
    /// It has begun with a job or a picture.
    fn begin(&self);
    /// It has brought one to an end, which took so long.
    fn end(&self, took: std::time::Duration);
    /// It ends once it has finished what it has.
    fn drain(&self);
}
