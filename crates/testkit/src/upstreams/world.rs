//! What the fakes know: a city, its sights and pictures of them.

use std::collections::HashMap;
use std::path::Path;

use axum::body::Bytes;

/// Width and height of the originals, as the services say them, in pixels. The files of the data folder are a quarter
/// as wide and as high.
const ORIGINAL_SIDE: u32 = 2048;

/// A city, its sights and pictures of them.
#[derive(Debug, Clone)]
pub struct World {
    /// The only city there is.
    pub city: City,
    /// Its sights, in any order.
    pub sights: Vec<Sight>,
    /// Pictures, in the order in which the services list them.
    pub pictures: Vec<Picture>,
    /// Categories of Commons with those that they contain, all without `Category:`.
    pub subcategories: Vec<(String, String)>,
}

/// A city.
#[derive(Debug, Clone, PartialEq)]
pub struct City {
    /// Its name in English.
    pub name: String,
    /// Its item in Wikidata.
    pub wikidata: String,
    /// Its id in GeoNames.
    pub geonames: i64,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
}

/// A sight.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Its name in English.
    pub name: String,
    /// Its name in German, where it has another one.
    pub german: Option<String>,
    /// Its item in Wikidata.
    pub wikidata: String,
    /// Degrees north, WGS 84.
    pub latitude: f64,
    /// Degrees east, WGS 84.
    pub longitude: f64,
    /// In how many editions of Wikipedia it has a page.
    pub sitelinks: u32,
    /// Its category in Commons, without `Category:`.
    pub category: Option<String>,
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// The file's name, without `File:`.
    pub name: String,
    /// What is served for it, as the original and in every size.
    pub bytes: Bytes,
    /// Width of the original in pixels, as the services say it.
    pub width: u32,
    /// Height of the original in pixels, as the services say it.
    pub height: u32,
    /// Its author as plain text.
    pub author: String,
    /// Its licence.
    pub licence: Licence,
    /// Its categories in Commons, without `Category:`.
    pub categories: Vec<String>,
    /// The sight that it was taken of, an index into [`World::sights`].
    pub sight: Option<usize>,
    /// Where it was taken: degrees north and east, WGS 84.
    pub position: Option<(f64, f64)>,
    /// What there is to see, as a labeller finds it.
    pub boxes: Vec<Shown>,
}

/// A sight in a picture. Relative, from the picture's top left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// An index into [`World::sights`].
    pub sight: usize,
    /// The left edge.
    pub x: f64,
    /// The top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// A licence, by Creative Commons' name of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    /// `by-sa`; `cc0` and `pdm` for the public domain, empty where all rights are reserved.
    pub code: String,
    /// `4.0`.
    pub version: String,
    /// Other words than the usual ones for Commons' `LicenseShortName`.
    pub words: Option<String>,
}

impl Licence {
    /// A licence of Creative Commons.
    pub fn new(code: &str, version: &str) -> Self {
        Self { code: code.to_owned(), version: version.to_owned(), words: None }
    }

    /// What Commons calls it: `CC BY-SA 4.0`.
    pub fn short_name(&self) -> String {
        match (&self.words, self.code.as_str()) {
            (Some(words), _) => words.clone(),
            (None, "cc0") => "CC0".to_owned(),
            (None, "pdm") => "Public domain".to_owned(),
            (None, "") => "All rights reserved".to_owned(),
            (None, code) => format!("CC {} {}", code.to_uppercase(), self.version),
        }
    }

    /// The page of its text at Creative Commons.
    pub fn url(&self) -> Option<String> {
        let path = match self.code.as_str() {
            "" => return None,
            "cc0" => format!("publicdomain/zero/{}", self.version),
            "pdm" => format!("publicdomain/mark/{}", self.version),
            code => format!("licenses/{code}/{}", self.version),
        };
        Some(format!("https://creativecommons.org/{path}/"))
    }
}

impl World {
    /// The real pictures of `sights` in the data folder: five sights with what is seen in each picture. In five
    /// pictures, and in the 25 without labels, nobody finds anything. The sights stand in one city, Paris, at places
    /// that are made up for all but one, as are the authors and the licences; all licences are free.
    ///
    /// `None` where the data is missing, as for [`crate::data()`].
    ///
    /// # Panics
    /// When the data cannot be read.
    pub fn of_sights() -> Option<Self> {
        let labels = crate::data("sights/labels")?;
        let labelled = crate::pictures("sights/images", "jpg")?.into_iter();
        let labelled = labelled.map(|path| (read(&path), boxes_beside(&labels, &path)));
        let unlabelled = crate::pictures("sights/unlabelled", "jpg")?.into_iter();
        let unlabelled = unlabelled.map(|path| (read(&path), Vec::new()));
        Some(Self::of_pictures(labelled.chain(unlabelled)))
    }

