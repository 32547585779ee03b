//! Lists in pages: how many items, and where the list goes on.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{Problem, Slug};

/// How many items a page has where the client does not say.
const USUAL_LIMIT: usize = 50;
/// And at most.
const GREATEST_LIMIT: usize = 500;
/// Bytes of the check sum before a cursor's content.
const CHECK_LENGTH: usize = 8;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The page from items of which one more than `limit` was asked for; `place` tells the place of an item, after
    /// which the next page begins.
    pub fn cut<P: Place>(mut items: Vec<T>, limit: usize, place: impl FnOnce(&T) -> P) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).and_then(|last| encode(&place(last)));
        Self { items, next }
    }

    /// The same page with items in another form.
    pub fn map<U>(self, form: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(form).collect(), next: self.next }
    }
}

/// A place in a list: the keys of the item that a page ended with.
pub trait Place: Serialize + DeserializeOwned {
    /// Which list in which order, and the version of this type's form: `cities-by-name.1`. Cursors of other lists and
    /// versions are refused.
    const LIST: &'static str;
}

/// A place as a cursor: a check sum and JSON, together in base64 for URLs. Keys of JSON are strings, so that a place
/// which cannot be written has a map with other keys; such a list has no next page.
fn encode<P: Place>(place: &P) -> Option<String> {
    let json = serde_json::to_vec(place).ok()?;
    let bytes = [&check::<P>(&json), json.as_slice()].concat();
    Some(BASE64.encode_to_string(bytes))
}

fn decode<P: Place>(cursor: &str) -> Option<P> {
    let bytes = BASE64.decode_to_vec(cursor).ok()?;
    let (check_sum, json) = bytes.split_first_chunk::<CHECK_LENGTH>()?;
    if *check_sum != check::<P>(json) {
        return None;
    }
    serde_json::from_slice(json).ok()
}

/// Not against forgers, who gain nothing: a cursor opens no list that is not open. It finds cursors that were cut,
/// edited, or taken from another list.
fn check<P: Place>(json: &[u8]) -> [u8; CHECK_LENGTH] {
    let digest = Sha256::new().chain_update(P::LIST).chain_update([0]).chain_update(json).finalize();
    std::array::from_fn(|index| digest[index])
}

/// Which page of a list is wanted. It can be extracted by handlers; other parameters are left to them.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// How many items at most.
    #[param(required = false, minimum = 1, maximum = 500, default = 50)]
    pub limit: usize,
    /// Where to go on: `next` of the page before; the first page without it.
    #[param(required = false)]
    pub cursor: Option<String>,
}

/// What the parameters are before they are checked.
#[derive(Deserialize)]
struct Sent {
    limit: Option<String>,
    cursor: Option<String>,
}

impl PageQuery {
    /// The place after which the page begins; none for the first page.
    ///
    /// # Errors
    /// When the cursor is none of this list.
    pub fn after<P: Place>(&self) -> Result<Option<P>, Problem> {
        self.cursor.as_deref().map(|cursor| decode(cursor).ok_or_else(bad_cursor)).transpose()
    }

    fn read(sent: Sent) -> Result<Self, Problem> {
        let number = |text: &str| text.parse().ok().filter(|limit| (1..=GREATEST_LIMIT).contains(limit));
        let limit = sent.limit.map_or(Some(USUAL_LIMIT), |text| number(&text));
        let limit = limit.ok_or_else(|| {
            invalid(format!("the parameter `limit` must be a whole number from 1 to {GREATEST_LIMIT}"))
        })?;
        Ok(Self { limit, cursor: sent.cursor })
    }
}

fn invalid(what: String) -> Problem {
    Problem::new(Slug::InvalidParameter, what)
}

