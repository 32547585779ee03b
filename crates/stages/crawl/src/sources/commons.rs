//! Wikimedia Commons.
//!
//! Asked are, in this order: the category of the sight and its subcategories, the files that say that they depict it,
//! those that are named like it, and those that were taken near it.

mod answer;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use reqwest::Url;

use super::paging::{Named, Page, distinct, pages};
use super::{Service, fixed};
use crate::fetch::Fetcher;
use crate::sights::is_item;
use crate::{Candidate, City, ImageSource, Sight, SourceError};
use answer::Answer;

const NAME: &str = "commons";

/// Files in one answer. More come without their licences.
const PER_PAGE: &str = "50";

/// A category with more subcategories is one of a larger subject.
const MOST_SUBCATEGORIES: usize = 12;

/// Metres. From further away, other things are in the picture too.
const NEAR: &str = "150";

/// What is asked about each file.
const FILES: [(&str, &str); 6] = [
    ("action", "query"),
    ("format", "json"),
    ("formatversion", "2"),
    ("prop", "imageinfo"),
    ("iiprop", "url|size|mime|user|extmetadata"),
    ("iiextmetadatafilter", "Artist|LicenseShortName|LicenseUrl"),
];

/// Where an answer goes on: parameters that are sent back.
type Continue = BTreeMap<String, String>;

/// How Commons is asked.
#[derive(Debug, Clone)]
pub struct CommonsConfig {
    /// Where the wiki is.
    pub base: Url,
}

impl Default for CommonsConfig {
    fn default() -> Self {
        Self { base: fixed("https://commons.wikimedia.org") }
    }
}

/// Wikimedia Commons.
#[derive(Debug, Clone)]
pub struct Commons {
    service: Service,
}

/// A question that files answer.
#[derive(Debug, Clone)]
enum Question {
    /// Those in a category.
    Category(String),
    /// Those that a search finds.
    Search(String),
    /// Those near this point.
    Near(f64, f64),
}

impl Commons {
    /// Asks with these settings.
    pub fn new(fetcher: Fetcher, config: &CommonsConfig) -> Self {
        Self { service: Service::new(NAME, fetcher, &config.base, "w/api.php") }
    }

    fn answers(&self, question: Question) -> Named<'_> {
        let ask = move |next| self.page(question.clone(), next).boxed();
        pages(Continue::new(), ask)
    }

    async fn page(&self, question: Question, next: Continue) -> Result<Page<Continue>, SourceError> {
        let width = answer::WIDTH.to_string();
        let mut parameters = FILES.to_vec();
        parameters.push(("iiurlwidth", &width));
        let question = question.parameters();
        parameters.extend(question.iter().map(|(name, value)| (*name, value.as_str())));
        let answer = self.ask(parameters, &next).await?;
        let files = answer.query.pages;
        Ok(Page { candidates: answer::candidates(files), next: answer.next })
    }

    async fn ask(&self, mut parameters: Vec<(&str, &str)>, next: &Continue) -> Result<Answer, SourceError> {
        parameters.extend(next.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let answer: Answer = self.service.ask(&parameters).await?;
        match answer.error {
            None => Ok(answer),
            Some(error) if error.is_transient() => Err(self.service.busy(&error.to_string())),
            Some(error) => Err(self.service.refused(&error.to_string())),
        }
    }

    /// The files in a category, then those in its subcategories if these are few.
    fn category(&self, category: &str) -> Named<'_> {
        let files = self.answers(Question::Category(category.to_owned()));
        let subcategories = self.subcategories(category.to_owned()).into_stream();
        let of_subcategories = subcategories.map_ok(|categories| {
            let questions = categories.into_iter().map(Question::Category);
            stream::iter(questions).flat_map(|question| self.answers(question))
        });
        files.chain(of_subcategories.try_flatten()).boxed()
    }

    fn subcategories(&self, category: String) -> BoxFuture<'_, Result<Vec<String>, SourceError>> {
        async move {
            let title = format!("Category:{category}");
            let parameters = [
                ("action", "query"),
                ("format", "json"),
                ("formatversion", "2"),
                ("list", "categorymembers"),
                ("cmtype", "subcat"),
                ("cmlimit", PER_PAGE),
                ("cmtitle", title.as_str()),
            ];
            let answer = self.ask(parameters.to_vec(), &Continue::new()).await?;
            let members = answer.query.members.into_iter();
            let names: Vec<String> =
                members.filter_map(|page| page.title.strip_prefix("Category:").map(str::to_owned)).collect();
            Ok(if names.len() > MOST_SUBCATEGORIES { Vec::new() } else { names })
        }
        .boxed()
    }
}

impl ImageSource for Commons {
    fn name(&self) -> &'static str {
        NAME
    }

    fn pictures<'a>(
        &'a self,
        city: &'a City,
        sight: &'a Sight,
    ) -> BoxStream<'a, Result<Candidate, SourceError>> {
        let category = sight.commons_category.as_deref().map(|category| self.category(category));
        let searches = stream::iter(searches(city, sight)).flat_map(|question| self.answers(question));
        distinct(stream::iter(category).flatten().chain(searches).boxed())
    }
}

/// What else is asked about a sight.
fn searches(city: &City, sight: &Sight) -> Vec<Question> {
    let item = sight.wikidata.as_deref().filter(|id| is_item(id));
    let depicts = item.map(|id| format!("filetype:bitmap haswbstatement:P180={id}"));
    // A quote would end the phrase, a colon make a keyword of a word.
    let [sight_name, city_name] = [&sight.name, &city.name].map(|name| name.replace(['"', ':'], " "));
    let named = format!("filetype:bitmap \"{sight_name}\" {city_name}");
    let near =
        sight.latitude.zip(sight.longitude).map(|(latitude, longitude)| Question::Near(latitude, longitude));
    let searched = depicts.into_iter().chain([named]).map(Question::Search);
    searched.chain(near).collect()
}

impl Question {
    fn parameters(&self) -> Vec<(&'static str, String)> {
        let fixed = |value: &str| value.to_owned();
        match self {
            Self::Category(name) => vec![
                ("generator", fixed("categorymembers")),
                ("gcmtype", fixed("file")),
                ("gcmlimit", fixed(PER_PAGE)),
                ("gcmtitle", format!("Category:{name}")),
            ],
            Self::Search(text) => vec![
                ("generator", fixed("search")),
                ("gsrnamespace", fixed("6")),
                ("gsrlimit", fixed(PER_PAGE)),
                ("gsrsearch", text.clone()),
            ],
            Self::Near(latitude, longitude) => vec![
                ("generator", fixed("geosearch")),
                ("ggsnamespace", fixed("6")),
                ("ggslimit", fixed(PER_PAGE)),
                ("ggsradius", fixed(NEAR)),
                ("ggscoord", format!("{latitude}|{longitude}")),
            ],
        }
    }
}
