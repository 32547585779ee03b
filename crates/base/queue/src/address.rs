//! Where the queue of requests is.

use std::fmt;
use std::str::FromStr;

/// The queue that is meant where none is named.
const USUAL: &str = "detect";
/// Names of queues are also names of channels, tables' keys and streams.
const GREATEST_NAME: usize = 40;

/// Where the queue of requests is. It holds no secrets: those come from variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A queue in the database that the roles share: `db:`, or `db:NAME`.
    Database {
        /// Its name.
        queue: String,
    },
}

/// Why a text does not say where the queue is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No scheme that is known.
    #[error("`{0}` is no address of a queue: give `db:` for one in the database, or `db:NAME`")]
    Scheme(String),
    /// The name has letters that not every backend takes.
    #[error(
        "`{0}` cannot be the name of a queue: use up to {GREATEST_NAME} lower-case letters, digits, `-` and `_`"
    )]
    Name(String),
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("db", "")) => Ok(Self::Database { queue: USUAL.to_owned() }),
            Some(("db", name)) if is_name(name) => Ok(Self::Database { queue: name.to_owned() }),
            Some(("db", name)) => Err(AddressError::Name(name.to_owned())),
            _ => Err(AddressError::Scheme(text.to_owned())),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=GREATEST_NAME).contains(&name.len()) && name.bytes().all(is_usual)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { queue } => write!(formatter, "db:{queue}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_in_the_database_has_a_name() {
        let queue = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        assert_eq!(queue("db:").unwrap(), "db:detect");
        assert_eq!(queue("db:berlin-2").unwrap(), "db:berlin-2");
        assert_eq!(queue("db:Berlin"), Err(AddressError::Name("Berlin".into())));
        assert!(queue(&format!("db:{}", "x".repeat(41))).is_err());
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in ["", "detect", "redis://localhost"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("`db:`"), "{error}");
        }
    }
}
