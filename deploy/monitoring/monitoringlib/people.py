"""Users of a recording: their rows, and the records that are about them."""

import json
import time
import uuid
from pathlib import Path

ROLE = Path(__file__).resolve().parents[2] / "keycloak-role.sql"


def ids(number):
    """New ones."""
    return [str(uuid.uuid4()) for _ in range(number)]


def deletion(user, managed=(), action="delete-user"):
    """As the deletion API publishes it, whose part is played here."""
    return json.dumps({"eid": "BE_JOB_REQUEST", "ets": int(time.time() * 1000), "mid": f"LP.{uuid.uuid4()}",
                       "edata": {"action": action, "iteration": 1, "userId": user, "managed_users": list(managed)}})


def request(action, users):
    """A request for many."""
    return json.dumps({"eid": "BE_JOB_REQUEST", "ets": int(time.time() * 1000), "mid": f"LP.{uuid.uuid4()}",
                       "edata": {"action": action, "iteration": 1, "userIds": users}})


def login_sql(users):
    """What logins under way leave behind once their users are purged: a sweep's work."""
    names = ",".join(f"'{name}'" for name in users)
    return f"""
        INSERT INTO offline_user_session
            (user_session_id, user_id, realm_id, created_on, offline_flag, data, last_session_refresh)
        SELECT md5('s' || t.id), t.id, r.id, extract(epoch FROM now())::int, '1', '{{}}', extract(epoch FROM now())::int
        FROM unnest(ARRAY[{names}]::text[]) t(id), realm r WHERE r.name = 'sunbird';
    """


def seed_sql(users, admins, deleted):
    """Rows in Keycloak 21, administrators, and the table that nobody knows; the role may search what the canary searches."""
    def array(names):
        return "ARRAY[" + ",".join(f"'{name}'" for name in names) + "]::text[]"
    realm = "(SELECT id FROM realm WHERE name = 'sunbird')"
    return f"""
        INSERT INTO user_entity (id, email_verified, enabled, realm_id, username, created_timestamp, not_before)
            SELECT id, true, true, {realm}, id, 0, 0 FROM unnest({array(users)}) t(id);
        INSERT INTO credential (id, type, user_id, created_date, secret_data, credential_data, priority)
            SELECT md5('c' || id), 'password', id, 0, '{{}}', '{{}}', 10 FROM unnest({array(users)}) t(id);
        INSERT INTO user_attribute (id, name, value, user_id)
            SELECT md5('a' || id), 'phone', '9', id FROM unnest({array(users)}) t(id);
        INSERT INTO user_role_mapping (role_id, user_id)
            SELECT r.id, t.id FROM unnest({array(admins)}) t(id), keycloak_role r JOIN client c ON c.id = r.client
            WHERE c.realm_id = {realm} AND c.client_id = 'realm-management' AND r.name = 'manage-users';
        CREATE TABLE IF NOT EXISTS tenant_note (id text, body text);
        INSERT INTO tenant_note SELECT md5('n' || id), 'asked about ' || id FROM unnest({array(deleted)}) t(id);
        SET purge.options = 'canary';
        {(ROLE).read_text()}
    """
