//! The rules of `docs/ARCHITECTURE.md` that a machine can check: who may use whom, licences, sources, sizes.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod deploy;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which of our crates each crate may use; changing this table needs a decision record in `docs/adr/`.
const TABLE: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("http", &["types"]),
    ("web", &["http"]),
    ("blobs", &["types"]),
    ("queue", &["types"]),
    ("pictures", &["types"]),
    ("engine", &["types", "pictures"]),
    ("warehouse", &["types", "blobs", "queue"]),
    ("jobs", &["types", "warehouse"]),
    ("cities", &["types", "http", "pictures", "warehouse", "blobs", "jobs"]),
    ("dataset", &["types", "pictures"]),
    ("gather", &["types", "dataset", "warehouse", "blobs"]),
    ("nn", &[]),
    ("crawl", &["types", "pictures", "dataset", "warehouse", "blobs", "jobs"]),
    ("label", &["types", "http", "pictures", "dataset", "gather", "engine", "warehouse", "blobs", "jobs"]),
    (
        "train",
        &["types", "http", "pictures", "dataset", "gather", "engine", "nn", "warehouse", "blobs", "jobs"],
    ),
    ("serve", &["types", "http", "web", "engine", "queue", "blobs"]),
    ("experiment", &["types", "fleet"]),
    ("fleet", &["types", "queue"]),
    (
        "roles",
        &[
            "types",
            "http",
            "web",
            "engine",
            "warehouse",
            "blobs",
            "queue",
            "jobs",
            "dataset",
            "cities",
            "crawl",
            "label",
            "train",
            "serve",
            "fleet",
        ],
    ),
    ("app", &["types", "http", "engine", "dataset", "serve", "train", "experiment", "roles"]),
];

/// Crates for tests and benchmarks: they may use everything and nothing of the product may use them.
const DEVELOPMENT: &[&str] = &["testkit", "rules", "bench"];

/// Heavy dependencies and the only crates that may name them.
const ISOLATED: &[(&str, &[&str])] = &[
    ("axum", &["http"]),
    ("hyper", &["http"]),
    ("rustls", &["http"]),
    ("rcgen", &["http"]),
    ("rust-embed", &["web"]),
    ("rten", &["engine"]),
    ("ort", &["engine"]),
    ("image", &["pictures"]),
    ("image_hasher", &["pictures"]),
    ("zune-core", &["pictures"]),
    ("zune-jpeg", &["pictures"]),
    ("chromiumoxide", &["crawl"]),
    ("burn", &["nn"]),
    ("pytorch-reader", &["nn"]),
    ("clap", &["app", "experiment", "roles", "serve", "train"]),
    ("object_store", &["blobs"]),
    ("aws-config", &["queue"]),
    ("aws-sdk-sqs", &["queue"]),
    ("aws-sigv4", &["fleet"]),
    ("async-nats", &["queue"]),
    ("sqlx", &["warehouse"]),
    ("resvg", &["experiment"]),
];

/// Licences that the product may be built from.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    // Weak copyleft of single files, used unmodified.
    "MPL-2.0",
    "OpenSSL",
];

/// Packages that tell their licence only by a file, which somebody has read.
const READ_LICENCES: &[(&str, &str)] = &[("cfg_block", "Apache-2.0")];

/// The binary's crate is wiring only: so many lines of code, see ADR 9 and 11.
const APP_LINES: usize = 1500;

fn metadata() -> Metadata {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.toml");
    // Packages of other platforms would have to be downloaded only to be looked at.
    let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned);
    MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap()
}

/// The name of one of our crates, which is its folder's.
fn folder(package: &Package) -> String {
    package.manifest_path.parent().unwrap().file_name().unwrap().to_owned()
}

fn ours(metadata: &Metadata) -> BTreeMap<String, &Package> {
    metadata.workspace_packages().into_iter().map(|package| (folder(package), package)).collect()
}

fn uses(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
}

