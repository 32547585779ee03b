//! What people say about labels.

use futures_util::future::join_all;
use sightscan_testkit::database::TestDatabase;
use sightscan_testkit::on_both_engines;
use sightscan_types::{CityId, ImageId, LabelId, ProducerKind, Review};
use sightscan_warehouse::labels::LabelledBox;
use sightscan_warehouse::reviews::{self, ASSIGNED_FOR, Filter, NewReview, Recorded, Undone, Verdict};
use sightscan_warehouse::{images, labels};
use uuid::Uuid;

use crate::support::{TestWarehouse, labelled};

on_both_engines![
    the_most_doubtful_image_comes_first,
    an_image_is_kept_for_one_person_for_a_while,
    of_many_who_ask_at_once_nobody_is_shown_the_same,
    w_l4_what_a_person_says_counts_and_what_machines_said_is_kept,
    a_negative_is_a_labelling,
    a_rejected_image_is_not_used_and_can_be_taken_back,
    an_image_that_was_passed_over_is_shown_to_others,
    reviews_are_taken_back_from_the_last_one_on,
    what_was_taken_back_comes_again_before_what_is_shown,
    who_saw_other_labels_is_told,
    of_two_who_review_at_once_one_is_told,
    reviews_are_listed_the_newest_first,
];

async fn next(test: &TestWarehouse, city: CityId, reviewer: &str, now: i64) -> Option<ImageId> {
    let assigned = reviews::next(test.database(), city, reviewer, now).await.unwrap();
    assigned.map(|assigned| assigned.image)
}

fn by(reviewer: &str, image: ImageId, verdict: Verdict) -> NewReview {
    NewReview { image, reviewer: reviewer.to_owned(), verdict, basis: None, boxes: vec![] }
}

async fn try_to_review(test: &TestWarehouse, review: &NewReview, now: i64) -> Recorded {
    let mut transaction = test.database().begin().await.unwrap();
    let recorded = reviews::record(&mut transaction, review, now).await.unwrap();
    transaction.commit().await.unwrap();
    recorded
}

async fn review(test: &TestWarehouse, review: &NewReview, now: i64) -> (Uuid, Option<LabelId>) {
    match try_to_review(test, review, now).await {
        Recorded::Done { review, label } => (review, label),
        other => panic!("{other:?}"),
    }
}

async fn undo(test: &TestWarehouse, review: Uuid) -> Undone {
    let mut transaction = test.database().begin().await.unwrap();
    let undone = reviews::undo(&mut transaction, review, "anna", 99).await.unwrap();
    transaction.commit().await.unwrap();
    undone
}

