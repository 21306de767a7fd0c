// What a server sends otactl.
#include <string>

#include "fuzz/target.hpp"
#include "otactl/event_parser.hpp"

namespace ota::fuzz {
namespace {

/// All that a reader gets, told apart.
std::string read(std::string_view bytes, std::size_t piece) {
  otactl::EventParser parser;
  std::string all;
  while (!bytes.empty()) {
    for (const auto& event : parser.feed(bytes.substr(0, piece)))
      all += std::to_string(event.id.size()) + event.id + '\n' + event.type + '\n' + event.data + '\n';
    bytes.remove_prefix(std::min(piece, bytes.size()));
  }
  return all;
}

}  // namespace

void event_stream(std::string_view bytes) {
  const std::size_t piece = first_byte(bytes) + 1u;
  require(read(bytes, piece) == read(bytes, bytes.size() + 1), "the pieces that a stream comes in don't matter");
}

}  // namespace ota::fuzz
