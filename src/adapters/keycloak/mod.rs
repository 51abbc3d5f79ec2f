//! Keycloak: its PostgreSQL schema and its Admin API.