#[test]
fn crates_use_only_those_that_the_table_allows() {
    let metadata = metadata();
    let ours = ours(&metadata);
    let by_package: BTreeMap<&str, &str> =
        ours.iter().map(|(folder, package)| (package.name.as_str(), folder.as_str())).collect();
    let table: BTreeMap<&str, BTreeSet<&str>> =
        TABLE.iter().map(|(name, may)| (*name, may.iter().copied().collect())).collect();
    let mut faults = Vec::new();
    for (folder, package) in ours.iter().filter(|(folder, _)| !DEVELOPMENT.contains(&folder.as_str())) {
        let Some(may) = table.get(folder.as_str()) else {
            faults.push(format!("{folder} is not in the table"));
            continue;
        };
        let used = uses(package).filter_map(|name| by_package.get(name)).filter(|used| !may.contains(*used));
        faults.extend(used.map(|used| format!("{folder} uses {used}")));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn heavy_dependencies_stay_where_they_are_isolated() {
    let metadata = metadata();
    let mut faults = Vec::new();
    for (folder, package) in
        ours(&metadata).iter().filter(|(folder, _)| !DEVELOPMENT.contains(&folder.as_str()))
    {
        let used: BTreeSet<&str> = uses(package).collect();
        let misplaced = ISOLATED
            .iter()
            .filter(|(heavy, homes)| used.contains(heavy) && !homes.contains(&folder.as_str()));
        faults.extend(
            misplaced.map(|(heavy, homes)| format!("{folder} uses {heavy}, which belongs to {homes:?}")),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_package_comes_from_the_registry() {
    let metadata = metadata();
    let is_registry = |package: &&Package| {
        package.source.as_ref().is_some_and(|source| source.repr.starts_with("registry+"))
    };
    let foreign = metadata
        .packages
        .iter()
        .filter(|package| !metadata.workspace_members.contains(&package.id) && !is_registry(package));
    let foreign: Vec<String> = foreign.map(|package| package.id.to_string()).collect();
    assert!(foreign.is_empty(), "not from the registry: {}", foreign.join(", "));
}

#[test]
fn w_l2_every_licence_is_on_the_list() {
    let metadata = metadata();
    let faults: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| !licence(package).is_some_and(is_allowed))
        .map(|package| format!("{} {}: {:?}", package.name, package.version, package.license))
        .collect();
    assert!(faults.is_empty(), "licences that are not on the list:\n{}", faults.join("\n"));
}

fn licence(package: &Package) -> Option<&str> {
    let read = READ_LICENCES.iter().find(|(name, _)| *name == package.name.as_str());
    package.license.as_deref().or(read.map(|(_, licence)| *licence))
}

/// Whether an SPDX expression can be satisfied with allowed licences: every `AND` part needs one of its `OR` parts.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let parts = expression.split(" AND ").map(|part| part.trim_matches(['(', ')', ' ']));
    parts.into_iter().all(|part| {
        part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim_matches(['(', ')', ' '])))
    })
}

#[test]
fn licence_expressions_are_understood() {
    assert!(is_allowed("MIT OR Apache-2.0"));
    assert!(is_allowed("MIT/Apache-2.0"));
    assert!(is_allowed("(MIT OR GPL-3.0) AND Unicode-3.0"));
    assert!(!is_allowed("GPL-3.0"));
    assert!(!is_allowed("MIT AND AGPL-3.0-only"));
}

#[test]
fn the_binary_is_wiring_only() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../app/src");
    let lines = count_lines(&sources);
    assert!(
        lines < APP_LINES,
        "crates/app has {lines} lines of {APP_LINES}: move what is not wiring into a library crate"
    );
}

/// Neither a comment, which in the binary's crate is mostly help, nor blank.
fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//")
}

fn count_lines(folder: &Path) -> usize {
    texts(folder).iter().map(|text| text.lines().filter(|line| is_code(line)).count()).sum()
}

/// What the files in a folder and those in it hold.
fn texts(folder: &Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(
            |path| if path.is_dir() { texts(&path) } else { vec![fs_err::read_to_string(path).unwrap()] },
        )
        .collect()
}

