"""The commands of `stack`."""

import contextlib
import fcntl
import shutil
from concurrent.futures import ThreadPoolExecutor

from . import keycloak, packages, postgres, template
from .artifacts import Cache, java_home
from .cassandra import Cassandra
from .errors import StackError
from .kafka import Kafka
from .keycloak_wildfly import KeycloakWildfly
from .terminal import Terminal, table

NAMES = ("kafka", "cassandra", "postgres", "keycloak")
# What a first start writes: the cache with its downloads, and one instance's data.
COLD_BYTES, WARM_BYTES = 3 << 30, 600 << 20


class Stack:
    """One instance with its four services."""

    def __init__(self, settings):
        self.settings, self.terminal = settings, Terminal()
        settings.state.mkdir(parents=True, exist_ok=True)
        cache = Cache(settings.cache, self.terminal.say)
        wildfly = int(settings.versions["keycloak"].split(".")[0]) < 17
        kinds = (Kafka, Cassandra, postgres.Postgres, KeycloakWildfly if wildfly else keycloak.Keycloak)
        self.services = {kind.name: kind(settings, cache, self.terminal) for kind in kinds}

    def up(self, names):
        """Brings the named services up, side by side; the database and its Keycloak one after the other."""
        self._check_disk()
        java_home()
        wanted = list(names or NAMES)
        if "keycloak" in wanted and "postgres" not in wanted:
            wanted.append("postgres")
        template.sweep(self.services["postgres"], self.services["keycloak"])
        for service in (self.services[name] for name in wanted):
            # Before anything is fetched: minutes later is too late to hear of it.
            service.check_version()
            if not service.running():
                service.check_ports()
        ways = [self.services[name].up for name in ("kafka", "cassandra") if name in wanted]
        if "postgres" in wanted:
            ways.append(lambda: self._up_database(wanted))
        self._side_by_side(ways)
        self._show([name for name in NAMES if name in wanted])

    def fetch(self):
        """Fills the cache with what `up` will need, so that it can be done beside a build. Nothing stays running."""
        self._check_disk()
        java_home()
        self._side_by_side([self.services["kafka"].prepare, self.services["cassandra"].prepare, self._prepare_database])

    def down(self, names, kill=False):
        """Stops the named services: Keycloak before its database."""
        with self._alone():
            self._down(names, kill)

    def reset(self):
        """Stops everything and forgets the data. The cache stays."""
        with self._alone():
            self._down([], kill=True)
            for service in self.services.values():
                service.forget()
                service.log.unlink(missing_ok=True)
        self.terminal.say("stack", "the data is forgotten")

    def status(self):
        """A table of what runs; true if everything does."""
        rows, good, total = [], True, 0
        for service in self.services.values():
            alive = service.running()
            state = ("ready" if service.answers() else "does not answer") if alive else "stopped"
            memory = service.daemon.memory() if alive else 0
            good, total = good and state == "ready", total + memory
            rows.append([service.name, service.version, service.address, state, service.daemon.pid() or "-",
                         f"{memory >> 20} MiB" if alive else "-", service.log])
        rows.append(["together", "", "", "", "", f"{total >> 20} MiB", ""])
        table(["service", "version", "address", "state", "pid", "memory", "log"], rows)
        return good

    def env(self):
        """The addresses and the local secrets, for tests and demos."""
        settings = self.settings
        for key, value in {
            "ENV_NAME": settings.env_name,
            "KAFKA_BROKERS": self.services["kafka"].address,
            "KAFKA_INNER_PORT": settings.port("KAFKA_INNER_PORT"),
            "KAFKA_DOOR_PORT": settings.port("KAFKA_DOOR_PORT"),
            # What a test starts a broker of its own from.
            "KAFKA_JARS": settings.cache / f"kafka-{settings.versions['kafka']}",
            "KAFKA_SETTINGS": self.services["kafka"].folder,
            "KAFKA_FORMATTED": settings.cache / f"kafka-{settings.versions['kafka']}-formatted",
            "CASSANDRA_HOST": "127.0.0.1",
            "CASSANDRA_PORT": settings.port("CASSANDRA_PORT"),
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": settings.port("POSTGRES_PORT"),
            "POSTGRES_DB": postgres.DATABASE,
            "POSTGRES_USER": postgres.ROLE,
            "POSTGRES_PASSWORD": postgres.ROLE_PASSWORD,
            "POSTGRES_ADMIN_USER": "postgres",
            "KEYCLOAK_URL": self.services["keycloak"].address,
            "KEYCLOAK_ADMIN_USER": keycloak.ADMIN,
            "KEYCLOAK_ADMIN_PASSWORD": keycloak.ADMIN_PASSWORD,
            "KEYCLOAK_REALM": "sunbird",
            "KEYCLOAK_PROVIDER_ID": "cassandrafederationid",
            "KEYCLOAK_CLIENT_ID": "user-purge-sync",
            "KEYCLOAK_CLIENT_SECRET": "purge-sync-local",
            "SYNC_API_URL": f"http://127.0.0.1:{settings.port('SYNC_API_PORT')}",
            "STACK_STATE_FOLDER": settings.state,
        }.items():
            print(f"{key}={value}")

    def _side_by_side(self, ways):
        with self._alone(), ThreadPoolExecutor(len(ways)) as pool:
            failures = [error for way in [pool.submit(way) for way in ways] if (error := way.exception())]
        if failures:
            # One line each: a second problem is worth knowing before the first is mended.
            unknown = [error for error in failures if not isinstance(error, StackError)]
            raise unknown[0] if unknown else StackError("\n".join(str(error) for error in failures))

    def _prepare_database(self):
        database, server = self.services["postgres"], self.services["keycloak"]
        if not database.has_data():
            with ThreadPoolExecutor(2) as pool:
                for prepared in [pool.submit(database.prepare), pool.submit(server.prepare)]:
                    prepared.result()
            database.template = template.prepare(database, server)

    def _up_database(self, wanted):
        database, server = self.services["postgres"], self.services["keycloak"]
        self._prepare_database()
        database.up()
        if "keycloak" in wanted:
            server.up()

    def _down(self, names, kill):
        wanted = [self.services[name] for name in NAMES if not names or name in names]
        last = [service for service in wanted if service.name == "postgres"]
        for group in ([service for service in wanted if service not in last], last):
            with ThreadPoolExecutor(4) as pool:
                for service, ran in zip(group, pool.map(lambda service: service.down(kill), group)):
                    self.terminal.say(service.name, ("killed" if kill else "stopped") if ran else "was not running")

    def _show(self, names):
        services = [self.services[name] for name in names]
        table(["service", "version", "address", "ready"],
              [[service.name, service.version, service.address, f"after {service.took:.1f} s"] for service in services])

    def _check_disk(self):
        warm = all((self.settings.cache / f"{name}-{self.services[name].version}").exists() for name in ("kafka", "cassandra"))
        for folder in (self.settings.state, self.settings.cache):
            free, needed = shutil.disk_usage(folder).free, WARM_BYTES if warm else COLD_BYTES
            if free < needed:
                raise StackError(f"the disk is full: {free >> 20} MiB are free in {folder}, {needed >> 20} MiB are needed")

    @contextlib.contextmanager
    def _alone(self):
        """Two commands on one instance at once take turns."""
        with open(self.settings.state / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.terminal.say("stack", "another command works on this stack: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def prerequisites(browser):
    """Debian packages of the Rust build; with `browser` that of the tests too."""
    packages.install(Terminal().say, browser)
