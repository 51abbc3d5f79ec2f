"""A stand-in for the image of the toolchain, for machines that reach no registry of images.

What docker.io/library/rust:…-slim-bookworm is made of: Debian 12 with a C compiler, and the toolchain, here this machine's own of
the same version. Nothing of it but Debian's packages and the program gets into the worker's image.
"""

import re
import tomllib

from stacklib.errors import StackError

from . import engine, tools

PACKAGES = "ca-certificates,gcc,libc6-dev"
HOME = "/usr/local"


def made(say, manifest):
    """Its name."""
    version = toolchain(tomllib.loads(manifest.read_text()))
    name = f"localhost/toolchain-stand-in:{version}"
    if not engine.buildah("images", "--filter", f"reference={name}", "--quiet"):
        say("base", "making the stand-in of Debian's packages and this machine's toolchain")
        files = tools.CACHE / "base.tar"
        debian(files, tools.run(["rustc", "--print", "sysroot"]))
        commit(files, name, version)
        files.unlink()
    return name


def toolchain(manifest):
    """The version that Cargo.toml names, which must be this machine's: another one would prove nothing."""
    wanted = re.match(r"\d+\.\d+", manifest["package"]["rust-version"])[0]
    found = tools.run(["rustc", "--version"]).split()[1]
    if not found.startswith(f"{wanted}."):
        raise StackError(f"rustc is {found}, and Cargo.toml's rust-version {wanted}: rustup toolchain install {wanted}")
    return found


def debian(files, sysroot):
    """An archive with everything."""
    into = f"{HOME}/rustup/toolchains/own"
    tools.run(["mmdebstrap", "--quiet", "--variant=minbase", f"--include={PACKAGES}",
               f'--customize-hook=mkdir -p "$1{into}" "$1{HOME}/cargo/bin"',
               f"--customize-hook=copy-in {sysroot}/bin {sysroot}/lib {into}",
               f'--customize-hook=ln -s {into}/bin/cargo {into}/bin/rustc "$1{HOME}/cargo/bin"',
               "bookworm", files])


def commit(files, name, version):
    """An image with the variables that the official one has."""
    container = engine.buildah("from", "scratch")
    engine.buildah("add", "--quiet", container, files, "/")
    environment = {
        "RUSTUP_HOME": f"{HOME}/rustup", "CARGO_HOME": f"{HOME}/cargo", "RUST_VERSION": version,
        "PATH": f"{HOME}/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    }
    engine.buildah("config", *(word for pair in environment.items() for word in ("--env", "=".join(pair))), container)
    engine.buildah("commit", "--quiet", "--rm", container, name)
