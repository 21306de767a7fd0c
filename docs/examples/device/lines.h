// Two lines: MQTT 3.1.1 to the broker, HTTP to the server. The sockets' names are those of lwIP and Zephyr, too.
#include <netdb.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { MAX_MESSAGE = 1024, KEEP_ALIVE_S = 60, LINE_TIMEOUT_S = 15 };

static int mqtt = -1, http = -1;
static time_t last_sent, last_heard;
static uint8_t packet[MAX_MESSAGE + 256];  // one packet, or a piece of the image
static char text[1280];                    // what is formatted or read

static int dial(const char *host, const char *port) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
  if (getaddrinfo(host, port, &hints, &found) != 0) return -1;
  int line = socket(found->ai_family, SOCK_STREAM, 0);
  const struct timeval limit = {.tv_sec = LINE_TIMEOUT_S};
  setsockopt(line, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(line, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (connect(line, found->ai_addr, found->ai_addrlen) != 0) {
    close(line);
    line = -1;
  }
  freeaddrinfo(found);
  return line;
}
static void hang_up(int *line) {
  if (*line >= 0) close(*line);
  *line = -1;
}
static bool send_all(int line, const void *data, size_t size) {
  for (size_t sent = 0; sent < size;) {
    const ssize_t n = send(line, (const uint8_t *)data + sent, size - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += (size_t)n;
  }
  return true;
}
static bool receive(int line, void *data, size_t size) {
  for (size_t got = 0; got < size;) {
    const ssize_t n = recv(line, (uint8_t *)data + got, size - got, 0);
    if (n <= 0) return false;
    got += (size_t)n;
  }
  return true;
}

// MQTT

static uint8_t *put_text(uint8_t *at, const char *value) {  // two bytes of length, then the text
  const size_t length = strlen(value);
  *at++ = (uint8_t)(length >> 8);
  *at++ = (uint8_t)length;
  return (uint8_t *)memcpy(at, value, length) + length;
}

static bool mqtt_send(uint8_t first, const uint8_t *end) {  // the packet's body is in packet + 5
  const size_t body = (size_t)(end - (packet + 5));
  uint8_t header[5] = {first};
  size_t used = 1, left = body;
  do {
    header[used] = left & 127;
    left >>= 7;
    if (left) header[used] |= 128;
    ++used;
  } while (left);
  memcpy(packet + 5 - used, header, used);
  last_sent = seconds();
  return mqtt >= 0 && send_all(mqtt, packet + 5 - used, used + body);
}

static bool publish(const char *kind, int qos, const char *format, ...) __attribute__((format(printf, 3, 4)));
static bool publish(const char *kind, int qos, const char *format, ...) {
  static uint16_t number;
  snprintf(text, sizeof text, "/ota/%s/%s", ID, kind);
  uint8_t *at = put_text(packet + 5, text);
  if (qos) {
    if (++number == 0) number = 1;
    *at++ = (uint8_t)(number >> 8);
    *at++ = (uint8_t)number;
  }
  va_list values;
  va_start(values, format);
  const size_t room = (size_t)(packet + sizeof packet - at);
  const int length = vsnprintf((char *)at, room, format, values);
  va_end(values);
  return length > 0 && (size_t)length < room && mqtt_send((uint8_t)(0x30 | qos << 1), at + length);
}

// Bytes of the body in packet, 0 for what is too long, -1: the line is lost.
static int mqtt_receive(uint8_t *first) {
  uint32_t size = 0;
  uint8_t byte = 128;
  if (!receive(mqtt, first, 1)) return -1;
  for (int shift = 0; byte & 128; shift += 7) {
    if (shift > 21 || !receive(mqtt, &byte, 1)) return -1;
    size |= (uint32_t)(byte & 127) << shift;
  }
  const bool fits = size < sizeof packet;
  for (uint32_t left = size, part; left; left -= part) {
    part = left < sizeof packet - 1 ? left : sizeof packet - 1;
    if (!receive(mqtt, packet, part)) return -1;
  }
  last_heard = seconds();
  return fits ? (int)size : 0;
}

// Of a PUBLISH in packet: the last level of the topic into `kind`, and the payload into text. Acknowledges it.
static bool read_publish(uint8_t first, int size, char *kind, size_t kind_size) {
  const int topic = packet[0] << 8 | packet[1], qos = first >> 1 & 3, at = 2 + topic + (qos ? 2 : 0);
  if (size < 2 || at > size || qos > 1) return false;
  if (qos) {
    const uint8_t ack[4] = {0x40, 2, packet[2 + topic], packet[3 + topic]};
    if (!send_all(mqtt, ack, sizeof ack)) return false;
  }
  const char *end = (const char *)packet + 2 + topic, *slash = memrchr(packet + 2, '/', (size_t)topic);
  snprintf(kind, kind_size, "%.*s", slash ? (int)(end - slash - 1) : 0, slash ? slash + 1 : "");
  memcpy(text, packet + at, (size_t)(size - at));
  text[size - at] = 0;
  return true;
}

static bool mqtt_open(void) {
  static const char *const kinds[] = {"metadata", "retry", "success", "hold", "failed",
                                      "queued", "up_to_date", "cancel", "error"};
  uint8_t first = 0;
  hang_up(&mqtt);
  mqtt = dial(BROKER, PORT);
  if (mqtt < 0) return false;
  uint8_t *at = put_text(packet + 5, "MQTT");
  memcpy(at, "\x04\x02\x00", 3);  // 3.1.1, clean session
  at[3] = KEEP_ALIVE_S;
  if (!mqtt_send(0x10, put_text(at + 4, ID))) return false;
  if (mqtt_receive(&first) != 2 || first != 0x20 || packet[1] != 0) return false;
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; ++i) {  // one by one: a packet for each fits into the buffer
    snprintf(text, sizeof text, "/ota/%s/%s", ID, kinds[i]);
    memcpy(packet + 5, "\x00\x01", 2);
    at = put_text(packet + 7, text);
    *at++ = 1;
    if (!mqtt_send(0x82, at)) return false;
  }
  return true;
}

// HTTP

static bool http_open(const char *authority) {  // "gw.example:8080"; a line to another server is closed
  static char connected[80];
  char host[80], *port = NULL;
  if (strcmp(authority, connected) != 0) hang_up(&http);
  if (http >= 0) return true;
  strcpy(connected, authority);
  strcpy(host, authority);
  if ((port = strrchr(host, ':'))) *port++ = 0;
  return (http = dial(host, port ? port : "80")) >= 0;
}

// GET of one chunk of `size` bytes, written to the flash from `offset` as it arrives; the line is kept for the next. The
// status; 0: the line failed.
static int get_chunk(const char *url, uint32_t index, uint32_t offset, uint32_t size) {
  char authority[80];
  const char *brace = strstr(url, "{index}");
  if (strncmp(url, "http://", 7) != 0 || !brace) return 0;
  const char *path = url + 7 + strcspn(url + 7, "/");
  if (snprintf(authority, sizeof authority, "%.*s", (int)(path - url - 7), url + 7) >= (int)sizeof authority) return 0;
  const int length = snprintf(text, sizeof text, "GET %.*s%u%s HTTP/1.1\r\nHost: %s\r\n\r\n", (int)(brace - path), path,
                              (unsigned)index, brace + 7, authority);
  if (length >= (int)sizeof text || !http_open(authority) || !send_all(http, text, (size_t)length)) return 0;
  size_t head = 0;
  for (text[0] = 0; head < sizeof text - 1 && !strstr(text, "\r\n\r\n"); text[++head] = 0) {
    if (!receive(http, text + head, 1)) return 0;
  }
  const int status = head > 12 ? atoi(text + 9) : 0;
  const char *announced = strcasestr(text, "\r\nContent-Length:");
  if (status != 200) return status;
  if (!announced || strtoul(announced + 17, NULL, 10) != size) return 0;
  for (uint32_t at = 0, part; at < size; at += part) {
    part = size - at < sizeof packet ? size - at : sizeof packet;
    if (!receive(http, packet, part) || !flash_write(offset + at, packet, part)) return 0;
  }
  return 200;
}
