-- The worker's role in Keycloak's database, with the rights that the purge needs and no others.
--
-- Run it as the database's owner or a superuser, in Keycloak's database, with Keycloak's schema first in search_path; run it
-- again after each upgrade of Keycloak, which may have added tables, and after each change of purge.options. Then give the
-- role a password.
--
--   psql -d keycloak -f keycloak-role.sql
--   psql -d keycloak -c '\password user_purge_sync'
--
-- Password hashes, attribute values, e-mail addresses, first and last names stay unreadable: SELECT is granted on keys only,
-- on what the protections need to know, and on what the start-up checks compare. One of them is a name: user_entity.username
-- is readable, because service accounts are told by it ("service-account-…") and must not be purged. Tables and columns that
-- this version of Keycloak does not have are passed over (7 to 26.8 differ).
--
-- What is optional in the worker's configuration is optional here. Name what you switched on, separated by commas, in the
-- line below or from outside:   PGOPTIONS='-c purge.options=events,policies' psql -d keycloak -f keycloak-role.sql
--
--   events        keycloak.trail.events is delete or anonymise: reads the event log's ids, sessions and details
--   admin_events  keycloak.trail.admin_events is delete or anonymise: reads what admin events hold
--   policies      keycloak.trail.policies: reads and writes the user lists of policies
--   invitations   keycloak.trail.invitations: reads e-mail addresses, of users and of invitations, to compare them
--   canary        purge.verify = "canary": reads every text of the schema, PASSWORD HASHES INCLUDED, to search it
--
-- Before PostgreSQL 15 everybody may create tables in the schema "public". Keycloak itself may rely on that, so it is not
-- taken away here; where Keycloak's role owns the schema: REVOKE CREATE ON SCHEMA public FROM PUBLIC.

SELECT set_config('purge.options', coalesce(current_setting('purge.options', true), ''), false);
SELECT set_config('purge.role', 'user_purge_sync', false);

