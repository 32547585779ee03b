//! Exports of a city as other programs read them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use serde_json::Value;
use sightscan_dataset::{Dataset, Format, Item, Labels, Limits, import, open};
use sightscan_label::exchange::{Only, Wish};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::{python, scale};

use crate::exchange_support::{Archive, SIDE, wish};

/// The release that exports were read with.
const LABEL_STUDIO_SDK: &str = "label-studio-sdk==2.1.2";

/// What a script prints about these files.
fn asked<T: for<'a> Deserialize<'a>>(python: &Path, script: &str, arguments: &[&Path]) -> T {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

async fn filled() -> Archive {
    let archive = Archive::new(TestDatabase::sqlite().await).await;
    archive.fill().await;
    archive
}

/// What we ourselves read of an export.
fn read(format: Format, path: &Path) -> Dataset {
    import(format, open(path, Limits::default()).unwrap()).unwrap().dataset
}

/// The class and the corners in whole pixels of each box of each picture.
type Boxes = BTreeMap<String, Vec<(String, [i64; 4])>>;

fn boxes<'a>(dataset: &Dataset, items: impl Iterator<Item = &'a Item>) -> Boxes {
    let one = |item: &Item| {
        let boxes = item.labels.boxes().iter().map(|found| {
            let area = found.bounds;
            let pixels = [area.x, area.y, area.x + area.w, area.y + area.h];
            (dataset.classes[found.class].clone(), pixels.map(|part| (part * f64::from(SIDE)).round() as i64))
        });
        (item.name.clone(), boxes.collect())
    };
    items.map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pycocotools_reads_what_a_city_exports() {
    let Some(python) = python() else { return };
    let archive = filled().await;
    let path = archive.folder.path().join("coco");
    let exported = archive.export(&wish(Format::Coco), &path).await;
    let file = path.join("annotations/instances_default.json");
    let script = "../../base/dataset/tests/pycocotools_check.py";
    let summaries: BTreeMap<String, Value> = asked(&python, script, &[&file]);
    let summary = &summaries[file.to_str().unwrap()];
    let dataset = read(Format::Coco, &path);
    let counts = dataset.items.iter().map(|item| (item.name.clone(), item.labels.boxes().len().into()));
    assert_eq!(summary["images"], Value::Object(counts.collect()));
    assert_eq!(summary["images"].as_object().unwrap().len(), exported.images);
    assert_eq!(summary["classes"], serde_json::to_value(&dataset.classes).unwrap());
    assert!(summary["perfect"].as_f64().unwrap() > 0.999_999, "{summary}");
    assert_eq!(dataset.items.iter().filter(|item| item.is_negative()).count(), 2, "as images without boxes");
}

/// An environment with Label Studio's own converter, which takes half a gigabyte: not for every run.
fn label_studio(python: &Path) -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || Path::new(&std::env::var_os("HOME").unwrap()).join(".cache");
    let folder = cache.unwrap_or_else(home).join("sightscan").join(LABEL_STUDIO_SDK.replace("==", "-"));
    let (own, complete) = (folder.join("bin/python"), folder.join("complete"));
    if !complete.exists() {
        let run = |program: &Path, arguments: &[&str]| {
            assert!(Command::new(program).args(arguments).status().unwrap().success(), "{arguments:?}");
        };
        run(python, &["-m", "venv", "--clear", folder.to_str().unwrap()]);
        run(&own, &["-m", "pip", "install", "--quiet", "--only-binary=:all:", LABEL_STUDIO_SDK]);
        fs_err::write(complete, "").unwrap();
    }
    own
}

/// What the converter makes of an export.
#[derive(Deserialize)]
struct Converted {
    yolo: Boxes,
    coco: Boxes,
}

#[tokio::test(flavor = "multi_thread")]
async fn label_studios_converter_reads_what_a_city_exports() {
    if scale() < 1.0 {
        eprintln!("skipped: SIGHTSCAN_TEST_SCALE=1 runs it");
        return;
    }
    let Some(python) = python() else { return };
    let archive = filled().await;
    let path = archive.folder.path().join("label-studio");
    archive.export(&Wish { only: Only::Human, ..wish(Format::LabelStudio) }, &path).await;
    let own = label_studio(&python);
    let converted: Converted = asked(&own, "tests/exchange_label_studio.py", &[&path]);
    let dataset = read(Format::LabelStudio, &path);
    let people: Vec<&Item> =
        dataset.items.iter().filter(|item| matches!(item.labels, Labels::Annotated(_))).collect();
    let expected = boxes(&dataset, people.iter().copied());
    assert_eq!(expected.len(), 9);
    assert_eq!(converted.yolo, expected);
    assert_eq!(converted.coco, expected);
}
