// The board of device.c with ESP-IDF 5: its functions by the calls of esp_partition, esp_ota_ops, nvs and esp_timer. A
// sketch that the tests compile against these calls' declarations. In sdkconfig: CONFIG_BOOTLOADER_APP_ROLLBACK_ENABLE,
// and two OTA slots in the partition table. Order chunk sizes in multiples of 4 KiB, the sector.
#include <esp_app_desc.h>
#include <esp_ota_ops.h>
#include <esp_partition.h>
#include <esp_random.h>
#include <esp_system.h>
#include <esp_timer.h>
#include <nvs.h>
#include <nvs_flash.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BROKER "gw.example"
#define PORT "1883"
#define ID "lamp-7"
#define HARDWARE "lamp"

static struct {  // what outlives a reset
  char task[40];
  uint32_t attempt, chunk_bytes, chunks_done;
} record;
static const esp_partition_t *slot;
static nvs_handle_t store;

static time_t seconds(void) { return (time_t)(esp_timer_get_time() / 1000000); }

static bool flash_write(uint32_t offset, void *data, size_t size) {
  const uint32_t sector = 4096, begin = (offset + sector - 1) / sector * sector;  // a sector is erased as it is entered
  for (uint32_t at = begin; at < offset + size; at += sector) {
    if (esp_partition_erase_range(slot, at, sector) != ESP_OK) return false;
  }
  return esp_partition_write(slot, offset, data, size) == ESP_OK;
}
static bool flash_load(uint32_t offset, void *data, size_t size) {
  return esp_partition_read(slot, offset, data, size) == ESP_OK;
}
static bool record_save(void) {
  return nvs_set_blob(store, "record", &record, sizeof record) == ESP_OK && nvs_commit(store) == ESP_OK;
}
static bool record_load(void) {
  size_t size = sizeof record;
  return nvs_get_blob(store, "record", &record, &size) == ESP_OK;
}

static void running_version(char *version, size_t size) {
  snprintf(version, size, "%s", esp_app_get_description()->version);
}

static bool install(void) {  // the bootloader starts the old image again unless the new one confirms itself
  if (esp_ota_set_boot_partition(slot) != ESP_OK) return false;
  esp_restart();
  return true;
}

static void run(void);

void app_main(void) {  // after the network is up: esp_netif_init(), esp_event_loop_create_default(), esp_wifi_start()
  nvs_flash_init();
  nvs_open("otad", NVS_READWRITE, &store);
  slot = esp_ota_get_next_update_partition(NULL);
  srand(esp_random());
  esp_ota_mark_app_valid_cancel_rollback();  // better: once your own self-test has passed
  run();
}
