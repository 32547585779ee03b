//! What can go wrong with EC2, and what to do about it.

use std::error::Error as _;

use crate::ec2::answer::Cause;

/// Why EC2 has not done what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Nobody says where the machines are.
    #[error("no region of Amazon EC2 is named: set AWS_REGION, such as eu-central-1")]
    NoRegion,
    /// Nobody says who we are.
    #[error(
        "there are no credentials for Amazon EC2 ({0}): run on a machine with a role, or set AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
    )]
    NoCredentials(String),
    /// It does not answer.
    #[error(
        "Amazon EC2 does not answer {action}: {why}; check AWS_REGION, the network, and AWS_ENDPOINT_URL where it is set"
    )]
    Unreachable {
        /// What was asked.
        action: &'static str,
        /// What the network says.
        why: String,
    },
    /// It refuses.
    #[error("Amazon EC2 refuses {action}: {code}: {message}; {}", advice(action, code))]
    Refused {
        /// What was asked.
        action: &'static str,
        /// The status of HTTP.
        status: u16,
        /// Its name for what is wrong.
        code: String,
        /// Its words.
        message: String,
    },
    /// It answers something else.
    #[error(
        "the answer of Amazon EC2 to {action} cannot be read: {why}; is AWS_ENDPOINT_URL the address of something else?"
    )]
    Unreadable {
        /// What was asked.
        action: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The prepared machine is gone for good.
    #[error(
        "the machine {0} is terminated: prepare another one, and name it in MTS_EC2_INSTANCE_ID or as `instance`"
    )]
    Gone(String),
}

impl Fault {
    pub(super) fn unreachable(action: &'static str, error: &reqwest::Error) -> Self {
        let mut why = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            why.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Self::Unreachable { action, why }
    }

    pub(super) fn refused(action: &'static str, status: u16, cause: Cause) -> Self {
        let Cause { code, message } = cause;
        // Behind this there are kilobytes for `aws sts decode-authorization-message`.
        let message = message.split(" Encoded authorization failure").next().unwrap_or_default();
        Self::Refused { action, status, code, message: message.trim_end_matches('.').to_owned() }
    }

    /// Whether the same call may be answered a moment later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { code, .. } if is_throttling(code) => true,
            Self::Refused { status, code, .. } => *status >= 500 && !is_want_of_machines(code),
            _ => false,
        }
    }

    /// Whether nobody knows what became of the call.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unreadable { .. } => true,
            Self::Refused { status, code, .. } => {
                *status >= 500 && !is_throttling(code) && !is_want_of_machines(code)
            }
            _ => false,
        }
    }
}

fn is_throttling(code: &str) -> bool {
    [
        "RequestLimitExceeded",
        "Throttling",
        "ThrottlingException",
        "RequestThrottled",
        "RequestThrottledException",
    ]
    .contains(&code)
}

/// Amazon has no such machine now, and says so with the status of a server's error.
fn is_want_of_machines(code: &str) -> bool {
    code.starts_with("Insufficient")
}

/// What to do about an error, see <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
fn advice(action: &str, code: &str) -> String {
    match code {
        "UnauthorizedOperation" | "AccessDenied" => format!("allow {} to whoever this runs as", rights(action)),
        "AuthFailure" | "InvalidClientTokenId" | "SignatureDoesNotMatch" | "MissingAuthenticationToken" => {
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine".to_owned()
        }
        "RequestExpired" | "ExpiredToken" => {
            "set this machine's clock, and renew the credentials where they end".to_owned()
        }
        "OptInRequired" | "Blocked" | "PendingVerification" => {
            "see the account's page: Amazon has not enabled EC2 for it".to_owned()
        }
        "InstanceLimitExceeded" | "VcpuLimitExceeded" | "MaxSpotInstanceCountExceeded" => {
            "ask Amazon for a greater quota, or lower the pool's `max`".to_owned()
        }
        "IncorrectInstanceState" => {
            "the machine is on its way somewhere else: it is tried again at the next look".to_owned()
        }
        _ if is_want_of_machines(code) => {
            "Amazon has no such machine there now: it is tried again, or choose another `instance_type` or `subnet`"
                .to_owned()
        }
        _ if is_throttling(code) => {
            "too much is asked for this account: it is tried again at the next look".to_owned()
        }
        _ => wrong_setting(code),
    }
}

/// What is to be corrected, by the beginning of EC2's name for it.
fn wrong_setting(code: &str) -> String {
    let settings = [
        ("InvalidAMI", "`image`"),
        ("InvalidLaunchTemplate", "`launch_template`"),
        ("InvalidInstanceID", "MTS_EC2_INSTANCE_ID or `instance`"),
        ("InvalidSubnet", "`subnet`"),
        ("InvalidGroup", "`security_groups`"),
        ("InvalidSecurityGroup", "`security_groups`"),
        ("InvalidIamInstanceProfile", "`instance_profile`"),
        ("InvalidParameter", "the section `[pool.ec2]`"),
        ("Unsupported", "`instance_type` or `subnet`"),
    ];
    match settings.iter().find(|(beginning, _)| code.starts_with(beginning)) {
        Some((_, setting)) => format!("correct {setting}; it must be in the region AWS_REGION"),
        None => "see https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html".to_owned(),
    }
}

/// What must be allowed for a call.
fn rights(action: &str) -> String {
    match action {
        "RunInstances" => {
            "`ec2:RunInstances`, `ec2:CreateTags` and, for an instance profile, `iam:PassRole`".to_owned()
        }
        other => format!("`ec2:{other}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(action: &'static str, status: u16, code: &str, message: &str) -> Fault {
        Fault::refused(action, status, Cause { code: code.into(), message: message.into() })
    }

    #[test]
    fn an_error_names_the_code_and_what_to_do() {
        let message =
            "You are not authorized to perform this operation. Encoded authorization failure message: 4GZ…";
        let told = refused("RunInstances", 403, "UnauthorizedOperation", message).to_string();
        for part in
            ["RunInstances", "UnauthorizedOperation", "not authorized", "`ec2:CreateTags`", "`iam:PassRole`"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("4GZ"), "{told}");
        for (code, part) in [
            ("AccessDenied", "`ec2:StartInstances`"),
            ("AuthFailure", "AWS_ACCESS_KEY_ID"),
            ("RequestExpired", "clock"),
            ("InvalidInstanceID.NotFound", "MTS_EC2_INSTANCE_ID"),
            ("InvalidSubnetID.NotFound", "`subnet`"),
            ("VcpuLimitExceeded", "quota"),
            ("InsufficientInstanceCapacity", "`instance_type`"),
            ("SomethingNew", "https://"),
        ] {
            let told = refused("StartInstances", 400, code, "no").to_string();
            assert!(told.contains(code) && told.contains(part), "{told}");
        }
    }

    #[test]
    fn what_may_pass_is_asked_again_and_nothing_else() {
        for (status, code, is_passing, is_open) in [
            (503, "RequestLimitExceeded", true, false),
            (500, "InternalError", true, true),
            (503, "Unavailable", true, true),
            (500, "InsufficientInstanceCapacity", false, false),
            (403, "UnauthorizedOperation", false, false),
            (400, "IncorrectInstanceState", false, false),
        ] {
            let fault = refused("RunInstances", status, code, "");
            assert_eq!((fault.is_passing(), fault.is_open()), (is_passing, is_open), "{code}");
        }
    }
}
