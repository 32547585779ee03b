//! Where the database is.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

use crate::Dialect;

/// The file of the embedded database in the data folder.
pub const FILE_NAME: &str = "sightscan.db";

/// A SQLite file or a PostgreSQL database. Its text shows no password.
#[derive(Debug, Clone)]
pub enum Address {
    /// A SQLite file; it is made where it is missing.
    Sqlite(PathBuf),
    /// A PostgreSQL database.
    Postgres(Box<PgConnectOptions>),
}

/// Why the settings do not say where the database is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// `PGHOST` holds a web address.
    #[error(
        "PGHOST is `{0}`, but it must be a host name or address without `http://` and port: \
         set PGHOST={1} and the port in PGPORT"
    )]
    HostIsUrl(String, String),
    /// `PGPORT` is not a port.
    #[error("PGPORT is `{0}`, but it must be a number from 1 to 65535")]
    Port(String),
    /// `DATABASE_URL` is neither form.
    #[error("DATABASE_URL must begin with `postgres://` or `sqlite:`{0}")]
    Url(String),
}

impl Address {
    /// The engine that is there.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// `DATABASE_URL`, else the `PG*` variables where `PGHOST` or `PGDATABASE` is set, else the SQLite file in the
    /// data folder. Empty variables count as unset.
    ///
    /// # Errors
    /// When a variable holds what cannot be meant.
    pub fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
        data: &Path,
    ) -> Result<Self, AddressError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        if let Some(url) = variable("DATABASE_URL") {
            return url.parse();
        }
        if variable("PGHOST").is_none() && variable("PGDATABASE").is_none() {
            return Ok(Self::Sqlite(data.join(FILE_NAME)));
        }
        postgres(variable)
    }
}

/// The usual variables of PostgreSQL's clients; `PGSSLMODE` and its kind are read by the driver itself.
fn postgres(variable: impl Fn(&str) -> Option<String>) -> Result<Address, AddressError> {
    let mut options = PgConnectOptions::new();
    if let Some(host) = variable("PGHOST") {
        options = options.host(check_host(&host)?);
    }
    if let Some(port) = variable("PGPORT") {
        options = options.port(port.parse().ok().filter(|port| *port > 0).ok_or(AddressError::Port(port))?);
    }
    if let Some(name) = variable("PGDATABASE") {
        options = options.database(&name);
    }
    if let Some(user) = variable("PGUSER") {
        options = options.username(&user);
    }
    if let Some(password) = variable("PGPASSWORD") {
        options = options.password(&password);
    }
    Ok(Address::Postgres(Box::new(options)))
}

fn check_host(host: &str) -> Result<&str, AddressError> {
    let Some((_, rest)) = host.split_once("://") else { return Ok(host) };
    let bare = rest.split(['/', ':']).next().unwrap_or_default();
    Err(AddressError::HostIsUrl(host.to_owned(), bare.to_owned()))
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            // The driver's message may repeat the password, so it is not shown.
            let options =
                url.parse().map_err(|_| AddressError::Url(", and this one cannot be read".to_owned()))?;
            return Ok(Self::Postgres(Box::new(options)));
        }
        Err(AddressError::Url(String::new()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(formatter, "sqlite:{}", path.display()),
            Self::Postgres(options) => {
                let name = options.get_database().unwrap_or(options.get_username());
                write!(formatter, "postgres://{}:{}/{name}", options.get_host(), options.get_port())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(variables: &[(&str, &str)]) -> Result<String, AddressError> {
        let lookup = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Address::from_variables(lookup, Path::new("/data")).map(|address| address.to_string())
    }

    #[test]
    fn without_settings_it_is_the_file_in_the_data_folder() {
        assert_eq!(address(&[]).unwrap(), "sqlite:/data/sightscan.db");
        assert_eq!(address(&[("PGHOST", ""), ("PGPASSWORD", "x")]).unwrap(), "sqlite:/data/sightscan.db");
    }

    #[test]
    fn the_variables_of_the_original_are_read_and_the_password_is_not_shown() {
        let variables = [
            ("PGHOST", "db.example"),
            ("PGPORT", "5433"),
            ("PGDATABASE", "sights"),
            ("PGUSER", "docker"),
            ("PGPASSWORD", "secret"),
        ];
        assert_eq!(address(&variables).unwrap(), "postgres://db.example:5433/sights");
    }

    #[test]
    fn a_url_wins_and_shows_no_password() {
        let variables = [("PGHOST", "a"), ("DATABASE_URL", "postgres://user:secret@b:1/name")];
        assert_eq!(address(&variables).unwrap(), "postgres://b:1/name");
        assert_eq!(address(&[("DATABASE_URL", "sqlite:///tmp/x.db")]).unwrap(), "sqlite:/tmp/x.db");
        let error = address(&[("DATABASE_URL", "postgres://user:secret@b:port/name")]).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(address(&[("DATABASE_URL", "mysql://x")]).unwrap_err().to_string().contains("postgres://"));
    }

    #[test]
    fn a_web_address_as_host_is_refused_with_the_host_that_was_meant() {
        let error = address(&[("PGHOST", "http://db.example:5432")]).unwrap_err().to_string();
        assert!(error.contains("PGHOST=db.example "), "{error}");
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for port in ["http", "0", "70000"] {
            let error = address(&[("PGHOST", "a"), ("PGPORT", port)]).unwrap_err();
            assert_eq!(error, AddressError::Port(port.to_owned()));
        }
    }
}
