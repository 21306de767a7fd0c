"""The description of the REST interface: its examples are answers as it has them and requests that the server takes."""

import json
import re
from urllib.parse import quote, urlencode

from contract import contract, validator
from harness import ServerCase, image, main

DEVICE, VERSION, HARDWARE, CHANNEL = "gw-17", "1.4.0", "gw-a", "stable"


class OpenApi(ServerCase):
    def test_it_is_served(self):
        served = self.rest.call("GET", "/openapi.json")
        self.assertTrue(served.json == contract().document, "another one than docs/openapi.yaml was built in")

    def test_examples_of_answers_are_as_described(self):
        seen = 0
        for operation in contract().operations:
            for status, response in operation.responses.items():
                for one in response.get("either", [response]):
                    for content_type, media in one.get("content", {}).items():
                        if "example" in media:
                            with self.subTest(call=operation.name, status=status):
                                body = json.dumps(media["example"]).encode()
                                operation.check_reply(int(status), content_type, body)
                            seen += 1
        self.assertGreater(seen, 25)

    def test_each_object_is_described(self):
        """Every schema is a valid one."""
        for name, schema in contract().document["components"]["schemas"].items():
            with self.subTest(schema=name):
                validator(schema).check_schema(schema)

    def test_examples_of_requests_are_taken(self):
        """Each call of the description with its own examples, on a server that has what they name."""
        self.prepare()
        undone = set()
        for operation in sorted(contract().operations, key=order):
            answers = [self.send(operation, *body) for body in bodies(operation)]
            for answer in answers:
                with self.subTest(call=operation.name):
                    if operation.name == "POST /rollouts/{id}/approve":  # without keys all are one person
                        self.assertEqual(self.assert_problem(answer, 403)["code"], "same_person")
                        continue
                    self.assertLess(answer.status, 300, f"{operation.name}: {answer}")
            if not answers:
                undone.add(operation.name)
        self.assertEqual(undone, set())

    def prepare(self):
        """The device, firmware, task and rollout that the examples name."""
        self.firmware("1.3.0", HARDWARE)
        self.rest.call("PUT", f"/channels/{CHANNEL}", {})
        device = self.device(DEVICE, hardware=HARDWARE, version="1.3.0")
        device.request("up_to_date")
        self.rest.call("PUT", f"/devices/{DEVICE}", {"channel": CHANNEL, "tags": {"site": "berlin"}})

    def send(self, operation, body, content_type):
        """Calls it with the examples of its parameters; makes first what they name."""
        path = operation.path
        for parameter in operation.parameters:
            if parameter["in"] == "path":
                path = path.replace("{" + parameter["name"] + "}", quote(self.subject(operation, parameter), safe=""))
        query = [
            (parameter["name"], value)
            for parameter in operation.parameters
            if parameter["in"] == "query" and "example" in parameter
            for value in listed(parameter["example"])
        ]
        if operation.path == "/firmware" and operation.method == "post":
            body, content_type = image("example", 100_000), "application/octet-stream"
        headers = {"Content-Type": content_type} if content_type else {}
        return self.rest.call(operation.method.upper(), path + ("?" + urlencode(query) if query else ""), body, headers)

    def subject(self, operation, parameter):
        if operation.path.startswith("/tasks/"):
            return self.a_task(operation.path)
        if operation.path.startswith("/rollouts/"):
            return self.a_rollout(operation.path)
        if operation.path == "/channels/{name}/targets/{hardware}":
            self.has_target()
        if operation.path == "/channels/{name}" and operation.method == "delete":
            self.rest.call("POST", "/devices/move", {"channel": "default", "where": ["id~*"]})
            for rollout in self.rest.items("/rollouts"):
                self.rest.call("POST", f"/rollouts/{rollout['rollout_id']}/cancel", {})
        if operation.path == "/firmware/{id}":
            return str(next(one["id"] for one in self.rest.items("/firmware") if one["version"] == VERSION))
        return parameter["example"]

    def a_task(self, path):
        for task in self.rest.items("/tasks", device_id=DEVICE):
            self.rest.call("POST", f"/tasks/{task['task_id']}/cancel")
        task = self.rest.upgrade(DEVICE, VERSION).json["task_id"]
        if path.endswith("/retry"):
            self.rest.call("POST", f"/tasks/{task}/cancel")
        return task

    def a_rollout(self, path):
        """A rollout in a state in which it takes that call."""
        approval = path.endswith(("approve", "deny"))
        self.rest.call("PUT", f"/channels/{CHANNEL}", {"approval": approval})
        order = {"channel": CHANNEL, "version": VERSION, "hardware": HARDWARE, "supersede": True, "force": True}
        # Of another version first, so that the same order again makes a new one.
        self.rest.call("POST", "/rollouts", {**order, "version": "1.3.0"})
        made = self.rest.call("POST", "/rollouts", order)
        self.assertEqual(made.status, 201, made)
        rollout = made.json["rollout_id"]
        if path.endswith("resume"):
            self.rest.call("POST", f"/rollouts/{rollout}/pause", {})
        if path.endswith("rollback"):
            self.has_target()
            rollout = self.rest.call("POST", "/rollouts", order).json["rollout_id"]
        return rollout

    def has_target(self):
        """1.3.0 is the channel's target."""
        self.rest.call("PUT", f"/channels/{CHANNEL}", {"approval": False})
        order = {"channel": CHANNEL, "version": "1.3.0", "hardware": HARDWARE, "supersede": True, "force": True}
        made = self.rest.call("POST", "/rollouts", order).json["rollout_id"]
        finished = self.rest.call("POST", f"/rollouts/{made}/finish", {})
        self.assertEqual(finished.status, 200, finished)


def listed(value):
    return value if isinstance(value, list) else [value]


def order(operation):
    """What makes things first, what removes them last."""
    method = {"put": 0, "post": 1, "patch": 2, "get": 3, "delete": 5}[operation.method]
    if operation.path == "/firmware" and operation.method == "post":
        method = -1
    if operation.path == "/firmware/{id}":  # blocked firmware is in no order, and what rollouts need isn't removed
        method += 5 if operation.method == "patch" else 4 if operation.method == "delete" else 0
    return method, len(re.findall("{", operation.path)), operation.path


def bodies(operation):
    """The bodies of its examples, each with its type; one without a body where it takes none."""
    media = operation.item.get("requestBody", {}).get("content", {})
    if not media or operation.path == "/firmware":
        return [(None, None)]
    return [
        (one["example"] if isinstance(one["example"], str) else json.dumps(one["example"]), content_type)
        for content_type, one in media.items()
    ]


if __name__ == "__main__":
    main()
