#include "download/manifest.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <nlohmann/json.hpp>

namespace ota::download {
namespace {

using Json = nlohmann::ordered_json;

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

/// The part before `separator`, trimmed; `text` keeps what is behind it.
std::string_view take(std::string_view& text, char separator) {
  const auto end = text.find(separator);
  const auto part = trim(text.substr(0, end));
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

bool same(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

/// `q` in thousandths; a malformed one counts as 1.
int quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto parameter = take(parameters, ';');
    if (parameter.size() < 3 || !same(parameter.substr(0, 2), "q=")) continue;
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
    if (same(type, "application/octet-stream")) octets = std::max(octets, quality(range));
    if (same(type, "application/json")) json = std::max(json, quality(range));
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
  const Json head = {{"checksum", to_checksum(image)},
                     {"size", grid.size},
                     {"chunk_bytes", grid.chunk_bytes},
                     {"chunk_count", manifest.size()}};
  // The list is written by hand: a JSON value for each of 65,536 digests would cost more than the text.
  auto text = head.dump();
  text.back() = ',';
  text.reserve(text.size() + manifest.size() * 67 + 256);
  text += "\"chunks\":[";
  for (std::size_t i = 0; i < manifest.size(); ++i) {
    text += i == 0 ? "\"" : ",\"";
    text += to_hex(manifest[i]);
    text += '"';
  }
  text += ']';
  if (signature) {
    const Json value = {{"algorithm", "ed25519"}, {"key_id", signature->key_id}, {"value", signature->value}};
    text += ",\"signature\":" + value.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return text += '}';
}

}  // namespace ota::download
