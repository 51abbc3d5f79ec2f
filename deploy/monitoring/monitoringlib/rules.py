"""A rules file, as far as it has to be read here. Python has no YAML, and promtool has judged the syntax before."""

import re
from dataclasses import dataclass

from . import scrape

SEVERITIES = {"critical", "warning", "info"}


@dataclass(frozen=True)
class Rule:
    """One rule with the text of its own lines."""

    name: str
    is_alert: bool
    expression: str
    text: str

    def value(self, key):
        """What stands behind a key on one line."""
        found = re.search(rf"^\s*{key}: (.+)$", self.text, re.MULTILINE)
        return found[1].strip('"') if found else ""


def read(path):
    """All rules."""
    found = []
    for text in re.split(r"(?m)^\s*- (?=(?:alert|record): )", re.sub(r"(?m)^\s*#.*\n", "", path.read_text()))[1:]:
        kind, name = re.match(r"(alert|record): (\S+)", text).groups()
        expression = re.search(r"(?m)^( *)expr: (?:\|\n((?:\1 +.*\n|\n)+)|(.+))", text)
        found.append(Rule(name, kind == "alert", expression[2] or expression[3], text))
    return found


def problems(rules, seen, tests):
    """What is asked for and not said; what no scene plays; what an alert must have and has not."""
    recorded = {rule.name: scrape.names(rule.expression) for rule in rules if not rule.is_alert}
    labels = {name for series in seen for name in series.labels} | scrape.ADDED
    for rule in rules:
        found = list(scrape.problems(rule.expression, seen, recorded))
        if rule.is_alert:
            found += [f"no series has a label {name}" for name in re.findall(r"\$labels\.(\w+)", rule.text) if name not in labels]
            found += [f"has no {key}" for key in ("summary", "description", "runbook_url") if not rule.value(key)]
            if rule.value("severity") not in SEVERITIES:
                found.append(f"its severity is none of {', '.join(sorted(SEVERITIES))}")
            if f'alertname="{rule.name}"' not in tests:
                found.append("fires in no scene of alerts.test.yaml")
        yield from (f"alerts.yaml: {rule.name}: {problem}" for problem in found)
