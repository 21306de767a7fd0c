#include "http/file_plan.hpp"

#include <fmt/format.h>

#include <optional>
#include <random>
#include <utility>

namespace ota::http {
namespace {

using Known = RequestParser::Known;

enum class Match { absent, yes, no };

Match match(const RequestParser& request, Known name, std::string_view etag, bool strong) {
  Match found = Match::absent;
  request.each(name, [&](std::string_view list) {
    if (found != Match::yes) found = etag_listed(list, etag, strong) ? Match::yes : Match::no;
  });
  return found;
}

/// What the request's conditions and ranges make of it; nothing where that is all of it.
std::optional<FilePlan> plan_as_asked(const RequestParser& request, const FileBody& file) {
  const bool get = request.method() == Method::get;
  if (!get && request.method() != Method::head) return std::nullopt;

  if (match(request, Known::if_match, file.etag, true) == Match::no) return FilePlan{412, {}};
  if (match(request, Known::if_none_match, file.etag, false) == Match::yes) return FilePlan{304, {}};

  // RFC 9110, 14.2: Range means something with GET only.
  if (!get) return std::nullopt;
  const std::string_view range = request.field(Known::range);
  if (range.empty()) return std::nullopt;
  const std::string_view if_range = request.field(Known::if_range);
  if (!if_range.empty() && !if_range_holds(if_range, file.etag)) return std::nullopt;
  RangeAnswer answer = parse_range(range, file.length);
  if (answer.kind == RangeKind::unsatisfiable) return FilePlan{416, {}};
  if (answer.kind == RangeKind::ranges) return FilePlan{206, std::move(answer.ranges)};
  return std::nullopt;
}

}  // namespace

FilePlan plan_whole(unsigned status, const FileBody& file) {
  FilePlan plan;
  plan.status = status;
  if (file.length > 0) plan.ranges.push_back({0, file.length});
  return plan;
}

FilePlan plan_file(const RequestParser& request, const FileBody& file) {
  if (auto plan = plan_as_asked(request, file)) return std::move(*plan);
  return plan_whole(200, file);
}

std::string make_boundary() {
  std::random_device device;
  std::uint64_t bits[2] = {};
  for (auto& word : bits) word = (static_cast<std::uint64_t>(device()) << 32) | device();
  return fmt::format("otad-{:016x}{:016x}", bits[0], bits[1]);
}

}  // namespace ota::http
