//! Tables that are not Keycloak's own: held, until the configuration decides about them.

use user_purge_sync::adapters::keycloak::PgIdentityStore;
use user_purge_sync::domain::outcome::RowCounts;
use user_purge_sync::domain::verdict::PurgeKind;
use user_purge_sync::settings::{PurgeMode, TableChoice};

use super::{delete_by, held, ignore, try_purge};
use crate::keycloak::copy::Copy;
use crate::keycloak::person::Person;
use crate::keycloak::stack::{counts, purge, purge_settings, rows, rows_holding, store_with};

const WORKER: &str = "user_purge_sync";
/// As an extension of Keycloak makes them: a member of a tenant, and what the member has there.
const TENANTS: &str = "\
    CREATE TABLE tenant (id bigserial PRIMARY KEY, user_id varchar(36) REFERENCES user_entity, mark text);
    CREATE TABLE \"tenantBadge\" (membership bigint REFERENCES tenant, mark text);
    GRANT SELECT (id, user_id), DELETE ON tenant TO user_purge_sync;
    GRANT SELECT (membership), DELETE ON \"tenantBadge\" TO user_purge_sync;";

#[tokio::test]
async fn an_unknown_table_with_a_foreign_key_holds_until_the_lines_it_is_told_with_decide() {
    let copy = Copy::make().await;
    copy.change(TENANTS).await;
    let error = held(&copy.store()).await;
    assert!(error.contains("table tenant is not known; its column user_id has a foreign key"), "{error}");

    let lines: String = error.lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n");
    let decided: toml::Table = lines.parse().unwrap();
    let choice: TableChoice = decided["keycloak"]["tables"]["tenant"].clone().try_into().unwrap();
    let mut settings = copy.settings();
    settings.tables.insert("tenant".to_owned(), choice);
    let error = held(&store_with(&settings)).await;
    assert!(error.contains("table tenantBadge is not known; its column membership has a foreign key"), "{error}");
}

#[tokio::test]
async fn rows_of_decided_tables_go_with_their_user_children_first_and_are_counted_like_all_others() {
    let (copy, person, other) = (Copy::make().await, Person::new(), Person::new());
    copy.change(TENANTS).await;
    for who in [&person, &other] {
        who.move_in(&copy.database).await;
        let sql = format!(
            "INSERT INTO tenant (user_id, mark) SELECT '{0}', '{1}' FROM generate_series(1, 2);
             INSERT INTO \"tenantBadge\" SELECT id, '{1}' FROM tenant WHERE user_id = '{0}'",
            who.id, who.mark
        );
        copy.change(&sql).await;
    }
    let mut settings = copy.settings();
    settings.tables = delete_by("tenant", "user_id");
    settings.tables.extend(delete_by("tenantBadge", "membership"));
    let (before, others) =
        (rows_holding(&copy.database, &person.mark).await, rows_holding(&copy.database, &other.mark).await);

    let dry = PgIdentityStore::new(&settings, &purge_settings(PurgeMode::DryRun), None);
    let would_go = rows(purge(&dry, &person.id, PurgeKind::Full).await);
    let gone = rows(purge(&store_with(&settings), &person.id, PurgeKind::Full).await);

    assert_eq!((gone["tenant"], gone["\"tenantBadge\""]), (2, 2));
    assert_eq!(would_go, gone);
    assert_eq!(gone.values().sum::<u64>(), counts(&before).values().sum::<u64>());
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
    assert_eq!(rows_holding(&copy.database, &other.mark).await, others);
}

#[tokio::test]
async fn a_table_that_is_only_named_for_users_holds_too_and_is_ignored_or_purged_by_either_form() {
    let (copy, person) = (Copy::make().await, Person::new());
    copy.change(&format!(
        "CREATE TABLE login_history (at bigint, \"userId\" varchar(255), mark text);
         GRANT SELECT (\"userId\"), DELETE ON login_history TO {WORKER};
         INSERT INTO login_history VALUES (1, '{}', '{2}'), (2, '{}', '{2}')",
        person.id,
        person.federated(),
        person.mark
    ))
    .await;
    let error = held(&copy.store()).await;
    assert!(error.contains("table login_history is not known; its column userId is named as if"), "{error}");

    let mut settings = copy.settings();
    settings.tables = ignore("login_history");
    assert_eq!(rows(purge(&store_with(&settings), &person.id, PurgeKind::Full).await), RowCounts::new());
    settings.tables = delete_by("login_history", "userId");
    let gone = rows(purge(&store_with(&settings), &person.id, PurgeKind::Full).await);
    assert_eq!(gone, RowCounts::from([("login_history", 2)]));
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
}

#[tokio::test]
async fn rows_that_cascade_go_by_themselves_and_nobody_is_asked() {
    let (copy, person) = (Copy::make().await, Person::new());
    let cascade = "CREATE TABLE badge (holder varchar(36) REFERENCES user_entity ON DELETE CASCADE, mark text)";
    copy.change(cascade).await;
    person.add_local(&copy.database, crate::keycloak::stack::REALM).await;
    copy.change(&format!("INSERT INTO badge VALUES ('{}', '{}')", person.id, person.mark)).await;
    let store = copy.store();
    try_purge(&store).await.unwrap();
    rows(purge(&store, &person.id, PurgeKind::Full).await);
    assert!(rows_holding(&copy.database, &person.mark).await.is_empty());
    copy.change("CREATE TABLE stripe (badge varchar(36)); ALTER TABLE badge ADD PRIMARY KEY (holder)").await;
    copy.change("ALTER TABLE stripe ADD FOREIGN KEY (badge) REFERENCES badge").await;
    let error = held(&copy.store()).await;
    assert!(error.contains("table stripe is not known; its column badge has a foreign key to badge"), "{error}");
}
