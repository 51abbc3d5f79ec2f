"""A worker and a Sync API on the local stack, and hands to put things into Cassandra, PostgreSQL and Kafka."""

import json
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from stacklib import settings, setup
from stacklib.artifacts import Cache, java_home
from stacklib.errors import StackError
from stacklib.settings import HERE as LOCAL

PATIENCE = 60
CONFIG = """\
# Short times: a recording has no ten minutes to wait.
purge.mode = "delete"
purge.verify = "canary"
purge.canary_every = "2s"
sync.settle_delay = "1s"
sync.ambiguity = "1s"
retry.attempts = 2
delay.after = "20s"
delay.looks = 2
# Not used, since the local Kafka speaks no TLS: read for the metric of its end.
kafka.properties."ssl.ca.location" = "/etc/ssl/certs/ca-certificates.crt"
"""


class Stage:
    """Ends what it started when it is left; the stack stays."""

    def __init__(self, programs):
        self.programs = programs
        self.settings = settings.load()
        self.cache = Cache(self.settings.cache, print)
        self.env = self._env()
        # Beside the stand-in's: nobody else is there.
        host, _, port = self.env["SYNC_API_URL"].removeprefix("http://").partition(":")
        self.sync_api_address, self.worker_address = f"{host}:{port}", f"{host}:{int(port) + 1}"
        self.folder = tempfile.TemporaryDirectory(prefix="user-purge-sync-")
        self.log = self.settings.state / "recorded-worker.log"
        self.processes, self.producers = [], {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for producer in self.producers.values():
            producer.stdin.close()
            producer.wait(timeout=60)
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait(timeout=60)
        self.folder.cleanup()

    def start(self):
        """The Sync API's stand-in, then the worker; returns when it has joined its group."""
        node = f"{self.env['CASSANDRA_HOST']}:{self.env['CASSANDRA_PORT']}"
        self._start("sync-api-stand-in", "--listen", self.sync_api_address, "--cassandra", node)
        self._await(f"http://{self.sync_api_address}/calls")
        file = Path(self.folder.name) / "worker.toml"
        file.write_text(CONFIG + self._places(node))
        self._start("user-purge-sync", "run", "--config", file)
        self._await(f"http://{self.worker_address}/readyz")

    def turn_sync_api(self, behaviour):
        """Has it behave so."""
        asked = urllib.request.Request(f"http://{self.sync_api_address}/behaviour", method="PUT", data=json.dumps(behaviour).encode())
        urllib.request.urlopen(asked, timeout=10).close()

    def cassandra(self, users):
        """Rows of (id, status)."""
        rows = [f"INSERT INTO sunbird.user (id, userid, status, rootorgid) VALUES ('{user}', '{user}', {status}, '0130');\n"
                for user, status in users]
        # A statement a call is slow, a batch of all is refused.
        batches = [f"BEGIN UNLOGGED BATCH {''.join(rows[at:at + 50]).replace(';', '')} APPLY BATCH;\n" for at in range(0, len(rows), 50)]
        file = Path(self.folder.name) / "rows.cql"
        file.write_text("".join(batches))
        setup.run(self.cache, self.log, "cassandra", f"{self.env['CASSANDRA_HOST']}:{self.env['CASSANDRA_PORT']}", file)

    def postgres(self, sql):
        """As the superuser."""
        place = f"{self.env['POSTGRES_HOST']}:{self.env['POSTGRES_PORT']}"
        setup.run(self.cache, self.log, "postgres", place, self.env["POSTGRES_DB"], stdin=sql.encode())

    def publish(self, topic, records):
        """One a line. The producer of a topic stays: each start of a JVM would cost a second."""
        if topic not in self.producers:
            command = [java_home() / "bin" / "java", "-Xmx128m", "-cp", f"{self.settings.cache}/kafka-{self.settings.versions['kafka']}/*",
                       "org.apache.kafka.tools.ConsoleProducer", "--bootstrap-server", self.env["KAFKA_BROKERS"],
                       "--topic", f"{self.env['ENV_NAME']}.{topic}"]
            with open(self.log, "ab") as log:
                self.producers[topic] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)
        lines = self.producers[topic].stdin
        lines.write("".join(f"{record}\n" for record in records).encode())
        lines.flush()

    def _start(self, program, *arguments):
        with open(self.log, "ab") as log:
            self.processes.append(subprocess.Popen([self.programs / program, *arguments], stdout=log, stderr=log))

    def _await(self, url):
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return urllib.request.urlopen(url, timeout=5).close()
            except OSError:
                if time.monotonic() > end or self.processes[-1].poll() is not None:
                    raise StackError(f"{url} does not answer; log: {self.log}") from None
            time.sleep(0.2)

    def _env(self):
        told = subprocess.run([LOCAL / "stack", "env"], check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def _places(self, node):
        env = self.env
        return f"""
            env = "{env['ENV_NAME']}"
            kafka.brokers = "{env['KAFKA_BROKERS']}"
            cassandra.hosts = ["{node}"]
            sync.endpoint = "{env['SYNC_API_URL']}/v1/data/sync"
            http.listen = "{self.worker_address}"
            log.format = "text"
            [keycloak]
            host = "{env['POSTGRES_HOST']}"
            port = {env['POSTGRES_PORT']}
            database = "{env['POSTGRES_DB']}"
            username = "{env['POSTGRES_USER']}"
            password = "{env['POSTGRES_PASSWORD']}"
            realm = "{env['KEYCLOAK_REALM']}"
            provider_id = "{env['KEYCLOAK_PROVIDER_ID']}"
            [keycloak.admin_api]
            enabled = true
            url = "{env['KEYCLOAK_URL']}"
            client_id = "{env['KEYCLOAK_CLIENT_ID']}"
            client_secret = "{env['KEYCLOAK_CLIENT_SECRET']}"
        """
