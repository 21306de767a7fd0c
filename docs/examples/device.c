// A device for microcontrollers: control messages over MQTT, chunks over HTTP, on plain sockets. Nothing is allocated,
// and all static buffers take less than 4 KiB together. Build and run on Linux:
//
//   cc -std=gnu11 -Os -o device device.c
//   ./device BROKER_HOST BROKER_PORT ID HARDWARE VERSION_FILE INSTALL_COMMAND
//
// There the flash is the file ID.image; INSTALL_COMMAND gets it as $1 and writes the new version into VERSION_FILE. A port
// has a board.h of its own: esp-idf.h and zephyr.h show two. A download resumes after a reset. Not here: TLS, and the check
// of a vendor's signature ("Signatures" in device-protocol.md), which takes a library for Ed25519.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE  // memrchr, strcasestr
#endif
#include <sys/select.h>

#ifndef BOARD  // -DBOARD='"device/esp-idf.h"' for another
#define BOARD "device/board.h"
#endif
#include BOARD
#include "device/json.h"
#include "device/lines.h"
#include "device/sha256.h"

enum { MAX_CHUNK = 65536, PRESENT_S = 120 };

static struct {
  char chunk_url[512], checksum[72];
  uint32_t size, chunk_count;
} offer;  // of record.task; size 0: none
static enum { IDLE, DOWNLOADING } state;
static time_t next_action;  // seconds since the start
static uint32_t backoff_s = 2;

