package org.sunbird.local;

import java.util.Collections;
import java.util.List;

import org.keycloak.component.ComponentModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.models.RealmModel;
import org.keycloak.storage.adapter.AbstractUserAdapterFederatedStorage;

/** A federated user of whom the storage knows the name only: everything else is in Keycloak's fed_* tables. */
final class NamedUser extends AbstractUserAdapterFederatedStorage {
    private final String name;

    NamedUser(KeycloakSession session, RealmModel realm, ComponentModel component, String name) {
        super(session, realm, component);
        this.name = name;
    }

    @Override
    public String getUsername() {
        return name;
    }

    @Override
    public void setUsername(String other) {
        // The name is the id: it cannot change.
    }

    /** Keycloak 9 fails on the null that its own super class returns for an attribute nobody set. */
    public List<String> getAttribute(String key) {
        List<String> values = getFederatedStorage().getAttributes(realm, getId()).get(key);
        return values == null ? Collections.emptyList() : values;
    }
}
