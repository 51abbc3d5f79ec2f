"""Apache Kafka: one KRaft node that is broker and controller."""

import shutil

from . import setup
from .artifacts import digest, java_home
from .process import run
from .service import Service
from .settings import HERE
from .waiting import kafka_answers

JVM = ["-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true"]
TOPICS = HERE / "setup" / "topics.conf"
CLUSTER_ID = "c3R-bG9jYWwtc3RhY2sAAA"
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{broker},DOOR://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},DOOR://127.0.0.1:{door}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,DOOR:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
# A topic that is not there must be an error: the worker promises to say so.
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
# A worker that was killed is missed after its session; with the default 6 s a hundred kills would take all day.
group.min.session.timeout.ms=1000
# The default: a restart after kill -9 waits until the dead registration is gone, but a broker that stands still for seconds stays
# in the cluster's list. An answer without any broker cuts librdkafka's clients off for good (its issue 5301), those of the tests too.
broker.session.timeout.ms=9000
# One node has room for one replica.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
"""
LOG4J_2 = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %p %m (%c{1})%n
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
"""
LOG4J_1 = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d{ISO8601} %p %m (%c{1})%n
"""


class Kafka(Service):
    """Topics come from setup/topics.conf."""

    name = "kafka"
    port_keys = ("KAFKA_PORT", "KAFKA_CONTROLLER_PORT", "KAFKA_INNER_PORT")

    def prepare(self):
        profiles = ["kafka"] if self._is_3 else ["kafka", "kafka-4-logging"]
        self.jars = self.cache.jars(self.name, self.version, profiles, kafka_version=self.version)
        self.java = java_home() / "bin" / "java"
        # Formatting costs a JVM start: it is done once a version, and copied.
        self.formatted = self.cache.made(f"kafka-{self.version}-formatted", self._format)
        setup.prepare(self.cache)

    def lay(self):
        shutil.copytree(self.formatted / "data", self.data)

    def command(self):
        config = self.folder / "server.properties"
        config.write_text(self._properties(self.data))
        logging = self.folder / "log4j.properties"
        logging.write_text(LOG4J_1 if self._is_3 else LOG4J_2)
        choose = f"-Dlog4j.configuration=file:{logging}" if self._is_3 else f"-Dlog4j2.configurationFile={logging}"
        return [self.java, *JVM, choose, "-cp", f"{self.jars}/*", "kafka.Kafka", config], None, None

    def answers(self):
        return kafka_answers(self.port)

    @property
    def set_up_key(self):
        return f"{self.settings.env_name} {digest(TOPICS)}"

    def set_up(self):
        self.say("making the topics")
        setup.run(self.cache, self.log, "kafka", self.address, self.settings.env_name, TOPICS)

    @property
    def _is_3(self):
        return self.version.startswith("3.")

    def _format(self, folder):
        self.say("formatting a data folder")
        config = folder / "server.properties"
        config.write_text(self._properties(folder / "data"))
        run([self.java, *JVM, "-cp", f"{self.jars}/*", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", config],
            self.cache.log(self.name), "kafka: format")

    def _properties(self, data):
        broker, controller, inner = (self.settings.port(key) for key in self.port_keys)
        door = self.settings.port("KAFKA_DOOR_PORT")
        return PROPERTIES.format(broker=broker, controller=controller, inner=inner, door=door, data=data)
