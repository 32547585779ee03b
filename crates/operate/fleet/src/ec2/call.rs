//! What EC2 is asked.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// The version of EC2's interface that is spoken.
const VERSION: &str = "2016-11-15";
/// What may stand in a form as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A call: an action and its parameters.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) action: &'static str,
    parameters: Vec<(String, String)>,
}

impl Call {
    pub(super) fn new(action: &'static str) -> Self {
        Self { action, parameters: Vec::new() }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.parameters.push((name.to_owned(), value.into()));
        self
    }

    /// A parameter that may not be said.
    pub(super) fn with_some(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A list: `name.1`, `name.2` and so on.
    pub(super) fn list<'a>(self, name: &str, values: impl IntoIterator<Item = &'a str>) -> Self {
        let numbered = values.into_iter().enumerate();
        numbered.fold(self, |call, (index, value)| call.with(&format!("{name}.{}", index + 1), value))
    }

    /// Only what this is one of these of.
    pub(super) fn filter(self, number: usize, name: &str, values: &[&str]) -> Self {
        let prefix = format!("Filter.{number}");
        let named = self.with(&format!("{prefix}.Name"), name);
        named.list(&format!("{prefix}.Value"), values.iter().copied())
    }

    /// Tags, below this name.
    pub(super) fn tags(self, prefix: &str, tags: &[(&str, &str)]) -> Self {
        tags.iter().enumerate().fold(self, |call, (index, (key, value))| {
            let prefix = format!("{prefix}.{}", index + 1);
            call.with(&format!("{prefix}.Key"), *key).with(&format!("{prefix}.Value"), *value)
        })
    }

    /// The call as a form.
    pub(super) fn body(&self) -> String {
        let mut body = format!("Action={}&Version={VERSION}", self.action);
        for (name, value) in &self.parameters {
            let (name, value) = (utf8_percent_encode(name, ESCAPED), utf8_percent_encode(value, ESCAPED));
            body.push_str(&format!("&{name}={value}"));
        }
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_a_form() {
        let call = Call::new("DescribeInstances")
            .filter(1, "tag:sightscan:pool", &["a b", "c&d"])
            .with_some("NextToken", None)
            .with_some("MaxResults", Some("5"))
            .tags("Tag", &[("Name", "é")]);
        assert_eq!(
            call.body(),
            "Action=DescribeInstances&Version=2016-11-15&Filter.1.Name=tag%3Asightscan%3Apool&Filter.1.Value.1=a%20b\
             &Filter.1.Value.2=c%26d&MaxResults=5&Tag.1.Key=Name&Tag.1.Value=%C3%A9"
        );
    }
}
