//! What a version of Keycloak does not have: left out by name, never silently.

use std::fmt;

/// Major and minor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Version(pub (u32, u32));

/// What only some versions have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Feature {
    /// The schema of users' attributes is always on, and refuses what it does not know.
    Profiles,
    /// Attributes longer than 255 characters of local, 2024 of federated users.
    LongAttributes,
    /// On by default.
    Organizations,
    /// Invitations have rows; before, they were tokens in mails.
    Invitations,
    /// Fine-grained admin permissions, second version.
    AdminPermissions,
    /// Workflows that may be made without a feature of the server's start.
    Workflows,
}

impl Feature {
    pub const ALL: [Self; 6] = [
        Self::Profiles,
        Self::LongAttributes,
        Self::Organizations,
        Self::Invitations,
        Self::AdminPermissions,
        Self::Workflows,
    ];

    fn since(self) -> (u32, u32) {
        match self {
            Self::Profiles | Self::LongAttributes => (24, 0),
            Self::Organizations => (26, 0),
            Self::AdminPermissions => (26, 2),
            Self::Invitations => (26, 5),
            Self::Workflows => (26, 6),
        }
    }
}

impl Version {
    pub fn has(self, feature: Feature) -> bool {
        self.0 >= feature.since()
    }

    /// What is left out here, for people.
    pub fn lacks(self) -> Vec<String> {
        let lacking = Feature::ALL.into_iter().filter(|feature| !self.has(*feature));
        lacking.map(|feature| format!("{feature:?} (since {}.{})", feature.since().0, feature.since().1)).collect()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0.0, self.0.1)
    }
}
