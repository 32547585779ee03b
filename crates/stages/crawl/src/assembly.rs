//! The sources of a crawler, as the configuration names them.

#[cfg(feature = "browser")]
use std::cell::OnceCell;
use std::path::PathBuf;
#[cfg(feature = "browser")]
use std::time::Duration;

use reqwest::Url;

use crate::config::{Config, ConfigError, Google, ServiceUrl};
use crate::fetch::Fetcher;
use crate::sights::{
    Merged, OpenStreetMap, OpenStreetMapConfig, Places, PlacesConfig, SightsFile, Wikidata, WikidataConfig,
};
use crate::sources::{
    Addresses, ApiKey, Commons, CommonsConfig, CustomSearch, CustomSearchConfig, Flickr, FlickrConfig,
    Folder, FolderConfig, Openverse, OpenverseConfig,
};
#[cfg(feature = "browser")]
use crate::sources::{
    Browser, BrowserConfig, GoogleImages, GoogleImagesConfig, Pinterest, PinterestConfig, find_chromium,
};
use crate::{Demo, ImageSource, SightSource};

const SIGHTS: &str = "wikidata, openstreetmap, places, demo";
const PICTURES: &str = "commons, openverse, flickr, custom-search, google-images, pinterest, demo";

/// Puts sources together.
pub(crate) struct Assembly<'a, V> {
    config: &'a Config,
    google: Google,
    fetcher: Fetcher,
    variable: V,
    /// The one that all sources share which need one.
    #[cfg(feature = "browser")]
    browser: OnceCell<Browser>,
}

impl<'a, V: Fn(&str) -> Option<String>> Assembly<'a, V> {
    pub(crate) fn new(config: &'a Config, google: Google, fetcher: Fetcher, variable: V) -> Self {
        Self {
            config,
            google,
            fetcher,
            variable,
            #[cfg(feature = "browser")]
            browser: OnceCell::new(),
        }
    }

    pub(crate) fn sights(&self) -> Result<Box<dyn SightSource>, ConfigError> {
        let mut sources = Vec::new();
        for name in &self.config.sights {
            sources.extend(self.sight_source(name)?);
        }
        if sources.len() > 1 {
            return Ok(Box::new(Merged::new(sources)));
        }
        sources.pop().ok_or(ConfigError::NoSource("sights"))
    }

    /// A source of sights; none where it is not allowed.
    fn sight_source(&self, name: &str) -> Result<Option<Box<dyn SightSource>>, ConfigError> {
        let (fetcher, services) = (self.fetcher.clone(), &self.config.services);
        Ok(Some(match name {
            "wikidata" => {
                let usual = WikidataConfig::default();
                let base = base(services.wikidata.as_ref(), usual.base);
                Box::new(Wikidata::new(fetcher, &WikidataConfig { base }))
            }
            "openstreetmap" => {
                let usual = OpenStreetMapConfig::default();
                let base = base(services.openstreetmap.as_ref(), usual.base);
                Box::new(OpenStreetMap::new(fetcher, &OpenStreetMapConfig { base }))
            }
            "places" if !self.google.is_allowed => return Ok(None),
            "places" => {
                let usual = PlacesConfig::new(self.key("places", "MAPS_KEY")?);
                let base = base(services.places.as_ref(), usual.base);
                Box::new(Places::new(fetcher, PlacesConfig { base, ..PlacesConfig::new(usual.key) }))
            }
            "demo" => Box::new(Demo::new()?),
            path => Box::new(SightsFile::new(existing(path, "sights", SIGHTS)?)),
        }))
    }

    pub(crate) fn sources(&self) -> Result<Vec<Box<dyn ImageSource>>, ConfigError> {
        let mut sources = Vec::new();
        for name in &self.config.sources {
            sources.extend(self.source(name)?);
        }
        if sources.is_empty() { Err(ConfigError::NoSource("pictures")) } else { Ok(sources) }
    }

    /// A source of pictures; none where it is not allowed.
    fn source(&self, name: &str) -> Result<Option<Box<dyn ImageSource>>, ConfigError> {
        let (fetcher, services) = (self.fetcher.clone(), &self.config.services);
        Ok(Some(match name {
            "commons" => {
                let usual = CommonsConfig::default();
                let base = base(services.commons.as_ref(), usual.base);
                Box::new(Commons::new(fetcher, &CommonsConfig { base }))
            }
            "openverse" => {
                let usual = OpenverseConfig::default();
                let base = base(services.openverse.as_ref(), usual.base.clone());
                Box::new(Openverse::new(fetcher, &OpenverseConfig { base, ..usual }))
            }
            "flickr" => {
                let usual = FlickrConfig::new(self.key("flickr", "FLICKR_KEY")?);
                let base = base(services.flickr.as_ref(), usual.base.clone());
                Box::new(Flickr::new(fetcher, FlickrConfig { base, ..usual }))
            }
            "custom-search" if !self.google.is_allowed => return Ok(None),
            "custom-search" => Box::new(self.custom_search()?),
            "google-images" if !self.google.is_allowed => return Ok(None),
            "google-images" | "pinterest" => self.seen_by_browser(name)?,
            "demo" => Box::new(Demo::new()?),
            path => self.own(existing(path, "pictures", PICTURES)?),
        }))
    }

