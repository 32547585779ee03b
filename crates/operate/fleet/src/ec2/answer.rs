//! What EC2 answers: as much of its XML as we read.
//!
//! The forms are those of <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>,
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html> and
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::DateTime;
use serde::Deserialize;

/// A list, as EC2 writes them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct List<T> {
    #[serde(default = "Vec::new")]
    pub(super) item: Vec<T>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { item: Vec::new() }
    }
}

/// The answer to `DescribeInstances`: one page.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    #[serde(default)]
    pub(super) reservation_set: List<Reservation>,
    #[serde(default)]
    pub(super) next_token: Option<String>,
}

/// Machines that were started together; alone, the answer to `RunInstances`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reservation {
    #[serde(default)]
    pub(super) instances_set: List<Instance>,
}

/// A machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Instance {
    pub(super) instance_id: String,
    pub(super) instance_state: InstanceState,
    /// When it was last switched on.
    #[serde(default)]
    launch_time: Option<String>,
    #[serde(default)]
    pub(super) tag_set: List<Tag>,
}

/// What a machine does, by EC2's name for it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct InstanceState {
    pub(super) name: String,
}

/// A tag.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tag {
    pub(super) key: String,
    #[serde(default)]
    pub(super) value: String,
}

/// An error.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Refusal {
    pub(super) errors: Errors,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Errors {
    pub(super) error: Cause,
}

/// What is wrong, by EC2's name for it and in its words.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Cause {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

impl Page {
    pub(super) fn next(&self) -> Option<String> {
        self.next_token.clone().filter(|token| !token.is_empty())
    }

    pub(super) fn into_instances(self) -> impl Iterator<Item = Instance> {
        self.reservation_set.item.into_iter().flat_map(|reservation| reservation.instances_set.item)
    }
}

impl Instance {
    /// When it was last switched on, where that is known.
    pub(super) fn launched(&self) -> Option<SystemTime> {
        self.launch_time.as_deref().and_then(time)
    }

    pub(super) fn tag(&self, key: &str) -> Option<&str> {
        self.tag_set.item.iter().find(|tag| tag.key == key).map(|tag| &*tag.value)
    }
}

/// A time as EC2 writes it, and as we do.
pub(super) fn time(text: &str) -> Option<SystemTime> {
    let seconds = DateTime::parse_from_rfc3339(text).ok()?.timestamp();
    Some(UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shaped after the example of
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>.
    const PAGE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstancesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>8f7724cf-496f-496e-8fe3-example</requestId>
  <reservationSet>
    <item>
      <reservationId>r-1234567890abcdef0</reservationId>
      <ownerId>123456789012</ownerId>
      <groupSet/>
      <instancesSet>
        <item>
          <instanceId>i-1234567890abcdef0</instanceId>
          <imageId>ami-bff32ccc</imageId>
          <instanceState><code>16</code><name>running</name></instanceState>
          <launchTime>2018-05-08T16:46:19.000Z</launchTime>
          <placement><availabilityZone>eu-west-1c</availabilityZone><groupName/></placement>
          <tagSet>
            <item><key>Name</key><value>Server_1 &amp; more</value></item>
            <item><key>empty</key><value/></item>
          </tagSet>
          <hypervisor>xen</hypervisor>
        </item>
        <item>
          <instanceId>i-2</instanceId>
          <instanceState><code>0</code><name>pending</name></instanceState>
        </item>
      </instancesSet>
    </item>
  </reservationSet>
  <nextToken>eyJ2IjoiMiJ9</nextToken>
</DescribeInstancesResponse>"#;

    #[test]
    fn a_page_of_machines_is_read() {
        let page: Page = quick_xml::de::from_str(PAGE).unwrap();
        assert_eq!(page.next().as_deref(), Some("eyJ2IjoiMiJ9"));
        let machines: Vec<Instance> = page.into_instances().collect();
        assert_eq!(machines.len(), 2);
        let first = &machines[0];
        assert_eq!((&*first.instance_id, &*first.instance_state.name), ("i-1234567890abcdef0", "running"));
        assert_eq!(first.launch_time.as_deref(), Some("2018-05-08T16:46:19.000Z"));
        assert_eq!((first.tag("Name"), first.tag("empty")), (Some("Server_1 & more"), Some("")));
        assert_eq!(first.tag("other"), None);
        assert_eq!(machines[1].instance_state.name, "pending");
    }

    #[test]
    fn a_page_may_be_empty() {
        let page = "<DescribeInstancesResponse><reservationSet/><nextToken/></DescribeInstancesResponse>";
        let page: Page = quick_xml::de::from_str(page).unwrap();
        assert_eq!(page.next(), None);
        assert_eq!(page.into_instances().count(), 0);
    }

    #[test]
    fn an_error_has_a_code_and_says_why() {
        // Of https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.
        let text = "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>The instance ID \
                    'i-1a2b3c4d' does not exist</Message></Error></Errors>\
                    <RequestID>ea966190-f9aa-478e-9ede-example</RequestID></Response>";
        let Cause { code, message } = quick_xml::de::from_str::<Refusal>(text).unwrap().errors.error;
        assert_eq!(code, "InvalidInstanceID.NotFound");
        assert_eq!(message, "The instance ID 'i-1a2b3c4d' does not exist");
    }
}
