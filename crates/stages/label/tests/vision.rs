//! Google Vision over real sockets.

use std::time::{Duration, Instant};

use serde_json::json;
use sightscan_label::vision::{Credentials, CredentialsError, Vision, VisionConfig, VisionError};
use sightscan_label::{Answer, Found, Labeller as _, Picture};
use sightscan_testkit::upstreams::vision::{API_KEY, Landmark, PATH, Sighting, refusal};
use sightscan_testkit::upstreams::{Answer as Fixed, Fault};
use sightscan_types::{Producer, ProducerKind, RelativeBox};

use crate::support::{Google, assert_no_secret, by_key, landmark, painted, pictures, plain};

fn nothing() -> Answer {
    Answer::Labelled(vec![])
}

/// Whether it is transient, whether it was billed, and why.
fn failed(answer: &Answer) -> (bool, bool, &str) {
    let Answer::Failed { is_transient, was_billed, reason } = answer else { panic!("{answer:?}") };
    (*is_transient, *was_billed, reason)
}

#[track_caller]
fn assert_failed(answer: &Answer, is_transient: bool, was_billed: bool) {
    let (transient, billed, reason) = failed(answer);
    assert_eq!((transient, billed), (is_transient, was_billed), "{reason}");
}

#[track_caller]
fn assert_exhausted(answers: &[Answer], count: usize, said: &str) {
    assert_eq!(answers.len(), count);
    for answer in answers {
        let Answer::Exhausted { reason, was_billed: false } = answer else { panic!("{answer:?}") };
        assert!(reason.contains(said), "{reason}");
    }
}

#[tokio::test]
async fn row_23_w_l4_all_landmarks_of_a_picture_are_kept_with_score_and_origin() {
    let google = Google::start().await;
    let pictures = pictures(2);
    let landmarks = vec![landmark("Brandenburg Gate"), landmark("Quadriga")];
    google.sees(vec![(pictures[1].bytes.clone(), Sighting::Landmarks(landmarks))]);
    let vision = google.by_key();
    let answers = vision.label(pictures).await;
    let found = |label: &str| Found {
        label: label.to_owned(),
        area: RelativeBox { x: 0.0, y: 0.0, w: 0.5, h: 0.5 },
        score: Some(0.87),
        mid: Some("/m/0b_5z".to_owned()),
        latitude: Some(52.5),
        longitude: Some(13.25),
    };
    assert_eq!(answers, [nothing(), Answer::Labelled(vec![found("Brandenburg Gate"), found("Quadriga")])]);
    assert!(answers.iter().all(Answer::was_billed));
    let producer = Producer { kind: ProducerKind::Vision, name: "google-vision".to_owned() };
    assert_eq!(vision.producer(), producer);
}

#[tokio::test]
async fn row_22_the_box_refers_to_the_picture_and_not_to_the_copy_that_is_sent() {
    let google = Google::start().await;
    let whole = plain(1337, 1338, [40, 80, 120]);
    let seen = |bytes: &Picture, edges| {
        (bytes.bytes.clone(), Sighting::Landmarks(vec![Landmark::new("Tor", edges)]))
    };
    google.sees(vec![seen(&whole, [100, 200, 300, 250])]);
    let answers = google.by_key().label(vec![whole.clone()]).await;
    let [Answer::Labelled(found)] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(found[0].area.to_legacy(), [0.07479, 0.85052, 0.22438, 0.81315]);

    // The same picture in half the size has its corners at half the places.
    let vision = by_key(VisionConfig { max_side: 669, ..google.config() });
    vision.label(vec![whole.clone()]).await;
    let copy = Picture { bytes: google.vision.seen().pop().unwrap(), ..whole.clone() };
    assert!(copy.bytes != whole.bytes);
    google.sees(vec![seen(&copy, [50, 100, 150, 125])]);
    let answers = vision.label(vec![whole]).await;
    let [Answer::Labelled(small)] = &answers[..] else { panic!("{answers:?}") };
    let (small, large) = (small[0].area, found[0].area);
    for (one, other) in [(small.x, large.x), (small.y, large.y), (small.w, large.w), (small.h, large.h)] {
        assert!((one - other).abs() < 0.001, "{small:?} {large:?}");
    }
}

