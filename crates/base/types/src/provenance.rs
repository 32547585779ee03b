//! Where images and labels come from.

use serde::{Deserialize, Serialize};

use crate::life::words;

words! {
    /// How an image came to us.
    OriginKind {
        /// Our crawler fetched it from a licensed source.
        Crawl = "crawl",
        /// A user gave it, with consent.
        Donation = "donation",
        /// Another program or an admin put it in.
        Import = "import",
    }
}

words! {
    /// What was agreed to.
    ConsentKind {
        /// The donor read and accepted our text.
        Explicit = "explicit",
        /// The old desktop client's check box: used for training only after review.
        LegacyCheckbox = "legacy-checkbox",
    }
}

words! {
    /// Whether an image may be used for training.
    Review {
        /// It may.
        Accepted = "accepted",
        /// A person has to look at it first.
        Pending = "pending",
        /// Its licence is not known to allow it.
        Quarantined = "quarantined",
        /// It may not.
        Rejected = "rejected",
    }
}

words! {
    /// What kind of labeller made a labelling.
    ProducerKind {
        /// A person.
        Human = "human",
        /// Google Vision.
        Vision = "vision",
        /// One of our models.
        Model = "model",
        /// Another program.
        Import = "import",
    }
}

words! {
    /// What came out of a labelling.
    Outcome {
        /// At least one box.
        Found = "found",
        /// The image was looked at; there is nothing in it.
        Nothing = "nothing",
        /// It could not be looked at.
        Failed = "failed",
    }
}

/// Who made a labelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Producer {
    /// A person, a service, a model, a program.
    pub kind: ProducerKind,
    /// Which one: a user, a model with its version, a program.
    pub name: String,
}

/// Where an image came from, as its licence asks us to remember.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Provenance {
    /// How it came to us.
    pub kind: OriginKind,
    /// The picture's address, or the id of the donation.
    pub source: String,
    /// The page that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page_url: Option<String>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// SPDX identifier, or the source's own words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// The licence's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence_url: Option<String>,
    /// When we fetched or received it: milliseconds since 1970-01-01 UTC.
    pub retrieved_at: i64,
}

impl ProducerKind {
    /// Whose word counts more: a person's more than any program's. Between equals the newer labelling counts.
    pub const fn rank(self) -> u8 {
        match self {
            Self::Human => 1,
            Self::Vision | Self::Model | Self::Import => 0,
        }
    }
}
