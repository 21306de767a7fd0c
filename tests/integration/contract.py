"""Checks each exchange of the REST interface against its description, docs/openapi.yaml.

A reply must have a status, a content type and a body that the description has for that call, and no field that it
doesn't have: responses may get new fields, but not undocumented ones. A request that is accepted (2xx) must be one that
the description allows.
"""

import functools
import json
import pathlib
import re
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import yaml

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
BOOLEAN = {"true": True, "false": False}
SOME = 20  # items of a page that are checked


def closed(schema, document):
    """A response's schema that takes no other fields: `$ref` resolved, `allOf` merged, open objects closed."""
    if "$ref" in schema:
        return closed(
            {**resolved(schema["$ref"], document), **{k: v for k, v in schema.items() if k != "$ref"}}, document
        )
    merged = {k: v for k, v in schema.items() if k != "allOf"}
    for part in (closed(part, document) for part in schema.get("allOf", [])):
        for name, field in part.get("properties", {}).items():
            fields = merged.setdefault("properties", {})
            fields[name] = {**fields.get(name, {}), **field}
        merged["required"] = merged.get("required", []) + part.get("required", [])
        merged.setdefault("type", "object")
    for key in ("oneOf", "anyOf"):
        if key in merged:
            merged[key] = [closed(part, document) for part in merged[key]]
    if isinstance(merged.get("items"), dict):
        merged["items"] = closed(merged["items"], document)
    if isinstance(merged.get("additionalProperties"), dict):
        merged["additionalProperties"] = closed(merged["additionalProperties"], document)
    if "properties" in merged:
        merged["properties"] = {name: closed(field, document) for name, field in merged["properties"].items()}
        merged.setdefault("additionalProperties", False)
    return merged


def resolved(ref, document):
    found = document
    for part in ref.removeprefix("#/").split("/"):
        found = found[part]
    return found


class Operation:
    """One call of the description."""

    def __init__(self, document, path, method, item):
        self.document, self.path, self.method, self.item = document, path, method, item
        self.name = f"{method.upper()} {path}"
        # Literal segments go before placeholders, as in the server.
        self.pattern = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)) + "$")
        self.holes = path.count("{")
        self.parameters = [self._whole(parameter) for parameter in item.get("parameters", [])]
        responses = {**document["x-every-call"], **item["responses"]}
        self.responses = {status: self._whole(response) for status, response in responses.items()}
        # The server's answers before it knows the call.
        for status, response in document["x-every-call"].items():
            own = self.responses[status]
            self.responses[status] = own if own == response else {"either": [own, response]}

    def _whole(self, part):
        return resolved(part["$ref"], self.document) if "$ref" in part else part

    @functools.cached_property
    def validators(self):
        """The validators of each (status, content type)."""
        found = {}
        for status, response in self.responses.items():
            for one in response.get("either", [response]):
                for content_type, media in one.get("content", {}).items():
                    schema = media.get("schema", {})
                    found.setdefault((status, content_type), []).append(validator(closed(schema, self.document)))
        return found

    def check_reply(self, status, content_type, body):
        if str(status) not in self.responses:
            raise AssertionError(f"{self.name} answered {status}, which docs/openapi.yaml doesn't have: {body[:300]!r}")
        content_type = content_type.split(";")[0]
        validators = self.validators.get((str(status), content_type))
        if not body and status == 204:
            return
        if validators is None:
            raise AssertionError(
                f"{self.name} answered {status} with {content_type!r}, not as docs/openapi.yaml has it"
            )
        if not content_type.endswith("json"):
            return
        value = json.loads(body)
        if isinstance(value, dict) and isinstance(value.get("items"), list):
            value["items"] = value["items"][:SOME]
        errors = [next(one.iter_errors(value), None) for one in validators]
        if all(errors):
            error = jsonschema.exceptions.best_match([errors[0]])
            raise AssertionError(
                f"{self.name} answered {status}, but not as docs/openapi.yaml has it: {error.message[:600]} "
                f"at {error.json_path} of {body[:600]!r}"
            )

    def check_accepted(self, query, content_type, body):
        """An accepted request was one that is described."""
        known = {parameter["name"]: parameter for parameter in self.parameters if parameter["in"] == "query"}
        given = parse_qsl(query, keep_blank_values=True)
        for name, value in given:
            if name not in known:
                raise AssertionError(
                    f"{self.name} took the query parameter {name}, which docs/openapi.yaml doesn't have"
                )
            self._check_value(name, known[name]["schema"], value)
        missing = [name for name, parameter in known.items() if parameter.get("required") and name not in dict(given)]
        if missing:
            raise AssertionError(f"{self.name} took a request without {missing}")
        media = self.item.get("requestBody", {}).get("content", {})
        schema = media.get("application/json", {}).get("schema")
        if (
            not body
            or not schema
            or "ndjson" in (content_type or "")
            or isinstance(body, (list, dict))
            or hasattr(body, "read")
        ):
            return
        if isinstance(body, bytes):
            body = body.decode()
        if isinstance(body, str):
            self._check(f"{self.name} took a body", schema, json.loads(body))

    def _check_value(self, name, schema, text):
        value = text
        whole = self._whole(schema)
        if whole.get("type") == "boolean":
            value = BOOLEAN.get(text, text)
        elif whole.get("type") == "integer" and re.fullmatch(r"\d+", text):
            value = int(text)
        elif whole.get("type") == "array":
            value = [text]
        self._check(f"{self.name} took {name}={text}", schema, value)

    def _check(self, what, schema, value):
        # What the document refers to is found in it.
        error = next(validator({**schema, "components": self.document["components"]}).iter_errors(value), None)
        if error:
            raise AssertionError(
                f"{what} that docs/openapi.yaml doesn't allow: {error.message[:600]} at {error.json_path}"
            )