static bool flash_checksum(uint32_t size, char checksum[72]) {  // "sha256:" and 64 digits
  uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  uint8_t *block = packet;
  uint32_t at = 0;
  for (; size - at >= 64; at += 64) {
    if (at % MAX_MESSAGE == 0 && !flash_load(at, packet, size - at < MAX_MESSAGE ? size - at : MAX_MESSAGE)) return false;
    block = packet + at % MAX_MESSAGE;
    sha256_block(h, block);
  }
  uint8_t last[128] = {0};
  const uint32_t rest = size - at, length = rest < 56 ? 64 : 128;
  if (rest && !flash_load(at, last, rest)) return false;
  last[rest] = 0x80;
  for (uint32_t i = 0; i < 8; ++i) last[length - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
  for (uint32_t i = 0; i < length; i += 64) sha256_block(h, last + i);
  strcpy(checksum, "sha256:");
  for (int i = 0; i < 8; ++i) sprintf(checksum + 7 + 8 * i, "%08x", (unsigned)h[i]);
  return true;
}

static void wait_s(uint32_t s) { next_action = seconds() + s; }
static void wait_longer(void) {  // at random up to half of it less, so that a fleet doesn't come all at once
  wait_s(backoff_s - (uint32_t)rand() % (backoff_s / 2 + 1));
  backoff_s = backoff_s < 32 ? backoff_s * 2 : 60;
}

static bool request(void) {
  char version[64];
  running_version(version, sizeof version);
  wait_longer();
  return publish("request", 1, "{\"current_version\":\"%s\",\"hardware\":\"%s\",\"transports\":[\"http\"],"
                 "\"max_chunk_bytes\":%d,\"max_message_bytes\":%d}", version, HARDWARE, MAX_CHUNK, MAX_MESSAGE);
}

static bool begin(const char *json, bool again) {
  char task[sizeof record.task];
  field(json, "task_id", task, sizeof task);
  const uint32_t attempt = number(json, "attempt"), chunk_bytes = number(json, "chunk_bytes");
  field(json, "chunk_url", offer.chunk_url, sizeof offer.chunk_url);
  field(json, "checksum", offer.checksum, sizeof offer.checksum);
  offer.size = number(json, "size");
  offer.chunk_count = number(json, "chunk_count");
  if (!task[0] || !chunk_bytes || !offer.chunk_url[0]) offer.size = 0;
  const bool same = strcmp(task, record.task) == 0 && chunk_bytes == record.chunk_bytes && attempt == record.attempt;
  if (!same) record.chunks_done = 0;
  strcpy(record.task, task);
  record.attempt = attempt;
  record.chunk_bytes = chunk_bytes;
  state = offer.size ? DOWNLOADING : IDLE;
  backoff_s = 2;
  wait_s(again ? number(json, "retry_after_s") : 0);
  return record_save();
}

static bool finish(const char *json) {  // success: the image is right
  char task[sizeof record.task], checksum[72];
  if (strcmp(field(json, "task_id", task, sizeof task), record.task) != 0 || !offer.size) return request();
  const bool whole = flash_checksum(offer.size, checksum) && strcmp(checksum, offer.checksum) == 0;
  offer.size = 0;
  state = IDLE;
  backoff_s = 2;
  if (!(whole && install())) {
    publish("progress", 1, "{\"task_id\":\"%s\",\"state\":\"failed\",\"reason\":\"install\"}", task);
  }
  return request();  // reports the version
}

static bool handle(const char *kind, const char *json) {
  if (strcmp(kind, "metadata") == 0 || strcmp(kind, "retry") == 0) return begin(json, kind[0] == 'r');
  if (strcmp(kind, "success") == 0) return finish(json);
  backoff_s = 2;
  printf("%s: %s\n", kind, json);
  fflush(stdout);
  const uint32_t after = number(json, "retry_after_s");
  state = IDLE;  // hold, failed, queued, up_to_date, cancel, error: the server's next message goes on, or a request does
  wait_s(after ? after : PRESENT_S);
  return true;
}

static bool step(void) {  // what the device does by itself
  char checksum[72];
  if (state == IDLE) return request();
  if (record.chunks_done < offer.chunk_count) {
    const uint32_t at = record.chunks_done * record.chunk_bytes, left = offer.size - at;
    const uint32_t expected = left < record.chunk_bytes ? left : record.chunk_bytes;
    const int status = get_chunk(offer.chunk_url, record.chunks_done, at, expected);
    if (status == 200) {
      ++record.chunks_done;
      backoff_s = 2;
      return record_save() && publish("progress", 0, "{\"task_id\":\"%s\",\"chunk\":%u,\"status\":\"ok\"}",
                                      record.task, (unsigned)record.chunks_done - 1);
    }
    hang_up(&http);
    if (status == 403 || status == 404 || status == 410) state = IDLE;  // expired: a request brings another
    wait_longer();
    return true;
  }
  wait_longer();  // repeated until it is answered
  return flash_checksum(offer.size, checksum) &&
         publish("verify", 1, "{\"task_id\":\"%s\",\"attempt\":%u,\"checksum\":\"%s\"}", record.task,
                 (unsigned)record.attempt, checksum);
}

// The broker's next packet; false: the line is lost, or the packet is nothing that this device asked for.
static bool incoming(void) {
  char kind[16];
  uint8_t first = 0;
  const int size = mqtt_receive(&first);
  if (size < 0) return false;
  if (first >> 4 != 3 || size == 0) return true;  // acknowledgements, and what was too long
  return read_publish(first, size, kind, sizeof kind) && handle(kind, text);
}

static void run(void) {
  record_load();
  for (;;) {
    if (!mqtt_open()) {
      wait_longer();
      sleep((unsigned)(next_action - seconds()));
      continue;
    }
    state = IDLE;
    wait_s(0);
    for (bool well = true; well;) {
      const time_t now = seconds();
      fd_set lines;
      FD_ZERO(&lines);
      FD_SET(mqtt, &lines);
      struct timeval patience = {.tv_sec = next_action <= now ? 0 : 1};
      if (select(mqtt + 1, &lines, NULL, NULL, &patience) > 0) well = incoming();
      else if (next_action <= now) well = step();
      else if (now - last_heard > 2 * KEEP_ALIVE_S) well = false;
      else if (now - last_sent >= KEEP_ALIVE_S / 2) well = mqtt_send(0xc0, packet + 5);
    }
  }
}
