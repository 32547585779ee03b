//! What is wrong with parts of a data set that is read.

use std::fmt;

/// How many problems are told one by one. The rest is counted.
const LONGEST: usize = 200;

/// Something that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the data set.
    pub file: String,
    /// The line in it, from 1, where there is one.
    pub line: Option<usize>,
    /// What was expected, what is there, and what that means for the import.
    pub fault: String,
    /// What to do.
    pub advice: &'static str,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(formatter, ":{line}")?;
        }
        write!(formatter, ": {}; {}", self.fault, self.advice)
    }
}

/// All that is wrong: the first ones in full, and how many there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    total: usize,
}

impl Problems {
    /// The first 200.
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// How many there are, also those that are not in the list.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether everything was as expected.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// Adds those that somebody else has found.
    pub fn append(&mut self, others: Self) {
        let room = LONGEST.saturating_sub(self.list.len());
        self.list.extend(others.list.into_iter().take(room));
        self.total += others.total;
    }

    /// The line is only looked for where the problem will be told: to count lines takes as long as the file is.
    pub(crate) fn add(
        &mut self,
        file: &str,
        line: impl FnOnce() -> Option<usize>,
        fault: impl Into<String>,
        advice: &'static str,
    ) {
        self.total += 1;
        if self.list.len() < LONGEST {
            let problem = Problem { file: file.to_owned(), line: line(), fault: fault.into(), advice };
            self.list.push(problem);
        }
    }

    /// Adds what is wrong with a file as a whole.
    pub fn about(&mut self, file: &str, fault: impl Into<String>, advice: &'static str) {
        self.add(file, || None, fault, advice);
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.list {
            writeln!(formatter, "{problem}")?;
        }
        match self.total - self.list.len() {
            0 => Ok(()),
            more => writeln!(formatter, "and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_counts_and_the_first_ones_are_told() {
        let mut problems = Problems::default();
        for line in 1..=LONGEST + 7 {
            problems.add("labels/a.txt", || Some(line), "there are 4 numbers", "write 5");
        }
        assert_eq!((problems.list().len(), problems.total()), (LONGEST, LONGEST + 7));
        let text = problems.to_string();
        assert!(text.starts_with("labels/a.txt:1: there are 4 numbers; write 5\n"), "{text}");
        assert!(text.ends_with("and 7 more\n"), "{text}");
    }
}
