//! The table map: every table of Keycloak 7 to 26.8 that knows a user, how, and when its rows go.
//!
//! A new table of a new Keycloak is one entry here: statements, counts and checks are made from this map and from what the
//! live schema has. Below the map stands what is found in other ways: the authorization services are a web, not a list
//! (`authz`), the traces in logs and in what belongs to others are optional (`trail`), and some is left on purpose.

#[cfg(test)]
mod tests;

/// Whether a foreign key leads from a table to `user_entity`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// Yes: the lock on the user keeps new rows out, so what is left before the commit is a fault.
    Foreign,
    /// No: a login in flight may write rows at any time; what is left is told and swept later.
    Free,
}

/// How a table names a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Key {
    /// A column holds the user's id: the plain one in the foreign-key family, either form in free tables.
    User(&'static str),
    /// A column holds the key of a row of another table of the map, which names the user.
    Parent { column: &'static str, table: &'static str, key: &'static str },
}

/// One table of the map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Table {
    pub name: &'static str,
    pub family: Family,
    pub key: Key,
    /// It has a `realm_id`, which our statements name too.
    pub in_realm: bool,
    /// The first Keycloak that has it; absent: older than 7.
    pub since: Option<&'static str>,
    /// The last Keycloak that has it; absent: still there.
    pub until: Option<&'static str>,
    /// Why the order, or the key, is as it is.
    pub why: &'static str,
}

impl Table {
    const fn foreign(name: &'static str, column: &'static str) -> Self {
        Self { family: Family::Foreign, ..Self::free(name, column) }
    }

    pub(super) const fn free(name: &'static str, column: &'static str) -> Self {
        let key = Key::User(column);
        Self { name, family: Family::Free, key, in_realm: false, since: None, until: None, why: "" }
    }

    /// The column that was given is a key of `table`, not a user's id.
    const fn through(mut self, table: &'static str, key: &'static str) -> Self {
        let (Key::User(column) | Key::Parent { column, .. }) = self.key;
        self.key = Key::Parent { column, table, key };
        self
    }

    const fn in_realm(mut self) -> Self {
        self.in_realm = true;
        self
    }

    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    const fn until(mut self, version: &'static str) -> Self {
        self.until = Some(version);
        self
    }

    const fn why(mut self, why: &'static str) -> Self {
        self.why = why;
        self
    }

    /// The column that our statements compare.
    pub fn column(&self) -> &'static str {
        match self.key {
            Key::User(column) | Key::Parent { column, .. } => column,
        }
    }

    /// The keys by which those of `tables` that name no user themselves name rows of this one.
    pub fn keys_for(&self, tables: impl Iterator<Item = &'static Self>) -> impl Iterator<Item = &'static str> {
        let name = self.name;
        tables.filter_map(move |child| match child.key {
            Key::Parent { table, key, .. } if table == name => Some(key),
            Key::Parent { .. } | Key::User(_) => None,
        })
    }

    /// Every column that our statements read where these tables are there.
    pub fn columns(&self, tables: impl Iterator<Item = &'static Self>) -> Vec<&'static str> {
        let own = std::iter::once(self.column()).chain(self.in_realm.then_some("realm_id"));
        own.chain(self.keys_for(tables)).collect()
    }

    /// Looks a table of the map up.
    pub fn named(name: &str) -> Option<&'static Self> {
        TABLES.iter().find(|table| table.name == name)
    }
}

/// Order: as the rows are deleted. No table cascades in any version, so children go before their parents; sessions go first,
/// in the order in which Keycloak itself locks them; `user_entity` goes last, after everything that its foreign keys hold.
pub const TABLES: [Table; 29] = [
    Table::free("offline_client_session", "user_session_id")
        .through("offline_user_session", "user_session_id")
        .why("names no user; whatever its offline_flag, which a Keycloak bug may have left wrong (keycloak#52139)"),
    Table::free("offline_user_session", "user_id").in_realm().why("offline sessions; online ones too since 25"),
    Table::free("login_failure", "user_id").in_realm().since("26.7").why("brute-force counters"),
    Table::free("workflow_state", "resource_id").since("26.4").why("resource_id is a user's id for user workflows"),
    Table::free("auth_session", "auth_user_id")
        .since("26.7")
        .why("logins under way, with the stateless feature only; their root_auth_session names nobody and expires"),
    Table::free("fed_issued_ver_credential", "user_id")
        .in_realm()
        .since("26.7")
        .why("has a foreign key to fed_user_ver_credential"),
    Table::free("fed_user_ver_credential", "user_id").in_realm().since("26.7"),
    Table::free("fed_user_consent_cl_scope", "user_consent_id")
        .through("fed_user_consent", "id")
        .why("no foreign key: an orphan for ever if the consent went first"),
    Table::free("fed_user_consent", "user_id").in_realm(),
    Table::free("fed_credential_attribute", "credential_id")
        .through("fed_user_credential", "id")
        .until("7")
        .why("has a foreign key to fed_user_credential"),
    Table::free("fed_user_credential", "user_id").in_realm().why("password hashes of federated users"),
    Table::free("broker_link", "user_id").in_realm().why("without an index on the user before 26.4.8"),
    Table::free("fed_user_attribute", "user_id").in_realm().why("a logout writes fedNotBefore here"),
    Table::free("fed_user_group_membership", "user_id").in_realm(),
    Table::free("fed_user_required_action", "user_id").in_realm(),
    Table::free("fed_user_role_mapping", "user_id").in_realm(),
    Table::free("federated_user", "id")
        .in_realm()
        .why("last of the federated tables: the handle by which the rest is found"),
    Table::foreign("user_consent_client_scope", "user_consent_id").through("user_consent", "id"),
    Table::foreign("user_consent", "user_id"),
    Table::foreign("issued_ver_credential", "user_id").since("26.7").why("has a foreign key to user_ver_credential"),
    Table::foreign("user_ver_credential", "user_id").since("26.7"),
    Table::foreign("credential_attribute", "credential_id").through("credential", "id").until("7"),
    Table::foreign("credential", "user_id").why("password hashes of local users"),
    Table::foreign("federated_identity", "user_id").why("broker links of local users"),
    Table::foreign("user_required_action", "user_id"),
    Table::foreign("user_attribute", "user_id"),
    Table::foreign("user_group_membership", "user_id").why("organization membership too since 26"),
    Table::foreign("user_role_mapping", "user_id"),
    Table::foreign("user_entity", "id").in_realm().why("last: every foreign key of the family ends here"),
];

