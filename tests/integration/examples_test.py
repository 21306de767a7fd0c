"""The devices of docs/examples carry out updates, also interrupted ones; the other examples do what they say."""
import json
import os
import re
import shlex
import shutil
import subprocess
import unittest

from harness import BUILD, ENVIRONMENT, ROOT, Process, ServerCase, digest, image, main, wait_until

EXAMPLES = ROOT / "docs" / "examples"
CROSS = {"arm64": "qemu-aarch64-static", "armhf": "qemu-arm-static"} if os.environ.get("OTAD_CROSS") else {}
C = ["-std=gnu11", "-Os", "-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror"]

# What device.c calls on boards, as their headers declare it.
ESP_IDF = """
#include <stddef.h>
#include <stdint.h>
typedef int esp_err_t;
typedef struct esp_partition esp_partition_t;
typedef struct { char version[32]; } esp_app_desc_t;
typedef uint32_t nvs_handle_t;
enum { ESP_OK, NVS_READWRITE };
int64_t esp_timer_get_time(void);
uint32_t esp_random(void);
void esp_restart(void);
const esp_app_desc_t *esp_app_get_description(void);
const esp_partition_t *esp_ota_get_next_update_partition(const esp_partition_t *from);
esp_err_t esp_ota_set_boot_partition(const esp_partition_t *slot);
esp_err_t esp_ota_mark_app_valid_cancel_rollback(void);
esp_err_t esp_partition_erase_range(const esp_partition_t *slot, size_t offset, size_t size);
esp_err_t esp_partition_write(const esp_partition_t *slot, size_t offset, const void *data, size_t size);
esp_err_t esp_partition_read(const esp_partition_t *slot, size_t offset, void *data, size_t size);
esp_err_t nvs_flash_init(void);
esp_err_t nvs_open(const char *name, int mode, nvs_handle_t *handle);
esp_err_t nvs_set_blob(nvs_handle_t handle, const char *key, const void *value, size_t size);
esp_err_t nvs_get_blob(nvs_handle_t handle, const char *key, void *value, size_t *size);
esp_err_t nvs_commit(nvs_handle_t handle);
void app_main(void);
"""
ZEPHYR = """
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#define APP_VERSION_STRING "1.0.0"
#define FIXED_PARTITION_ID(label) 1
#define FIXED_PARTITION_OFFSET(label) 0
#define FIXED_PARTITION_DEVICE(label) NULL
struct device;
struct flash_area;
struct nvs_fs { off_t offset; uint16_t sector_size, sector_count; const struct device *flash_device; };
enum { BOOT_UPGRADE_TEST, SYS_REBOOT_COLD };
int64_t k_uptime_get(void);
uint32_t sys_rand32_get(void);
void sys_reboot(int type);
int boot_request_upgrade(int permanent);
int boot_write_img_confirmed(void);
int flash_area_open(uint8_t id, const struct flash_area **area);
int flash_area_erase(const struct flash_area *area, off_t offset, size_t size);
int flash_area_write(const struct flash_area *area, off_t offset, const void *data, size_t size);
int flash_area_read(const struct flash_area *area, off_t offset, void *data, size_t size);
uint32_t flash_area_align(const struct flash_area *area);
int nvs_mount(struct nvs_fs *store);
ssize_t nvs_write(struct nvs_fs *store, uint16_t id, const void *data, size_t size);
ssize_t nvs_read(struct nvs_fs *store, uint16_t id, void *data, size_t size);
"""


def run(*command, status=0, **options):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == status, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


class Examples(ServerCase):
    settings = {"http.max_rate": 400_000}  # slow enough to be interrupted

    def example(self, name, command):
        folder = self.folder / name
        folder.mkdir()
        (folder / "version").write_text("1.0.0\n")
        device = Process(folder / "log")
        self.addCleanup(device.kill)
        return folder, device, lambda: device.launch(
            ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", str(folder), *command,
             'cp "$1" installed && echo $NEXT >version'], {**ENVIRONMENT, "NEXT": "2.0.0"})

    def check(self, name, command, began):
        data = image(name, 2_000_000)
        self.assertEqual(self.rest.upload("2.0.0", data, f"hw-{name}").status, 201)
        folder, device, start = self.example(name, command)
        start()
        wait_until(lambda: self.rest.call("GET", f"/devices/{name}").status == 200, "it is registered")
        task = self.rest.upgrade(name, "2.0.0").json["task_id"]
        wait_until(lambda: began(folder), "it downloads", 30)
        device.kill()
        start()
        self.rest.wait_state(task, "succeeded", timeout=150)
        self.assertEqual(digest((folder / "installed").read_bytes()), digest(data))
        self.assertEqual(self.rest.call("GET", f"/devices/{name}").json["current_version"], "2.0.0")
        return device

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_shell_over_http(self):
        url = f"http://127.0.0.1:{self.daemon.port}"
        self.check("sh-1", [str(EXAMPLES / "device.sh"), url, "sh-1", "hw-sh-1", "version"],
                   lambda folder: (folder / "sh-1.image").exists())

    def test_python_over_mqtt(self):
        device = ["/usr/bin/python3", str(EXAMPLES / "device.py"), "127.0.0.1", str(self.broker.port)]
        self.check("py-1", [*device, "py-1", "hw-py-1", "version"], lambda folder: (folder / "py-1.chunks").exists())

    def test_c_for_microcontrollers(self):
        program = self.folder / "device"
        run("cc", *C, "-o", program, EXAMPLES / "device.c")
        self.microcontroller("c-1", [program])

    @unittest.skipUnless(CROSS, "test.sh --cross builds it for other machines")
    def test_c_on_other_machines(self):
        for architecture, emulator in CROSS.items():
            with self.subTest(architecture):
                self.microcontroller(f"c-{architecture}", [emulator, ROOT / f"build/package-{architecture}/device"])

    def microcontroller(self, name, program):
        """It would drop the offer if it weren't cut to max_message_bytes: the digests of its 31 chunks take 2 KiB."""
        command = [*map(str, program), "127.0.0.1", str(self.broker.port), name, f"hw-{name}", "version"]
        self.check(name, command, lambda folder: (folder / f"{name}.record").exists())

    def test_c_takes_less_than_8_kib(self):
        run("cc", *C, "-c", "-o", self.folder / "device.o", EXAMPLES / "device.c")
        _text, data, bss = map(int, run("size", self.folder / "device.o").splitlines()[1].split()[:3])
        self.assertLess(data + bss, 8192)
        for allocates in ("malloc", "calloc", "realloc", "strdup"):
            self.assertNotIn(allocates, run("nm", "-u", self.folder / "device.o").split())

    def test_boards_fit_the_device(self):
        for board, declarations in (("esp-idf", ESP_IDF), ("zephyr", ZEPHYR)):
            with self.subTest(board):
                include = self.folder / board
                for header in re.findall(r"#include <(.*)>", (EXAMPLES / f"device/{board}.h").read_text()):
                    if re.match("esp_|nvs|zephyr/|app_version", header):
                        (include / header).parent.mkdir(parents=True, exist_ok=True)
                        (include / header).touch()
                (include / "declarations.h").write_text(declarations)
                run("cc", *C, "-D_GNU_SOURCE", "-c", f'-DBOARD="device/{board}.h"', "-I", include, "-include", include / "declarations.h",
                    "-o", include / "device.o", EXAMPLES / "device.c")


