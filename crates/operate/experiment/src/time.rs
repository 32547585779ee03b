//! Times as people write them.

use std::time::Duration;

/// The text is that of no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time that can be waited for; write 500ms, 30s, 5m or 1h")]
pub struct NotATime(String);

/// Reads `500ms`, `30s`, `5m` or `1h`; seconds where no unit is given.
///
/// # Errors
/// When it is none of these.
pub fn parse_duration(text: &str) -> Result<Duration, NotATime> {
    let unit_at = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 1e-3,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(NotATime(text.to_owned())),
    };
    let number: Option<f64> = number.trim().parse().ok();
    let time = number.and_then(|number| Duration::try_from_secs_f64(number * seconds).ok());
    time.ok_or_else(|| NotATime(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        assert_eq!(parse_duration("1.5m"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("30"), Ok(Duration::from_secs(30)));
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["3 days", "-3s", "", "s"] {
            assert_eq!(parse_duration(wrong), Err(NotATime(wrong.to_owned())));
        }
    }
}