#[tokio::test]
async fn w_p5_sixteen_pictures_go_in_one_request_and_each_goes_once() {
    let google = Google::start().await;
    let pictures = pictures(40);
    let vision = google.by_key();
    assert_eq!(vision.most_at_once(), 16);
    assert_eq!(vision.label(pictures.clone()).await, vec![nothing(); 40]);
    assert_eq!(google.batches(), [16, 16, 8]);
    assert!(google.vision.seen().iter().eq(pictures.iter().map(|picture| &picture.bytes)));
    assert_eq!(google.vision.upstream.log().most_in_flight(), 1);
    assert_eq!(vision.label(vec![]).await, []);
}

#[tokio::test]
async fn requests_are_no_larger_than_vision_takes() {
    let google = Google::start().await;
    let noise =
        |_| painted(600, 600, std::iter::repeat_with(|| fastrand::u8(..)).take(3 * 600 * 600).collect());
    let vision = by_key(VisionConfig { max_bytes: 4 << 20, ..google.config() });
    let answers = vision.label((0..12).map(noise).collect()).await;
    assert_eq!(answers, vec![nothing(); 12]);
    assert!(
        google.batches().len() > 1 && google.batches().iter().sum::<usize>() == 12,
        "{:?}",
        google.batches()
    );
}

#[tokio::test]
async fn w_c49_an_error_of_one_picture_is_its_own() {
    let google = Google::start().await;
    let mut pictures = pictures(5);
    let error = |code, message: &str| Sighting::Error { code, message: message.to_owned() };
    let sightings = [
        error(3, "Bad image data."),
        error(14, "Try again."),
        Sighting::Landmarks(vec![landmark("Dom, (Berlin)")]),
    ];
    google.sees(pictures.iter().map(|picture| picture.bytes.clone()).zip(sightings).collect());
    pictures[4].bytes = b"no picture".as_slice().into();
    let answers = google.by_key().label(pictures).await;
    assert_failed(&answers[0], false, true);
    assert!(failed(&answers[0]).2.contains("Bad image data."));
    assert_failed(&answers[1], true, true);
    assert!(matches!(&answers[2], Answer::Labelled(found) if found[0].label == "Dom, (Berlin)"));
    assert_eq!(answers[3], nothing());
    assert_failed(&answers[4], false, false);
    assert_eq!(google.batches(), [4]);
}

