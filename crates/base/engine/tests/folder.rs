//! The model folder and exported files, with networks that really run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sightscan_engine::model::{
    InputOverrides, ModelFolder, Overrides, Reference, Source, ThresholdOverrides, export, source,
};
use sightscan_engine::prepare::{Colour, Fit};
use sightscan_engine::runtime::available_threads;
use sightscan_engine::{Analysis, Detector, EngineChoice, Limits, Model, ModelError};
use sightscan_testkit::data;

use crate::tiny;

/// A model folder and a place for files beside it, both gone after the test.
struct Workplace {
    place: tempfile::TempDir,
    models: ModelFolder,
}

impl Workplace {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let models = ModelFolder::new(place.path().join("models"));
        Self { place, models }
    }

    /// Writes a tiny classifier of these classes and reads it.
    fn source(&self, file: &str, names: &[&str], overrides: &Overrides) -> Source {
        let path = self.place.path().join(file);
        fs_err::write(&path, tiny::classifier(names)).unwrap();
        Source::read(&path, overrides).unwrap()
    }

    /// Imports a tiny classifier; answers its version and whether that is new.
    fn import(
        &self,
        file: &str,
        names: &[&str],
        overrides: &Overrides,
    ) -> Result<(String, bool), ModelError> {
        let imported = self.models.import(self.source(file, names, overrides), EngineChoice::Rten)?;
        assert!(imported.entry.live);
        Ok((imported.entry.version, imported.is_new))
    }

    fn resolve(&self, reference: &str) -> Result<PathBuf, ModelError> {
        self.models.resolve(&reference.parse().unwrap())
    }
}

fn version(text: &str) -> Overrides {
    Overrides { version: Some(text.into()), ..Overrides::default() }
}

#[test]
fn versions_count_up_and_the_last_import_is_live() {
    let place = Workplace::new();
    assert_eq!(
        place.import("city.onnx", &["a", "b", "c"], &Overrides::default()).unwrap(),
        ("1".into(), true)
    );
    assert_eq!(
        place.import("city.onnx", &["d", "e", "f"], &Overrides::default()).unwrap(),
        ("2".into(), true)
    );
    assert_eq!(
        place.import("city.onnx", &["a", "b", "c"], &Overrides::default()).unwrap(),
        ("1".into(), false)
    );
    let root = place.models.root();
    assert_eq!(place.resolve("city").unwrap(), root.join("city/1/model.onnx"));
    assert_eq!(place.resolve("city@2").unwrap(), root.join("city/2/model.onnx"));
    place.models.set_live("city", "2").unwrap();
    assert_eq!(place.resolve("city").unwrap(), root.join("city/2/model.onnx"));
    assert_eq!(fs_err::read_to_string(root.join("city/live")).unwrap(), "2\n");
    assert!(matches!(place.models.set_live("city", "3"), Err(ModelError::NotFound { .. })));
}

#[test]
fn another_description_of_the_same_bytes_is_another_version() {
    let place = Workplace::new();
    let thresholds = ThresholdOverrides { confidence: Some(0.1), ..Default::default() };
    let other = Overrides { thresholds, ..Overrides::default() };
    place.import("city.onnx", &["a", "b", "c"], &Overrides::default()).unwrap();
    assert_eq!(place.import("city.onnx", &["a", "b", "c"], &other).unwrap(), ("2".into(), true));
    assert_eq!(place.import("city.onnx", &["a", "b", "c"], &other).unwrap(), ("2".into(), false));
}

#[test]
fn a_version_that_was_said_is_taken_once() {
    let place = Workplace::new();
    assert_eq!(place.import("city.onnx", &["a", "b", "c"], &version("7")).unwrap(), ("7".into(), true));
    assert_eq!(place.import("city.onnx", &["a", "b", "c"], &version("7")).unwrap(), ("7".into(), false));
    let error = place.import("city.onnx", &["d", "e", "f"], &version("7")).unwrap_err();
    assert!(matches!(error, ModelError::VersionTaken { .. }), "{error}");
    assert_eq!(
        place.import("city.onnx", &["d", "e", "f"], &Overrides::default()).unwrap(),
        ("8".into(), true)
    );
    assert!(matches!(
        place.import("city.onnx", &["a", "b", "c"], &version("../7")),
        Err(ModelError::Name(_))
    ));
}

