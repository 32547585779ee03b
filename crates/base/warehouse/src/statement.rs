//! One statement with its parameters, run on whichever engine there is.

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, PgConnection, Postgres, Sqlite, SqliteConnection};

use crate::Result;

/// A parameter. Each variant is one column type of the schema, so that a NULL has a type, too.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Real(Option<f64>),
    Boolean(Option<bool>),
    Bytes(Option<Vec<u8>>),
}

/// What a row can be read into on both engines; `#[derive(sqlx::FromRow)]` gives it.
pub(crate) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A connection of either engine, lent for a statement.
pub(crate) enum Link<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// What statements run on: a [`crate::Session`] or a [`crate::Transaction`].
pub(crate) trait Linked {
    fn link(&mut self) -> Link<'_>;
}

/// SQL text with its parameters `$1`, `$2`, … in order.
#[derive(Debug)]
#[must_use = "a statement does nothing until it is run"]
pub(crate) struct Statement {
    text: &'static str,
    values: Vec<Value>,
}

/// A statement of this text, which both engines understand.
pub(crate) fn sql(text: &'static str) -> Statement {
    Statement { text, values: Vec::new() }
}

/// Runs one sqlx call on whichever connection it is; `$query` is `sqlx::query` or one of its siblings.
macro_rules! run {
    ($statement:expr, $on:expr, $query:expr, $call:ident) => {
        match $on.link() {
            Link::Sqlite(connection) => {
                let arguments = $statement.sqlite()?;
                $query($statement.text, arguments).$call(connection).await?
            }
            Link::Postgres(connection) => {
                let arguments = $statement.postgres()?;
                $query($statement.text, arguments).$call(connection).await?
            }
        }
    };
}

impl Statement {
    /// Adds the next parameter.
    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it and says how many rows it touched.
    pub(crate) async fn execute(self, on: &mut impl Linked) -> Result<u64> {
        Ok(match on.link() {
            Link::Sqlite(connection) => {
                sqlx::query_with(self.text, self.sqlite()?).execute(connection).await?.rows_affected()
            }
            Link::Postgres(connection) => {
                sqlx::query_with(self.text, self.postgres()?).execute(connection).await?.rows_affected()
            }
        })
    }

    /// All rows.
    pub(crate) async fn all<T: Record>(self, on: &mut impl Linked) -> Result<Vec<T>> {
        Ok(run!(self, on, sqlx::query_as_with::<_, T, _>, fetch_all))
    }

    /// The first row, where there is one.
    pub(crate) async fn optional<T: Record>(self, on: &mut impl Linked) -> Result<Option<T>> {
        Ok(run!(self, on, sqlx::query_as_with::<_, T, _>, fetch_optional))
    }

    /// The only row; none is an error.
    pub(crate) async fn one<T: Record>(self, on: &mut impl Linked) -> Result<T> {
        Ok(run!(self, on, sqlx::query_as_with::<_, T, _>, fetch_one))
    }

    fn sqlite(&self) -> Result<SqliteArguments> {
        let mut arguments = SqliteArguments::default();
        self.fill::<Sqlite>(&mut arguments)?;
        Ok(arguments)
    }

    fn postgres(&self) -> Result<PgArguments> {
        let mut arguments = PgArguments::default();
        self.fill::<Postgres>(&mut arguments)?;
        Ok(arguments)
    }

    fn fill<DB>(&self, arguments: &mut DB::Arguments) -> Result<()>
    where
        DB: sqlx::Database,
        Option<String>: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        Option<i64>: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        Option<f64>: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        Option<bool>: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
        Option<Vec<u8>>: for<'q> sqlx::Encode<'q, DB> + sqlx::Type<DB>,
    {
        use sqlx::Arguments as _;
        for value in &self.values {
            match value.clone() {
                Value::Text(value) => arguments.add(value),
                Value::Integer(value) => arguments.add(value),
                Value::Real(value) => arguments.add(value),
                Value::Boolean(value) => arguments.add(value),
                Value::Bytes(value) => arguments.add(value),
            }
            .map_err(sqlx::Error::Encode)?;
        }
        Ok(())
    }
}

/// A text as both engines can keep it: PostgreSQL has no U+0000, which no text means anything by. Texts come from
/// everywhere, so that this is the one place where it goes.
fn text(value: &str) -> String {
    value.replace('\0', "")
}

/// `From` for a type and for its `Option`.
macro_rules! value {
    ($($type:ty => $variant:ident, $convert:expr;)*) => {$(
        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some($convert(value)))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value.map($convert))
            }
        }
    )*};
}

value! {
    &str => Text, text;
    &String => Text, |value: &String| text(value);
    String => Text, |value: String| text(&value);
    i64 => Integer, std::convert::identity;
    u32 => Integer, i64::from;
    f64 => Real, std::convert::identity;
    bool => Boolean, std::convert::identity;
    &[u8] => Bytes, <[u8]>::to_vec;
    Vec<u8> => Bytes, std::convert::identity;
}
