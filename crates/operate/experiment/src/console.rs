//! Whose words a load test is told in.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{Config, CourseOutput, Error, Event, Expected, Flags, GeneratorOutput, Summary};

/// The words of a load test's output.
#[derive(Debug, Clone)]
pub enum Console {
    /// Our own summary.
    Ours,
    /// Those of the iWebLens course's client.
    Course(CourseOutput),
    /// Those of a workload generator.
    Generator(Arc<Mutex<GeneratorOutput>>),
}

impl Console {
    /// The words that the flags ask for.
    ///
    /// # Errors
    /// When there is a file of predictions and it cannot be read.
    pub fn of(flags: &Flags, config: &Config) -> Result<Self, Error> {
        if let Some(course) = CourseOutput::new(config.dialect, &config.url).filter(|_| flags.is_course()) {
            return Ok(Self::Course(course));
        }
        let expected = flags.prediction_file.as_deref().map(Expected::read).transpose()?;
        let generator = GeneratorOutput::new(config.dialect, &config.url, expected);
        Ok(generator.map_or(Self::Ours, |output| Self::Generator(Arc::new(Mutex::new(output)))))
    }

    /// Whether these are our own.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours)
    }

    /// What is said before the first request, which is known to have so many pictures.
    pub fn first_line(&self, pictures: usize) -> Option<String> {
        match self {
            Self::Course(course) => course.first_line(pictures),
            Self::Ours | Self::Generator(_) => None,
        }
    }

    /// What is said of an event.
    pub fn lines(&self, event: &Event) -> Option<String> {
        match self {
            Self::Ours => None,
            Self::Course(course) => course.line(event),
            Self::Generator(output) => output.lock().unwrap_or_else(PoisonError::into_inner).lines(event),
        }
    }

    /// What is said at the end; none where our summary is all that there is.
    pub fn last_lines(&self, summary: &Summary) -> Option<String> {
        match self {
            Self::Ours => None,
            Self::Course(course) => Some(course.last_line(summary)),
            Self::Generator(output) => {
                Some(output.lock().unwrap_or_else(PoisonError::into_inner).statistics(summary))
            }
        }
    }
}
