//! `keycloak.trail`: where a person is named beyond their own rows, and what happens there.

use serde::{Deserialize, Serialize};

use super::fields;

/// All of it is off by default: each asks for rights of its own, and an event log may have to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TrailSettings {
    /// What users did: logins, errors.
    #[serde(deserialize_with = "fields::choice")]
    pub events: EventPolicy,
    /// What was done to users through the Admin API.
    #[serde(deserialize_with = "fields::choice")]
    pub admin_events: EventPolicy,
    /// Ids in the user lists of other people's policies.
    pub policies: bool,
    /// Invitations to organizations, by the e-mail address of a local user.
    pub invitations: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventPolicy {
    #[default]
    Keep,
    Delete,
    /// What happened and when stays, to whom and from where goes.
    Anonymise,
}

impl TrailSettings {
    /// Nothing but the person's own rows.
    pub const OFF: Self =
        Self { events: EventPolicy::Keep, admin_events: EventPolicy::Keep, policies: false, invitations: false };

    /// Whether the key of this name is on.
    pub fn is_on(&self, key: &str) -> bool {
        match key {
            "keycloak.trail.events" => self.events != EventPolicy::Keep,
            "keycloak.trail.admin_events" => self.admin_events != EventPolicy::Keep,
            "keycloak.trail.policies" => self.policies,
            "keycloak.trail.invitations" => self.invitations,
            _ => false,
        }
    }
}
