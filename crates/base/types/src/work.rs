//! What the jobs of the stages carry.

use serde::{Deserialize, Serialize};

use crate::ids::CityId;

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