def validator(schema):
    return jsonschema.Draft202012Validator(schema)


class Contract:
    def __init__(self, document):
        self.document = document
        self.operations = [
            Operation(document, path, method, item)
            for path, methods in document["paths"].items()
            for method, item in methods.items()
            if method in ("get", "put", "post", "delete", "patch")
        ]
        self.operations.sort(key=lambda operation: operation.holes)

    def operation(self, method, path):
        method = "get" if method == "HEAD" else method.lower()
        found = [operation for operation in self.operations if operation.pattern.match(path)]
        # The server settles on the path first: /devices/import is never a device of that name.
        found = [operation for operation in found if operation.path == found[0].path and operation.method == method]
        return found[0] if found else None

    def check(self, method, target, sent_type, body, reply):
        """`reply`: status, headers by lower-case names, body."""
        url = urlsplit(target)
        operation = self.operation(method, url.path)
        if operation is None or method == "HEAD":
            return
        encoded = reply.headers.get("content-encoding")
        if not encoded:
            operation.check_reply(reply.status, reply.headers.get("content-type", ""), reply.body)
        if 200 <= reply.status < 300:
            operation.check_accepted(url.query, sent_type, body)


@functools.cache
def load(path):
    """A document in YAML."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506


@functools.cache
def contract():
    return Contract(load(SOURCE))


@functools.cache
def device_messages():
    """The validators of what the server sends over MQTT, by their `type`."""
    document = load(SOURCE.with_name("asyncapi.yaml"))
    return {
        message["name"]: validator(closed(message["payload"], document))
        for message in document["components"]["messages"].values()
        if {"name": "to device"} in message["tags"]
    }


def check_device_message(message):
    """A message from the server, without what a test added. The reason why it isn't as described, or nothing."""
    known = device_messages().get(message["type"])
    if known is None:
        return f"docs/asyncapi.yaml has no message {message['type']}"
    error = next(known.iter_errors(message), None)
    return error and f"{error.message} at {error.json_path} of {message}, not as docs/asyncapi.yaml has it"
