"""Keycloak up to 16, on WildFly. Tried: 9.0.3, the oldest that Maven serves whole, and 15.0.2. It needs Java 11."""

import os
import re
import shutil
import subprocess

from . import setup
from .keycloak import ADMIN, ADMIN_PASSWORD, DATABASE_PASSWORD, DATABASE_USER, JVM, PROVIDER, Keycloak
from .artifacts import digest
from .process import run

DRIVER_MODULE = """\
<module name="org.postgresql" xmlns="urn:jboss:module:1.8">
  <resources><resource-root path="{jar}"/></resources>
  <dependencies><module name="javax.api"/><module name="javax.transaction.api"/></dependencies>
</module>
"""
DATASOURCE = """\
<connection-url>${stack.jdbc.url}</connection-url>
                    <driver>postgresql</driver>
                    <pool><max-pool-size>15</max-pool-size></pool>
                    <security>
                        <user-name>%s</user-name>
                        <password>%s</password>
                    </security>
""" % (DATABASE_USER, DATABASE_PASSWORD)


class KeycloakWildfly(Keycloak):
    """The same realms and the same provider on the older server."""

    port_keys = ("KEYCLOAK_PORT", "KEYCLOAK_MANAGEMENT_PORT")

    def prepare(self):
        self.java = self.cache.java_11()
        self.driver = next(setup.prepare(self.cache)[0].glob("postgresql-*.jar"))
        self.home = self.cache.unpacked(
            self.name, f"{self.version}-{digest(PROVIDER)}", ["keycloak-wildfly"], self._build,
            keycloak_version=self.version) / f"keycloak-{self.version}"

    def lay(self):
        """WildFly writes beside its configuration, so each instance has a copy."""
        shutil.copytree(self.home / "standalone", self.data)
        if self.bootstrap:
            env = {**os.environ, "JAVA_HOME": str(self.java), "JAVA_OPTS": f"-Djboss.server.config.user.dir={self.data}/configuration"}
            run([self.home / "bin" / "add-user-keycloak.sh", "-r", "master", "-u", ADMIN, "-p", ADMIN_PASSWORD],
                self.log, "keycloak: first administrator", env=env)

    def command(self):
        http, management = (self.settings.port(key) for key in self.port_keys)
        env = {**os.environ, "JAVA_HOME": str(self.java),
               "JAVA_OPTS": f"{JVM} -Djava.awt.headless=true -Djboss.modules.system.pkgs=org.jboss.byteman"}
        return [
            self.home / "bin" / "standalone.sh", "-b", "127.0.0.1", f"-Djboss.server.base.dir={self.data}",
            f"-Djboss.http.port={http}", f"-Djboss.management.http.port={management}", f"-Dstack.jdbc.url={self.jdbc_url}",
        ], env, None

    def _build(self, folder):
        home = folder / f"keycloak-{self.version}"
        self.say("compiling the storage provider and pointing Keycloak to PostgreSQL (once)")
        jars = ":".join(map(str, (home / "modules" / "system" / "layers" / "keycloak").rglob("keycloak-*.jar")))
        self.compile_provider(jars, home / "standalone" / "deployments", 11)
        layer = home / "modules" / "system" / "layers" / "base"
        self._drop_missing_modules(layer)
        module = layer / "org" / "postgresql" / "main"
        module.mkdir(parents=True)
        shutil.copy(self.driver, module)
        (module / "module.xml").write_text(DRIVER_MODULE.format(jar=self.driver.name))
        config = home / "standalone" / "configuration" / "standalone.xml"
        _edit(config, r"<connection-url>[^<]*data.dir\}/keycloak;.*?</security>\n", DATASOURCE)
        _edit(config, r"(<drivers>)", r'\1<driver name="postgresql" module="org.postgresql"/>')
        # One port less to keep free: nobody speaks TLS here.
        _edit(config, r"\s*<https-listener [^>]*/>", "")

    def _drop_missing_modules(self, layer):
        """This Java 11 is a small one, and nothing here uses what it lacks. Which modules ask for it differs by version."""
        told = subprocess.run([self.java / "bin" / "java", "--list-modules"], capture_output=True, text=True, check=True).stdout
        present = {line.split("@")[0] for line in told.split()}
        dependency = re.compile(r'\s*<module name="(jdk\.[a-z.]+)"[^>]*/>')
        for file in layer.rglob("module.xml"):
            text = file.read_text()
            kept = dependency.sub(lambda found: found.group(0) if found.group(1) in present else "", text)
            if kept != text:
                file.write_text(kept)


def _edit(file, pattern, replacement):
    text, count = re.subn(pattern, replacement, file.read_text(), count=1, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"{file} has nothing like {pattern}")
    file.write_text(text)
