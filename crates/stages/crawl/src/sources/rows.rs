//! Small tables in files: CSV (RFC 4180) with comments.

use std::path::Path;

use crate::SourceError;

/// A list that somebody has written is not larger.
const MOST_BYTES: u64 = 16 << 20;

/// The rows of a file, each with its fields. Empty lines and those that begin with `#` are passed over.
pub(crate) async fn read_rows(name: &'static str, path: &Path) -> Result<Vec<Vec<String>>, SourceError> {
    let file = path.to_owned();
    let text = tokio::task::spawn_blocking(move || read(&file)).await;
    let answer = |reason: String| SourceError::Answer { name, reason, is_transient: false };
    match text {
        Ok(Ok(text)) => Ok(rows(&text)),
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

fn rows(text: &str) -> Vec<Vec<String>> {
    // Spreadsheets begin their files with a byte order mark.
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            rest = after;
            continue;
        }
        let (row, after) = row(rest);
        rows.push(row);
        rest = after;
    }
    rows
}

/// The first row of a text, and what comes after it.
fn row(text: &str) -> (Vec<String>, &str) {
    let mut fields = Vec::new();
    let mut rest = text;
    loop {
        let (field, after) = field(rest);
        fields.push(field);
        match after.strip_prefix(',') {
            Some(after) => rest = after,
            None => return (fields, after.trim_start_matches('\r').strip_prefix('\n').unwrap_or(after)),
        }
    }
}

/// The first field of a row, without space around it, and what comes after it: a comma, the line's end or nothing.
fn field(text: &str) -> (String, &str) {
    let Some(mut rest) = text.trim_start_matches([' ', '\t']).strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut field = String::new();
    while let Some((inside, after)) = rest.split_once('"') {
        field.push_str(inside);
        match after.strip_prefix('"') {
            Some(after) => {
                field.push('"');
                rest = after;
            }
            // What follows a closing quote is no part of the field.
            None => return (field, &after[after.find([',', '\n']).unwrap_or(after.len())..]),
        }
    }
    field.push_str(rest);
    (field, "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_have_fields() {
        let text = "\u{feff}# sights\n\nBrandenburg Gate, 52.5163 ,13.3777\r\n\"Gate, \"\"old\"\"\",,\n\"two\nlines\"\nlast";
        let expected: [&[&str]; 4] = [
            &["Brandenburg Gate", "52.5163", "13.3777"],
            &["Gate, \"old\"", "", ""],
            &["two\nlines"],
            &["last"],
        ];
        assert_eq!(rows(text), expected);
        assert_eq!(rows(""), Vec::<Vec<String>>::new());
    }

    proptest! {
        #[test]
        fn what_was_quoted_is_read_as_it_was(table in prop::collection::vec(
            prop::collection::vec("[a-z,\"\n #é]{1,8}", 1..4), 0..4,
        )) {
            let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
            let text: String = table.iter().map(line).collect();
            prop_assert_eq!(rows(&text), table);
        }

        #[test]
        fn any_text_is_read(text in "[a-b,\"\r\n# ]{0,40}") {
            prop_assert!(rows(&text).len() <= text.lines().count());
        }
    }
}
