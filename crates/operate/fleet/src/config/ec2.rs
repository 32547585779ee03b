//! The section `[pool.ec2]`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::DriverKind;

/// The section `[pool.ec2]`: the machines of a pool in Amazon EC2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ec2Config {
    /// With the driver `ec2`: the image that machines are started from, such as `ami-0123456789abcdef0`.
    pub image: Option<String>,
    /// With the driver `ec2`: the launch template that says what is not said here, by name or id (`lt-…`).
    pub launch_template: Option<String>,
    /// Its version, a number or `$Latest`; its default version unless given.
    pub launch_template_version: Option<String>,
    /// With the driver `ec2`: such as `c7i.large`.
    pub instance_type: Option<String>,
    /// With the driver `ec2`: the subnet of the machines.
    pub subnet: Option<String>,
    /// With the driver `ec2`: the security groups of the machines, by id.
    pub security_groups: Vec<String>,
    /// With the driver `ec2`: whose rights the machines have, by name or ARN.
    pub instance_profile: Option<String>,
    /// With the driver `ec2`: the file of the user data. With an image, the worker of this pool unless given.
    pub user_data: Option<PathBuf>,
    /// With the driver `ec2-instance`: the prepared machine; else `MTS_EC2_INSTANCE_ID`.
    pub instance: Option<String>,
    /// A machine runs no longer than this, in minutes, whatever it does.
    pub deadline_minutes: u32,
}

impl Default for Ec2Config {
    fn default() -> Self {
        Self {
            image: None,
            launch_template: None,
            launch_template_version: None,
            instance_type: None,
            subnet: None,
            security_groups: Vec::new(),
            instance_profile: None,
            user_data: None,
            instance: None,
            deadline_minutes: 720,
        }
    }
}

impl Ec2Config {
    /// Says what cannot be meant with this driver.
    pub(super) fn check(&self, driver: DriverKind) -> Result<(), &'static str> {
        let is_named = self.image.is_some() || self.launch_template.is_some();
        match driver {
            _ if self.deadline_minutes == 0 => Err("`deadline_minutes` must be at least 1"),
            DriverKind::Ec2 if !is_named => {
                Err("the driver `ec2` needs an `image` or a `launch_template` in the section `[pool.ec2]`")
            }
            DriverKind::Ec2 if self.launch_template.is_none() && self.instance_type.is_none() => {
                Err("without a `launch_template` the section `[pool.ec2]` needs an `instance_type`")
            }
            DriverKind::Ec2Instance if self.instance.is_none() => Err(
                "the driver `ec2-instance` needs the `instance` in the section `[pool.ec2]`, or MTS_EC2_INSTANCE_ID",
            ),
            _ => Ok(()),
        }
    }
}
