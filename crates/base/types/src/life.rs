//! The life of a city: `requested → approved → crawling → labelling → training → live`.

/// A word that is not one of those that were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is not one of: {known}")]
pub struct UnknownWord {
    /// What was given.
    pub word: String,
    /// What is understood.
    pub known: String,
}

/// An enum whose variants are single words in JSON, in the database and on the command line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize,
            utoipa::ToSchema,
        )]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its word.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                formatter.pad(self.as_str())
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::life::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().find(|known| known.as_str() == word).copied().ok_or_else(|| {
                    let known: Vec<_> = Self::ALL.iter().map(|known| known.as_str()).collect();
                    $crate::life::UnknownWord { word: word.to_owned(), known: known.join(", ") }
                })
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a model of a city is.
    ModelState {
        /// It is trained and not judged yet.
        Candidate = "candidate",
        /// It answers for the city; each city has at most one.
        Live = "live",
        /// It was live and can be again.
        Retired = "retired",
        /// It was judged not good enough; the ledger says why.
        Rejected = "rejected",
    }
}

words! {
    /// What was done with a model.
    ModelAction {
        /// It was stored as a candidate.
        Registered = "registered",
        /// It became live.
        Promoted = "promoted",
        /// It was judged not good enough.
        Rejected = "rejected",
        /// It became live again, in place of the one after it.
        RolledBack = "rolled-back",
    }
}

words! {
    /// Where a city is in its life.
    CityState {
        /// People asked for it, too few yet.
        Requested = "requested",
        /// It will be crawled.
        Approved = "approved",
        /// Its images are being collected.
        Crawling = "crawling",
        /// Its images are being labelled.
        Labelling = "labelling",
        /// Its first detector is being trained.
        Training = "training",
        /// It has a detector. It stays live while newer ones are made.
        Live = "live",
        /// A stage failed for good; it can be retried from there.
        Failed = "failed",
        /// An admin stopped it; it goes on where it was.
        Paused = "paused",
        /// An admin does not want it.
        Rejected = "rejected",
    }
}

words! {
    /// A stage that works for a city.
    Stage {
        /// Collects images.
        Crawl = "crawl",
        /// Labels images.
        Label = "label",
        /// Trains a detector.
        Train = "train",
    }
}

impl Stage {
    /// The state of a city in which this stage works for its first detector.
    pub const fn state(self) -> CityState {
        match self {
            Self::Crawl => CityState::Crawling,
            Self::Label => CityState::Labelling,
            Self::Train => CityState::Training,
        }
    }
}

impl CityState {
    /// Whether a city may go from this state to `next`.
    ///
    /// A failed or paused city goes back to a state of work: to which one is in its row (`failed_stage`, `resumes`).
    pub fn may_become(self, next: Self) -> bool {
        use CityState::{Approved, Crawling, Failed, Labelling, Live, Paused, Rejected, Requested, Training};
        match self {
            Requested => matches!(next, Approved | Rejected | Live),
            Approved => matches!(next, Crawling | Labelling | Failed | Paused | Rejected | Live),
            Crawling => matches!(next, Labelling | Failed | Paused | Rejected | Live),
            Labelling => matches!(next, Training | Failed | Paused | Rejected | Live),
            Training => matches!(next, Labelling | Live | Failed | Paused | Rejected),
            Live => matches!(next, Paused | Rejected),
            Failed => matches!(next, Approved | Crawling | Labelling | Training | Live | Paused | Rejected),
            Paused => matches!(next, Approved | Crawling | Labelling | Training | Live | Rejected),
            Rejected => matches!(next, Approved | Live),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_in_text_and_json() {
        for state in CityState::ALL {
            assert_eq!(state.to_string().parse::<CityState>().unwrap(), *state);
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
        let error = "lost".parse::<Stage>().unwrap_err().to_string();
        assert_eq!(error, "`lost` is not one of: crawl, label, train");
    }

    #[test]
    fn the_life_leads_from_a_request_to_live() {
        let life = [
            CityState::Requested,
            CityState::Approved,
            CityState::Crawling,
            CityState::Labelling,
            CityState::Training,
            CityState::Live,
        ];
        assert!(life.windows(2).all(|pair| pair[0].may_become(pair[1])));
        assert!(!CityState::Requested.may_become(CityState::Crawling), "nobody approved it");
        assert!(!CityState::Live.may_become(CityState::Failed), "its detector still works");
        assert!(CityState::ALL.iter().all(|state| !state.may_become(*state)));
    }
}
