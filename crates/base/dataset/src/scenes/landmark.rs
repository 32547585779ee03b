//! Which landmarks there are.

use std::fmt;
use std::str::FromStr;

/// A sight of the invented city. Each kind has a shape of its own; all else differs from picture to picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Landmark {
    /// A tower of iron lattice on four legs.
    Tower,
    /// A triumphal arch.
    Arch,
    /// A basilica with a great dome.
    Dome,
    /// A bridge that hangs from cables.
    Bridge,
    /// An obelisk on steps.
    Obelisk,
    /// A Ferris wheel.
    Wheel,
    /// A Dutch windmill.
    Windmill,
    /// A city gate with two towers.
    Gate,
}

impl Landmark {
    /// All of them, in the order of the classes of a detector.
    pub const ALL: [Self; 8] = [
        Self::Tower,
        Self::Arch,
        Self::Dome,
        Self::Bridge,
        Self::Obelisk,
        Self::Wheel,
        Self::Windmill,
        Self::Gate,
    ];

    /// The name of its class, such as `windmill`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tower => "tower",
            Self::Arch => "arch",
            Self::Dome => "dome",
            Self::Bridge => "bridge",
            Self::Obelisk => "obelisk",
            Self::Wheel => "wheel",
            Self::Windmill => "windmill",
            Self::Gate => "gate",
        }
    }
}

impl fmt::Display for Landmark {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The name is that of no landmark.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no landmark {0:?}; use tower, arch, dome, bridge, obelisk, wheel, windmill or gate")]
pub struct UnknownLandmark(String);

impl FromStr for Landmark {
    type Err = UnknownLandmark;

    fn from_str(name: &str) -> Result<Self, UnknownLandmark> {
        let found = Self::ALL.into_iter().find(|landmark| landmark.name() == name);
        found.ok_or_else(|| UnknownLandmark(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_errors_tell_all_of_them() {
        for landmark in Landmark::ALL {
            assert_eq!(landmark.to_string().parse(), Ok(landmark));
        }
        let error = "Tower".parse::<Landmark>().unwrap_err().to_string();
        assert!(Landmark::ALL.iter().all(|landmark| error.contains(landmark.name())), "{error}");
    }
}
