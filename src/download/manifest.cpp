#include "download/manifest.hpp"

#include <algorithm>
#include <charconv>

#include "ota/base/json_writer.hpp"
#include "ota/base/text.hpp"

namespace ota::download {
namespace {

/// The part before `separator`, trimmed; `text` keeps the part after it.
std::string_view take(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = trim(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

/// `q` in thousandths; a malformed one counts as 1.
int quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto parameter = take(parameters, ';');
    if (parameter.size() < 3 || !iequals(parameter.substr(0, 2), "q=")) continue;
    double value = 1;
    const auto number = parameter.substr(2);
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error == std::errc{} && value >= 0 && value <= 1) return static_cast<int>(value * 1000);
  }
  return 1000;
}

}  // namespace

bool prefers_octets(std::string_view accept) {
  int octets = 0;
  int json = 0;
  while (!accept.empty()) {
    auto range = take(accept, ',');
    const auto type = take(range, ';');
    if (iequals(type, "application/octet-stream")) octets = std::max(octets, quality(range));
    if (iequals(type, "application/json")) json = std::max(json, quality(range));
  }
  return octets > json;
}

std::string manifest_octets(const firmware::Manifest& manifest) {
  std::string octets;
  octets.reserve(manifest.size() * sizeof(Digest));
  for (const auto& digest : manifest) octets.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return octets;
}

std::string manifest_json(const Digest& image, const ChunkGrid& grid, const firmware::Manifest& manifest,
                          const std::optional<FirmwareSignature>& signature) {
  std::string chunks = "[";
  chunks.reserve(manifest.size() * 67 + 2);
  for (const auto& digest : manifest) chunks.append(chunks.size() > 1 ? ",\"" : "\"").append(to_hex(digest)) += '"';
  chunks += ']';
  JsonWriter json(chunks.size() + 512);
  json.put("checksum", to_checksum(image));
  json.put("size", grid.size);
  json.put("chunk_bytes", grid.chunk_bytes);
  json.put("chunk_count", manifest.size());
  json.put_raw("chunks", chunks);
  if (signature) {
    JsonWriter value;
    value.put("algorithm", "ed25519");
    value.put("key_id", signature->key_id);
    value.put("value", signature->value);
    json.put_raw("signature", value.take());
  }
  return json.take();
}

}  // namespace ota::download
