"""Writes docs/rest.md from docs/openapi.yaml. With --check it only says whether docs/rest.md is current."""

import difflib
import json
import pathlib
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "docs" / "openapi.yaml", ROOT / "docs" / "rest.md"
METHODS = ("get", "post", "put", "patch", "delete")


def resolved(document, part):
    """What a `$ref` refers to, with what is written beside it."""
    if "$ref" not in part:
        return part
    found = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**found, **{key: value for key, value in part.items() if key != "$ref"}}


def name_of(schema):
    """A schema in a few words: its name, type or values."""
    if "$ref" in schema:
        return f"[{schema['$ref'].split('/')[-1]}](#{schema['$ref'].split('/')[-1].lower()})"
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(name_of(part) for part in schema[key]))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value is not None) + (
            " or null" if None in schema["enum"] else ""
        )
    kind = schema.get("type", "any")
    kinds = [kind] if isinstance(kind, str) else kind
    if "array" in kinds:
        words = f"list of {name_of(schema['items'])}"
        return words + (" or null" if "null" in kinds else "")
    if "object" in kinds and "properties" in schema:
        return "{" + ", ".join(f"`{name}`" for name in schema["properties"]) + "}"
    if "date-time" in schema.get("format", ""):
        kinds = ["time" if one == "string" else one for one in kinds]
    words = " or ".join(kinds)
    if "minimum" in schema and "maximum" in schema:
        words += f" {schema['minimum']} to {schema['maximum']}"
    return words


def cell(text):
    return " ".join(text.split()).replace("|", "\\|")


def of_default(schema, text):
    if "default" in schema:
        default = schema["default"]
        text += (
            "; " if text else ""
        ) + f"default {default if isinstance(default, int) and not isinstance(default, bool) else json.dumps(default)}"
    return text


def fields_table(document, schema):
    """Rows of a schema's fields, those of parts of `allOf` included."""
    rows = []
    for part in schema.get("allOf", []):
        if "$ref" in part:
            rows.append(f"| | | all fields of {name_of(part)} |")
        rows += fields_table(document, part) if "$ref" not in part else []
    required = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        text = of_default(field, cell(field.get("description", "")))
        if schema.get("additionalProperties") is False and name in required:
            text = "required" + ("; " + text if text else "")
        rows.append(f"| `{name}` | {cell(name_of(field))} | {text} |")
    return rows


def schemas(document):
    lines = ["## Fields", "", "A field that has no value is null; requests refuse fields that are not named here.", ""]
    for name, schema in document["components"]["schemas"].items():
        rows = fields_table(document, schema)
        lines += [f"### {name}", ""]
        if "description" in schema:
            lines += [schema["description"].strip(), ""]
        if rows:
            lines += ["| field | type | |", "|---|---|---|", *rows, ""]
        else:
            lines += [f"{name_of(schema)}." if "pattern" not in schema else f"`{schema['pattern']}`", ""]
    return lines


def answers(document, operation):
    parts = []
    for status, response in operation["responses"].items():
        whole = resolved(document, response)
        if "$ref" in response and response["$ref"].split("/")[-1] in EVERYWHERE:
            continue
        media = whole.get("content", {})
        schema = media.get("application/json", {}).get("schema")
        text = f"`{status}` {cell(whole['description'])}"
        if schema and ("$ref" in schema or "oneOf" in schema or "anyOf" in schema or "properties" in schema):
            text += f" {body_name(schema)}."
        if "text/csv" in media and int(status) < 300:
            text += " Also as CSV."
        parts.append("- " + text)
    return parts


def body_name(schema):
    """Of a page, the name of its items."""
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(body_name(part) for part in schema[key])
    items = schema.get("properties", {}).get("items")
    return f"[Page](#lists) of {name_of(items['items'])}" if items else name_of(schema)


# Answers of nearly all calls: the section about errors has them once.
EVERYWHERE = (
    "Unauthenticated",
    "Forbidden",
    "TooManyCalls",
    "Unavailable",
    "Misdirected",
    "Malformed",
    "TooLarge",
    "UnsupportedMediaType",
)


def call(document, path, method, operation):
    role = operation["x-role"]
    lines = [f"### `{method.upper()} {path}`", "", f"{operation['summary']}. Role: {role}.", ""]
    if "description" in operation:
        lines += [operation["description"].strip(), ""]
    parameters = [resolved(document, parameter) for parameter in operation.get("parameters", [])]
    if parameters:
        lines += ["| parameter | type | |", "|---|---|---|"]
        for parameter in parameters:
            where = {"query": "", "path": " (path)", "header": " (header)"}[parameter["in"]]
            schema = parameter["schema"]
            text = of_default(schema, cell(parameter.get("description", "")).rstrip("."))
            required = "required; " if parameter.get("required") and parameter["in"] == "query" else ""
            lines.append(f"| `{parameter['name']}`{where} | {cell(name_of(schema))} | {required}{text} |")
        lines.append("")
    for content_type, media in operation.get("requestBody", {}).get("content", {}).items():
        optional = "" if operation["requestBody"].get("required") else ", may be left out"
        what = name_of(media["schema"]) if media.get("schema") else "bytes"
        lines += [f"Body (`{content_type}`{optional}): {what}" + (", such as" if media.get("example") else "")]
        lines.append("")
        if media.get("example"):
            shown = media["example"]
            text = shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)
            lines += [f"```{'json' if not isinstance(shown, str) else ''}", text.rstrip("\n"), "```", ""]
    return [*lines, *answers(document, operation), ""]


def render(document):
    lines = [
        "<!-- Written by tests/rest_md.py from docs/openapi.yaml: change that. -->",
        "# REST",
        "",
        document["info"]["description"].strip(),
        "",
    ]
    operations = [
        (path, method, item[method]) for path, item in document["paths"].items() for method in METHODS if method in item
    ]
    for tag in document["tags"]:
        own = [one for one in operations if one[2]["tags"] == [tag["name"]]]
        lines += [f"## {tag['name']}", "", tag.get("description", "").strip(), ""]
        lines += ["| call | role | |", "|---|---|---|"]
        for path, method, operation in own:
            link = f"[`{method.upper()} {path}`](#{anchor(method, path)})"
            lines.append(f"| {link} | {operation['x-role']} | {cell(operation['summary'])} |")
        lines.append("")
    lines += ["## Calls", ""]
    for path, method, operation in operations:
        lines += call(document, path, method, operation)
    return "\n".join([*lines, *schemas(document)]).rstrip("\n") + "\n"


def anchor(method, path):
    """As GitHub makes it of a heading."""
    return "".join(c for c in f"{method} {path}".lower().replace(" ", "-") if c.isalnum() or c in "-_")


def main():
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = render(yaml.load(SOURCE.read_text(encoding="utf-8"), loader))  # noqa: S506
    if "--check" not in sys.argv:
        TARGET.write_text(text, encoding="utf-8")
        return
    there = TARGET.read_text(encoding="utf-8")
    if there != text:
        sys.stdout.writelines(
            list(
                difflib.unified_diff(there.splitlines(True), text.splitlines(True), "docs/rest.md", "docs/openapi.yaml")
            )[:40]
        )
        sys.exit("docs/rest.md is not that of docs/openapi.yaml: run tests/rest_md.py")


if __name__ == "__main__":
    main()