class Orders(ServerCase):
    """Other programs that order updates."""

    settings = {"http.cors_origins": ["https://grafana.example"]}

    def setUp(self):
        super().setUp()
        self.assertIn(self.rest.upload("1.5.0", image("order", 1000), "gw-a").status, (200, 201))
        for name in ("gw-17", "gw-18"):
            self.assertIn(self.rest.call("PUT", f"/devices/{name}", {"hardware": "gw-a"}).status, (200, 201))

    @unittest.skipUnless(shutil.which("node"), "node is not installed")
    def test_node_red(self):
        nodes = {node["id"]: node for node in json.loads((EXAMPLES / "node-red.json").read_text())}
        for node in nodes.values():
            for wire in (wire for wires in node.get("wires", []) for wire in wires):
                self.assertIn(wire, nodes)
        script = ("const env = {get: name => ({OTAD_URL: 'http://gw', OTAD_KEY: 'secret'})[name]};"
                  "const msg = {payload: JSON.parse(process.argv[1])};"
                  "console.log(JSON.stringify(new Function('msg', 'env', process.argv[2])(msg, env)))")
        message = json.loads(run("node", "-e", script, nodes["otad-what"]["payload"], nodes["otad-order"]["func"]))
        self.assertEqual(message["headers"]["Authorization"], "Bearer secret")
        self.order(message["method"], message["url"].removeprefix("http://gw"), message["payload"],
                   {"Content-Type": message["headers"]["Content-Type"]})

    def test_grafana(self):
        panel = (EXAMPLES / "grafana-button.json").read_text()
        for name, value in (("device", "gw-18"), ("version", "1.5.0"), ("otad_key", "secret")):
            panel = panel.replace(f"${{{name}}}", value)
        call = json.loads(panel)["options"]["root"]["elements"][0]["config"]["api"]
        path = call["endpoint"].removeprefix("https://gw.example:8443")
        origin = {"Origin": "https://grafana.example"}
        asked = self.rest.call("OPTIONS", path, headers={
            **origin, "Access-Control-Request-Method": call["method"],
            "Access-Control-Request-Headers": "authorization,content-type"})
        self.assertEqual(asked.headers["access-control-allow-origin"], origin["Origin"])
        self.order(call["method"], path, json.loads(call["data"]), {**origin, "Content-Type": call["contentType"]})

    def order(self, method, path, body, headers):
        answer = self.rest.call(method, path, json.dumps(body), headers)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual(self.rest.task(answer.json["task_id"])["firmware_version"], "1.5.0")

    def test_nightly_rollout(self):
        units = [self.folder / f"nightly-rollout.{kind}" for kind in ("service", "timer")]
        for unit in units:
            shutil.copy(EXAMPLES / unit.name, unit)
        run("systemd-analyze", "verify", "--man=no", *units)
        self.assertEqual(self.rest.call("PUT", "/channels/stable", {}).status, 201)
        (self.folder / "nightly").write_text("1.5.0\n")
        command = re.search("^ExecStart=(.*)$", units[0].read_text(), re.MULTILINE).group(1).replace("%%", "%")
        command = shlex.split(command.replace("/srv/firmware/nightly", str(self.folder / "nightly")))
        environment = {**ENVIRONMENT, "PATH": f"{BUILD}:{os.environ['PATH']}", "HOME": str(self.folder),
                       "OTACTL_URL": f"http://127.0.0.1:{self.daemon.port}"}
        self.assertIn("is made", run(*command, env=environment))
        self.assertIn("is open already", run(*command, env=environment))
        self.assertEqual([rollout["version"] for rollout in self.rest.items("/rollouts")], ["1.5.0"])


if __name__ == "__main__":
    main()