#[test]
fn the_stored_description_is_complete_and_checked() {
    let place = Workplace::new();
    place.import("city.onnx", &["Brandenburg Gate", "St. Paul's", "c"], &Overrides::default()).unwrap();
    let path = place.resolve("city").unwrap();
    let imported = place.models.find("city", None).unwrap().description;
    let model = Model::open(&path, &Overrides::default(), EngineChoice::Rten).unwrap();
    assert_eq!(Overrides::from(model.spec()), imported);
    assert_eq!(imported.classes.unwrap()[1], "St. Paul's");
    assert_eq!((imported.name.as_deref(), imported.version.as_deref()), (Some("city"), Some("1")));

    let mut damaged = fs_err::read(&path).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    fs_err::write(&path, damaged).unwrap();
    assert!(matches!(Source::read(&path, &Overrides::default()), Err(ModelError::WrongHash { .. })));
}

#[test]
fn all_versions_are_listed_in_order() {
    let place = Workplace::new();
    for version in 1..=10 {
        let names = [format!("a{version}"), "b".into(), "c".into()];
        place.import("rome.onnx", &names.each_ref().map(String::as_str), &Overrides::default()).unwrap();
    }
    place.import("athens.onnx", &["a", "b", "c"], &Overrides::default()).unwrap();
    place.models.set_live("rome", "9").unwrap();
    fs_err::create_dir_all(place.models.root().join("rome/.import-left-by-a-crash")).unwrap();
    fs_err::write(place.models.root().join("rome/3/model.toml"), "damaged").unwrap();
    let rows = place.models.list().unwrap();
    let found: Vec<String> = rows
        .iter()
        .map(|row| format!("{}@{}{}", row.name, row.version, if row.live { "*" } else { "" }))
        .collect();
    let expected = "athens@1* rome@1 rome@2 rome@4 rome@5 rome@6 rome@7 rome@8 rome@9* rome@10";
    assert_eq!(found.join(" "), expected);
    assert_eq!(rows[0].description.classes.as_ref().unwrap().len(), 3);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let place = Workplace::new();
    for file in ["london.onnx", "rome.onnx", "paris.onnx"] {
        place.import(file, &["a", "b", "c"], &Overrides::default()).unwrap();
    }
    let said = |reference: &str| place.resolve(reference).unwrap_err().to_string();
    assert!(said("pariss").contains("has paris, "), "{}", said("pariss"));
    assert!(said("rome@4").contains("`rome@4`: the model has 1"), "{}", said("rome@4"));
    assert!(said("no/such.onnx").contains("no such file"), "{}", said("no/such.onnx"));
    fs_err::remove_file(place.models.root().join("rome/live")).unwrap();
    assert!(said("rome").contains("NAME@VERSION"), "{}", said("rome"));
    assert!(place.resolve("rome@1").is_ok());
    let outside = Reference::Named { name: "../models/rome".into(), version: None };
    assert!(matches!(place.models.resolve(&outside), Err(ModelError::Name(_))));
}

#[test]
fn a_model_that_cannot_be_used_is_not_imported() {
    let place = Workplace::new();
    let too_few = place.source("city.onnx", &["a", "b"], &Overrides::default());
    let error = place.models.import(too_few, EngineChoice::Rten).unwrap_err();
    assert!(matches!(error, ModelError::Spec { .. }), "{error}");
    let strange = place.source("my city.onnx", &["a", "b", "c"], &Overrides::default());
    assert!(matches!(place.models.import(strange, EngineChoice::Rten), Err(ModelError::Name(_))));
    assert!(!place.models.root().exists());
}

#[test]
fn many_may_import_at_once() {
    let place = Workplace::new();
    let names: Vec<String> = (0..8).map(|index| format!("a{}", index / 2)).collect();
    let sources: Vec<Source> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let said = Overrides { name: Some("city".into()), ..Overrides::default() };
            place.source(&format!("{index}.onnx"), &[name, "b", "c"], &said)
        })
        .collect();
    let models = &place.models;
    std::thread::scope(|scope| {
        let all: Vec<_> = sources
            .into_iter()
            .map(|source| scope.spawn(|| models.import(source, EngineChoice::Rten).unwrap()))
            .collect();
        all.into_iter().for_each(|thread| drop(thread.join().unwrap()));
    });
    let found: Vec<String> = models.list().unwrap().into_iter().map(|entry| entry.version).collect();
    assert_eq!(found, ["1", "2", "3", "4"], "each model once");
    assert!(models.find("city", None).unwrap().live);
    let left = fs_err::read_dir(models.root().join("city")).unwrap().count();
    assert_eq!(left, 5, "four versions and the file `live`");
}

