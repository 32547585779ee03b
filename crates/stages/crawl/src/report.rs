//! What a crawl has done, while it goes on and in the end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use serde::Serialize;
use sightscan_warehouse::crawls::Decision;
use tracing::warn;

use crate::crawler::Tell;
use crate::error::{Error, Result};

/// What became of the pictures of a sight.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SightReport {
    /// Its name.
    pub name: String,
    /// Pictures that are kept.
    pub kept: usize,
    /// Those that were set aside, by reason.
    pub set_aside: BTreeMap<String, usize>,
}

impl SightReport {
    pub(crate) fn count(&mut self, decision: &Decision) {
        match decision {
            Decision::Kept(_) => self.kept += 1,
            Decision::SetAside(reason) => *self.set_aside.entry(reason.clone()).or_default() += 1,
        }
    }
}

/// What a crawl has done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By sight.
    pub sights: Vec<SightReport>,
}

impl Report {
    /// Of all sights; an error that trying again may mend counts less than one that it will not.
    pub(crate) fn of(sights: impl IntoIterator<Item = Result<SightReport>>) -> Result<Self> {
        let (done, failed): (Vec<_>, Vec<_>) = sights.into_iter().partition(Result::is_ok);
        let mut errors: Vec<Error> = failed.into_iter().filter_map(Result::err).collect();
        errors.sort_by_key(Error::is_transient);
        let mut errors = errors.into_iter();
        let first = errors.next();
        errors.for_each(|error| warn!("another sight failed, too: {error}"));
        match first {
            Some(error) => Err(error),
            None => Ok(Self { sights: done.into_iter().flatten().collect() }),
        }
    }

    /// Pictures that are kept.
    pub fn kept(&self) -> usize {
        self.sights.iter().map(|sight| sight.kept).sum()
    }

    /// Sights with less than half of the mean number of pictures: a detector will know them badly.
    pub fn sparse(&self) -> impl Iterator<Item = &SightReport> {
        let (kept, sights) = (self.kept(), self.sights.len());
        self.sights.iter().filter(move |sight| sight.kept * 2 * sights < kept)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.sights.iter().map(|sight| sight.name.chars().count()).max().unwrap_or(0);
        for SightReport { name, kept, set_aside } in &self.sights {
            write!(formatter, "{name:<width$}  {kept:>5} kept")?;
            for (reason, count) in set_aside {
                write!(formatter, ", {count} {reason}")?;
            }
            writeln!(formatter)?;
        }
        for sight in self.sparse() {
            writeln!(formatter, "{}: less than half of the mean number of pictures", sight.name)?;
        }
        write!(formatter, "{} pictures of {} sights", self.kept(), self.sights.len())
    }
}

/// Counts of a crawl that goes on; each change is told.
pub struct Tally {
    wanted: Option<usize>,
    counts: Mutex<Counts>,
    tell: Tell,
}

/// How far a crawl is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Pictures that sources have named.
    pub found: usize,
    /// Those that were fetched by this crawl.
    pub fetched: usize,
    /// Those that are kept.
    pub kept: usize,
    /// Those that were set aside, by reason.
    pub set_aside: BTreeMap<String, usize>,
    /// Sights that are finished.
    pub sights: usize,
    /// The sight that was finished last.
    pub last: Option<String>,
}

impl Tally {
    pub(crate) fn new(sights: usize, max_pictures: u32, tell: Tell) -> Self {
        let wanted = (max_pictures > 0).then_some(sights * max_pictures as usize);
        Self { wanted, counts: Mutex::default(), tell }
    }

    /// The pictures that are kept in the end, at most; `None` where there is no limit.
    pub const fn wanted(&self) -> Option<usize> {
        self.wanted
    }

    /// How far it is now.
    pub fn counts(&self) -> Counts {
        self.lock().clone()
    }

    pub(crate) fn found(&self) {
        self.change(|counts| counts.found += 1);
    }

    pub(crate) fn fetched(&self) {
        self.change(|counts| counts.fetched += 1);
    }

    pub(crate) fn decided(&self, decision: &Decision) {
        self.change(|counts| match decision {
            Decision::Kept(_) => counts.kept += 1,
            Decision::SetAside(reason) => *counts.set_aside.entry(reason.clone()).or_default() += 1,
        });
    }

    pub(crate) fn sight_is_done(&self, name: &str) {
        self.change(|counts| {
            counts.sights += 1;
            counts.last = Some(name.to_owned());
        });
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.lock());
        (self.tell)(self);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { found, fetched, kept, set_aside, .. } = self;
        write!(formatter, "found {found}, fetched {fetched}, kept {kept}")?;
        for (reason, count) in set_aside {
            write!(formatter, ", {count} {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(name: &str, kept: usize) -> SightReport {
        SightReport { name: name.to_owned(), kept, ..SightReport::default() }
    }

    #[test]
    fn sights_with_less_than_half_of_the_mean_are_told() {
        let report = Report { sights: vec![sight("Gate", 10), sight("Tower", 3), sight("Dome", 5)] };
        let sparse: Vec<&str> = report.sparse().map(|sight| sight.name.as_str()).collect();
        assert_eq!(sparse, Vec::<&str>::new(), "the mean is 6, its half is 3");
        let report = Report { sights: vec![sight("Gate", 10), sight("Tower", 2), sight("Dome", 6)] };
        let sparse: Vec<&str> = report.sparse().map(|sight| sight.name.as_str()).collect();
        assert_eq!(sparse, ["Tower"]);
        assert!(report.to_string().contains("Tower: less than half"));
        assert!(report.to_string().ends_with("18 pictures of 3 sights"));
    }

    #[test]
    fn what_no_retry_mends_is_told_first() {
        let incomplete = || Error::Incomplete { sight: "Gate".to_owned(), reason: "503".to_owned() };
        let error =
            Report::of(vec![Ok(sight("Dome", 1)), Err(incomplete()), Err(Error::NoCity)]).unwrap_err();
        assert!(matches!(error, Error::NoCity));
        assert!(Report::of(vec![Err(incomplete())]).unwrap_err().is_transient());
    }
}
