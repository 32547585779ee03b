//! HTML in fields that should be text.

/// Longer texts are cut: nobody's name is, but descriptions of archives are.
const LONGEST: usize = 500;

/// The text of a piece of HTML in one line, with its entities decoded.
pub(super) fn plain_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(begin) = rest.find(['<', '&']) {
        text.push_str(&rest[..begin]);
        rest = &rest[begin..];
        rest = tag(rest, &mut text)
            .or_else(|| entity(rest, &mut text))
            .unwrap_or_else(|| literal(rest, &mut text));
    }
    text.push_str(rest);
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().filter(|letter| !letter.is_control()).take(LONGEST).collect()
}

/// Passes over a tag, and over what is in it when that is no text.
fn tag<'a>(html: &'a str, text: &mut String) -> Option<&'a str> {
    let inner = html.strip_prefix('<')?;
    if let Some(comment) = inner.strip_prefix("!--") {
        return Some(comment.split_once("-->").map_or("", |(_, rest)| rest));
    }
    if !inner.starts_with(|first: char| first.is_ascii_alphabetic() || matches!(first, '/' | '!' | '?')) {
        return None;
    }
    let (name, rest) = inner.split_once('>').unwrap_or((inner, ""));
    let name = name.split(|letter: char| !letter.is_ascii_alphanumeric()).next().unwrap_or_default();
    // Inline tags are inside words, all others end them.
    if !matches!(
        name,
        "a" | "b" | "i" | "em" | "strong" | "span" | "bdi" | "small" | "u" | "sup" | "sub" | ""
    ) {
        text.push(' ');
    }
    if matches!(name, "style" | "script") {
        let end = format!("</{name}");
        return Some(rest.find(&end).map_or("", |at| &rest[at..]));
    }
    Some(rest)
}

fn entity<'a>(html: &'a str, text: &mut String) -> Option<&'a str> {
    let (name, rest) = html.strip_prefix('&')?.split_once(';')?;
    text.push(character(name)?);
    Some(rest)
}

/// The character of an entity. Those with names are the ones that MediaWiki writes; letters come as themselves.
fn character(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" | "thinsp" | "ensp" | "emsp" => ' ',
        "ndash" => '–',
        "mdash" => '—',
        "copy" => '©',
        "reg" => '®',
        "middot" => '·',
        "bull" => '•',
        "hellip" => '…',
        number => return numbered(number.strip_prefix('#')?),
    })
}

fn numbered(number: &str) -> Option<char> {
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

/// Takes one character as it is.
fn literal<'a>(html: &'a str, text: &mut String) -> &'a str {
    let mut letters = html.chars();
    text.extend(letters.next());
    letters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags_go_and_entities_are_decoded() {
        for (html, text) in [
            ("<a href=\"//commons.wikimedia.org/wiki/User:Ann\" title=\"User:Ann\">Ann</a>", "Ann"),
            (
                "<bdi><a href=\"https://www.wikidata.org/wiki/Q1\">Jürgen &amp; Söhne</a>\n</bdi>",
                "Jürgen & Söhne",
            ),
            ("Bundesarchiv, B&#160;145 Bild-F&#x2011;1", "Bundesarchiv, B 145 Bild-F\u{2011}1"),
            ("<div class=\"fn\">Ann<br/>Bob</div><style>.a>b{}</style>", "Ann Bob"),
            ("<!-- a > b -->Ann<script>x()</script> B", "Ann B"),
            ("H<sub>2</sub>O", "H2O"),
            ("2 < 3 & 4 &unknown; &#xD800;", "2 < 3 & 4 &unknown; &#xD800;"),
            ("no end <a href=", "no end"),
            ("", ""),
        ] {
            assert_eq!(plain_text(html), text, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_markup_becomes_one_short_line(html in "(<|>|&|;|#|/|a|script|style|!--|\\PC){0,60}") {
            let text = plain_text(&html);
            prop_assert!(!text.contains('\n') && text.chars().count() <= LONGEST);
        }

        #[test]
        fn text_without_markup_stays(text in "[a-zäöü0-9.,]{1,9}( [a-zäöü0-9.,]{1,9}){0,5}") {
            prop_assert_eq!(plain_text(&text), text.clone());
            prop_assert_eq!(plain_text(&format!("<p><b>{text}</b></p>")), text);
        }
    }
}
