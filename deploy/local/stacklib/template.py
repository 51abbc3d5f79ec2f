"""The template of the database: a data folder in which a real Keycloak has made its schema and its realms, once.

Liquibase takes most of a first start, and nothing of it depends on the instance. So a fresh stack copies the result. It is
keyed by the versions and by everything that had a part in it.
"""

import dataclasses

from .artifacts import digest
from .keycloak import DATABASE_PASSWORD, DATABASE_USER, PROVIDER, REALMS
from .postgres import DATABASE, ROLE_SQL
from .process import Daemon
from .settings import HERE


def prepare(postgres, keycloak):
    """The folder of PostgreSQL's data for these two, made the first time with the instance's own ports."""
    parts = digest(PROVIDER, REALMS, ROLE_SQL, *(HERE / "stacklib" / f"{name}.py" for name in ("postgres", "keycloak", "template")))
    name = f"database-{postgres.version}-{keycloak.version}-{parts}"
    return postgres.cache.made(name, lambda folder: _make(folder, postgres, keycloak)) / postgres.name


def sweep(postgres, keycloak):
    """Ends what a template in the making left behind when its `stack up` was itself killed."""
    for draft in postgres.cache.abandoned("database-*"):
        for service in (keycloak, postgres):
            Daemon(service.name, draft / service.name, service.log).stop(kill=True)


def _make(folder, postgres, keycloak):
    # The copies live in the template's folder, and nobody waits for their disk.
    settings = dataclasses.replace(postgres.settings, state=folder, fsync=False)
    postgres = type(postgres)(settings, postgres.cache, postgres.terminal)
    keycloak = type(keycloak)(settings, keycloak.cache, keycloak.terminal)
    keycloak.bootstrap = True
    postgres.say("making the template: an empty cluster")
    folder.chmod(0o755)
    for service in (postgres, keycloak):
        service.prepare()
        service.folder.mkdir()
    postgres.init()
    keycloak.lay()
    try:
        postgres.start()
        postgres.wait()
        postgres.sql("postgres", f"CREATE ROLE {DATABASE_USER} LOGIN PASSWORD '{DATABASE_PASSWORD}'")
        postgres.sql("postgres", f"CREATE DATABASE {DATABASE} OWNER {DATABASE_USER}")
        keycloak.say("making the template: its first start")
        keycloak.start()
        keycloak.wait()
        keycloak.make_realms()
        postgres.set_up_once()
    finally:
        keycloak.down()
        postgres.down()
