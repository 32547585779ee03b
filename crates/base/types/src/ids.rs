//! Ids: UUIDs of version 7 (RFC 9562), which sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub struct $name(Uuid);

        impl $name {
            /// A fresh one.
            #[expect(clippy::new_without_default, reason = "each is different")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// A city.
    CityId;
    /// A sight of a city.
    SightId;
    /// An image: one content.
    ImageId;
    /// One labelling of an image.
    LabelId;
    /// A donor's consent.
    ConsentId;
    /// A frozen selection of labelled images.
    DatasetId;
    /// A trained model.
    ModelId;
    /// A job.
    JobId;
    /// A picture that is to be looked at, on its way through a queue.
    DetectionId;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_text_and_later_ones_sort_behind() {
        let (first, second) = (JobId::new(), JobId::new());
        assert_eq!(first.to_string().parse::<JobId>().unwrap(), first);
        assert_eq!(serde_json::to_value(first).unwrap(), first.to_string());
        assert!(first < second && first.to_string() < second.to_string());
        assert!("1; DROP TABLE jobs".parse::<JobId>().is_err());
    }
}
