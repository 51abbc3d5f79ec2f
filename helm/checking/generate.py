"""Writes what follows from other files: run it after a change of config/default.toml or values.yaml; `helm/check` refuses what is stale.

    deploy/alerts.yaml  → files/alerts.yaml         a copy: the chart cannot read outside its folder
    config/default.toml → files/default.toml        likewise
                        → values.yaml               the block `config`, commented
                        → values.schema.json        the types of `config`, the names in `secrets`
    values.yaml         → README.md                 tables, from the comments
    numbers.py          →                           the table of numbers

    helm/generate           writes
    helm/generate --check   says which files are stale, and ends with 1 when any is
"""

import difflib
import json
import pathlib
import re
import sys
import tomllib

from checking import numbers

HERE = pathlib.Path(__file__).resolve().parent.parent
CHART = HERE / "user-purge-sync"
ALERTS = HERE.parent / "deploy" / "alerts.yaml"
DEFAULTS = HERE.parent / "config" / "default.toml"

# What a key may hold, where the program knows a closed list. `helm/check` tries every word on the program.
CHOICES = {
    "guard.missing_user": ["skip", "purge"],
    "sync.mode": ["verify", "fire"],
    "purge.mode": ["dry-run", "delete", "off"],
    "purge.verify": ["count", "canary"],
    "keycloak.trail.events": ["keep", "delete", "anonymise"],
    "keycloak.trail.admin_events": ["keep", "delete", "anonymise"],
    "log.format": ["json", "text"],
}
# Tables whose keys are the reader's own.
FREE = {
    "kafka.properties": {"type": "string"},
    "kafka.property_files": {"type": "string"},
    "cassandra.tables": {"type": "string"},
    "keycloak.tables": {
        "type": "object",
        "additionalProperties": False,
        "required": ["action"],
        "properties": {"action": {"enum": ["ignore", "delete"]}, "column": {"type": "string"}},
    },
}
DURATION = r"^[0-9]+(ms|min|s|h|d)( ?[0-9]+(ms|min|s|h|d))*$"
# Refused in `config` by templates/_config.tpl, since that becomes a ConfigMap.
SECRET = ["cassandra.password", "sync.api_key", "keycloak.password", "keycloak.admin_api.client_secret"]
# The chart decides about this one: nothing is purged before somebody says so.
CHART_SAYS = {"purge.mode": "dry-run"}


class Key:
    """One key of default.toml: its dotted name, its value (an example where it has no default), and what is said of it."""

    def __init__(self, section, name, value, has_default, comment):
        self.section, self.name, self.value = section, name, value
        self.has_default, self.comment = has_default, comment
        self.path = f"{section}.{name}" if section else name

    def schema(self):
        described = {"description": " ".join(self.comment)} if self.comment else {}
        if self.path in CHOICES:
            return {"enum": CHOICES[self.path], **described}
        if isinstance(self.value, bool):
            return {"type": "boolean", **described}
        if isinstance(self.value, int):
            return {"type": "integer", **described}
        if isinstance(self.value, list):
            return {"type": "array", "items": {"type": "string"}, **described}
        if re.match(DURATION, self.value):
            return {"type": "string", "pattern": DURATION, **described}
        return {"type": "string", **described}


def read_defaults():
    """Sections in order: (name, comment, keys). Comments stand before what they are about."""
    sections, comment = [("", [], [])], []
    for line in DEFAULTS.read_text().splitlines():
        section = re.match(r"^\[([\w.]+)\]", line)
        key = re.match(r"^(#?)([a-z_]+) = (.+)$", line)
        if section:
            sections.append((section[1], comment, []))
            comment = []
        elif key:
            name, _, keys = sections[-1]
            value = tomllib.loads(f"value = {key[3]}")["value"]
            keys.append(Key(name, key[2], value, not key[1], comment))
            comment = []
        elif line.startswith("#"):
            comment.append(line[1:].strip())
        else:
            # What a blank line ends was about no key: the head of the file.
            comment = []
    return sections


def config_block(sections):
    """The block `config` of values.yaml: everything commented out but what the chart itself says."""
    lines = ["config:"]
    for name, comment, keys in sections:
        path = name.split(".") if name else []
        indent = "  " * len(path)
        live = any(key.path in CHART_SAYS for key in keys)
        if name:
            lines.append("")
            lines += comment_lines("  " + "  " * (len(path) - 1), comment, live)
            empty = "" if keys else " {}"
            lines.append(("  " if live else "  # ") + "  " * (len(path) - 1) + path[-1] + ":" + empty)
        for key in keys:
            said = CHART_SAYS.get(key.path)
            lines += comment_lines("  " + indent, key.comment, live)
            value = json.dumps(said if said is not None else key.value, ensure_ascii=False)
            without = "" if key.has_default or said is not None else "  # an example: no default"
            if key.path in SECRET:
                without = f"  # not here: secrets: {{{key.path}: …}}"
            if said is not None:
                lines.append(f"  {indent}{key.name}: {value}")
            elif live:
                lines.append(f"  {indent}# {key.name}: {value}{without}")
            else:
                lines.append(f"  # {indent}{key.name}: {value}{without}")
    return lines


