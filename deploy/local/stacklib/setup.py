"""Runs the small Java program in setup/, which does with the official clients what has to be done inside a service."""

from . import process
from .artifacts import digest, java_home
from .settings import HERE, POM

SOURCES = HERE / "setup"
JVM = ["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]


def prepare(cache):
    """The folders of its jars and of its compiled classes, made the first time."""
    jars = cache.jars("setup", f"clients-{digest(POM)}", ["setup"])

    def compile_sources(folder):
        process.run([java_home() / "bin" / "javac", "-Xlint:all", "-Werror", "-proc:none", "-d", folder, "-cp", f"{jars}/*",
                     *sorted(SOURCES.glob("*.java"))], cache.log("setup"), "setup: javac")
    return jars, cache.made(f"setup-classes-{digest(*sorted(SOURCES.glob('*.java')))}", compile_sources)


def run(cache, log, *arguments, stdin=b""):
    """One of its commands; the output goes to the service's log."""
    jars, classes = prepare(cache)
    process.run([java_home() / "bin" / "java", *JVM, "-cp", f"{classes}:{jars}/*", "Setup", *arguments], log,
                f"{arguments[0]}: set-up", stdin=stdin)
