"""A scrape in Prometheus' text format, and whether what a query asks for is in it."""

import re
from dataclasses import dataclass

SERIES = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? [^ ]+$")
PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
OURS = "user_purge_sync_"
SELECTOR = re.compile(r"\b(?P<name>(?:user_purge_sync|process)[_:][\w:]+)\s*(?:\{(?P<matchers>[^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
# Nobody's metric has these: Prometheus and its operator add them. `le` is a histogram's own, and is in the scrape.
ADDED = {"job", "instance", "namespace", "pod"}


@dataclass(frozen=True)
class Series:
    """One line, without its value."""

    name: str
    labels: dict


def read(path):
    """All series."""
    found = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            match = SERIES.match(line)
            if not match:
                raise OSError(f"{path}: not a series: {line!r}")
            found.append(Series(match["name"], dict(PAIR.findall(match["labels"] or ""))))
    return found


def unknown(seen, reference):
    """Names of ours that the reference does not have, as after a rename."""
    names = {re.sub(r"_(bucket|sum|count)$", "", series.name) if "seconds" in series.name else series.name for series in seen}
    return sorted(name for name in names if name.startswith(OURS) and f"`{name}`" not in reference)


def problems(expression, seen, recorded=()):
    """What a query asks for that no worker says. `recorded` are names that rules make; what they keep is not looked at."""
    labels = {name for series in seen for name in series.labels} | ADDED
    for group in GROUPING.findall(expression):
        for name in re.findall(r"\w+", group):
            if name not in labels:
                yield f"no series has a label {name}"
    for selector in SELECTOR.finditer(expression):
        if selector["name"] not in recorded:
            yield from _missing(selector["name"], selector["matchers"] or "", seen)


def _missing(name, matchers, seen):
    series = [each for each in seen if each.name == name]
    if not series:
        yield f"no series {name}"
        return
    for label, operator, value in MATCHER.findall(matchers):
        if label in ADDED:
            continue
        if not any(label in each.labels for each in series):
            yield f"{name} has no label {label}"
            continue
        # Each alternative for itself: one that nothing matches is a typing error that the others hide.
        for alternative in value.split("|"):
            if not any(re.fullmatch(alternative, each.labels.get(label, "")) for each in series):
                yield f'{name}{{{label}{operator}"{value}"}}: no {label} is {alternative}'
