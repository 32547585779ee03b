//! Small tables in files: CSV (RFC 4180) with comments.

use std::path::Path;

use crate::SourceError;

/// A list that somebody has written is not larger.
const MOST_BYTES: u64 = 16 << 20;

/// The rows of a file, each with its fields without space around them. Empty lines and those that begin with `#` are
/// passed over.
pub(crate) async fn read_rows(name: &'static str, path: &Path) -> Result<Vec<Vec<String>>, SourceError> {
    let file = path.to_owned();
    let text = tokio::task::spawn_blocking(move || read(&file)).await;
    let answer = |reason: String| SourceError::Answer { name, reason, is_transient: false };
    match text {
        Ok(Ok(text)) => rows(&text).map_err(|error| answer(format!("{}: {error}", path.display()))),
        Ok(Err(error)) => Err(answer(error.to_string())),
        Err(_) => Err(answer(format!("{}: reading was stopped", path.display()))),
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    if fs_err::metadata(path)?.len() > MOST_BYTES {
        let reason =
            format!("{}: larger than {} MiB; is this the right file?", path.display(), MOST_BYTES >> 20);
        return Err(std::io::Error::other(reason));
    }
    fs_err::read_to_string(path)
}

fn rows(text: &str) -> Result<Vec<Vec<String>>, csv::Error> {
    let mut reader = csv::ReaderBuilder::new();
    reader.has_headers(false).flexible(true).comment(Some(b'#')).trim(csv::Trim::All);
    let mut rows = Vec::new();
    for record in reader.from_reader(text.as_bytes()).records() {
        let row: Vec<String> = record?.iter().map(str::to_owned).collect();
        // A line of nothing but space and commas, as spreadsheets leave them.
        if row.iter().any(|field| !field.is_empty()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_have_fields() {
        let text = "\u{feff}# sights\n\n \nBrandenburg Gate, 52.5163 ,13.3777\r\n\"Gate, \"\"old\"\"\",,\n\"two\nlines\"\nlast";
        let expected: [&[&str]; 4] = [
            &["Brandenburg Gate", "52.5163", "13.3777"],
            &["Gate, \"old\"", "", ""],
            &["two\nlines"],
            &["last"],
        ];
        assert_eq!(rows(text).unwrap(), expected);
        assert_eq!(rows("").unwrap(), Vec::<Vec<String>>::new());
    }

    proptest! {
        #[test]
        fn what_was_quoted_is_read_as_it_was(table in prop::collection::vec(
            prop::collection::vec("[a-zé]([a-z,\"\n #é]{0,8}[a-zé])?", 1..4), 0..4,
        )) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
            let text: String = table.iter().map(line).collect();
            prop_assert_eq!(rows(&text).unwrap(), table);
        }

        #[test]
        fn any_text_is_read(text in "[a-b,\"\r\n# ]{0,40}") {
            let lines = text.split(['\r', '\n']).count();
            prop_assert!(rows(&text).unwrap().len() <= lines);
        }
    }
}