/// How a table beyond the map is handled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handled {
    /// Followed from the person's resources, tickets and policies.
    Web,
    /// When this key of the configuration says so.
    Option(&'static str),
    /// Keycloak has not used it since version 1: a new connection warns when it is not empty.
    Told,
    /// Knowingly left: it is on the allow-list of every search for what is left.
    Left,
}

/// A table beyond the map that names a user, or whose rows go with one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Other {
    pub name: &'static str,
    /// The columns that name a user, or the row that does.
    pub columns: &'static [&'static str],
    pub since: Option<&'static str>,
    pub until: Option<&'static str>,
    pub handled: Handled,
    pub why: &'static str,
}

const fn other(name: &'static str, columns: &'static [&'static str], handled: Handled, why: &'static str) -> Other {
    Other { name, columns, since: None, until: None, handled, why }
}

impl Other {
    const fn since(mut self, version: &'static str) -> Self {
        self.since = Some(version);
        self
    }

    const fn until(mut self, version: &'static str) -> Self {
        self.until = Some(version);
        self
    }
}

/// Order: as the rows go; the web before the map's tables, the options after them (invitations, which are found by the
/// e-mail address in `user_entity`, before).
pub const OTHERS: [Other; 28] = [
    other(
        "resource_server_perm_ticket",
        &["owner", "requester", "resource_id"],
        Handled::Web,
        "either side of a share",
    ),
    other("resource_policy", &["resource_id", "policy_id"], Handled::Web, "which policies cover which resources"),
    other("scope_policy", &["policy_id"], Handled::Web, "child of a policy"),
    other("associated_policy", &["policy_id", "associated_policy_id"], Handled::Web, "either side goes"),
    other("policy_config", &["policy_id"], Handled::Web, "child of a policy"),
    other(
        "resource_server_policy",
        &["owner"],
        Handled::Web,
        "theirs, their tickets', and those left without resource",
    ),
    other("resource_attribute", &["resource_id"], Handled::Web, "child of a resource"),
    other("resource_uris", &["resource_id"], Handled::Web, "child of a resource"),
    other("resource_scope", &["resource_id"], Handled::Web, "child of a resource"),
    other(
        "resource_server_resource",
        &["owner", "name"],
        Handled::Web,
        "name: of the admin permissions (26.2) for a user",
    ),
    other(
        "org_invitation",
        &["email"],
        Handled::Option("keycloak.trail.invitations"),
        "a local user's address; names too",
    )
    .since("26.5"),
    other(
        "event_entity",
        &["user_id", "session_id", "details_json", "details_json_long_value"],
        Handled::Option("keycloak.trail.events"),
        "Keycloak never removes a user from it; details hold session ids, names and addresses",
    ),
    other(
        "admin_event_entity",
        &["auth_user_id", "resource_path", "representation", "details_json"],
        Handled::Option("keycloak.trail.admin_events"),
        "any path may name a user, and so may what was sent there",
    ),
    other(
        "policy_config",
        &["value"],
        Handled::Option("keycloak.trail.policies"),
        "ids in other people's user policies",
    ),
    other("user_session_note", &["user_session"], Handled::Told, "sessions are in memory since 1.x").until("25"),
    other("client_session_note", &["client_session"], Handled::Told, "as above").until("25"),
    other("client_session_role", &["client_session"], Handled::Told, "as above").until("25"),
    other("client_session_prot_mapper", &["client_session"], Handled::Told, "as above").until("25"),
    other("client_session_auth_status", &["client_session"], Handled::Told, "as above").until("25"),
    other("client_user_session_note", &["client_session"], Handled::Told, "as above").until("25"),
    other("client_session", &["auth_user_id", "session_id"], Handled::Told, "as above").until("25"),
    other("user_session", &["user_id"], Handled::Told, "as above").until("25"),
    other("username_login_failure", &["username"], Handled::Told, "failed logins are in memory since 1.x")
        .until("26.0"),
    other(
        "single_use_object",
        &["id"],
        Handled::Left,
        "begins with base64 of a user id; expires within hours, and without \
        it a link that was used could be used again",
    )
    .since("26.7"),
    other(
        "root_auth_session",
        &["id"],
        Handled::Left,
        "of nobody once its auth_session is gone; expires within minutes",
    )
    .since("26.7"),
    other("revoked_token", &["id"], Handled::Left, "ids of tokens; expires with them").since("26.0"),
    other("outbox_entry", &["payload"], Handled::Left, "messages under way to other systems; drained").since("26.7"),
    other("cluster_event", &["payload"], Handled::Left, "messages between Keycloak's nodes; expires").since("26.7"),
];