#[tokio::test]
async fn w_c49_a_used_up_quota_stops_everything_and_is_not_nothing() {
    let google = Google::start().await;
    google.vision.upstream.fix(PATH, refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded."));
    let answers = google.by_key().label(pictures(40)).await;
    assert_exhausted(&answers, 40, "Quota exceeded.");
    let tries = google.config().tries as usize;
    assert_eq!(google.requests(), tries, "the other batches are not even tried");
    assert_eq!(google.vision.pictures_seen(), 0);
}

#[tokio::test]
async fn w_c49_a_refused_project_stops_at_once() {
    let google = Google::start().await;
    let message = format!("Permission denied: Consumer 'api_key:{API_KEY}' has been suspended.");
    google.vision.refuse_next([refusal(403, "PERMISSION_DENIED", &message)]);
    let answers = google.by_key().label(pictures(20)).await;
    assert_exhausted(&answers, 20, "'api_key:…' has been suspended");
    assert_eq!(google.requests(), 1);
    assert_no_secret(&answers);
}

#[tokio::test]
async fn what_nobody_looked_at_is_tried_again() {
    let google = Google::start().await;
    let faults = [Fault::ServerError, Fault::TooMany { retry_after: 1 }, Fault::RedirectLoop];
    google.vision.upstream.faults().next(PATH, faults);
    let begun = Instant::now();
    assert_eq!(google.by_key().label(pictures(3)).await, vec![nothing(); 3]);
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After is respected");
    assert_eq!(google.batches(), [3]);
    assert_eq!(google.requests(), 4);
    assert_eq!(google.vision.upstream.log().count("/.loop"), 0, "redirects are not followed");
}

#[tokio::test]
async fn a_long_wait_is_left_to_the_caller() {
    let google = Google::start().await;
    google.vision.upstream.faults().next(PATH, [Fault::TooMany { retry_after: 86_400 }]);
    let answers = google.by_key().label(pictures(1)).await;
    assert_exhausted(&answers, 1, "429");
    assert_eq!(google.requests(), 1);
}

#[tokio::test]
async fn row_20_what_may_have_been_looked_at_is_not_sent_again_and_counts_as_billed() {
    for fault in [Fault::Truncated, Fault::WrongType, Fault::Slow(Duration::from_secs(9))] {
        let google = Google::start().await;
        google.vision.upstream.faults().next(PATH, [fault]);
        let vision = by_key(VisionConfig { timeout: Duration::from_millis(500), ..google.config() });
        let answers = vision.label(pictures(2)).await;
        for answer in &answers {
            assert_failed(answer, true, true);
        }
        assert_eq!(google.requests(), 1, "{fault:?}");
        assert_no_secret(&answers);
    }
}

#[tokio::test]
async fn row_20_the_pictures_that_are_billed_are_at_least_those_that_were_looked_at() {
    let google = Google::start().await;
    let kinds = [Fault::ServerError, Fault::RedirectLoop, Fault::WrongType, Fault::Truncated];
    google.vision.upstream.faults().set(0.3, &kinds);
    let vision = google.by_key();
    let (mut billed, mut labelled) = (0, 0);
    for batch in pictures(400).chunks(16) {
        let answers = vision.label(batch.to_vec()).await;
        billed += answers.iter().filter(|answer| answer.was_billed()).count();
        labelled += answers.iter().filter(|answer| **answer == nothing()).count();
    }
    assert!(billed >= google.vision.pictures_seen(), "{billed} {}", google.vision.pictures_seen());
    assert!(labelled > 200 && labelled < 400, "{labelled}: some answers were lost, most came");
}

#[tokio::test]
async fn a_service_that_is_not_there_costs_nothing() {
    let google = Google::start().await;
    let config = google.config();
    drop(google);
    let answers = by_key(config).label(pictures(1)).await;
    assert_failed(&answers[0], true, false);
    assert_no_secret(&answers);
}

#[tokio::test]
async fn one_picture_that_spoils_a_request_is_found() {
    let google = Google::start().await;
    // It is the first one of four, so the first half and then the first quarter are refused as well.
    google.vision.refuse_next(["Four.", "Two.", "One."].map(|said| refusal(400, "INVALID_ARGUMENT", said)));
    let answers = google.by_key().label(pictures(4)).await;
    assert_failed(&answers[0], false, false);
    assert!(failed(&answers[0]).2.contains("One."));
    assert_eq!(answers[1..], [nothing(), nothing(), nothing()]);
    assert_eq!(google.batches(), [1, 2]);
}

#[tokio::test]
async fn a_service_account_gets_one_token_for_many_requests() {
    let google = Google::start().await;
    let vision = google.by_account();
    assert_eq!(vision.label(pictures(40)).await, vec![nothing(); 40]);
    assert_eq!((google.oauth.tokens_given(), google.batches().len()), (1, 3));
}

#[tokio::test]
async fn concurrent_requests_share_a_token() {
    let google = Google::start().await;
    let vision = google.by_account();
    tokio::join!(vision.label(pictures(1)), vision.label(pictures(1)), vision.label(pictures(1)));
    assert_eq!(google.oauth.tokens_given(), 1);
}

#[tokio::test]
async fn a_token_is_renewed_before_it_expires() {
    let google = Google::start().await;
    google.oauth.set_expires_in(60);
    let vision = google.by_account();
    assert_eq!(vision.label(pictures(20)).await, vec![nothing(); 20]);
    assert_eq!(google.oauth.tokens_given(), 2, "a minute is too short for another request");
}

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_run_is_renewed() {
    let google = Google::start().await;
    google.oauth.expire_after(2);
    let vision = google.by_account();
    assert_eq!(vision.label(pictures(70)).await, vec![nothing(); 70]);
    assert_eq!((google.oauth.tokens_given(), google.batches()), (3, vec![16, 16, 16, 16, 6]));
    assert_no_secret(&vision);
}

#[tokio::test]
async fn a_token_that_is_never_accepted_is_renewed_once() {
    let google = Google::start().await;
    google.vision.upstream.fix(PATH, Fixed::empty(401));
    let answers = google.by_account().label(pictures(20)).await;
    assert_exhausted(&answers, 20, "401");
    assert_eq!((google.oauth.tokens_given(), google.requests()), (2, 2));
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let google = Google::start().await;
    let tokens = &google.oauth.upstream;
    let said = json!({"error": "invalid_grant", "error_description": "Invalid JWT Signature."});
    tokens.fix("/token", Fixed::json(&said).status(400));
    let answers = google.by_account().label(pictures(20)).await;
    assert_exhausted(&answers, 20, "invalid_grant: Invalid JWT Signature.");
    tokens.fix("/token", Fixed::empty(500));
    assert_failed(&google.by_account().label(pictures(1)).await[0], true, false);
    assert_eq!(google.requests(), 0);
}

#[tokio::test]
async fn getting_a_token_is_tried_again_whatever_happens() {
    let google = Google::start().await;
    google.oauth.upstream.faults().next("/token", Fault::ALL);
    let vision = google.by_account_with(VisionConfig { tries: 9, ..google.config() });
    assert_eq!(vision.label(pictures(1)).await, [nothing()]);
    assert_eq!(google.vision.pictures_seen(), 1);
}

#[tokio::test]
async fn secrets_stay_in_headers() {
    let google = Google::start().await;
    let (by_key, by_account) = (google.by_key(), google.by_account());
    by_key.label(pictures(1)).await;
    by_account.label(pictures(1)).await;
    assert_no_secret(&(&by_key, &by_account));
    let requests = google.vision.upstream.log().requests();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|seen| seen.query().is_empty()));
}

#[tokio::test]
async fn a_wrong_key_stops_at_once() {
    let google = Google::start().await;
    let wrong = Vision::new(google.config(), Credentials::api_key("another").unwrap()).unwrap();
    assert_exhausted(&wrong.label(pictures(20)).await, 20, "API key not valid");
    assert_eq!(google.requests(), 1);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Credentials::service_account(&folder.path().join("auth.json")).unwrap_err();
    assert!(missing.to_string().contains("auth.json") && missing.to_string().contains("GOOGLE_APPLICATION_"));
    assert!(matches!(Credentials::api_key(" "), Err(CredentialsError::NoKey)));
    let key = || Credentials::api_key(API_KEY).unwrap();
    for base_url in ["vision", "ftp://vision.googleapis.com"] {
        let config = VisionConfig { base_url: base_url.to_owned(), ..VisionConfig::default() };
        assert!(matches!(Vision::new(config, key()), Err(VisionError::Url { .. })), "{base_url}");
    }
    let broken = Credentials::api_key("a\nb").unwrap();
    let error = Vision::new(VisionConfig::default(), broken).unwrap_err();
    assert!(matches!(error, VisionError::Key) && !error.to_string().contains("a\nb"));
}
