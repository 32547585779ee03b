//! Consents: what was given with one can be taken back.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{ConsentKind, ProducerKind};
use sightscan_warehouse::images::{self, Filter, Withdrawn};
use sightscan_warehouse::{consents, labels, marts, models, reviews};

use crate::support::{TestWarehouse, crawled, donated};

on_both_engines![
    w_l03_a_consent_is_kept_with_what_was_agreed_to,
    w_l03_what_was_given_is_gone_when_the_consent_is_withdrawn,
    w_l03_an_image_that_is_licensed_as_well_stays_without_the_donation,
    w_l03_an_image_of_two_donors_stays_until_both_take_it_back,
    w_l03_a_model_that_was_in_training_meanwhile_is_tainted_too,
    w_l03_who_withdraws_while_others_store_and_label_is_not_refused,
];

async fn w_l03_a_consent_is_kept_with_what_was_agreed_to(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (image, id) = donated();
    test.store(&test.city("Berlin").await, "a gate", &image).await;
    // The token of these tests is the id.
    let consent = consents::by_token(test.database(), &id.to_string()).await.unwrap().unwrap();
    assert_eq!((consent.id, consent.kind, consent.text_version.as_str()), (id, ConsentKind::Explicit, "1"));
    assert_eq!(consent.revoked_at, None);
    assert_eq!(consents::by_token(test.database(), "another").await.unwrap(), None);
    let kept = test.tool().await.texts("SELECT deletion_token FROM consents").await;
    assert_ne!(kept, [id.to_string()], "the token itself is not kept");
}