    /// The same five sights, with these files as pictures of one after the other; nobody finds anything in them.
    pub fn of_files(files: impl IntoIterator<Item = Bytes>) -> Self {
        Self::of_pictures(files.into_iter().map(|bytes| (bytes, Vec::new())))
    }

    fn of_pictures(files: impl Iterator<Item = (Bytes, Vec<Shown>)>) -> Self {
        let sights = sights();
        let pictures = files.enumerate();
        let pictures =
            pictures.map(|(number, (bytes, boxes))| picture(number, bytes, boxes, &sights)).collect();
        Self { city: City::paris(), sights, pictures, subcategories: Vec::new() }
    }

    /// A sight by its item in Wikidata.
    pub fn sight(&self, wikidata: &str) -> Option<&Sight> {
        self.sights.iter().find(|sight| sight.wikidata == wikidata)
    }

    /// A picture by its file's name; as in Commons, spaces are underscores.
    pub fn picture(&self, name: &str) -> Option<&Picture> {
        let name = file_name(name);
        self.pictures.iter().find(|picture| file_name(&picture.name) == name)
    }

    /// The places of the pictures, by the names of their files in addresses.
    pub(super) fn by_file_name(&self) -> HashMap<String, usize> {
        let pictures = self.pictures.iter().enumerate();
        pictures.map(|(index, picture)| (file_name(&picture.name), index)).collect()
    }

    /// The pictures of the sights whose names occur in the text of a search, in the world's order.
    pub fn found_by(&self, text: &str) -> Vec<&Picture> {
        let text = super::params::folded(text);
        let is_meant = |sight: &Sight| text.contains(&super::params::folded(&sight.name));
        let is_found =
            |picture: &&Picture| picture.sight.and_then(|index| self.sights.get(index)).is_some_and(is_meant);
        self.pictures.iter().filter(is_found).collect()
    }
}

impl City {
    /// Paris, with its real ids.
    pub fn paris() -> Self {
        Self {
            name: "Paris".to_owned(),
            wikidata: "Q90".to_owned(),
            geonames: 2_988_507,
            latitude: 48.8534,
            longitude: 2.3488,
        }
    }
}

/// A file's name as it stands in addresses.
pub(super) fn file_name(name: &str) -> String {
    name.replace(' ', "_")
}

/// In the order of `sights/classes.txt`.
fn sights() -> Vec<Sight> {
    [
        ("Eiffel Tower", Some("Eiffelturm"), "Q243", 48.8583, 2.2945, 190),
        ("N Seoul Tower", None, "Q900001", 48.8867, 2.3431, 58),
        ("Oriental Pearl Tower", None, "Q900002", 48.8738, 2.2950, 71),
        ("Canton Tower", None, "Q900003", 48.8422, 2.3219, 64),
        ("Tokyo Skytree", None, "Q900004", 48.8462, 2.3464, 83),
    ]
    .map(|(name, german, wikidata, latitude, longitude, sitelinks)| Sight {
        name: name.to_owned(),
        german: german.map(str::to_owned),
        wikidata: wikidata.to_owned(),
        latitude,
        longitude,
        sitelinks,
        category: Some(name.to_owned()),
    })
    .into()
}

fn picture(number: usize, bytes: Bytes, boxes: Vec<Shown>, sights: &[Sight]) -> Picture {
    let index = boxes.first().map_or(number % sights.len(), |shown| shown.sight);
    let sight = &sights[index];
    Picture {
        name: format!("{} {number:03}.jpg", sight.name),
        width: ORIGINAL_SIDE,
        height: ORIGINAL_SIDE,
        bytes,
        author: AUTHORS[number % AUTHORS.len()].to_owned(),
        licence: free_licence(number),
        categories: sight.category.iter().cloned().collect(),
        sight: Some(index),
        position: Some((sight.latitude, sight.longitude)),
        boxes,
    }
}

/// With what has to be escaped in HTML and cannot be written in ASCII.
const AUTHORS: [&str; 4] = ["Jane Doe", "Müller & Söhne", "写真家", "O’Brien <obrien>"];

fn free_licence(number: usize) -> Licence {
    let all =
        [("by-sa", "4.0"), ("by", "2.0"), ("cc0", "1.0"), ("by-sa", "3.0"), ("pdm", "1.0"), ("by", "4.0")];
    let (code, version) = all[number % all.len()];
    Licence::new(code, version)
}

fn read(path: &Path) -> Bytes {
    fs_err::read(path).expect("the data folder is readable").into()
}

/// What the file of labels with the picture's name says.
fn boxes_beside(labels: &Path, picture: &Path) -> Vec<Shown> {
    let name = picture.with_extension("txt");
    let label = labels.join(name.file_name().expect("a picture has a name"));
    fs_err::read_to_string(label).expect("every picture has labels").lines().map(shown).collect()
}

