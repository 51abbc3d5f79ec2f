"""Keycloak (17 and newer) on the stack's PostgreSQL, with Sunbird's realm and a storage provider of ours."""

import json
import os
import urllib.error
import urllib.parse
import urllib.request

from .artifacts import digest, java_home
from .errors import StackError
from .postgres import DATABASE
from .process import run
from .service import Service
from .settings import HERE
from .waiting import http_ok

PROVIDER = HERE / "provider"
REALMS = HERE / "setup" / "realms"
ADMIN = ADMIN_PASSWORD = "admin"
# Otherwise it looks for other nodes, on all interfaces. An option of the build up to 24, of the start since 25.
LOCAL_CACHE = "--cache=local"
DATABASE_USER = DATABASE_PASSWORD = "keycloak"
JVM = "-Xms64m -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:MaxMetaspaceSize=256m -Djava.net.preferIPv4Stack=true"


class Keycloak(Service):
    """Realms come from setup/realms, made by its own Admin API; its database is a copy of a template (template.py)."""

    name = "keycloak"
    port_keys = ("KEYCLOAK_PORT",)
    # Set while the template is made: only an empty database gets an administrator.
    bootstrap = False

    def prepare(self):
        self.java = java_home()
        build = f"{self.version}-{digest(PROVIDER)}"
        self.home = self.cache.unpacked(
            self.name, build, ["keycloak"], self._build, keycloak_version=self.version) / f"keycloak-{self.version}"

    def lay(self):
        """It keeps everything in PostgreSQL."""

    def command(self):
        options = [
            "--http-enabled=true", "--http-host=127.0.0.1", f"--http-port={self.port}", "--hostname-strict=false",
            f"--db-url={self.jdbc_url}", f"--db-username={DATABASE_USER}", f"--db-password={DATABASE_PASSWORD}",
            "--db-pool-max-size=15",
        ]
        options.append(LOCAL_CACHE if self.major >= 25 else "--hostname-strict-https=false")
        env = {**os.environ, "JAVA_HOME": str(self.java), "JAVA_OPTS": JVM}
        if self.bootstrap:
            env |= {"KEYCLOAK_ADMIN": ADMIN, "KEYCLOAK_ADMIN_PASSWORD": ADMIN_PASSWORD} if self.major < 26 else {
                "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN, "KC_BOOTSTRAP_ADMIN_PASSWORD": ADMIN_PASSWORD}
        # Before, what was built is taken without a word.
        built = ["--optimized"] if self.major >= 20 else []
        return [self.home / "bin" / "kc.sh", "start", *built, *options], env, None

    def answers(self):
        return http_ok(self.port, "/auth/realms/master")

    @property
    def address(self):
        return f"http://127.0.0.1:{self.port}/auth"

    @property
    def major(self):
        """Keycloak's major version: options and class files differ by it."""
        return int(self.version.split(".")[0])

    @property
    def jdbc_url(self):
        """Where its database is."""
        return f"jdbc:postgresql://127.0.0.1:{self.settings.port('POSTGRES_PORT')}/{DATABASE}"

    def make_realms(self):
        """Creates every realm of setup/realms by the Admin API, as an administrator would import them."""
        for file in sorted(REALMS.glob("*.json")):
            self.say(f"making the realm {file.stem}")
            self._administer("POST", "/admin/realms", file.read_bytes())
            if self.major >= 24:
                self._free_profiles(file.stem)

    def _free_profiles(self, realm):
        """Since 24 a user without e-mail and names may not log in, and unknown attributes are refused: as before, please."""
        path = f"/admin/realms/{realm}/users/profile"
        profile = json.loads(self._administer("GET", path, None))
        profile["unmanagedAttributePolicy"] = "ENABLED"
        for attribute in profile["attributes"]:
            attribute.pop("required", None)
        self._administer("PUT", path, json.dumps(profile).encode())

    def compile_provider(self, classpath, folder, release):
        """The storage provider as a jar in `folder`, compiled against the server's own libraries."""
        classes = folder / "classes"
        tools, log = java_home() / "bin", self.cache.log(self.name)
        run([tools / "javac", "-proc:none", "--release", str(release), "-d", classes, "-cp", classpath,
             *sorted(PROVIDER.rglob("*.java"))], log, "keycloak: javac of the storage provider")
        run([tools / "jar", "--create", "--file", folder / "cassandra-storage-provider.jar", "-C", classes, ".",
             "-C", PROVIDER, "META-INF"], log, "keycloak: jar of the storage provider")
        run(["rm", "-r", classes], log, "keycloak: tidy up")

    def _build(self, folder):
        """Adds the provider and lets Keycloak settle everything that it would otherwise work out at each start."""
        home = folder / f"keycloak-{self.version}"
        self.say("compiling the storage provider and building Keycloak (once)")
        self.compile_provider(f"{home}/lib/lib/main/*", home / "providers", 17)
        env = {**os.environ, "JAVA_HOME": str(self.java)}
        options = ["--db=postgres", "--http-relative-path=/auth", *([LOCAL_CACHE] if self.major < 25 else [])]
        run([home / "bin" / "kc.sh", "build", *options], self.cache.log(self.name), "keycloak: build", env=env)

    def _administer(self, method, path, body):
        """With a token of its own: making a realm can take longer than one lives."""
        form = urllib.parse.urlencode({
            "grant_type": "password", "client_id": "admin-cli", "username": ADMIN, "password": ADMIN_PASSWORD}).encode()
        token = json.loads(self._call("POST", "/realms/master/protocol/openid-connect/token", form, {}))["access_token"]
        return self._call(method, path, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"})

    def _call(self, method, path, body, headers):
        request = urllib.request.Request(self.address + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise StackError(f"keycloak: {method} {path} answered {error.code}: {error.read()[:300]!r}") from error
