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
    /// A queue of Amazon SQS: `sqs:` and its address, such as `sqs:https://sqs.eu-central-1.amazonaws.com/123456789012/detect`.
    Sqs {
        /// Its address.
        url: String,
    },
    /// A stream of NATS JetStream: `nats://host:port/stream`; `tls://` encrypts.
    Nats {
        /// The server.
        server: String,
        /// The stream.
        stream: String,
    },
}

/// Why a text does not say where the queue is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// No scheme that is known.
    #[error(
        "`{0}` is no address of a queue: give `db:` or `db:NAME` for one in the database, `sqs:` and the address of a \
         queue of Amazon SQS, or `nats://host:port/stream`"
    )]
    Scheme(String),
    /// Somebody has put a user or a password into it.
    #[error("the address of a queue holds no secrets: set NATS_USER and NATS_PASSWORD, or NATS_TOKEN")]
    Secret,
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
            Some(("sqs", url)) => sqs(url),
            Some(("nats" | "tls", rest)) => nats(text, rest),
            _ => Err(AddressError::Scheme(text.to_owned())),
        }
    }
}

fn sqs(url: &str) -> Result<Address, AddressError> {
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    let name = url.rsplit('/').next().unwrap_or_default();
    match () {
        () if !is_url => Err(AddressError::Scheme(format!("sqs:{url}"))),
        () if !is_name(name) => Err(AddressError::Name(name.to_owned())),
        () => Ok(Address::Sqs { url: url.to_owned() }),
    }
}

fn nats(text: &str, rest: &str) -> Result<Address, AddressError> {
    let rest = rest.trim_start_matches('/');
    let (host, stream) = rest.split_once('/').unwrap_or((rest, USUAL));
    if host.contains('@') {
        // A secret does not belong here, and is not shown.
        return Err(AddressError::Secret);
    }
    if !is_name(stream) {
        return Err(AddressError::Name(stream.to_owned()));
    }
    let scheme = text.split(':').next().unwrap_or_default();
    Ok(Address::Nats { server: format!("{scheme}://{host}"), stream: stream.to_owned() })
}

fn is_name(name: &str) -> bool {
    let is_usual = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
    (1..=GREATEST_NAME).contains(&name.len()) && name.bytes().all(is_usual)
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database { queue } => write!(formatter, "db:{queue}"),
            Self::Sqs { url } => write!(formatter, "sqs:{url}"),
            Self::Nats { server, stream } => write!(formatter, "{server}/{stream}"),
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
    fn queues_of_services_have_their_own_addresses() {
        for text in [
            "sqs:https://sqs.eu-central-1.amazonaws.com/123/detect",
            "nats://localhost:4222/berlin",
            "tls://a:1/b",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        assert_eq!("nats://a:4222".parse::<Address>().unwrap().to_string(), "nats://a:4222/detect");
        let error = "nats://user:secret@a:4222/b".parse::<Address>().unwrap_err();
        assert!(
            error.to_string().contains("NATS_TOKEN") && !error.to_string().contains("secret@"),
            "{error}"
        );
        assert!("sqs:detect".parse::<Address>().is_err() && "nats://a/b/c".parse::<Address>().is_err());
    }

    #[test]
    fn what_is_no_address_is_told() {
        for text in ["", "detect", "redis://localhost"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("`db:`"), "{error}");
        }
    }
}
