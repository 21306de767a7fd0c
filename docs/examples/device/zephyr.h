// The board of device.c with Zephyr and MCUboot: its functions by the calls of flash_map, nvs, mcuboot and reboot. A sketch
// that the tests compile against these calls' declarations. In prj.conf: CONFIG_NET_SOCKETS, CONFIG_POSIX_API,
// CONFIG_DNS_RESOLVER, CONFIG_FLASH_MAP, CONFIG_NVS, CONFIG_MCUBOOT_IMG_MANAGER, CONFIG_REBOOT, CONFIG_BOOTLOADER_MCUBOOT.
// Order chunk sizes in multiples of the flash's erase block.
#include <app_version.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zephyr/dfu/mcuboot.h>
#include <zephyr/drivers/flash.h>
#include <zephyr/fs/nvs.h>
#include <zephyr/kernel.h>
#include <zephyr/random/random.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/reboot.h>

#define BROKER "gw.example"
#define PORT "1883"
#define ID "lamp-7"
#define HARDWARE "lamp"

static struct {  // what outlives a reset
  char task[40];
  uint32_t attempt, chunk_bytes, chunks_done;
} record;
static const struct flash_area *slot;
static struct nvs_fs store = {.sector_size = 4096, .sector_count = 2};

static time_t seconds(void) { return (time_t)(k_uptime_get() / 1000); }

static bool flash_write(uint32_t offset, void *data, size_t size) {
  const uint32_t sector = 4096, begin = (offset + sector - 1) / sector * sector;  // a sector is erased as it is entered
  for (uint32_t at = begin; at < offset + size; at += sector) {
    if (flash_area_erase(slot, at, sector) != 0) return false;
  }
  uint8_t last[32];  // the flash takes whole words only: the image's last is padded
  const size_t rest = size % flash_area_align(slot);
  memset(last, 0xff, sizeof last);
  memcpy(last, (uint8_t *)data + size - rest, rest);
  return (size == rest || flash_area_write(slot, offset, data, size - rest) == 0) &&
         (rest == 0 || flash_area_write(slot, offset + size - rest, last, flash_area_align(slot)) == 0);
}
static bool flash_load(uint32_t offset, void *data, size_t size) { return flash_area_read(slot, offset, data, size) == 0; }
static bool record_save(void) { return nvs_write(&store, 1, &record, sizeof record) >= 0; }
static bool record_load(void) { return nvs_read(&store, 1, &record, sizeof record) == sizeof record; }

static void running_version(char *version, size_t size) { snprintf(version, size, "%s", APP_VERSION_STRING); }

static bool install(void) {  // MCUboot swaps the slots, and swaps them back unless the new image confirms itself
  if (boot_request_upgrade(BOOT_UPGRADE_TEST) != 0) return false;
  sys_reboot(SYS_REBOOT_COLD);
  return true;
}

static void run(void);

int main(void) {  // after the network is up: net_mgmt() with NET_REQUEST_WIFI_CONNECT, or CONFIG_NET_CONFIG_SETTINGS
  store.flash_device = FIXED_PARTITION_DEVICE(storage_partition);
  store.offset = FIXED_PARTITION_OFFSET(storage_partition);
  nvs_mount(&store);
  flash_area_open(FIXED_PARTITION_ID(slot1_partition), &slot);
  srand(sys_rand32_get());
  boot_write_img_confirmed();  // better: once your own self-test has passed
  run();
}
