package org.sunbird.local;

import java.util.regex.Pattern;

import org.keycloak.component.ComponentModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.models.UserModel;
import org.keycloak.storage.StorageId;
import org.keycloak.storage.UserStorageProvider;
import org.keycloak.storage.user.UserLookupProvider;
import org.keycloak.storage.user.UserRegistrationProvider;

/**
 * Stands for Sunbird's storage provider: it knows every name that looks like a Sunbird user id, and stores nothing. So
 * Keycloak itself writes the rows of federated users (credentials, roles, sessions, consents) that the worker has to purge.
 *
 * <p>It does not validate credentials: passwords are then Keycloak's own, in fed_user_credential, as in Sunbird.
 *
 * <p>Methods without {@code @Override} are the same question in the order of arguments of older (up to 17) or newer
 * servers; one source compiles on all.
 */
public final class NameStorageProvider implements UserStorageProvider, UserLookupProvider, UserRegistrationProvider {
    /** Names without '@': newer servers look e-mail addresses up as names. The prefix is for ids that are no UUIDs. */
    private static final Pattern CLAIMED =
            Pattern.compile("fed-[^@]+|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}");

    private final KeycloakSession session;
    private final ComponentModel component;

    NameStorageProvider(KeycloakSession session, ComponentModel component) {
        this.session = session;
        this.component = component;
    }

    public UserModel getUserById(RealmModel realm, String id) {
        return getUserByUsername(realm, StorageId.externalId(id));
    }

    public UserModel getUserById(String id, RealmModel realm) {
        return getUserById(realm, id);
    }

    public UserModel getUserByUsername(RealmModel realm, String name) {
        return CLAIMED.matcher(name).matches() ? new NamedUser(session, realm, component, name) : null;
    }

    public UserModel getUserByUsername(String name, RealmModel realm) {
        return getUserByUsername(realm, name);
    }

    public UserModel getUserByEmail(RealmModel realm, String email) {
        return null;
    }

    public UserModel getUserByEmail(String email, RealmModel realm) {
        return null;
    }

    /** Nothing is registered here: new users are local ones. */
    @Override
    public UserModel addUser(RealmModel realm, String name) {
        return null;
    }

    /** Says yes, so that an administrator's DELETE goes through and Keycloak removes its own rows. */
    @Override
    public boolean removeUser(RealmModel realm, UserModel user) {
        return true;
    }

    @Override
    public void close() {
        // Nothing is held.
    }
}
