"""PostgreSQL, for Keycloak and for nobody else."""

import os
import platform
import pwd
import shutil
import signal
import tarfile

from . import setup
from .artifacts import digest
from .process import is_living, run
from .service import Service
from .settings import HERE, pom_property
from .waiting import postgres_answers

OWNER = "nobody"
DATABASE = "keycloak"
ROLE = "user_purge_sync"
ROLE_PASSWORD = "purge-local"
ROLE_SQL = HERE.parent / "keycloak-role.sql"
CONF = """
listen_addresses = '127.0.0.1'
# Sockets would need a path short enough, in a folder that the server's user may write to.
unix_socket_directories = ''
max_connections = 200
password_encryption = 'scram-sha-256'
"""
HBA = """\
# The superuser is for development and comes without a password. Every other role needs one, so that a wrong one fails.
host  all  postgres  127.0.0.1/32  trust
host  all  all       127.0.0.1/32  scram-sha-256
"""


class Postgres(Service):
    """Its data is a copy of a template that a real Keycloak made (template.py): Keycloak's schema takes long, a copy does not."""

    name = "postgres"
    port_keys = ("POSTGRES_PORT",)
    # "Fast shutdown": ends sessions instead of waiting for them.
    stop_signal = signal.SIGINT
    template = None

    def prepare(self):
        platform_name = {"x86_64": "amd64", "aarch64": "arm64v8"}.get(platform.machine(), pom_property("postgres.platform"))
        self.home = self.cache.unpacked(self.name, self.version, ["postgres"], _unpack, postgres_version=self.version,
                                        postgres_platform=platform_name)
        setup.prepare(self.cache)

    def lay(self):
        # cp keeps the owner, which the server insists on.
        run(["cp", "-a", self.template / "data", self.template / "set-up", self.folder], self.log, "postgres: copy of the template")

    def init(self):
        """A new, empty cluster in `self.data`."""
        self.data.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.data, OWNER, "nogroup")
        run([*self._as_owner(), self.home / "bin" / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
             "--locale=C.UTF-8"], self.log, "postgres: initdb", cwd=self.data)
        with open(self.data / "postgresql.conf", "a") as conf:
            conf.write(CONF)
        (self.data / "pg_hba.conf").write_text(HBA)

    def command(self):
        self._drop_lock_of_the_dead()
        fsync = "on" if self.settings.fsync else "off"
        return [*self._as_owner(), self.home / "bin" / "postgres", "-D", self.data, "-c", f"port={self.port}",
                "-c", f"fsync={fsync}"], None, self.data

    def answers(self):
        return postgres_answers(self.port)

    @property
    def set_up_key(self):
        return digest(ROLE_SQL)

    def set_up(self):
        """The worker's role in Keycloak's database, by the file that operators run, plus a password."""
        self.say("granting the worker's role its rights")
        statements = ROLE_SQL.read_text() + f"\nALTER ROLE {ROLE} PASSWORD '{ROLE_PASSWORD}';\n"
        self.sql(DATABASE, statements)

    def sql(self, database, statements):
        """Runs SQL as the superuser."""
        setup.run(self.cache, self.log, "postgres", self.address, database, stdin=statements.encode())

    def _drop_lock_of_the_dead(self):
        """After kill -9 the old server is a zombie until somebody reaps it, and the new one would not start beside it."""
        lock = self.data / "postmaster.pid"
        if lock.exists() and not is_living(int(lock.read_text().split()[0])):
            lock.unlink()

    def _as_owner(self):
        """PostgreSQL refuses to run as root: there it runs as nobody.

        A clone may lie in a folder that nobody but root enters (CI's often do), so the server may pass closed folders.
        """
        if os.geteuid() != 0:
            return []
        user = pwd.getpwnam(OWNER)
        drop = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        if any(not parent.stat().st_mode & 0o001 for place in (self.folder, self.home) for parent in place.parents):
            # The server asks access(2), for which the kernel forgets a mere user's capabilities without that securebit.
            drop += ["--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup"]
        return drop


def _unpack(folder):
    """The jar holds one archive with the server."""
    archive = next(folder.glob("*.txz"))
    with tarfile.open(archive) as tar:
        tar.extractall(folder)
    archive.unlink()
