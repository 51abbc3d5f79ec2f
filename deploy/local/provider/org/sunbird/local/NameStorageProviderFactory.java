package org.sunbird.local;

import org.keycloak.component.ComponentModel;
import org.keycloak.models.KeycloakSession;
import org.keycloak.storage.UserStorageProviderFactory;

/** Registers the provider under the id that Sunbird's own has, since the worker looks its component up by that. */
public final class NameStorageProviderFactory implements UserStorageProviderFactory<NameStorageProvider> {
    @Override
    public NameStorageProvider create(KeycloakSession session, ComponentModel component) {
        return new NameStorageProvider(session, component);
    }

    @Override
    public String getId() {
        return "cassandra-storage-provider";
    }
}