/// A line of YOLO's labels: class, centre, size.
fn shown(line: &str) -> Shown {
    let numbers: Vec<f64> = line.split(' ').map(|word| word.parse().expect("a number")).collect();
    let [class, x, y, width, height] = numbers[..] else { panic!("{line:?} is no label") };
    Shown { sight: class as usize, x: x - width / 2.0, y: y - height / 2.0, width, height }
}

/// Distance on a plane, which is good enough within a city.
pub(super) fn metres(one: (f64, f64), other: (f64, f64)) -> f64 {
    let degree = 111_195.0;
    let north = (one.0 - other.0) * degree;
    let east = (one.1 - other.1) * degree * one.0.to_radians().cos();
    north.hypot(east)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sightscan_pictures::{Limits, inspect};

    #[test]
    fn the_real_pictures_are_as_large_as_is_said() {
        let Some(world) = World::of_sights() else { return };
        for picture in world.pictures.iter().step_by(20) {
            let inspection = inspect(&picture.bytes, &Limits::default()).unwrap();
            let side = ORIGINAL_SIDE / 4;
            assert_eq!((inspection.width(), inspection.height()), (side, side), "{}", picture.name);
        }
    }

    #[test]
    fn files_are_spread_over_the_sights() {
        let world = World::of_files((0..12_u8).map(|number| vec![number].into()));
        let of_first = world.pictures.iter().filter(|picture| picture.sight == Some(0)).count();
        assert_eq!((world.pictures.len(), of_first), (12, 3));
        assert_eq!(world.by_file_name().len(), 12);
    }

    #[test]
    fn the_real_sights_make_a_world() {
        let Some(world) = World::of_sights() else { return };
        assert_eq!(world.pictures.len(), 205);
        for (index, sight) in world.sights.iter().enumerate() {
            let of_sight = world.pictures.iter().filter(|picture| picture.sight == Some(index));
            let labelled = of_sight.clone().filter(|picture| !picture.boxes.is_empty()).count();
            assert!(labelled >= 30, "{} has {labelled}", sight.name);
            assert_eq!(world.found_by(&format!("Paris {}", sight.name)).len(), of_sight.count());
        }
        assert_eq!(world.pictures.iter().filter(|picture| picture.boxes.is_empty()).count(), 30);
        let edges = world.pictures.iter().flat_map(|picture| &picture.boxes);
        for shown in edges {
            assert!(shown.x > -1e-3 && shown.x + shown.width < 1.001, "{shown:?}");
            assert!(shown.y > -1e-3 && shown.y + shown.height < 1.001, "{shown:?}");
        }
        let picture = &world.pictures[3];
        assert_eq!(world.picture(&picture.name.replace(' ', "_")), Some(picture));
    }

    #[test]
    fn licences_have_the_names_that_services_use() {
        assert_eq!(Licence::new("by-sa", "4.0").short_name(), "CC BY-SA 4.0");
        let url = Licence::new("cc0", "1.0").url();
        assert_eq!(url.as_deref(), Some("https://creativecommons.org/publicdomain/zero/1.0/"));
        assert_eq!(Licence::new("", "").url(), None);
    }
}

/// A small world for the tests of the fakes.
#[cfg(test)]
pub(super) mod samples {
    use super::*;

    /// Two sights; three pictures of the first and two of the second, all different.
    pub(in super::super) fn world() -> World {
        let sights = vec![
            sight("Tower", Some("Turm"), "Q243", 48.8583, 190),
            sight("Bridge", None, "Q900001", 48.86, 20),
        ];
        let pictures = (0..5).map(|number| picture_of(&sights, number)).collect();
        World { city: City::paris(), sights, pictures, subcategories: Vec::new() }
    }

    fn sight(name: &str, german: Option<&str>, wikidata: &str, latitude: f64, sitelinks: u32) -> Sight {
        Sight {
            name: name.to_owned(),
            german: german.map(str::to_owned),
            wikidata: wikidata.to_owned(),
            latitude,
            longitude: 2.2945,
            sitelinks,
            category: Some(name.to_owned()),
        }
    }

    fn picture_of(sights: &[Sight], number: usize) -> Picture {
        let index = number / 3;
        let sight = &sights[index];
        let colour = [40 * u8::try_from(number).unwrap(), 0, 255];
        Picture {
            name: format!("{} {}.jpg", sight.name, number + 1),
            bytes: crate::tiny::plain_picture(colour, 8, 6).into(),
            width: 600,
            height: 450,
            author: AUTHORS[number % AUTHORS.len()].to_owned(),
            licence: free_licence(number),
            categories: vec![sight.name.clone()],
            sight: Some(index),
            position: Some((sight.latitude, sight.longitude)),
            boxes: vec![Shown { sight: index, x: 0.0, y: 0.25, width: 0.5, height: 0.5 }],
        }
    }
}
