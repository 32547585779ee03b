//! Which images are gathered.

use std::str::FromStr;

use sightscan_types::ProducerKind;
use sightscan_warehouse::labelled_images::Labelling;

/// Which images are gathered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Only {
    /// Those that a person has labelled.
    Human,
    /// Those that anybody has labelled, negatives too.
    #[default]
    Labelled,
    /// Those that nobody has labelled as well.
    All,
}

/// The word is that of no selection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} selects no images; use human, labelled or all")]
pub struct UnknownSelection(String);

impl FromStr for Only {
    type Err = UnknownSelection;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownSelection> {
        match word {
            "human" => Ok(Self::Human),
            "labelled" => Ok(Self::Labelled),
            "all" => Ok(Self::All),
            _ => Err(UnknownSelection(word.to_owned())),
        }
    }
}

impl Only {
    pub(crate) fn takes(self, labelling: Option<&Labelling>) -> bool {
        match self {
            Self::Human => labelling.is_some_and(|labelling| labelling.producer == ProducerKind::Human),
            Self::Labelled => labelling.is_some(),
            Self::All => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selections_are_read_and_take_what_they_say() {
        let labelling = |producer| Labelling { producer, boxes: vec![] };
        let (human, model) = (labelling(ProducerKind::Human), labelling(ProducerKind::Model));
        for (word, expected) in
            [("human", [true, false, false]), ("labelled", [true, true, false]), ("all", [true; 3])]
        {
            let only: Only = word.parse().unwrap();
            assert_eq!([Some(&human), Some(&model), None].map(|labelling| only.takes(labelling)), expected);
        }
        assert!("machine".parse::<Only>().unwrap_err().to_string().contains("human, labelled or all"));
    }
}
