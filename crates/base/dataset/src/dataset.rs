//! What a data set is.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use sightscan_types::RelativeBox;

use crate::attribution::Attribution;
use crate::error::{Error, Result};
use crate::picture::Picture;
use crate::{classes, names};

/// Labelled pictures.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Dataset {
    /// The names of the classes; a box names its class by the index in this list.
    pub classes: Vec<String>,
    /// The pictures.
    pub items: Vec<Item>,
}

/// A picture and what is known about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// The name of its file, with the ending of its format; what is before the ending is its id.
    pub name: String,
    /// Its bytes, or `None` where only its labels are known. Two items are equal whatever their bytes are.
    pub picture: Option<Picture>,
    /// Width of the upright picture in pixels.
    pub width: u32,
    /// Height of the upright picture in pixels.
    pub height: u32,
    /// What it is for, where that has been decided.
    pub split: Option<Split>,
    /// What is known about the objects in it.
    pub labels: Labels,
    /// Where it is from and under what licence.
    pub attribution: Attribution,
}

/// What a picture is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// The network learns from it.
    Train,
    /// It tells during the training how good the network is.
    Validation,
    /// It tells afterwards.
    Test,
}

/// What is known about the objects in a picture.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Labels {
    /// Nobody has looked: there may be anything.
    #[default]
    Unlabelled,
    /// By people. No box: there is nothing, the picture is a negative.
    Annotated(Vec<LabelledBox>),
    /// By a machine, not confirmed by people. No box: it has found nothing.
    Predicted(Vec<LabelledBox>),
}

/// Where an object is and what it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledBox {
    /// The index of its class.
    pub class: usize,
    /// Where it is.
    pub bounds: RelativeBox,
    /// How sure the machine is that found it, 0 to 1.
    pub score: Option<f32>,
}

impl Split {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// What files and folders for it are called in every format.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "val",
            Self::Test => "test",
        }
    }

    /// What a folder or a file is for that has this name.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        match word.to_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "val" | "valid" | "validation" => Some(Self::Validation),
            "test" | "testing" => Some(Self::Test),
            _ => None,
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// The word is that of no split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no split {0:?}; use train, val or test")]
pub struct UnknownSplit(String);

impl FromStr for Split {
    type Err = UnknownSplit;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownSplit> {
        Self::from_word(word).ok_or_else(|| UnknownSplit(word.to_owned()))
    }
}

impl Labels {
    /// The boxes; none for an unlabelled picture and for a negative.
    pub fn boxes(&self) -> &[LabelledBox] {
        match self {
            Self::Unlabelled => &[],
            Self::Annotated(boxes) | Self::Predicted(boxes) => boxes,
        }
    }

    /// Boxes of a machine where it was one, else of people.
    pub(crate) fn of(boxes: Vec<LabelledBox>, is_predicted: bool) -> Self {
        if is_predicted { Self::Predicted(boxes) } else { Self::Annotated(boxes) }
    }

    pub(crate) fn is_predicted(&self) -> bool {
        matches!(self, Self::Predicted(_))
    }
}

impl Item {
    /// The name without the ending.
    pub fn id(&self) -> &str {
        names::stem(&self.name)
    }

    /// Whether somebody or something has looked for objects in it.
    pub fn is_labelled(&self) -> bool {
        self.labels != Labels::Unlabelled
    }

    /// Whether it was looked at and has no objects.
    pub fn is_negative(&self) -> bool {
        self.is_labelled() && self.labels.boxes().is_empty()
    }

    fn check(&self, classes: usize) -> std::result::Result<(), &'static str> {
        if self.width == 0 || self.height == 0 {
            return Err("it has no size; set its width and height in pixels");
        }
        if names::known_extension(&self.name).is_none() {
            return Err("its name has no ending of a picture; add one such as .jpg");
        }
        for labelled in self.labels.boxes() {
            labelled.check(classes)?;
        }
        Ok(())
    }
}

impl LabelledBox {
    fn check(&self, classes: usize) -> std::result::Result<(), &'static str> {
        if self.class >= classes {
            return Err("a box has a class that is not in the list; add the class");
        }
        if !self.bounds.is_valid() {
            return Err("a box is empty or not in the picture; correct or remove it");
        }
        Ok(())
    }
}

impl Dataset {
    /// Proves that every format can hold it.
    ///
    /// # Errors
    /// For a name of a class that is empty, there twice, begins or ends with white space or breaks lines; for an item
    /// without a size or whose name has no ending of a picture; and for a box without a class or out of its picture.
    pub fn check(&self) -> Result<()> {
        let mut seen = HashSet::new();
        for class in &self.classes {
            classes::check(class)
                .and_then(
                    |()| if seen.insert(class) { Ok(()) } else { Err("it is there twice; merge the two") },
                )
                .map_err(|reason| Error::Class { name: class.clone(), reason })?;
        }
        for item in &self.items {
            let check = item.check(self.classes.len());
            check.map_err(|reason| Error::Item { name: item.name.clone(), reason })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(labels: Labels) -> Item {
        let attribution = Attribution::default();
        Item {
            name: "a.b.jpg".to_owned(),
            picture: None,
            width: 4,
            height: 3,
            split: None,
            labels,
            attribution,
        }
    }

    fn one_box(class: usize, w: f64) -> Labels {
        Labels::Annotated(vec![LabelledBox {
            class,
            bounds: RelativeBox { x: 0.0, y: 0.0, w, h: 1.0 },
            score: None,
        }])
    }

    #[test]
    fn a_negative_is_labelled_and_an_unlabelled_picture_is_no_negative() {
        assert!(
            item(Labels::Annotated(vec![])).is_negative() && item(Labels::Predicted(vec![])).is_negative()
        );
        assert!(!item(Labels::Unlabelled).is_negative() && !item(Labels::Unlabelled).is_labelled());
        assert_eq!(item(Labels::Unlabelled).id(), "a.b");
    }

    #[test]
    fn what_no_format_can_hold_is_refused_with_its_name() {
        let refused = |classes: &[&str], items: Vec<Item>| {
            let classes = classes.iter().map(|&class| class.to_owned()).collect();
            Dataset { classes, items }.check().unwrap_err().to_string()
        };
        assert!(refused(&["a", "a"], vec![]).contains("twice"));
        assert!(refused(&["a\nb"], vec![]).contains("a\\nb"));
        assert!(refused(&["a"], vec![item(one_box(1, 1.0))]).contains("a.b.jpg"));
        assert!(refused(&["a"], vec![item(one_box(0, 0.0))]).contains("empty"));
        assert!(refused(&[], vec![Item { width: 0, ..item(Labels::Unlabelled) }]).contains("no size"));
        assert!(
            refused(&[], vec![Item { name: "a.txt".to_owned(), ..item(Labels::Unlabelled) }])
                .contains(".jpg")
        );
    }
}