DO $$
DECLARE
  worker text := current_setting('purge.role');
  options text[] := string_to_array(current_setting('purge.options'), ',');
  entry record;
  known text[];
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = worker) THEN
    EXECUTE format('CREATE ROLE %I LOGIN', worker);
  END IF;

  -- What an earlier version of this file granted and this one does not, goes.
  EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %I', current_schema(), worker);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), worker);

  FOR entry IN
    SELECT t.relname AS name, wanted.rights, wanted.columns, t.oid
    FROM (VALUES
      -- Option ('' for always), table, right, columns ('' for the whole table).
      -- Local users: the family with foreign keys to user_entity.
      ('', 'user_entity', 'DELETE', ''),
      ('', 'user_entity', 'SELECT', 'id realm_id username service_account_client_link federation_link'),
      -- SELECT … FOR UPDATE asks for UPDATE on some column. Nothing is ever written there.
      ('', 'user_entity', 'UPDATE', 'created_timestamp'),
      ('', 'user_attribute', 'DELETE', ''),
      ('', 'user_attribute', 'SELECT', 'user_id name'),
      ('', 'user_role_mapping', 'DELETE', ''),
      ('', 'user_role_mapping', 'SELECT', 'role_id user_id'),
      ('', 'user_group_membership', 'DELETE', ''),
      ('', 'user_group_membership', 'SELECT', 'group_id user_id'),
      ('', 'user_required_action', 'DELETE', ''),
      ('', 'user_required_action', 'SELECT', 'user_id'),
      ('', 'credential', 'DELETE', ''),
      ('', 'credential', 'SELECT', 'id user_id type'),
      ('', 'credential_attribute', 'DELETE', ''),
      ('', 'credential_attribute', 'SELECT', 'credential_id'),
      ('', 'federated_identity', 'DELETE', ''),
      ('', 'federated_identity', 'SELECT', 'user_id'),
      ('', 'user_consent', 'DELETE', ''),
      ('', 'user_consent', 'SELECT', 'id user_id'),
      ('', 'user_consent_client_scope', 'DELETE', ''),
      ('', 'user_consent_client_scope', 'SELECT', 'user_consent_id'),
      ('', 'user_ver_credential', 'DELETE', ''),
      ('', 'user_ver_credential', 'SELECT', 'user_id'),
      ('', 'issued_ver_credential', 'DELETE', ''),
      ('', 'issued_ver_credential', 'SELECT', 'user_id'),

      -- Federated users: no foreign keys, every row carries its realm.
      ('', 'federated_user', 'DELETE', ''),
      ('', 'federated_user', 'SELECT', 'id realm_id storage_provider_id'),
      ('', 'broker_link', 'DELETE', ''),
      ('', 'broker_link', 'SELECT', 'user_id realm_id'),
      ('', 'fed_user_attribute', 'DELETE', ''),
      ('', 'fed_user_attribute', 'SELECT', 'user_id realm_id name'),
      ('', 'fed_user_credential', 'DELETE', ''),
      ('', 'fed_user_credential', 'SELECT', 'id user_id realm_id type'),
      ('', 'fed_credential_attribute', 'DELETE', ''),
      ('', 'fed_credential_attribute', 'SELECT', 'credential_id'),
      ('', 'fed_user_consent', 'DELETE', ''),
      ('', 'fed_user_consent', 'SELECT', 'id user_id realm_id'),
      ('', 'fed_user_consent_cl_scope', 'DELETE', ''),
      ('', 'fed_user_consent_cl_scope', 'SELECT', 'user_consent_id'),
      ('', 'fed_user_group_membership', 'DELETE', ''),
      ('', 'fed_user_group_membership', 'SELECT', 'group_id user_id realm_id'),
      ('', 'fed_user_required_action', 'DELETE', ''),
      ('', 'fed_user_required_action', 'SELECT', 'user_id realm_id'),
      ('', 'fed_user_role_mapping', 'DELETE', ''),
      ('', 'fed_user_role_mapping', 'SELECT', 'role_id user_id realm_id'),
      ('', 'fed_user_ver_credential', 'DELETE', ''),
      ('', 'fed_user_ver_credential', 'SELECT', 'user_id realm_id'),
      ('', 'fed_issued_ver_credential', 'DELETE', ''),
      ('', 'fed_issued_ver_credential', 'SELECT', 'user_id realm_id'),

      -- Sessions, and what else names a user without a foreign key.
      ('', 'offline_user_session', 'DELETE', ''),
      ('', 'offline_user_session', 'SELECT', 'user_session_id user_id realm_id offline_flag'),
      ('', 'offline_client_session', 'DELETE', ''),
      ('', 'offline_client_session', 'SELECT', 'user_session_id client_id'),
      ('', 'login_failure', 'DELETE', ''),
      ('', 'login_failure', 'SELECT', 'realm_id user_id'),
      ('', 'workflow_state', 'DELETE', ''),
      ('', 'workflow_state', 'SELECT', 'resource_id'),
      ('', 'auth_session', 'DELETE', ''),
      ('', 'auth_session', 'SELECT', 'auth_user_id'),

      -- Authorization services: what a user owns or asked for there.
      ('', 'resource_server_resource', 'DELETE', ''),
      ('', 'resource_server_resource', 'SELECT', 'id name owner resource_server_id'),
      ('', 'resource_server_perm_ticket', 'DELETE', ''),
      ('', 'resource_server_perm_ticket', 'SELECT', 'id owner requester resource_id policy_id'),
      ('', 'resource_server_perm_ticket', 'UPDATE', 'policy_id'),
      ('', 'resource_server_policy', 'DELETE', ''),
      ('', 'resource_server_policy', 'SELECT', 'id owner'),
      ('', 'policy_config', 'DELETE', ''),
      ('', 'policy_config', 'SELECT', 'policy_id'),
      ('', 'associated_policy', 'DELETE', ''),
      ('', 'associated_policy', 'SELECT', 'policy_id associated_policy_id'),
      ('', 'resource_policy', 'DELETE', ''),
      ('', 'resource_policy', 'SELECT', 'resource_id policy_id'),
      ('', 'scope_policy', 'DELETE', ''),
      ('', 'scope_policy', 'SELECT', 'policy_id'),
      ('', 'resource_scope', 'DELETE', ''),
      ('', 'resource_scope', 'SELECT', 'resource_id'),
      ('', 'resource_attribute', 'DELETE', ''),
      ('', 'resource_attribute', 'SELECT', 'resource_id'),
      ('', 'resource_uris', 'DELETE', ''),
      ('', 'resource_uris', 'SELECT', 'resource_id'),

      -- Read only: the start-up checks, and who must not be purged.
      ('', 'realm', 'SELECT', 'id name'),
      ('', 'realm_attribute', 'SELECT', 'realm_id name value'),
      ('', 'component', 'SELECT', 'id realm_id provider_id provider_type'),
      ('', 'client', 'SELECT', 'id client_id realm_id'),
      ('', 'keycloak_role', 'SELECT', 'id name client client_role'),
      ('', 'composite_role', 'SELECT', 'composite child_role'),
      ('', 'keycloak_group', 'SELECT', 'id parent_group'),
      ('', 'group_role_mapping', 'SELECT', 'role_id group_id'),
      ('', 'migration_model', 'SELECT', 'id version update_time'),
      ('', 'databasechangeloglock', 'SELECT', 'id locked lockgranted lockedby'),

      -- Optional.
      ('events', 'event_entity', 'DELETE', ''),
      ('events', 'event_entity', 'SELECT',
        'id realm_id user_id session_id ip_address details_json details_json_long_value'),
      ('events', 'event_entity', 'UPDATE', 'user_id session_id ip_address details_json details_json_long_value'),
      ('admin_events', 'admin_event_entity', 'DELETE', ''),
      ('admin_events', 'admin_event_entity', 'SELECT',
        'id realm_id auth_user_id resource_path representation details_json'),
      ('admin_events', 'admin_event_entity', 'UPDATE',
        'auth_user_id ip_address resource_path representation details_json'),
      ('policies', 'policy_config', 'SELECT', 'name value'),
      ('policies', 'policy_config', 'UPDATE', 'value'),
      ('invitations', 'user_entity', 'SELECT', 'email'),
      ('invitations', 'org_invitation', 'DELETE', ''),
      ('invitations', 'org_invitation', 'SELECT', 'id email organization_id'),
      ('invitations', 'org', 'SELECT', 'id realm_id')
    ) AS wanted(option, name, rights, columns)
    JOIN pg_class t ON t.relname = wanted.name AND t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace
    WHERE wanted.option = '' OR wanted.option = ANY (options)
  LOOP
    IF entry.columns = '' THEN
      EXECUTE format('GRANT %s ON %I TO %I', entry.rights, entry.name, worker);
    ELSE
      SELECT array_agg(quote_ident(a.attname)) INTO known
      FROM pg_attribute a
      WHERE a.attrelid = entry.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attname = ANY (string_to_array(entry.columns, ' '));
      IF known IS NOT NULL THEN
        EXECUTE format('GRANT %s (%s) ON %I TO %I', entry.rights, array_to_string(known, ', '), entry.name, worker);
      END IF;
    END IF;
  END LOOP;

  IF 'canary' = ANY (options) THEN
    FOR entry IN
      SELECT t.relname AS name, string_agg(quote_ident(a.attname), ', ') AS columns
      FROM pg_class t
      JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
      JOIN pg_type y ON y.oid = a.atttypid
      LEFT JOIN pg_type element ON element.oid = y.typelem AND y.typcategory = 'A'
      WHERE t.relkind IN ('r', 'p', 'm') AND t.relnamespace = current_schema()::regnamespace
        AND (y.typcategory = 'S' OR element.typcategory = 'S' OR y.typname IN ('json', 'jsonb', 'xml', 'uuid'))
      GROUP BY 1
    LOOP
      EXECUTE format('GRANT SELECT (%s) ON %I TO %I', entry.columns, entry.name, worker);
    END LOOP;
  END IF;
END
$$;
