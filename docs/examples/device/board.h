// The board that device.c runs on: here a Linux machine, where the flash and the record are files beside the program.
// esp-idf.h and zephyr.h are two others.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char **arguments;
#define BROKER arguments[1]
#define PORT arguments[2]
#define ID arguments[3]
#define HARDWARE arguments[4]

static struct {  // what outlives a reset
  char task[40];
  uint32_t attempt, chunk_bytes, chunks_done;
} record;

static time_t seconds(void) {  // since the start
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec;
}

static bool file(const char *suffix, bool write, uint32_t offset, void *data, size_t size) {
  char path[160];
  snprintf(path, sizeof path, "%s%s", ID, suffix);
  FILE *f = fopen(path, write ? "r+" : "r");
  if (!f && write) f = fopen(path, "w+");
  if (!f) return false;
  bool done = fseek(f, (long)offset, SEEK_SET) == 0;
  done = done && (write ? fwrite(data, 1, size, f) : fread(data, 1, size, f)) == size;
  return fclose(f) == 0 && done;
}
static bool flash_write(uint32_t offset, void *data, size_t size) { return file(".image", true, offset, data, size); }
static bool flash_load(uint32_t offset, void *data, size_t size) { return file(".image", false, offset, data, size); }
static bool record_save(void) { return file(".record", true, 0, &record, sizeof record); }
static bool record_load(void) { return file(".record", false, 0, &record, sizeof record); }

static void running_version(char *version, size_t size) {
  FILE *f = fopen(arguments[5], "r");
  if (!f || !fgets(version, (int)size, f)) version[0] = 0;
  if (f) fclose(f);
  version[strcspn(version, "\r\n")] = 0;
}

static bool install(void) {
  char command[512];
  const int size = snprintf(command, sizeof command, "set -- '%s.image'; %s", ID, arguments[6]);
  return size < (int)sizeof command && system(command) == 0;
}

static void run(void);

int main(int count, char **values) {
  if (count != 7) return fputs("device BROKER_HOST BROKER_PORT ID HARDWARE VERSION_FILE INSTALL_COMMAND\n", stderr), 2;
  arguments = values;
  srand((unsigned)time(NULL));
  run();
}