fn bad_cursor() -> Problem {
    let what = "the parameter `cursor` is no place in this list; take it from `next` of the page before, or begin without it";
    Problem::new(Slug::BadCursor, what)
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let sent = Query::<Sent>::from_request_parts(parts, state).await;
        let Query(sent) = sent.map_err(|error| {
            invalid(format!(
                "the query cannot be read: {}; send `limit` and `cursor` once each",
                error.body_text()
            ))
        })?;
        Self::read(sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;
    use proptest::prelude::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct ByName {
        name: String,
        id: u64,
    }

    impl Place for ByName {
        const LIST: &'static str = "things-by-name.1";
    }

    /// The same form, but another list.
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Foreign {
        name: String,
        id: u64,
    }

    impl Place for Foreign {
        const LIST: &'static str = "things-by-name.2";
    }

    fn place(name: &str) -> ByName {
        ByName { name: name.to_owned(), id: 7 }
    }

    async fn query(uri: &str) -> Result<PageQuery, Problem> {
        let (mut parts, ()) = Request::builder().uri(uri).body(()).unwrap().into_parts();
        PageQuery::from_request_parts(&mut parts, &()).await
    }

    #[tokio::test]
    async fn limits_have_a_default_and_bounds() {
        for (uri, limit) in [("/", 50), ("/?limit=1&other=x", 1), ("/?limit=500", 500)] {
            assert_eq!(query(uri).await.unwrap(), PageQuery { limit, cursor: None });
        }
        for uri in ["/?limit=0", "/?limit=501", "/?limit=-1", "/?limit=", "/?limit=ten", "/?limit=1&limit=2"]
        {
            let problem = query(uri).await.unwrap_err();
            assert_eq!(problem.slug(), Slug::InvalidParameter, "{uri}");
            assert!(problem.detail().contains("`limit`"), "{}", problem.detail());
        }
    }

    #[tokio::test]
    async fn pages_lead_through_the_whole_list() {
        let names: Vec<String> = (0..7).map(|index| format!("name {index}")).collect();
        let (mut seen, mut uri) = (Vec::new(), "/?limit=3".to_owned());
        loop {
            let query = query(&uri).await.unwrap();
            let after = query.after::<ByName>().unwrap().map_or(String::new(), |place| place.name);
            let rest = names.iter().filter(|name| **name > after).take(query.limit + 1).cloned().collect();
            let page = Page::cut(rest, query.limit, |name: &String| place(name));
            assert!(page.items.len() <= 3);
            seen.extend(page.items);
            let Some(next) = page.next else { break };
            uri = format!("/?limit=3&cursor={next}");
        }
        assert_eq!(seen, names);
    }

    #[test]
    fn a_page_that_ends_with_the_list_is_the_last() {
        assert_eq!(Page::cut(vec![1, 2], 2, |_| place("x")).next, None);
        assert_eq!(Page::cut(Vec::<u8>::new(), 2, |_| place("x")).next, None);
        let json = serde_json::to_value(Page::cut(vec![1], 2, |_| place("x")).map(|one| one + 1)).unwrap();
        assert_eq!(json, serde_json::json!({"items": [2], "next": null}));
    }

    #[test]
    fn cursors_of_other_lists_are_refused() {
        let cursor = encode(&place("x"));
        assert!(cursor.as_deref().is_some_and(|cursor| decode::<ByName>(cursor).is_some()));
        let query = PageQuery { limit: 1, cursor };
        assert_eq!(query.after::<Foreign>().unwrap_err().slug(), Slug::BadCursor);
    }

    proptest! {
        #[test]
        fn cursors_come_back(name in "\\PC{0,20}", id: u64) {
            let place = ByName { name, id };
            let cursor = encode(&place).unwrap();
            prop_assert!(cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
            prop_assert_eq!(decode::<ByName>(&cursor), Some(place));
        }

        #[test]
        fn changed_cursors_are_refused(text in "[A-Za-z0-9_=-]{0,60}", at in 0usize..40, to in "[A-Za-z0-9_-]") {
            prop_assert!(decode::<ByName>(&text).is_none());
            let cursor = encode(&place("somewhere")).unwrap();
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &to);
            prop_assert!(changed == cursor || decode::<ByName>(&changed).is_none());
        }
    }
}