async fn score(test: &TestWarehouse, image: ImageId, kind: ProducerKind, label: &str, score: f64) {
    let boxes = vec![LabelledBox { score: Some(score), ..labelled(label) }];
    let label = labels::NewLabel { producer: crate::support::producer(kind), boxes };
    let mut transaction = test.database().begin().await.unwrap();
    labels::add(&mut transaction, image, &label, 1).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn the_most_doubtful_image_comes_first(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let [unseen, sure, unsure, disputed] = [(); 4].map(|()| test.fresh_image(&city));
    let (unseen, sure, unsure, disputed) = (unseen.await, sure.await, unsure.await, disputed.await);
    score(&test, sure, ProducerKind::Vision, "Gate", 0.9).await;
    score(&test, unsure, ProducerKind::Vision, "Gate", 0.4).await;
    score(&test, disputed, ProducerKind::Vision, "Gate", 0.9).await;
    score(&test, disputed, ProducerKind::Model, "Tower", 0.9).await;
    let mut order = Vec::new();
    for now in 1..=4 {
        let image = next(&test, city.id, "anna", now).await.unwrap();
        review(&test, &by("anna", image, Verdict::Negative), now).await;
        order.push(image);
    }
    assert_eq!(order, [disputed, unsure, sure, unseen]);
    assert_eq!(next(&test, city.id, "anna", 9).await, None);
    assert_eq!(reviews::open(test.database(), city.id).await.unwrap(), 0);
}

async fn an_image_is_kept_for_one_person_for_a_while(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let image = test.fresh_image(&city).await;
    assert_eq!(next(&test, city.id, "anna", 10).await, Some(image));
    assert_eq!(next(&test, city.id, "anna", 20).await, Some(image), "the same again");
    assert_eq!(next(&test, city.id, "ben", 20).await, None);
    assert_eq!(next(&test, city.id, "ben", 20 + ASSIGNED_FOR).await, Some(image), "anna has gone");
    assert_eq!(next(&test, city.id, "anna", 21 + ASSIGNED_FOR).await, None);
}

async fn of_many_who_ask_at_once_nobody_is_shown_the_same(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    for _ in 0..6 {
        test.fresh_image(&city).await;
    }
    let people: Vec<String> = (0..6).map(|number| format!("person {number}")).collect();
    let asked = people.iter().map(|person| next(&test, city.id, person, 5));
    let mut shown: Vec<ImageId> = join_all(asked).await.into_iter().map(Option::unwrap).collect();
    shown.sort_unstable();
    shown.dedup();
    assert_eq!(shown.len(), 6);
}

async fn w_l4_what_a_person_says_counts_and_what_machines_said_is_kept(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let image = test.fresh_image(&city).await;
    let vision = test.label(image, ProducerKind::Vision, &["Gate"], 10).await;
    let right = NewReview {
        basis: Some(Some(vision)),
        boxes: vec![labelled("Brandenburger Tor")],
        ..by("anna", image, Verdict::Correct)
    };
    let (id, label) = review(&test, &right, 20).await;
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!((Some(current.id), &*current.producer.name), (label, "anna"));
    assert_eq!(current.boxes, [labelled("Brandenburger Tor")]);
    test.label(image, ProducerKind::Vision, &["Gate"], 30).await;
    assert_eq!(labels::current(test.database(), image).await.unwrap().unwrap().id, current.id);
    assert_eq!(undo(&test, id).await, Undone::Done(image));
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!((current.producer.kind, current.made_at), (ProducerKind::Vision, 30));
    let history = labels::history(test.database(), image).await.unwrap();
    assert_eq!(history.iter().map(|label| label.withdrawn_at).collect::<Vec<_>>(), [None, Some(99), None]);
    assert_eq!(next(&test, city.id, "ben", 100).await, None, "it is kept for anna");
    assert_eq!(next(&test, city.id, "ben", 99 + ASSIGNED_FOR).await, Some(image), "it is open again");
}

async fn a_negative_is_a_labelling(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let shown = NewReview { boxes: vec![labelled("Gate")], ..by("anna", image, Verdict::Negative) };
    let (_, label) = review(&test, &shown, 1).await;
    let current = labels::current(test.database(), image).await.unwrap().unwrap();
    assert_eq!((Some(current.id), current.boxes.len()), (label, 0));
}

async fn a_rejected_image_is_not_used_and_can_be_taken_back(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let image = test.fresh_image(&city).await;
    let (id, label) = review(&test, &by("anna", image, Verdict::Reject), 1).await;
    let state = async || images::get(test.database(), image).await.unwrap().unwrap().review;
    assert_eq!((label, state().await), (None, Review::Rejected));
    assert_eq!(next(&test, city.id, "ben", 2).await, None);
    assert_eq!(undo(&test, id).await, Undone::Done(image));
    assert_eq!(state().await, Review::Accepted);
}

async fn an_image_that_was_passed_over_is_shown_to_others(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let image = test.fresh_image(&city).await;
    let (id, _) = review(&test, &by("anna", image, Verdict::Skip), 1).await;
    assert_eq!(next(&test, city.id, "anna", 2).await, None);
    assert_eq!(next(&test, city.id, "ben", 2).await, Some(image));
    assert_eq!(undo(&test, id).await, Undone::Done(image));
    assert_eq!(next(&test, city.id, "anna", 3 + ASSIGNED_FOR).await, Some(image));
}

async fn reviews_are_taken_back_from_the_last_one_on(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let (first, label) = review(&test, &by("anna", image, Verdict::Negative), 1).await;
    let right = NewReview { boxes: vec![labelled("Gate")], ..by("ben", image, Verdict::Correct) };
    let (second, _) = review(&test, &right, 2).await;
    assert_eq!(undo(&test, first).await, Undone::NotTheLast);
    assert_eq!(undo(&test, second).await, Undone::Done(image));
    assert_eq!(undo(&test, second).await, Undone::Already);
    assert_eq!(labels::current(test.database(), image).await.unwrap().map(|current| current.id), label);
    assert_eq!(undo(&test, first).await, Undone::Done(image));
    assert_eq!(labels::current(test.database(), image).await.unwrap(), None);
    assert_eq!(undo(&test, Uuid::now_v7()).await, Undone::NoReview);
}

async fn what_was_taken_back_comes_again_before_what_is_shown(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let city = test.city("Berlin").await;
    let [sure, unsure] = [(); 2].map(|()| test.fresh_image(&city));
    let (sure, unsure) = (sure.await, unsure.await);
    score(&test, sure, ProducerKind::Vision, "Gate", 0.9).await;
    score(&test, unsure, ProducerKind::Vision, "Gate", 0.4).await;
    assert_eq!(next(&test, city.id, "anna", 10).await, Some(unsure));
    review(&test, &by("anna", unsure, Verdict::Negative), 20).await;
    assert_eq!(next(&test, city.id, "anna", 30).await, Some(sure));
    let (id, _) = review(&test, &by("anna", sure, Verdict::Skip), 40).await;
    let third = test.fresh_image(&city).await;
    score(&test, third, ProducerKind::Vision, "Gate", 0.1).await;
    assert_eq!(next(&test, city.id, "anna", 50).await, Some(third));
    assert_eq!(undo(&test, id).await, Undone::Done(sure));
    assert_eq!(
        next(&test, city.id, "anna", 100).await,
        Some(sure),
        "although the other one is more doubtful"
    );
    review(&test, &by("anna", sure, Verdict::Negative), 110).await;
    assert_eq!(next(&test, city.id, "anna", 120).await, Some(third));
}

async fn who_saw_other_labels_is_told(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let seen = NewReview { basis: Some(None), ..by("anna", image, Verdict::Negative) };
    test.label(image, ProducerKind::Vision, &["Gate"], 10).await;
    assert_eq!(try_to_review(&test, &seen, 20).await, Recorded::Outdated);
    assert_eq!(test.count("SELECT COUNT(*) FROM label_reviews").await, 0);
    let nowhere = by("anna", ImageId::new(), Verdict::Negative);
    assert_eq!(try_to_review(&test, &nowhere, 20).await, Recorded::NoImage);
}

async fn of_two_who_review_at_once_one_is_told(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let image = test.fresh_image(&test.city("Berlin").await).await;
    let people: Vec<NewReview> = (0..6)
        .map(|number| NewReview {
            basis: Some(None),
            ..by(&format!("person {number}"), image, Verdict::Negative)
        })
        .collect();
    let done = join_all(people.iter().map(|each| try_to_review(&test, each, 5))).await;
    assert_eq!(done.iter().filter(|done| matches!(done, Recorded::Done { .. })).count(), 1, "{done:?}");
}

async fn reviews_are_listed_the_newest_first(test: TestDatabase) {
    let test = TestWarehouse::new(test);
    let (city, other) = (test.city("Berlin").await, test.city("Paris").await);
    let (gate, tower) = (test.fresh_image(&city).await, test.fresh_image(&other).await);
    let (first, _) = review(&test, &by("anna", gate, Verdict::Negative), 1).await;
    let (second, _) = review(&test, &by("ben", gate, Verdict::Negative), 2).await;
    review(&test, &by("anna", tower, Verdict::Reject), 3).await;
    let list = async |filter: Filter, before| {
        let found = reviews::list(test.database(), city.id, &filter, before, 10).await.unwrap();
        found.into_iter().map(|review| review.id).collect::<Vec<_>>()
    };
    assert_eq!(list(Filter::default(), None).await, [second, first]);
    assert_eq!(list(Filter::default(), Some(second)).await, [first]);
    let ben = Filter { reviewer: Some("ben".to_owned()), image: Some(gate) };
    assert_eq!(list(ben, None).await, [second]);
}
