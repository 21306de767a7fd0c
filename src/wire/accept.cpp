#include "ota/wire/accept.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "ota/base/text.hpp"

namespace ota::wire {
namespace {

/// `q` of an element of Accept or Accept-Encoding, 1 where it has none.
double quality(std::string_view parameters) {
  while (!parameters.empty()) {
    const auto one = trim(parameters.substr(0, parameters.find(';')));
    parameters.remove_prefix(std::min(parameters.find(';'), parameters.size() - 1) + 1);
    if (one.size() < 3 || to_lower(one[0]) != 'q' || one[1] != '=') continue;
    double q = 0;
    const auto [end, error] = std::from_chars(one.data() + 2, one.data() + one.size(), q);
    return error == std::errc{} && end == one.data() + one.size() ? q : 0;
  }
  return 1;
}

/// The quality of the first element of `list` that `fits`; nothing where none does.
template <class Fits>
std::optional<double> quality_of(std::string_view list, Fits fits) {
  while (!list.empty()) {
    const auto element = list.substr(0, list.find(','));
    list.remove_prefix(std::min(element.size() + 1, list.size()));
    const auto name = trim(element.substr(0, element.find(';')));
    if (!fits(name)) continue;
    return quality(element.substr(std::min(element.find(';'), element.size() - 1) + 1));
  }
  return std::nullopt;
}

}  // namespace

bool prefers_csv(std::string_view accept) {
  const auto csv = quality_of(accept, [](auto name) { return iequals(name, "text/csv"); });
  const auto json = quality_of(accept, [](auto name) { return iequals(name, "application/json"); });
  return csv && *csv > 0 && (!json || *csv > *json || (*csv == *json && accept.find("csv") < accept.find("json")));
}

bool accepts_event_stream(std::string_view accept) {
  return quality_of(accept, [](auto name) { return iequals(name, "text/event-stream"); }).value_or(0) > 0;
}

bool accepts_gzip(std::string_view accept_encoding) {
  auto q = quality_of(accept_encoding, [](auto name) { return iequals(name, "gzip") || iequals(name, "x-gzip"); });
  if (!q) q = quality_of(accept_encoding, [](auto name) { return name == "*"; });
  return q.value_or(0) > 0;
}

}  // namespace ota::wire
