"""Apache Cassandra: one node that owns the whole ring and talks to nobody."""

from . import setup
from .artifacts import digest, java_home
from .service import Service
from .settings import HERE
from .waiting import cassandra_answers

TABLES = HERE / "setup" / "sunbird.cql"
JVM = [
    "-Xms128m", "-Xmx512m", "-XX:MaxDirectMemorySize=256m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError", "-Dcassandra-foreground=yes", "-Djava.net.preferIPv4Stack=true",
    # There is nobody to gossip with, nor to wait for.
    "-Dcassandra.skip_wait_for_gossip_to_settle=0", "-Dcassandra.ring_delay_ms=100",
    "-Dcassandra.superuser_setup_delay_ms=0",
    "-Djdk.attach.allowAttachSelf=true", "-Dio.netty.tryReflectionSetAccessible=true",
]
EXPORTS = [
    "java.base/jdk.internal.misc", "java.base/java.lang.ref", "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server", "java.rmi/sun.rmi.transport.tcp", "java.sql/java.sql",
    "jdk.unsupported/sun.misc",
]
OPENS = [
    *(f"java.base/java.{name}" for name in (
        "lang", "lang.module", "lang.reflect", "io", "nio", "net", "util", "util.concurrent", "util.concurrent.atomic")),
    "java.base/sun.nio.ch",
    *(f"java.base/jdk.internal.{name}" for name in ("loader", "ref", "reflect", "math", "module", "util.jar")),
    "jdk.management/com.sun.management.internal", "java.rmi/sun.rmi.transport.tcp",
]
COMMON = """\
cluster_name: local stack
num_tokens: 1
initial_token: 0
auto_bootstrap: false
authenticator: AllowAllAuthenticator
authorizer: AllowAllAuthorizer
partitioner: org.apache.cassandra.dht.Murmur3Partitioner
endpoint_snitch: SimpleSnitch
listen_address: 127.0.0.1
rpc_address: 127.0.0.1
storage_port: {storage}
native_transport_port: {native}
start_native_transport: true
commitlog_sync: periodic
data_file_directories: ["{data}/data"]
commitlog_directory: {data}/commitlog
saved_caches_directory: {data}/saved_caches
hints_directory: {data}/hints
cdc_raw_directory: {data}/cdc
"""
SINCE_4 = """\
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "127.0.0.1:{storage}"}}]
"""
# Durations and sizes got units in 4.1.
SINCE_4_1 = """\
commitlog_sync_period: 1000ms
commitlog_segment_size: 8MiB
memtable_heap_space: 64MiB
memtable_offheap_space: 64MiB
"""
ONLY_3 = """\
seed_provider:
  - class_name: org.apache.cassandra.locator.SimpleSeedProvider
    parameters: [{{seeds: "127.0.0.1"}}]
start_rpc: false
disk_access_mode: standard
"""
BEFORE_4_1 = """\
commitlog_sync_period_in_ms: 1000
commitlog_segment_size_in_mb: 8
memtable_heap_space_in_mb: 64
memtable_offheap_space_in_mb: 64
"""
LOGBACK = """\
<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d{ISO8601} %p %m (%logger{0})%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="out"/></root>
</configuration>
"""


class Cassandra(Service):
    """Keyspace and table come from setup/sunbird.cql."""

    name = "cassandra"
    port_keys = ("CASSANDRA_PORT", "CASSANDRA_STORAGE_PORT", "CASSANDRA_JMX_PORT")

    def prepare(self):
        profiles = ["cassandra", "cassandra-3-thrift"] if self._major == 3 else ["cassandra"]
        self.jars = self.cache.jars(self.name, self.version, profiles, cassandra_version=self.version)
        # Cassandra 3 does not start on Java 17.
        self.java = (self.cache.java_11() if self._major == 3 else java_home()) / "bin" / "java"
        setup.prepare(self.cache)

    def lay(self):
        self.data.mkdir()

    def command(self):
        config = self.folder / "cassandra.yaml"
        config.write_text(self._yaml())
        logging = self.folder / "logback.xml"
        logging.write_text(LOGBACK)
        modules = [f"--add-{kind}={name}=ALL-UNNAMED" for kind, names in (("exports", EXPORTS), ("opens", OPENS))
                   for name in names]
        # It measures objects by this agent, and does not start without.
        agent = next(self.jars.glob("jamm-*.jar"))
        return [
            self.java, *JVM, *modules, f"-javaagent:{agent}", f"-Dcassandra.config=file://{config}",
            f"-Dcassandra.storagedir={self.data}", f"-Dlogback.configurationFile=file:{logging}",
            f"-Dcassandra.jmx.local.port={self.settings.port('CASSANDRA_JMX_PORT')}",
            "-cp", f"{self.jars}/*", "org.apache.cassandra.service.CassandraDaemon",
        ], None, None

    def answers(self):
        return cassandra_answers(self.port)

    @property
    def set_up_key(self):
        return digest(TABLES)

    def set_up(self):
        self.say("making the keyspace and its table")
        setup.run(self.cache, self.log, "cassandra", self.address, TABLES)

    @property
    def _major(self):
        return int(self.version.split(".")[0])

    def _yaml(self):
        parts = [COMMON, ONLY_3 if self._major == 3 else SINCE_4,
                 BEFORE_4_1 if self.version.startswith(("3.", "4.0")) else SINCE_4_1]
        text = "".join(parts).format(native=self.port, storage=self.settings.port("CASSANDRA_STORAGE_PORT"), data=self.data)
        return _replaced(text, self.settings.cassandra_yaml.read_text()) if self.settings.cassandra_yaml else text


def _replaced(text, own):
    """The lines of `text` whose keys `own` has not, and `own`."""
    keys = {line.split(":")[0] for line in own.splitlines() if line[:1].isalpha()}
    return "".join(line for line in text.splitlines(True) if line.split(":")[0] not in keys) + own
