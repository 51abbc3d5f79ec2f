//! Under which ids Keycloak may know a Sunbird user.
//!
//! A *local* user is known by the plain id, a *federated* one by `f:<component>:<id>`: the component is the storage
//! provider's, which the configuration names. Everything after the second colon is the id, colons included.

use crate::domain::ids::UserId;
use crate::domain::verdict::PurgeKind;

/// What a federated id begins with.
const FEDERATED: &str = "f:";
/// `user_entity.id` is `varchar(36)`: a longer id can have no row there.
const LOCAL_CHARS: usize = 36;

/// Builds ids for the configured storage provider and the ones before it.
#[derive(Clone, Debug)]
pub(super) struct IdForms {
    /// The configured provider first.
    providers: Vec<String>,
}

/// The ids of one user that a purge looks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Forms {
    /// Absent when the text is itself a federated id: it would name somebody else's rows.
    pub plain: Option<String>,
    /// The configured provider's first; always made, also where a purge must keep to the plain id.
    pub federated: Vec<String>,
}

impl IdForms {
    pub(super) fn new(provider: &str, former: &[String]) -> Self {
        let mut providers = vec![provider.to_owned()];
        providers.extend(former.iter().filter(|former| *former != provider).cloned());
        Self { providers }
    }

    pub(super) fn of(&self, user: &UserId) -> Forms {
        let user = user.as_str();
        Forms {
            plain: (!user.starts_with(FEDERATED)).then(|| user.to_owned()),
            federated: self.providers.iter().map(|provider| format!("{FEDERATED}{provider}:{user}")).collect(),
        }
    }
}

impl Forms {
    /// The id that may be in `user_entity`.
    pub(super) fn local(&self) -> Option<&str> {
        self.plain.as_deref().filter(|plain| plain.chars().count() <= LOCAL_CHARS)
    }

    /// The id under the configured provider.
    pub(super) fn current(&self) -> Option<&str> {
        self.federated.first().map(String::as_str)
    }

    /// The ids whose rows a purge of this kind takes away.
    pub(super) fn purged(&self, kind: PurgeKind) -> impl Iterator<Item = &str> {
        let federated = match kind {
            PurgeKind::Full | PurgeKind::Sweep => self.federated.as_slice(),
            PurgeKind::Retire => &[],
        };
        self.plain.as_deref().into_iter().chain(federated.iter().map(String::as_str))
    }

    /// Every id, whatever the purge may take: the guards look at all of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.purged(PurgeKind::Full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(user: &str) -> Forms {
        IdForms::new("now", &["before".to_owned(), "now".to_owned()]).of(&UserId::parse(user).unwrap())
    }

    #[test]
    fn a_user_is_known_by_the_plain_id_and_under_each_provider_once() {
        let forms = forms("o'brien:a%");
        assert_eq!(forms.local(), Some("o'brien:a%"));
        assert_eq!(forms.current(), Some("f:now:o'brien:a%"));
        let full: Vec<_> = forms.purged(PurgeKind::Full).collect();
        assert_eq!(full, ["o'brien:a%", "f:now:o'brien:a%", "f:before:o'brien:a%"]);
        assert_eq!(forms.purged(PurgeKind::Sweep).collect::<Vec<_>>(), full);
        assert_eq!(forms.purged(PurgeKind::Retire).collect::<Vec<_>>(), ["o'brien:a%"]);
    }

    #[test]
    fn a_long_id_is_no_local_user_but_may_own_rows() {
        let (fits, long) = ("ü".repeat(36), "ü".repeat(37));
        assert_eq!(forms(&fits).local(), Some(fits.as_str()));
        assert_eq!(forms(&long).local(), None);
        assert_eq!(forms(&long).purged(PurgeKind::Retire).collect::<Vec<_>>(), [long.as_str()]);
    }

    #[test]
    fn the_plain_form_never_names_another_providers_user() {
        let forms = forms("f:ldap:jane");
        assert_eq!(forms.plain, None);
        assert_eq!(forms.current(), Some("f:now:f:ldap:jane"));
    }
}
