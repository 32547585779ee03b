//! What goes in one request.

use serde::Serialize;

use super::MOST_PICTURES;
use super::sent::Sent;
use super::wire::{self, Response};
use crate::Answer;

/// The largest request, in bytes of JSON: Vision's 10 MB, less what is not pictures.
const MOST_BYTES: usize = 10_000_000 - MOST_PICTURES * AROUND_A_PICTURE - 100;

/// Bytes of JSON around a picture, at most.
const AROUND_A_PICTURE: usize = 200;

/// The pictures of one request.
pub(super) struct Batch {
    pub(super) pictures: Vec<Sent>,
}

/// Fills requests one after another, in the order of the pictures.
pub(super) fn packed(sent: Vec<Sent>) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for one in sent {
        match batches.last_mut().filter(|batch| batch.has_room_for(&one)) {
            Some(batch) => batch.pictures.push(one),
            None => batches.push(Batch { pictures: vec![one] }),
        }
    }
    batches
}

impl Batch {
    fn has_room_for(&self, one: &Sent) -> bool {
        let bytes: usize = self.pictures.iter().map(|sent| sent.content.len()).sum();
        self.pictures.len() < MOST_PICTURES && bytes + one.content.len() <= MOST_BYTES
    }

    /// The body of the request.
    pub(super) fn body(&self, most_results: u32) -> Body<'_> {
        let features = [Feature { kind: "LANDMARK_DETECTION", max_results: most_results }];
        let requests =
            self.pictures.iter().map(|Sent { content, .. }| Request { image: Image { content }, features });
        Body { requests: requests.collect() }
    }

    /// Where one picture spoils a request, its halves tell which.
    pub(super) fn halves(mut self) -> [Self; 2] {
        let second = self.pictures.split_off(self.pictures.len() / 2);
        [self, Self { pictures: second }]
    }

    /// Reads the answers to its pictures, which are in their order.
    pub(super) fn read(&self, responses: Vec<Response>, answers: &mut [Answer]) {
        let mut responses = responses.into_iter();
        for sent in &self.pictures {
            let response = responses.next();
            if let Some(place) = answers.get_mut(sent.place) {
                *place = wire::read(response, sent);
            }
        }
    }

    pub(super) fn answer_all(&self, answers: &mut [Answer], answer: &Answer) {
        for sent in &self.pictures {
            if let Some(place) = answers.get_mut(sent.place) {
                *place = answer.clone();
            }
        }
    }
}

/// `BatchAnnotateImagesRequest`.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    requests: Vec<Request<'a>>,
}

#[derive(Serialize)]
struct Request<'a> {
    image: Image<'a>,
    features: [Feature; 1],
}

#[derive(Serialize)]
struct Image<'a> {
    content: &'a str,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    #[serde(rename = "type")]
    kind: &'static str,
    max_results: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sightscan_types::ImageId;

    fn sent(place: usize, bytes: usize) -> Sent {
        Sent { place, picture: ImageId::new(), content: "A".repeat(bytes), width: 1, height: 1 }
    }

    #[test]
    fn a_request_asks_for_landmarks_alone() {
        let batch = Batch { pictures: vec![sent(0, 4)] };
        let body = serde_json::to_value(batch.body(7)).unwrap();
        let features = serde_json::json!([{"type": "LANDMARK_DETECTION", "maxResults": 7}]);
        assert_eq!(
            body,
            serde_json::json!({"requests": [{"image": {"content": "AAAA"}, "features": features}]})
        );
    }

    #[test]
    fn halves_hold_all_of_a_batch() {
        let batch = Batch { pictures: (0..3).map(|place| sent(place, 1)).collect() };
        let places =
            batch.halves().map(|half| half.pictures.iter().map(|sent| sent.place).collect::<Vec<_>>());
        assert_eq!(places, [vec![0], vec![1, 2]]);
    }

    #[test]
    fn around_the_pictures_of_a_request_is_little() {
        let batch = Batch { pictures: (0..MOST_PICTURES).map(|place| sent(place, 8)).collect() };
        let body = serde_json::to_vec(&batch.body(u32::MAX)).unwrap();
        assert!(body.len() - 8 * MOST_PICTURES + MOST_BYTES <= 10_000_000, "{}", body.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn w_p5_requests_are_full_but_not_too_full(sizes in prop::collection::vec(1..3_000_000_usize, 0..40)) {
            let all = sizes.iter().enumerate().map(|(place, &bytes)| sent(place, bytes)).collect();
            let batches = packed(all);
            let places = batches.iter().flat_map(|batch| &batch.pictures).map(|sent| sent.place);
            prop_assert!(places.eq(0..sizes.len()));
            for batch in &batches {
                let bytes: usize = batch.pictures.iter().map(|sent| sent.content.len()).sum();
                prop_assert!(batch.pictures.len() <= MOST_PICTURES && bytes <= MOST_BYTES);
            }
            for pair in batches.windows(2) {
                prop_assert!(!pair[0].has_room_for(&pair[1].pictures[0]));
            }
        }
    }
}