async fn w_l03_what_was_given_is_gone_when_the_consent_is_withdrawn(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let (donation, consent) = donated();
    let image = test.store(&berlin, "a gate", &donation).await.image;
    let other = test.fresh_image(&berlin).await;
    test.label(image, ProducerKind::Human, &["Gate"], 1).await;
    let review = reviews::NewReview {
        image,
        reviewer: "anna".to_owned(),
        verdict: reviews::Verdict::Negative,
        basis: None,
        boxes: vec![],
    };
    let mut transaction = test.database().begin().await.unwrap();
    reviews::record(&mut transaction, &review, 2).await.unwrap();
    transaction.commit().await.unwrap();
    let with = test.dataset(&berlin, &[(image, "train"), (other, "test")]).await;
    let without = test.dataset(&berlin, &[(other, "train")]).await;
    test.publish(&berlin, "one", Some(with)).await;
    test.publish(&berlin, "two", Some(without)).await;
    let sha256 = async |image| images::get(test.database(), image).await.unwrap().unwrap().sha256;
    let (blob, kept) = (sha256(image).await, sha256(other).await);
    test.publish_with_sheet(&berlin, &[blob, kept]).await;

    let withdrawn = images::withdraw(&test.warehouse, consent, "the donor wants it").await.unwrap();
    assert_eq!(withdrawn, Withdrawn { images: vec![image], tainted_datasets: 1, tainted_models: 1 });
    assert_eq!(images::get(test.database(), image).await.unwrap(), None);
    assert!(labels::history(test.database(), image).await.unwrap().is_empty());
    assert_eq!(test.count("SELECT COUNT(*) FROM boxes").await, 0);
    assert_eq!(test.warehouse.blobs.head(&blob).await.unwrap(), None);
    let listed = images::list(test.database(), berlin.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!(listed.iter().map(|image| image.id).collect::<Vec<_>>(), [other]);
    let model = async |version| models::get(test.database(), berlin.id, version).await.unwrap().unwrap();
    let tainted = model(1).await;
    assert!(tainted.tainted_at.is_some());
    assert_eq!(tainted.taint.as_deref(), Some("the donor wants it"));
    assert_eq!(model(2).await.tainted_at, None);
    let (metrics, details) = model(3).await.measured().unwrap();
    assert_eq!((metrics["map50"].as_f64(), details.history.len()), (Some(0.5), 1));
    assert_eq!(details.sheet.iter().map(|seen| seen.sha256).collect::<Vec<_>>(), [kept]);
    assert_eq!(test.count("SELECT COUNT(*) FROM datasets WHERE tainted_at IS NOT NULL").await, 1);
    let revoked = consents::by_id(test.database(), consent).await.unwrap().unwrap().revoked_at;
    assert!(revoked.is_some());
    // Twice is once.
    let again = images::withdraw(&test.warehouse, consent, "once more").await.unwrap();
    assert_eq!(again, Withdrawn::default());
    assert_eq!(consents::by_id(test.database(), consent).await.unwrap().unwrap().revoked_at, revoked);
}

async fn w_l03_an_image_that_is_licensed_as_well_stays_without_the_donation(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let (donation, consent) = donated();
    let image = test.store(&berlin, "a gate", &donation).await.image;
    test.store(&berlin, "a gate", &crawled("a catalogue")).await;
    test.label(image, ProducerKind::Human, &["Gate"], 1).await;
    let donated = async || {
        marts::refresh(test.database(), false).await.unwrap();
        marts::progress(test.database(), &berlin.slug).await.unwrap().unwrap().donated
    };
    assert_eq!(donated().await, 1);
    let withdrawn = images::withdraw(&test.warehouse, consent, "no more").await.unwrap();
    assert_eq!(withdrawn, Withdrawn::default());
    let found = images::get(test.database(), image).await.unwrap().unwrap();
    assert!(found.label.is_some() && test.warehouse.blobs.head(&found.sha256).await.unwrap().is_some());
    let origins = images::origins(test.database(), image).await.unwrap();
    assert_eq!(
        origins.iter().map(|origin| origin.provenance.source.as_str()).collect::<Vec<_>>(),
        ["a catalogue"]
    );
    let listed = images::list(test.database(), berlin.id, &Filter::default(), None, 10).await.unwrap();
    assert_eq!((listed[0].source.as_str(), listed[0].licence.as_deref()), ("a catalogue", Some("CC-BY-4.0")));
    assert_eq!(donated().await, 0);
}

async fn w_l03_an_image_of_two_donors_stays_until_both_take_it_back(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let (one, two) = (donated(), donated());
    let image = test.store(&berlin, "a gate", &one.0).await.image;
    test.store(&berlin, "a gate", &two.0).await;
    assert_eq!(images::withdraw(&test.warehouse, one.1, "").await.unwrap().images, []);
    assert_eq!(images::withdraw(&test.warehouse, two.1, "").await.unwrap().images, [image]);
}

async fn w_l03_a_model_that_was_in_training_meanwhile_is_tainted_too(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    let (donation, consent) = donated();
    let image = test.store(&berlin, "a gate", &donation).await.image;
    let before = test.dataset(&berlin, &[(image, "train")]).await;
    images::withdraw(&test.warehouse, consent, "no more").await.unwrap();
    let trained = test.publish(&berlin, "one", Some(before)).await;
    assert_eq!(trained.taint.as_deref(), Some("no more"));
    // A dataset whose images were chosen before they were withdrawn.
    let after = test.dataset(&berlin, &[(image, "train")]).await;
    assert!(test.publish(&berlin, "two", Some(after)).await.tainted_at.is_some());
}

async fn w_l03_who_withdraws_while_others_store_and_label_is_not_refused(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let berlin = test.city("Berlin").await;
    for round in 0..12_i64 {
        let (donation, consent) = donated();
        let image = test.store(&berlin, "a gate", &donation).await.image;
        let label =
            labels::NewLabel { producer: crate::support::producer(ProducerKind::Vision), boxes: vec![] };
        let labelling = join_all((0..3).map(|_| async {
            let mut transaction = test.database().begin().await.unwrap();
            // The image may be gone already.
            if labels::add(&mut transaction, image, &label, round).await.is_ok() {
                transaction.commit().await.unwrap();
            }
        }));
        let (again, other) = donated();
        let storing = test.store(&berlin, "a gate", &again);
        let withdrawing = images::withdraw(&test.warehouse, consent, "no more");
        let (withdrawn, stored, _) = tokio::join!(withdrawing, storing, labelling);
        let is_gone = !withdrawn.unwrap().images.is_empty();
        assert_eq!(is_gone, stored.new_image, "the second donation found the image or made it anew");
        let now = images::get(test.database(), stored.image).await.unwrap().unwrap();
        assert!(test.warehouse.blobs.head(&now.sha256).await.unwrap().is_some());
        assert_eq!(images::origins(test.database(), stored.image).await.unwrap().len(), 1);
        images::withdraw(&test.warehouse, other, "no more").await.unwrap();
    }
    assert_eq!(test.count("SELECT COUNT(*) FROM images").await, 0);
    assert_eq!(test.count("SELECT COUNT(*) FROM mart_city_images").await, 0);
}