def comment_lines(indent, comment, live):
    """Comments of what is commented out itself stand a sign deeper, so that taking the sign away leaves a block that is right."""
    lead = indent + "# " if live else "  # " + indent[2:] + "# "
    return [(lead + line).rstrip() for line in comment]


def config_schema(sections):
    root = {"type": "object", "additionalProperties": False, "properties": {}}
    root["description"] = "The worker's configuration: the keys of config/default.toml."
    for name, comment, keys in sections:
        table = root
        for part in name.split(".") if name else []:
            table = table["properties"].setdefault(part, {"type": "object", "additionalProperties": False, "properties": {}})
        if comment:
            table["description"] = " ".join(comment)
        if name in FREE:
            table.pop("properties")
            table["additionalProperties"] = FREE[name]
        else:
            table["properties"].update({key.name: key.schema() for key in keys})
    return root


def secret_names(sections):
    names = [key.path for name, _, keys in sections for key in keys if name not in FREE]
    return "^(" + "|".join([re.escape(name) for name in names] + [r"kafka\.properties\..+"]) + ")$"


def replaced(text, name, lines):
    begin, end = f"# {name}: begin (written by helm/generate)", f"# {name}: end"
    before, rest = text.split(begin + "\n")
    _, after = rest.split(end + "\n")
    return before + "\n".join([begin, *lines, end]) + "\n" + after


def values_rows(text):
    """(path, default, comment) of every value outside `config`: a comment belongs to the key below it."""
    text = replaced(text, "config", ["config: {}"])
    rows, comment, path = [], [], []
    for line in text.splitlines():
        stripped = line.strip()
        key = re.match(r"^( *)([\w-]+):(?: (.*))?$", line)
        if stripped.startswith("#"):
            comment.append(stripped[1:].removeprefix(" "))
        elif key:
            depth = len(key[1]) // 2
            path = path[:depth] + [key[2]]
            rows.append((".".join(path), key[3] or "", comment))
            comment = []
        else:
            comment = []
    return rows


def cell(lines):
    """Comments as one cell; lines that are further indented are code."""
    text = " ".join(f"`{line.strip()}`" if line.startswith("  ") else line for line in lines)
    return text.replace("` `", "`<br>`").replace("|", "\\|")


def values_table(rows):
    lines = ["| value | default | meaning |", "| --- | --- | --- |"]
    for path, default, comment in rows:
        said = [line for line in comment if not re.match(r"config: (begin|end)", line)]
        lines.append(f"| `{path}` | {f'`{default}`' if default else ''} | {cell(said)} |")
    return lines


def config_table(sections):
    lines = ["| key | default | meaning |", "| --- | --- | --- |"]
    for name, comment, keys in sections:
        if name and (comment or name in FREE):
            lines.append(f"| `{name}` | | {cell(line.strip() for line in comment)} |")
        for key in keys:
            said = CHART_SAYS.get(key.path)
            default = json.dumps(said if said is not None else key.value, ensure_ascii=False)
            shown = f"`{default}`" if key.has_default or said is not None else f"none, such as `{default}`"
            lines.append(f"| `{key.path}` | {shown} | {cell(line.strip() for line in key.comment)} |")
    return lines


def generated():
    sections = read_defaults()
    values = replaced((CHART / "values.yaml").read_text(), "config", config_block(sections))
    schema = json.loads((CHART / "values.schema.json").read_text())
    schema["properties"]["config"] = config_schema(sections)
    schema["properties"]["secrets"]["propertyNames"] = {"pattern": secret_names(sections)}
    readme = (CHART / "README.md").read_text()
    readme = marked(readme, "values", values_table(values_rows(values)))
    readme = marked(readme, "config", config_table(sections))
    readme = marked(readme, "numbers", numbers.table())
    copies = {CHART / "files" / "alerts.yaml": ALERTS.read_text()} if ALERTS.exists() else {}
    return copies | {
        CHART / "files" / "default.toml": DEFAULTS.read_text(),
        CHART / "values.yaml": values,
        CHART / "values.schema.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n",
        CHART / "README.md": readme,
    }


def marked(text, name, lines):
    begin, end = f"<!-- {name}: begin (written by helm/generate) -->\n", f"<!-- {name}: end -->\n"
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return before + begin + "\n".join(lines) + "\n" + end + after


def main():
    stale = 0
    for path, text in generated().items():
        old = path.read_text() if path.exists() else ""
        if old == text:
            continue
        stale += 1
        if "--check" in sys.argv:
            shown = list(difflib.unified_diff(old.splitlines(), text.splitlines(), "is", "should be", lineterm="", n=1))
            print(f"{path.relative_to(HERE.parent)} is stale: run helm/generate", *shown[:20], sep="\n")
        else:
            path.write_text(text)
            print(f"wrote {path.relative_to(HERE.parent)}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
