//! What a label config says about boxes in pictures, and boxes as its projects expect them.

use serde_json::Value;
use sightscan_types::RelativeBox;

use super::{RECTANGLES, Rectangle, Region};
use crate::text::rounded;
use crate::xml::{self, Element};

/// The part of a labelling interface that is about boxes in pictures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The name of its `RectangleLabels`.
    from_name: String,
    /// The name of its `Image`.
    to_name: String,
    /// The key of a task's data that holds the picture's address.
    key: String,
    /// The labels that it offers, with what stands for them in results.
    labels: Vec<(String, String)>,
}

/// A box for Label Studio.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marked<'a> {
    /// One of the labels that the interface offers.
    pub label: &'a str,
    /// Where it is.
    pub bounds: RelativeBox,
    /// How sure whoever found it is, 0 to 1.
    pub score: Option<f64>,
}

impl Interface {
    /// Reads a label config. `None` where it is no XML, or has no `RectangleLabels` for an `Image` with a `value`.
    pub fn read(config: &str) -> Option<Self> {
        let root = xml::parse(config).ok()?;
        let elements = root.all();
        let is_rectangles = |element: &&&Element| element.is("RectangleLabels");
        elements.iter().filter(is_rectangles).find_map(|labels| Self::of(labels, &elements))
    }

    fn of(labels: &Element, elements: &[&Element]) -> Option<Self> {
        let to_name = labels.attribute("toName")?;
        let is_shown =
            |element: &&&Element| element.is("Image") && element.attribute("name") == Some(to_name);
        let key = elements.iter().find(is_shown)?.attribute("value")?.strip_prefix('$')?;
        let offered = labels.all().into_iter().filter(|element| element.is("Label")).filter_map(|label| {
            let value = label.attribute("value")?;
            Some((value.to_owned(), label.attribute("alias").unwrap_or(value).to_owned()))
        });
        Some(Self {
            from_name: labels.attribute("name")?.to_owned(),
            to_name: to_name.to_owned(),
            key: key.to_owned(),
            labels: offered.collect(),
        })
    }

    /// The key of a task's data that holds the picture's address.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether it offers this label.
    pub fn offers(&self, label: &str) -> bool {
        self.in_results(label).is_some()
    }

    /// What stands for a label in results: its alias, where it has one.
    fn in_results(&self, label: &str) -> Option<&str> {
        let names = |(value, alias): &&(String, String)| value == label || alias == label;
        self.labels.iter().find(names).map(|(_, alias)| alias.as_str())
    }

    /// Boxes as the result of an annotation or a prediction of a picture of this width and height in pixels, without
    /// those whose label it does not offer.
    pub fn result(&self, boxes: &[Marked<'_>], size: (u32, u32)) -> Vec<Value> {
        (1..).zip(boxes).filter_map(|(number, found)| self.region(number, found, size)).collect()
    }

    fn region(&self, number: usize, found: &Marked<'_>, (width, height): (u32, u32)) -> Option<Value> {
        let RelativeBox { x, y, w, h } = found.bounds;
        let [x, y, w, h] = [x, y, w, h].map(|part| rounded(part * 100.0, 6));
        let label = self.in_results(found.label)?;
        let region = Region {
            id: format!("box-{number}"),
            r#type: RECTANGLES,
            from_name: &self.from_name,
            to_name: &self.to_name,
            original_width: width,
            original_height: height,
            image_rotation: 0,
            value: Rectangle { x, y, width: w, height: h, rotation: 0.0, rectanglelabels: [label] },
            score: None,
        };
        // Numbers and texts are always JSON.
        let mut region = serde_json::to_value(region).ok()?;
        if let Some(score) = found.score {
            region["score"] = rounded(score, 6).into();
        }
        Some(region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label_studio::label_config;
    use proptest::prelude::*;
    use serde_json::json;

    const CONFIG: &str = "<View><Header value=\"Sights\"/><Image name=\"photo\" value=\"$picture\"/>\
        <Choices name=\"kind\" toName=\"photo\"><Choice value=\"Gate\"/></Choices>\
        <View><RectangleLabels name=\"sight\" toName=\"photo\"><Label value=\"Gate &amp; Co\"/>\
        <Label value=\"Tower\" alias=\"tower\"/></RectangleLabels></View></View>";

    fn marked(label: &str, score: Option<f64>) -> Marked<'_> {
        Marked { label, bounds: RelativeBox { x: 0.25, y: 0.5, w: 1.0 / 3.0, h: 0.125 }, score }
    }

    #[test]
    fn boxes_are_named_as_the_label_config_wants_them() {
        let interface = Interface::read(CONFIG).unwrap();
        assert_eq!(interface.key(), "picture");
        let boxes = [marked("Gate & Co", Some(0.5)), marked("Palace", Some(0.9)), marked("Tower", None)];
        let result = interface.result(&boxes, (640, 480));
        let value = json!({"x": 25.0, "y": 50.0, "width": 33.333333, "height": 12.5, "rotation": 0.0,
            "rectanglelabels": ["Gate & Co"]});
        let gate = json!({"id": "box-1", "type": "rectanglelabels", "from_name": "sight", "to_name": "photo",
            "original_width": 640, "original_height": 480, "image_rotation": 0, "value": value, "score": 0.5});
        assert_eq!(result[0], gate);
        assert_eq!(result.len(), 2, "a label that is not offered would not be shown");
        assert_eq!(
            (&result[1]["value"]["rectanglelabels"], result[1].get("score")),
            (&json!(["tower"]), None)
        );
        assert!(interface.offers("Gate & Co") && interface.offers("tower") && !interface.offers("Gate"));
    }

    #[test]
    fn configs_without_boxes_in_pictures_are_none() {
        for config in [
            "",
            "no xml",
            "<View/>",
            "<View><Image name=\"a\" value=\"$a\"/></View>",
            "<View><Image name=\"a\" value=\"$a\"/><Choices name=\"c\" toName=\"a\"/></View>",
            "<View><Text name=\"a\" value=\"$a\"/><RectangleLabels name=\"r\" toName=\"a\"/></View>",
            "<View><Image name=\"a\" value=\"$a\"/><RectangleLabels name=\"r\" toName=\"b\"/></View>",
            "<View><Image name=\"a\" value=\"fixed\"/><RectangleLabels name=\"r\" toName=\"a\"/></View>",
            "<View><Image name=\"a\" value=\"$a\"/><RectangleLabels toName=\"a\"/></View>",
        ] {
            assert_eq!(Interface::read(config), None, "{config}");
        }
    }

    proptest! {
        #[test]
        fn our_own_label_config_offers_every_class(classes in prop::collection::vec("\\PC{1,12}", 0..4)) {
            let interface = Interface::read(&label_config(&classes)).unwrap();
            prop_assert_eq!(interface.key(), "image");
            for class in &classes {
                prop_assert!(interface.offers(class));
            }
        }
    }
}
