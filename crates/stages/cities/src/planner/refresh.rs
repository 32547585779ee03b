//! Moving arrivals on and refreshing the marts.

use std::fmt;
use std::sync::Arc;

use sightscan_pictures::{Limits, inspect, perceptual_hash};
use sightscan_types::CityName;
use sightscan_warehouse::arrivals::{self, Inspect, Measured, Moved};
use sightscan_warehouse::{cities, marts};

use crate::error::Result;
use crate::places::{Place, Places};
use crate::{Cities, ReadModel};

/// What a refresh has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refreshed {
    /// What other programs had sent.
    pub moved: Moved,
    /// What was counted anew.
    pub marts: marts::Refreshed,
}

impl fmt::Display for Refreshed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moved { images, labels, models, refused } = self.moved;
        write!(
            formatter,
            "arrivals moved on: {images} images, {labels} labellings, {models} models; refused: {refused}; \
             cities counted anew: {}",
            self.marts.cities
        )
    }
}

/// Looks at arrivals.
struct Inspector {
    limits: Limits,
    read_model: ReadModel,
}

impl Inspect for Inspector {
    fn picture(&self, bytes: &[u8]) -> std::result::Result<Measured, String> {
        let inspection = inspect(bytes, &self.limits).map_err(|error| error.to_string())?;
        Ok(Measured {
            media_type: inspection.format.media_type().to_owned(),
            width: inspection.width(),
            height: inspection.height(),
            perceptual_hash: perceptual_hash(&inspection.picture),
        })
    }

    fn place(&self, name: &CityName) -> Option<cities::Place> {
        Places::embedded().likeliest(name.display()).map(Place::facts)
    }

    fn model(&self, bytes: &[u8]) -> std::result::Result<String, String> {
        (self.read_model)(bytes)
    }
}

impl Cities {
    /// Moves on what other programs have sent, then counts anew what changed, or `everything`.
    ///
    /// # Errors
    /// When the database or the blobs do not answer.
    pub async fn refresh_marts(&self, everything: bool) -> Result<Refreshed> {
        let limits = Limits { max_pixels: self.config.max_upload_pixels };
        let inspector = Inspector { limits, read_model: ReadModel::clone(&self.read_model) };
        let moved = arrivals::move_on(&self.warehouse, Arc::new(inspector)).await?;
        let marts = marts::refresh(&self.warehouse.database, everything).await?;
        Ok(Refreshed { moved, marts })
    }
}
