//! What a city's detector learns from.

use std::collections::BTreeMap;

use serde_json::Value;
use sightscan_dataset::{Shares, Split};
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_train::{CitySet, Order, choose};
use sightscan_warehouse::datasets;

use crate::site::Site;

on_both_engines![
    row_27_29_sparse_classes_are_left_out_and_negatives_are_kept,
    pictures_that_look_alike_are_on_one_side,
    what_was_tested_with_once_is_never_learnt_from_nor_the_other_way_round,
    a_manifest_says_what_was_learnt,
    a_city_with_too_few_images_is_told,
];

impl Site {
    fn order(&self) -> Order {
        let shares = Shares { train: 0.6, validation: 0.2, test: 0.2 };
        Order { city: self.city, min_images_per_label: 5, shares, seed: 7 }
    }

    async fn choose(&self) -> CitySet {
        choose(&self.warehouse, &self.order()).await.unwrap()
    }

    async fn manifest(&self, set: &CitySet) -> Value {
        let blob = datasets::manifest(&self.warehouse.database, set.id).await.unwrap().unwrap();
        serde_json::from_slice(&self.warehouse.blobs.get(&blob).await.unwrap()).unwrap()
    }
}

/// What each picture is for.
fn splits(set: &CitySet) -> BTreeMap<String, Split> {
    set.dataset.items.iter().map(|item| (item.name.clone(), item.split.unwrap())).collect()
}

async fn row_27_29_sparse_classes_are_left_out_and_negatives_are_kept(test: TestDatabase) {
    let site = Site::of(test, "Paris").await;
    site.store_many("tower", &["Tower"], 9).await;
    site.store_many("both", &["Arch", "Tower"], 1).await;
    site.store_many("arch", &["Arch"], 3).await;
    site.store_many("street", &[], 5).await;
    let set = site.choose().await;
    assert_eq!(set.dataset.classes, ["Tower"]);
    assert_eq!(set.sparse, [("Arch".to_owned(), 4)]);
    let boxes: Vec<usize> = set.dataset.items.iter().map(|item| item.labels.boxes().len()).collect();
    assert_eq!((boxes.len(), boxes.iter().sum::<usize>()), (15, 10), "three show nothing but arches");
    assert!(
        set.dataset.items.iter().flat_map(|item| item.labels.boxes()).all(|labelled| labelled.class == 0)
    );
    let of = |split: Split| set.dataset.items.iter().filter(move |item| item.split == Some(split));
    assert_eq!(Split::ALL.map(|split| of(split).count()), [9, 3, 3]);
    assert_eq!(Split::ALL.map(|split| of(split).filter(|item| item.is_negative()).count()), [3, 1, 1]);
    let first = set.dataset.items[0].picture.clone().unwrap();
    let read = tokio::task::spawn_blocking(move || first.read()).await.unwrap().unwrap();
    assert!(!read.is_empty());
}

async fn pictures_that_look_alike_are_on_one_side(test: TestDatabase) {
    let site = Site::of(test, "Paris").await;
    for scene in 0..6_u64 {
        for shot in 0..4_u64 {
            // A byte of its own for each scene, and one bit for each shot.
            let hash = 0xFF << (8 * scene) | 1 << (56 + shot);
            site.store(&format!("{scene} {shot}"), &["Tower"], Some(hash)).await;
        }
    }
    let set = site.choose().await;
    let mut sides = BTreeMap::<u8, Vec<Split>>::new();
    for item in &set.dataset.items {
        let picture = item.picture.clone().unwrap();
        let bytes = tokio::task::spawn_blocking(move || picture.read()).await.unwrap().unwrap();
        sides.entry(bytes[0]).or_default().push(item.split.unwrap());
    }
    assert_eq!(sides.len(), 6);
    assert!(sides.values().all(|splits| splits.iter().all(|split| *split == splits[0])), "{sides:?}");
    let of_scenes: Vec<Split> = sides.values().map(|splits| splits[0]).collect();
    assert!(Split::ALL.iter().all(|split| of_scenes.contains(split)), "{of_scenes:?}");
}

async fn what_was_tested_with_once_is_never_learnt_from_nor_the_other_way_round(test: TestDatabase) {
    let site = Site::of(test, "Paris").await;
    site.store_many("tower", &["Tower"], 20).await;
    let before = splits(&site.choose().await);
    site.store_many("arch", &["Arch", "Tower"], 40).await;
    let after = splits(&site.choose().await);
    let tested = |splits: &BTreeMap<String, Split>| {
        splits
            .iter()
            .filter(|(_, split)| **split == Split::Test)
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!((tested(&before).len(), tested(&after).len()), (4, 12));
    let old = |name: &&String| before.contains_key(*name);
    assert_eq!(tested(&after).iter().filter(old).cloned().collect::<Vec<_>>(), tested(&before));
}

async fn a_manifest_says_what_was_learnt(test: TestDatabase) {
    let site = Site::of(test, "Paris").await;
    site.store_many("tower", &["Tower"], 8).await;
    site.store_many("street", &[], 2).await;
    let (one, other) = (site.choose().await, site.choose().await);
    let manifest = site.manifest(&one).await;
    assert_eq!(manifest, site.manifest(&other).await, "the same images and order give the same manifest");
    assert_ne!(one.id, other.id);
    assert_eq!((&manifest["seed"], &manifest["classes"]), (&7.into(), &serde_json::json!(["Tower"])));
    let images = manifest["images"].as_array().unwrap();
    assert_eq!(images.len(), 10);
    let tower = images.iter().find(|image| image["source"] == "tower 0").unwrap();
    assert_eq!(tower["boxes"], serde_json::json!([[0, 0.25, 0.25, 0.5, 0.5]]));
    assert_eq!((tower["human"].as_bool(), tower["licence"].as_str()), (Some(true), Some("CC-BY-4.0")));
    assert_eq!(tower["sha256"].as_str().unwrap().len(), 64);
}

async fn a_city_with_too_few_images_is_told(test: TestDatabase) {
    let site = Site::of(test, "Paris").await;
    site.store_many("tower", &["Tower"], 4).await;
    site.store_many("arch", &["Arch"], 2).await;
    let error = choose(&site.warehouse, &site.order()).await.unwrap_err().to_string();
    assert!(error.contains("no sight has 5") && error.contains("`Tower` has most of them: 4"), "{error}");
}
