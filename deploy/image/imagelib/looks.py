"""What must hold of the image as it lies there."""

import stat
from pathlib import Path

PROGRAM = "usr/local/bin/user-purge-sync"
# Where it is built, and where toolchains and sources are kept: the machine's own paths, which the program must not carry.
PATHS = [b"/usr/local/cargo", b"/src/src/", b"/src/target/", b"/root/.cargo", b"/.rustup/"]
HARDENING = {"runAsNonRoot": "true", "allowPrivilegeEscalation": "false", "readOnlyRootFilesystem": "true", "drop": "[ALL]"}


def problems(config, root, wanted, version, revision):
    """What does not hold."""
    root = Path(root)
    files = [path for path in root.rglob("*") if not path.is_symlink()]
    yield from declared(config, wanted, version, revision)
    yield from programs(root, files)
    yield from rights(root, files, wanted)
    yield from contents(root)


def declared(config, wanted, version, revision):
    """The configuration of the image, and the chart's against it."""
    told = {
        "its user": (config.get("User"), f"{wanted.user}:{wanted.group}"),
        "its entry point": (config.get("Entrypoint"), [f"/{PROGRAM}"]),
        "its command": (config.get("Cmd"), ["run"]),
        "its ports": (list(config.get("ExposedPorts", {})), [f"{wanted.port}/tcp"]),
        "the command of the chart": (wanted.arguments[-1], "run"),
        "the hardening of the chart": (wanted.hardening, HARDENING),
    }
    labels = {"title": "user-purge-sync", "licenses": "MIT", "version": version, "revision": revision}
    told |= {f"its label {name}": (config["Labels"].get(f"org.opencontainers.image.{name}"), value) for name, value in labels.items()}
    yield from (f"{what} is {found}, not {right}" for what, (found, right) in told.items() if found != right)


def programs(root, files):
    """Nothing can be run but the program: no shell, no package manager."""
    for path in files:
        mode, name = path.stat().st_mode, path.relative_to(root)
        if stat.S_ISREG(mode) and mode & 0o111 and str(name) != PROGRAM and ".so" not in path.name:
            yield f"/{name} can be run"


def rights(root, files, wanted):
    """Nothing is the worker's own, or anybody's, but an empty /tmp; nothing changes who somebody is."""
    for path in files:
        told, name = path.stat(), path.relative_to(root)
        if told.st_mode & (stat.S_ISUID | stat.S_ISGID):
            yield f"/{name} changes who somebody is"
        if told.st_mode & stat.S_IWOTH and str(name) != "tmp":
            yield f"/{name} can be written by anybody"
        if told.st_uid == wanted.user:
            yield f"/{name} belongs to the worker"
    if list((root / "tmp").iterdir()):
        yield "/tmp is not empty"


def contents(root):
    """Certificates, the names of the packages, and no path of the machine that built it."""
    found = (root / "etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE")
    if found < 100:
        yield f"only {found} certificates are trusted"
    packages = {path.name for path in (root / "var/lib/dpkg/status.d").iterdir()}
    if "libssl3" not in packages or "libc6" not in packages:
        yield f"its packages are {' '.join(sorted(packages))}"
    program = (root / PROGRAM).read_bytes()
    yield from (f"the program carries the path {path.decode()}" for path in PATHS if path in program)


def size(root):
    """Bytes of all files, and of the program alone."""
    root = Path(root)
    return sum(path.lstat().st_size for path in root.rglob("*") if not path.is_dir()), (root / PROGRAM).stat().st_size