/// The names in the document about HTTP of the types in a source.
fn schemas(source: &str) -> Vec<&str> {
    let derived = source.split("#[derive(").skip(1).filter_map(|item| item.split_once(")]"));
    let described = derived.filter(|(traits, _)| traits.contains("ToSchema"));
    described.filter_map(|(_, item)| schema(item)).chain(made_by_macros(source)).collect()
}

/// The name of a type whose attributes and definition these are; `None` in a macro.
fn schema(item: &str) -> Option<&str> {
    let (attributes, definition) = ["struct ", "enum "]
        .iter()
        .filter_map(|kind| item.split_once(kind))
        .min_by_key(|(before, _)| before.len())?;
    let text = attributes.split_once("schema(as = ").map_or(definition, |(_, name)| name);
    text.split(|next: char| !next.is_alphanumeric()).next().filter(|name| !name.is_empty())
}

/// Ids, and enums of words.
fn made_by_macros(source: &str) -> impl Iterator<Item = &str> {
    let ids = lines_within(source, "\nid! {").filter_map(|line| line.strip_suffix(';'));
    // Their variants end with a comma.
    let enums = lines_within(source, "\nwords! {").filter_map(|line| line.strip_suffix(" {"));
    ids.chain(enums)
}

/// The lines of all calls of a macro that begin like this.
fn lines_within<'a>(source: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let bodies = source.split(begin).skip(1).filter_map(|body| body.split("\n}").next());
    bodies.flat_map(str::lines).map(str::trim)
}

#[test]
fn w_c47_each_schema_has_a_name_of_its_own() {
    let metadata = metadata();
    let sources = ours(&metadata)
        .into_values()
        .flat_map(|package| texts(package.manifest_path.parent().unwrap().join("src").as_std_path()));
    let (mut names, mut twice) = (BTreeSet::new(), Vec::new());
    for source in sources {
        let found = schemas(&source).into_iter().map(str::to_owned);
        twice.extend(found.filter(|name| !names.insert(name.clone())));
    }
    assert_eq!(twice, [""; 0], "of two types of one name the document has but one: say `#[schema(as = …)]`");
    assert!(
        ["RequestStatus", "CityState", "CityId", "Page"].iter().all(|name| names.contains(*name)),
        "{names:?}"
    );
    let source = "#[derive(ToSchema)]\nstruct A {\n#[derive(Debug)]\nenum B {\n#[derive(ToSchema)]\n#[schema(as = C)]\nstruct D";
    assert_eq!(schemas(source), ["A", "C"]);
}

/// The files in the walkthrough that are not there, and the names beside them that these files do not hold.
fn lost(root: &Path, walkthrough: &str) -> Vec<String> {
    let quoted: Vec<&str> = walkthrough.split('`').skip(1).step_by(2).collect();
    let gaps: Vec<&str> = walkthrough.split('`').step_by(2).collect();
    let mut lost = Vec::new();
    for (index, file) in quoted.iter().enumerate().filter(|(_, name)| name.ends_with(".rs")) {
        let places = [root.join("crates/base/engine/src").join(file), root.join(file)];
        let Some(text) = places.iter().find_map(|path| fs_err::read_to_string(path).ok()) else {
            lost.push((*file).to_owned());
            continue;
        };
        let name = quoted.get(index + 1).filter(|_| gaps[index + 1].trim().is_empty());
        let words = name.iter().flat_map(|name| name.split("::"));
        lost.extend(words.filter(|word| !text.contains(*word)).map(|word| format!("{file} {word}")));
    }
    lost
}

#[test]
fn the_walkthrough_names_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = fs_err::read_to_string(root.join("docs/ARCHITECTURE.md")).unwrap();
    let (_, walkthrough) = text.split_once("## One picture from bytes to boxes").unwrap();
    assert_eq!(lost(&root, walkthrough), [""; 0]);
    let wrong = "`nms.rs` `suppress`, `nowhere.rs`, `model/folder.rs` `ModelFolder::nonsense`";
    assert_eq!(lost(&root, wrong), ["nowhere.rs", "model/folder.rs nonsense"]);
}
