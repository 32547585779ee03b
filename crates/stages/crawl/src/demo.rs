//! The invented city: its landmarks are its sights, and its pictures are drawn instead of fetched.

use futures_util::FutureExt;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use sightscan_dataset::{Album, Landmark, Page};

use crate::{Candidate, City, ImageSource, Picture, Sight, SightSource, SourceError};

const NAME: &str = "demo";

/// Names the landmarks of the invented city, and pictures of each, for whatever city is asked.
#[derive(Debug, Clone)]
pub struct Demo {
    album: Album,
}

impl Demo {
    /// The invented city.
    ///
    /// # Errors
    /// When its pictures cannot be drawn.
    pub fn new() -> Result<Self, SourceError> {
        Ok(Self { album: Album::new().map_err(wrong)? })
    }

    /// The first picture from this number on that shows a landmark, and the number after it.
    async fn next(&self, landmark: Landmark, from: u64) -> Result<Option<(Candidate, u64)>, SourceError> {
        let album = self.album.clone();
        let drawn = tokio::task::spawn_blocking(move || {
            let number = album.next_showing(landmark, from)?;
            Some(album.page(number).map(|page| (candidate(number, page), number + 1)))
        });
        drawn.await.map_err(wrong)?.transpose().map_err(wrong)
    }
}

fn candidate(number: u64, page: Page) -> Candidate {
    Candidate {
        source: format!("demo:{number}"),
        picture: Picture::Here(page.file.into()),
        page_url: None,
        author: Some("SightScan".to_owned()),
        licence: Some("CC0-1.0".to_owned()),
        licence_url: Some("https://creativecommons.org/publicdomain/zero/1.0/".to_owned()),
    }
}

fn wrong(error: impl std::fmt::Display) -> SourceError {
    SourceError::Answer { name: NAME, reason: error.to_string(), is_transient: false }
}

impl SightSource for Demo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn sights<'a>(&'a self, _city: &'a City, limit: u32) -> BoxFuture<'a, Result<Vec<Sight>, SourceError>> {
        let sight = |landmark: Landmark| Sight {
            name: landmark.name().to_owned(),
            source: NAME.to_owned(),
            external_id: Some(landmark.name().to_owned()),
            ..Sight::default()
        };
        let sights = Landmark::ALL.into_iter().take(limit as usize).map(sight).collect();
        std::future::ready(Ok(sights)).boxed()
    }
}

impl ImageSource for Demo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        _city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        // It has no pictures of the sights of other cities.
        let Ok(landmark) = sight.name.parse::<Landmark>() else { return stream::empty().boxed() };
        stream::try_unfold(Album::NUMBERS.start, move |from| self.next(landmark, from)).boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn its_sights_have_pictures_with_a_licence_and_others_have_none() {
        let (demo, city) = (Demo::new().unwrap(), City::default());
        let sights = demo.sights(&city, 3).await.unwrap();
        assert_eq!(
            sights.iter().map(|sight| sight.name.as_str()).collect::<Vec<_>>(),
            ["tower", "arch", "dome"]
        );
        let pictures: Vec<Candidate> = demo.pictures(&city, &sights[1]).take(3).try_collect().await.unwrap();
        let again: Vec<Candidate> = demo.pictures(&city, &sights[1]).take(3).try_collect().await.unwrap();
        assert_eq!(pictures, again, "the same question gives the same pictures in the same order");
        assert!(pictures.iter().all(|picture| picture.licence.as_deref() == Some("CC0-1.0")));
        assert!(pictures[0].source.starts_with("demo:") && pictures[0].source != pictures[1].source);
        let other = Sight { name: "Eiffel Tower".to_owned(), ..Sight::default() };
        assert_eq!(demo.pictures(&city, &other).count().await, 0);
    }
}