    fn custom_search(&self) -> Result<CustomSearch, ConfigError> {
        let key = self.key("custom-search", "CUSTOM_SEARCH_KEY")?;
        let engine = (self.variable)("CUSTOM_SEARCH_ENGINE").filter(|engine| !engine.trim().is_empty());
        let engine = engine
            .ok_or(ConfigError::NoKey { source_name: "custom-search", variable: "CUSTOM_SEARCH_ENGINE" })?;
        let usual = CustomSearchConfig::new(key, engine.trim());
        let base = base(self.config.services.custom_search.as_ref(), usual.base.clone());
        let Google { full, face, .. } = self.google;
        Ok(CustomSearch::new(self.fetcher.clone(), CustomSearchConfig { base, full, face, ..usual }))
    }

    /// A source whose pages are looked at.
    #[cfg(feature = "browser")]
    fn seen_by_browser(&self, name: &str) -> Result<Box<dyn ImageSource>, ConfigError> {
        let (browser, services) = (self.browser(name)?, &self.config.services);
        let Google { full, face, .. } = self.google;
        Ok(if name == "pinterest" {
            let base = base(services.pinterest.as_ref(), PinterestConfig::default().base);
            Box::new(Pinterest::new(browser, PinterestConfig { base }))
        } else {
            let base = base(services.google_images.as_ref(), GoogleImagesConfig::default().base);
            Box::new(GoogleImages::new(browser, GoogleImagesConfig { base, full, face }))
        })
    }

    #[cfg(not(feature = "browser"))]
    fn seen_by_browser(&self, name: &str) -> Result<Box<dyn ImageSource>, ConfigError> {
        Err(ConfigError::WithoutBrowser(name.to_owned()))
    }

    /// The browser, which is not started before it is needed. That there is one is found out now.
    #[cfg(feature = "browser")]
    fn browser(&self, source_name: &str) -> Result<Browser, ConfigError> {
        let executable = find_chromium(self.config.chromium.as_deref())
            .map_err(|missing| ConfigError::NoBrowser { source_name: source_name.to_owned(), missing })?;
        let config = BrowserConfig {
            headless: self.config.headless,
            pages: self.config.threads,
            patience: Duration::from_secs(self.config.patience_seconds.max(1)),
            trusted_hosts: self.config.services.hosts_of_pages(),
            ..BrowserConfig::new(executable)
        };
        Ok(self.browser.get_or_init(|| Browser::new(self.fetcher.clone(), config)).clone())
    }

    /// Pictures that somebody has collected.
    fn own(&self, path: PathBuf) -> Box<dyn ImageSource> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if matches!(ending, "txt" | "csv") {
            return Box::new(Addresses::new(path));
        }
        let Config { own_licence, own_author, max_bytes, .. } = self.config;
        let (licence, author) = (own_licence.clone(), own_author.clone());
        Box::new(Folder::new(FolderConfig {
            licence,
            author,
            max_bytes: *max_bytes,
            ..FolderConfig::new(path)
        }))
    }

    fn key(&self, source_name: &'static str, variable: &'static str) -> Result<ApiKey, ConfigError> {
        let key = (self.variable)(variable).filter(|key| !key.trim().is_empty());
        key.map(|key| ApiKey::new(&key)).ok_or(ConfigError::NoKey { source_name, variable })
    }
}

fn existing(path: &str, what: &'static str, known: &'static str) -> Result<PathBuf, ConfigError> {
    let found = PathBuf::from(path);
    if found.exists() {
        return Ok(found);
    }
    Err(ConfigError::UnknownSource { name: path.to_owned(), what, known })
}

/// Where a service is: where somebody has set it, or where it usually is.
fn base(set: Option<&ServiceUrl>, usual: Url) -> Url {
    set.map_or(usual, |service| service.url().clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch::FetchConfig;

    fn refused(name: &str) -> String {
        let (config, fetcher) = (Config::default(), Fetcher::new(FetchConfig::default()).unwrap());
        let assembly = Assembly::new(&config, Google::default(), fetcher, |_| None);
        assembly.source(name).err().unwrap().to_string()
    }

    #[test]
    fn what_is_no_source_is_told_with_those_that_there_are() {
        let told = refused("nowhere");
        assert!(told.contains("`nowhere` names no source of pictures"), "{told}");
        assert!(told.contains("commons") && told.contains("pinterest"), "{told}");
    }

    #[test]
    fn a_key_that_is_missing_is_told() {
        assert!(refused("flickr").contains("set FLICKR_KEY"));
    }

    #[cfg(not(feature = "browser"))]
    #[test]
    fn without_the_browser_it_is_told_how_to_get_it() {
        let told = refused("google-images");
        assert!(told.contains("--features browser") && told.contains("commons"), "{told}");
    }
}
