"""Keycloak up to 16, on WildFly. Only 9.0.3 was tried: it is the oldest that Maven still has whole, and needs Java 11."""

from .keycloak import Keycloak


class KeycloakWildfly(Keycloak):
    """The same realms and provider on the older server."""
