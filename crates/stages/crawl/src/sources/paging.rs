//! Answers that come in pages.

use std::collections::HashSet;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};

use crate::{Candidate, SourceError};

/// Pages of one question, at most.
const MOST_PAGES: usize = 200;

/// A source that gives so many pages in a row without a new picture is done, or repeats itself.
const MOST_BARREN: usize = 10;

/// Pictures as a source names them.
pub(super) type Named<'a> = BoxStream<'a, Result<Candidate, SourceError>>;

/// One page of an answer.
#[derive(Debug)]
pub(super) struct Page<C> {
    /// What it names.
    pub(super) candidates: Vec<Candidate>,
    /// How to ask for the next one; `None` on the last one.
    pub(super) next: Option<C>,
}

struct Pages<A> {
    ask: A,
    seen: HashSet<String>,
    asked: usize,
    barren: usize,
}

/// Asks for pages as they are read, until there are none or they bring nothing new. It ends after an error.
pub(super) fn pages<'a, C, A>(first: C, ask: A) -> Named<'a>
where
    C: Send + 'a,
    A: Fn(C) -> BoxFuture<'a, Result<Page<C>, SourceError>> + Send + 'a,
{
    let pages = Pages { ask, seen: HashSet::new(), asked: 0, barren: 0 };
    let turned = stream::try_unfold((Some(first), pages), |(cursor, mut pages)| async move {
        let Some(cursor) = cursor else { return Ok(None) };
        let page = (pages.ask)(cursor).await?;
        let (fresh, next) = pages.turn(page);
        Ok(Some((stream::iter(fresh).map(Ok), (next, pages))))
    });
    turned.try_flatten().boxed()
}

/// As [`pages`], for a source that is searched for words and numbers what it answers from 1.
pub(super) fn search<'a, A, F>(words: String, ask: A) -> Named<'a>
where
    A: Fn(String, u32) -> F + Send + 'a,
    F: Future<Output = Result<Page<u32>, SourceError>> + Send + 'a,
{
    pages(1, move |number| ask(words.clone(), number).boxed())
}

impl<A> Pages<A> {
    fn turn<C>(&mut self, page: Page<C>) -> (Vec<Candidate>, Option<C>) {
        let is_new = |candidate: &Candidate| self.seen.insert(candidate.source.clone());
        let fresh: Vec<Candidate> = page.candidates.into_iter().filter(is_new).collect();
        self.asked += 1;
        self.barren = if fresh.is_empty() { self.barren + 1 } else { 0 };
        let goes_on = self.asked < MOST_PAGES && self.barren < MOST_BARREN;
        (fresh, page.next.filter(|_| goes_on))
    }
}

/// Each picture once, however many questions it answers. It ends after an error.
pub(super) fn distinct(named: Named<'_>) -> Named<'_> {
    let state = (named, HashSet::new());
    stream::try_unfold(state, |(mut named, mut seen)| async move {
        while let Some(candidate) = named.try_next().await? {
            if seen.insert(candidate.source.clone()) {
                return Ok(Some((candidate, (named, seen))));
            }
        }
        Ok(None)
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Picture;
    use bytes::Bytes;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn candidate(source: usize) -> Candidate {
        Candidate {
            source: source.to_string(),
            picture: Picture::Here(Bytes::new()),
            page_url: None,
            author: None,
            licence: None,
            licence_url: None,
        }
    }

    fn broken() -> SourceError {
        SourceError::Answer { name: "test", reason: "broken".to_owned(), is_transient: true }
    }

    async fn sources(named: Named<'_>) -> Vec<Result<String, String>> {
        named.map(|one| one.map(|one| one.source).map_err(|error| error.to_string())).collect().await
    }

    #[tokio::test]
    async fn pages_are_asked_for_as_they_are_read() {
        let asked = AtomicUsize::new(0);
        let named = pages(0, |page: usize| {
            asked.fetch_add(1, Ordering::Relaxed);
            let candidates = vec![candidate(2 * page), candidate(2 * page + 1)];
            async move { Ok(Page { candidates, next: (page < 2).then_some(page + 1) }) }.boxed()
        });
        let first: Vec<_> = named.take(2).collect().await;
        assert_eq!((first.len(), asked.load(Ordering::Relaxed)), (2, 1));
    }

    #[tokio::test]
    async fn the_last_page_ends_it() {
        let named = pages(0, |page: usize| {
            let page = Page { candidates: vec![candidate(page)], next: (page < 2).then_some(page + 1) };
            async { Ok(page) }.boxed()
        });
        assert_eq!(sources(named).await, ["0", "1", "2"].map(|one| Ok(one.to_owned())));
    }

    #[tokio::test]
    async fn the_same_page_for_ever_ends() {
        let asked = AtomicUsize::new(0);
        let named = pages((), |()| {
            asked.fetch_add(1, Ordering::Relaxed);
            async { Ok(Page { candidates: vec![candidate(1)], next: Some(()) }) }.boxed()
        });
        assert_eq!(sources(named).await, [Ok("1".to_owned())]);
        assert_eq!(asked.load(Ordering::Relaxed), 1 + MOST_BARREN);
    }

    #[tokio::test]
    async fn new_pages_for_ever_end_too() {
        let named = pages(0, |page: usize| {
            async move { Ok(Page { candidates: vec![candidate(page)], next: Some(page + 1) }) }.boxed()
        });
        assert_eq!(named.count().await, MOST_PAGES);
    }

    #[tokio::test]
    async fn nothing_comes_after_an_error() {
        let named = stream::iter([Ok(candidate(1)), Ok(candidate(1)), Err(broken()), Ok(candidate(2))]);
        let told = sources(distinct(named.boxed())).await;
        assert_eq!(told, [Ok("1".to_owned()), Err("test: broken".to_owned())]);
    }
}
