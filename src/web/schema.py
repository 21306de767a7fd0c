#!/usr/bin/env python3
"""Writes the types of the page, app/schema.ts, from docs/openapi.yaml. With --check it only says whether they are current."""
import json
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SOURCE, TARGET = HERE.parents[1] / "docs/openapi.yaml", HERE / "app/schema.ts"
PRIMITIVES = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


def type_of(schema):
    if "$ref" in schema:
        return schema["$ref"].split("/")[-1]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "allOf" in schema:
        return " & ".join(type_of(part) for part in schema["allOf"])
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " | ".join(dict.fromkeys(type_of(part) for part in schema[key]))
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " | ".join(PRIMITIVES.get(kind) or structure_of(kind, schema) for kind in kinds) or "unknown"


def structure_of(kind, schema):
    if kind == "array":
        if "prefixItems" in schema:
            return "[" + ", ".join(type_of(item) for item in schema["prefixItems"]) + "]"
        return f"({type_of(schema['items'])})[]"
    if "properties" in schema:
        return "{" + "; ".join(fields_of(schema)) + "}"
    values = schema.get("additionalProperties", True)
    return f"Record<string, {type_of(values)}>" if isinstance(values, dict) else "Record<string, unknown>"


def fields_of(schema):
    required = schema.get("required", [])
    return [f"{name}{'' if name in required else '?'}: {type_of(field)}" for name, field in schema["properties"].items()]


def written(schemas):
    lines = ["// Written by src/web/schema.py from docs/openapi.yaml."]
    for name, schema in schemas.items():
        if schema.get("type") == "object" and schema.get("properties"):
            lines += ["", f"export interface {name} {{", *(f"  {field};" for field in fields_of(schema)), "}"]
        else:
            lines += ["", f"export type {name} = {type_of(schema)};"]
    return "\n".join(lines) + "\n"


def main():
    text = written(yaml.safe_load(SOURCE.read_text())["components"]["schemas"])
    if sys.argv[1:] != ["--check"]:
        TARGET.write_text(text)
    elif text != TARGET.read_text():
        print(f"{TARGET} is not what {pathlib.Path(__file__).name} makes of {SOURCE}: run it without --check")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
