#!/usr/bin/env python3
"""A device in some 60 lines, over MQTT alone: Debian's python3-paho-mqtt.

    device.py BROKER_HOST BROKER_PORT ID HARDWARE VERSION_FILE INSTALL_COMMAND

The install command gets the image as $1 and writes the new version into VERSION_FILE. Chunks that arrived are kept in
ID.image and ID.chunks, so that a download resumes after a restart.
"""
import hashlib
import json
import pathlib
import subprocess
import sys
import time

import paho.mqtt.client as mqtt

host, port, name, hardware, version_file, install = sys.argv[1:]
image, record = pathlib.Path(f"{name}.image"), pathlib.Path(f"{name}.chunks")
task = json.loads(record.read_text()) if record.exists() else {"id": None, "have": []}
offer = {}


def send(topic, **fields):
    client.publish(f"/ota/{name}/{topic}", json.dumps(fields), qos=1)


def request(*_):
    send("request", current_version=pathlib.Path(version_file).read_text().strip(), hardware=hardware,
         transports=["mqtt"], max_chunk_bytes=65536)


def proceed():
    """Asks for the chunks that are missing, or for the verification where none is."""
    missing = [index for index in range(offer["chunk_count"]) if index not in task["have"]]
    if missing:
        return send("chunk/get", task_id=offer["task_id"], chunks=[[index, index] for index in missing[:16]])
    send("verify", task_id=offer["task_id"], attempt=offer["attempt"],
         checksum="sha256:" + hashlib.sha256(image.read_bytes()).hexdigest())


def on_chunk(index, payload):
    digest, data = payload[:32], payload[32:]
    if index in task["have"] or hashlib.sha256(data).digest() != digest:
        return
    with open(image, "r+b" if image.exists() else "wb") as file:
        file.seek(index * offer["chunk_bytes"])
        file.write(data)
    task["have"].append(index)
    new = record.with_suffix(".new")
    new.write_text(json.dumps(task))
    new.replace(record)  # whole, whenever the power fails
    send("progress", task_id=offer["task_id"], chunk=index, status="ok", transport="mqtt")
    if len(task["have"]) % 16 == 0 or len(task["have"]) == offer["chunk_count"]:
        proceed()


def on_message(_client, _data, message):
    kind = message.topic.split("/")[3]
    if kind == "chunk":
        return on_chunk(int(message.topic.split("/")[-1]), message.payload) if offer else None
    answer = json.loads(message.payload)
    if kind in ("metadata", "retry"):
        if kind == "retry" or task["id"] != answer["task_id"] or task["layout"] != answer["chunk_bytes"]:
            task.update(id=answer["task_id"], layout=answer["chunk_bytes"], have=[])
            image.unlink(missing_ok=True)
        offer.update(answer)
        proceed()
    elif kind == "success":
        done = subprocess.run(["sh", "-c", install, "sh", str(image)], check=False)
        if done.returncode:
            send("progress", task_id=answer["task_id"], state="failed", reason="install")
        request()  # reports the version


client = mqtt.Client(client_id=name, clean_session=False)
client.on_message = on_message
client.on_connect = lambda *_: (client.subscribe([(f"/ota/{name}/{topic}", 1) for topic in (
    "metadata", "retry", "success", "chunk/+/+")]), request())
client.connect(host, int(port))
client.loop_start()
while True:
    time.sleep(60)
    proceed() if offer and task["id"] == offer["task_id"] and image.exists() else request()