#[cfg(unix)]
#[test]
fn others_may_read_what_was_imported() {
    use std::os::unix::fs::PermissionsExt;
    let place = Workplace::new();
    place.import("city.onnx", &["a", "b", "c"], &Overrides::default()).unwrap();
    let ordinary = place.models.root().join("ordinary");
    fs_err::create_dir(&ordinary).unwrap();
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let version = place.models.root().join("city/1");
    assert_eq!(mode(&version), mode(&ordinary));
    assert_eq!(mode(&version.join("model.onnx")), mode(&ordinary) & 0o666);
    assert_eq!(mode(&place.models.root().join("city/live")), mode(&ordinary) & 0o666);
}

/// What a model finds in a picture of the real data.
fn analyse(model: &Arc<Model>, picture: &str) -> Analysis {
    let bytes = fs_err::read(data(&format!("pictures/{picture}")).unwrap()).unwrap();
    let mut detector = Detector::new(Arc::clone(model), available_threads()).unwrap();
    detector.detect(&bytes, &Limits::default(), &model.spec().options()).unwrap()
}

/// Exports a model and loads the file without a word about it; it must be the same model.
fn export_and_compare(file: &str, overrides: &Overrides, picture: &str) {
    let Some(path) = data(&format!("models/{file}")) else { return };
    let place = tempfile::tempdir().unwrap();
    let to = place.path().join("elsewhere.onnx");
    let source = || Source::read(&path, overrides).unwrap();
    let original = Model::from_source(source(), EngineChoice::Rten).unwrap();
    let exported = export(source(), &to, false, EngineChoice::Rten).unwrap();
    let again = Model::open(&to, &Overrides::default(), EngineChoice::Rten).unwrap();

    let same = |model: &Model| Overrides { sha256: None, ..Overrides::from(model.spec()) };
    assert_eq!(same(&again), same(&original));
    assert_eq!(again.spec().sha256, exported.sha256);
    assert_eq!(analyse(&again, picture).findings, analyse(&original, picture).findings);

    let refused = export(source(), &to, false, EngineChoice::Rten).unwrap_err();
    assert!(refused.to_string().contains("--force"), "{refused}");
    assert_eq!(export(source(), &to, true, EngineChoice::Rten).unwrap(), exported);
}

#[test]
fn network_an_exported_darknet_network_explains_itself() {
    let Some(names) = data("models/coco.names") else { return };
    let classes = Some(source::read_names(&names).unwrap());
    export_and_compare("yolo-fastest-1.1.cfg", &Overrides { classes, ..Overrides::default() }, "dog.jpg");
}

#[test]
fn network_an_exported_classifier_explains_itself() {
    let Some(labels) = data("models/imagenet_labels.json") else { return };
    let input = InputOverrides {
        colour: Some(Colour::Bgr),
        mean: Some([104.0, 117.0, 124.0]),
        scale: Some(1.0),
        fit: Some(Fit::Stretch),
        ..Default::default()
    };
    let classes = Some(source::read_names(&labels).unwrap());
    export_and_compare(
        "squeezenet_fp16.onnx",
        &Overrides { classes, input, ..Overrides::default() },
        "kitten.png",
    );
}

#[test]
fn network_an_exported_yolov5_keeps_what_it_says_about_itself() {
    export_and_compare("yolov5n.onnx", &Overrides::default(), "bus.jpg");
}

#[test]
fn network_a_darknet_network_is_imported_as_its_graph() {
    let (Some(cfg), Some(names)) = (data("models/yolo-fastest-1.1.cfg"), data("models/coco.names")) else {
        return;
    };
    let place = Workplace::new();
    let classes = Some(source::read_names(&names).unwrap());
    let said = Overrides { name: Some("fastest".into()), classes, ..Overrides::default() };
    let source = Source::read(&cfg, &said).unwrap();
    let original = Model::from_source(Source::read(&cfg, &said).unwrap(), EngineChoice::Rten).unwrap();
    place.models.import(source, EngineChoice::Rten).unwrap();
    let stored = place.resolve("fastest").unwrap();
    let again = Model::open(&stored, &Overrides::default(), EngineChoice::Rten).unwrap();
    assert_eq!(again.spec().input, original.spec().input);
    assert_eq!(analyse(&again, "dog.jpg").findings, analyse(&original, "dog.jpg").findings);
}
