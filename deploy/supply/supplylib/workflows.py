"""The workflows: actionlint, and what it does not ask."""

import re

from . import tools


def problems(root):
    """What is wrong with them."""
    files = sorted((root / ".github" / "workflows").glob("*.yml"))
    yield from tools.judge("actionlint", [tools.actionlint(), "-no-color", *files], cwd=root)
    targets = set(re.findall(r"(?m)^([a-z-]+):", (root / "Makefile").read_text()))
    for file in files:
        text = file.read_text()
        for used in re.findall(r"uses: (\S+.*)", text):
            if not used.startswith("./") and not re.fullmatch(r"\S+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used):
                yield f"{file.name}: {used} is not pinned to a commit, with its version behind it"
        if "\npermissions:\n  contents: read\n" not in text:
            yield f"{file.name}: does not begin with the least permissions"
        called = re.findall(r"run: (?:sudo )?make ([a-z-]+)", text)
        for matrix in re.findall(r"target: \[(.+)\]", text):
            called += matrix.split(", ")
        yield from (f"{file.name}: make {target} is no target" for target in sorted(set(called)) if target not in targets)
