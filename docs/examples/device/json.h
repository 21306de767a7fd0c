// Enough JSON to read the server's messages.
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// The value of a field of the outermost object: a text without its quotes, or what else stands there up to a comma. An
// absent field, or one that is too long, is an empty text.
static const char *field(const char *json, const char *name, char *value, size_t size) {
  const size_t length = strlen(name);
  int depth = 0;
  value[0] = 0;
  for (const char *at = json; *at; ++at) {
    if (*at == '{' || *at == '[') ++depth;
    if (*at == '}' || *at == ']') --depth;
    if (*at != '"') continue;
    const char *begin = ++at;
    while (*at && *at != '"') at += *at == '\\' && at[1] ? 2 : 1;
    if (!*at) break;
    if (depth != 1 || (size_t)(at - begin) != length || memcmp(begin, name, length) != 0) continue;
    const char *colon = at + 1 + strspn(at + 1, " ");
    if (*colon != ':') continue;
    begin = colon + 1 + strspn(colon + 1, " ");
    const size_t found = *begin == '"' ? strcspn(++begin, "\"") : strcspn(begin, ",}");
    if (found >= size) break;
    memcpy(value, begin, found);
    value[found] = 0;
    break;
  }
  return value;
}
static uint32_t number(const char *json, const char *name) {
  char digits[12];
  return (uint32_t)strtoul(field(json, name, digits, sizeof digits), NULL, 10);
}
