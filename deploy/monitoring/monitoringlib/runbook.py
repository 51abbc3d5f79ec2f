"""The runbook against the alerts: a section for each, and links that lead somewhere."""

import re


def problems(path, alerts):
    """What does not fit together."""
    text = path.read_text()
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", text))
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    names = {rule.name for rule in alerts if rule.is_alert}
    for rule in alerts:
        if rule.is_alert and rule.value("runbook_url") != f"deploy/RUNBOOK.md#{rule.name.lower()}":
            yield f"alerts.yaml: {rule.name}: its runbook_url does not lead to its section"
    yield from (f"RUNBOOK.md: no section {name}" for name in sorted(names - set(headings)))
    yield from (f"RUNBOOK.md: {name} is no alert any more" for name in headings if name.startswith("UserPurgeSync") and name not in names)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        place, _, anchor = link.partition("#")
        if not place and anchor not in anchors:
            yield f"RUNBOOK.md: no section #{anchor}"
        if place and "://" not in place and not (path.parent / place).exists():
            yield f"RUNBOOK.md: no file {place}"
