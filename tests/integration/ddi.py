"""Clients of hawkBit's device interface for the tests: plain calls, and what rauc-hawkbit-updater and Zephyr send."""
import contextlib
import hashlib
import http.client
import json
import re
from urllib.parse import urlsplit

from harness import PATIENCE, Answer


class Client:
    """One device; each call on a connection of its own."""

    headers = {}

    def __init__(self, port, name, tenant="DEFAULT", token=None):
        self.port, self.name = port, name
        self.base = f"/{tenant}/controller/v1/{name}"
        self.token = token

    def call(self, method, target, body=None, headers=None, timeout=30.0):
        if target.startswith("http"):
            url = urlsplit(target)
            target = url.path + (f"?{url.query}" if url.query else "")
        elif not target.startswith(self.base):
            target = self.base + target
        sent = {**self.headers, **({"Authorization": self.token} if self.token else {}), **(headers or {})}
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
            sent.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        with contextlib.closing(connection):
            connection.request(method, target, body, sent)
            reply = connection.getresponse()
            return Answer(reply, reply.read())

    def poll(self):
        """The links, after the rules that every client needs were checked."""
        answer = self.call("GET", "")
        assert answer.status == 200, answer
        assert "transfer-encoding" not in answer.headers and answer.headers["content-length"], answer.headers
        assert re.fullmatch(r"\d\d:\d\d:\d\d", answer.json["config"]["polling"]["sleep"]), answer
        links = {name: link["href"] for name, link in answer.json.get("_links", {}).items()}
        assert len(links.keys() & {"deploymentBase", "cancelAction", "confirmationBase"}) <= 1, links
        assert all(href.startswith("http://") for href in links.values()), links
        return links

    def sleep(self):
        hours, minutes, seconds = map(int, self.call("GET", "").json["config"]["polling"]["sleep"].split(":"))
        return hours * 3600 + minutes * 60 + seconds

    def deployment(self, href):
        answer = self.call("GET", href)
        assert answer.status == 200, answer
        return answer.json

    def feedback(self, href, execution, finished, details=(), **more):
        """`href` of a deploymentBase or a cancelAction; the answer."""
        body = {"status": {"execution": execution, "result": {"finished": finished}, "details": list(details)}, **more}
        return self.call("POST", href.split("?")[0] + "/feedback", body)

    @staticmethod
    def artifact(deployment):
        (chunk,) = deployment["deployment"]["chunks"]
        (artifact,) = chunk["artifacts"]
        return artifact

    def download(self, deployment, **headers):
        return self.call("GET", self.artifact(deployment)["_links"]["download-http"]["href"], headers=headers)


class Rauc(Client):
    """rauc-hawkbit-updater: insists on 200, on strings as ids, on one chunk with one artifact; checks SHA-1."""

    headers = {"Accept": "application/json;charset=UTF-8", "User-Agent": "rauc-hawkbit-c-agent/1.0"}

    def report(self, href, action, finished, execution, detail):
        answer = self.call("POST", href.split("?")[0] + "/feedback", {
            "id": action, "time": "20261122T080000",
            "status": {"result": {"finished": finished}, "execution": execution, "details": [detail]}},
            {"Content-Type": "application/json;charset=UTF-8"})
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0"), answer

    def identify(self, href, data):
        answer = self.call("PUT", href, {
            "id": "", "time": "20261122T080000",
            "status": {"result": {"finished": "success"}, "execution": "closed", "details": [""]}, "data": data},
            {"Content-Type": "application/json;charset=UTF-8"})
        assert (answer.status, answer.body, answer.headers["content-length"]) == (200, b"", "0"), answer

    def cycle(self, installs=lambda bundle: True):
        """One poll and what follows of it: `idle`, `updated`, `failed`, `cancelled`."""
        links = self.poll()
        if "configData" in links:
            self.identify(links["configData"], {"product": "gw", "serial": self.name})
        if "deploymentBase" in links:
            return self.update(links["deploymentBase"], installs)
        if "cancelAction" in links:
            stop = self.call("GET", links["cancelAction"]).json["cancelAction"]["stopId"]
            assert isinstance(stop, str)
            self.report(links["cancelAction"], stop, "success", "closed", "Action canceled.")
            return "cancelled"
        return "idle"

    def update(self, href, installs):
        deployment = self.deployment(href)
        action = deployment["id"]
        assert isinstance(action, str)
        artifact = self.artifact(deployment)
        assert isinstance(artifact["size"], int)
        bundle = self.call("GET", artifact["_links"]["download"]["href"],
                           headers={"Accept": "application/octet-stream"}).body
        self.report(href, action, "none", "proceeding", "Download complete. 1.00 MB/s")
        if hashlib.sha1(bundle).hexdigest() != artifact["hashes"]["sha1"]:
            self.report(href, action, "failure", "closed", "Invalid checksum")
            return "failed"
        self.report(href, action, "none", "proceeding", "File checksum OK.")
        if installs(bundle):
            self.report(href, action, "success", "closed", "Software bundle installed successfully.")
            return "updated"
        self.report(href, action, "failure", "closed", "Failed to install software bundle.")
        return "failed"


class Zephyr(Client):
    """Zephyr's client: no Accept, only `download-http` and `bApp`, SHA-256; reports after its restart alone, and takes
    the first digit of an id in a URL away to see whether there is one."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.stored = 0  # the action that it installed before it restarted
        self.installed = None

    @staticmethod
    def readable(href):
        number = re.search(r"/(\d+)(\?|$)", href).group(1)
        assert int(number[1:] or 0) != 0, f"unreadable: {number}"
        return int(number)

    def cycle(self, verifies=lambda image: True):
        links = self.poll()
        if "cancelAction" in links:
            self.readable(links["cancelAction"])
            answer = self.feedback(links["cancelAction"], "closed", "success")
            assert answer.status == 200, answer
            return "cancelled"
        if "configData" in links:
            answer = self.call("PUT", links["configData"], {"mode": "merge", "data": {"VIN": self.name}},
                               {"Content-Type": "application/json;charset=UTF-8"})
            assert answer.status == 200, answer
            return self.cycle(verifies)
        if "deploymentBase" not in links:
            return "idle"
        action = self.readable(links["deploymentBase"])
        if action == self.stored:
            answer = self.call("POST", links["deploymentBase"].split("?")[0] + "/feedback",
                               '{"status":{"execution":"closed","result":{"finished":"success"}}}',
                               {"Content-Type": "application/json;charset=UTF-8"})
            assert answer.status == 200, answer
            return "reported"
        answer = self.call("GET", links["deploymentBase"])
        assert len(answer.body) < 1100, "its buffer"
        deployment = answer.json
        assert deployment["deployment"]["chunks"][0]["part"] == "bApp"
        href = self.artifact(deployment)["_links"]["download-http"]["href"]
        assert len(href) < 300
        reply = self.call("GET", href)
        assert reply.status == 200 and reply.headers["content-length"] == str(len(reply.body)), reply
        right = hashlib.sha256(reply.body).hexdigest() == self.artifact(deployment)["hashes"]["sha256"]
        if not right or not verifies(reply.body):
            return "failed"  # and no word of it
        self.stored, self.installed = action, reply.body
        return "restarts"
