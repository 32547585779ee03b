//! Paths that others have written.

/// What a path in a data set leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A file in the data set, at this path.
    Inside(String),
    /// What systems and programs leave there for themselves.
    Clutter,
    /// Out of the data set, or nowhere.
    Outside,
}

/// Reads a path. Programs on Windows write `\` between the parts.
pub(super) fn parse(path: &str) -> Place {
    let path = path.replace('\\', "/");
    if path.starts_with('/') || path.contains(char::is_control) {
        return Place::Outside;
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let has_drive = parts.first().is_some_and(|first| first.as_bytes().get(1) == Some(&b':'));
    if parts.is_empty() || parts.contains(&"..") || has_drive {
        return Place::Outside;
    }
    if parts.iter().any(|part| part.starts_with('.') || *part == "__MACOSX" || *part == "Thumbs.db") {
        return Place::Clutter;
    }
    Place::Inside(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_that_lead_out_are_told_from_those_that_stay() {
        for path in
            ["/etc/passwd", "C:\\a", "a/../../b", "..", "", "a\0b", "\\\\server\\share", "./..", "./C:/a"]
        {
            assert_eq!(parse(path), Place::Outside, "{path}");
        }
        assert_eq!(parse("a\\b//./c.jpg"), Place::Inside("a/b/c.jpg".to_owned()));
        assert_eq!(parse("a..b/c"), Place::Inside("a..b/c".to_owned()));
        assert_eq!(parse("__MACOSX/a.jpg"), Place::Clutter);
        assert_eq!(parse("a/.DS_Store"), Place::Clutter);
    }

    proptest! {
        #[test]
        fn what_is_inside_stays_inside(path in "[a-c./\\\\:]{0,12}") {
            if let Place::Inside(inside) = parse(&path) {
                let path = std::path::Path::new(&inside);
                prop_assert!(path.components().all(|part| matches!(part, std::path::Component::Normal(_))));
                prop_assert_eq!(parse(&inside), Place::Inside(inside));
            }
        }
    }
}
