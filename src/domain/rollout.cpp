#include "ota/domain/rollout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/base/text.hpp"
#include "ota/base/value_forms.hpp"
#include "ota/domain/version.hpp"

namespace ota {
namespace {

constexpr std::int64_t kWhole = 10'000;  // hundredths of a percent
constexpr std::int64_t kMostDevices = 1'000'000'000;
constexpr int kYear = 366 * 24 * 3600;
constexpr std::size_t kMostVersions = 100;

std::int64_t rounded_up(std::int64_t total, std::int64_t hundredths) {
  return (total * hundredths + kWhole - 1) / kWhole;
}

class Problems {
 public:
  void add(std::string field, std::string message) { fields_.push_back({std::move(field), std::move(message)}); }
  Result<void> result() const {
    if (fields_.empty()) return {};
    return Error{Errc::malformed, fields_.front().field + " " + fields_.front().message, fields_};
  }

 private:
  std::vector<FieldError> fields_;
};

void check_range(Problems& problems, const char* field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) problems.add(field, fmt::format("must be {} to {}", least, most));
}

/// Shares can be compared only with shares, numbers only with numbers: others are skipped where they turn out smaller.
bool shrinks(const Share& before, const Share& after) {
  return before.kind == after.kind && before.kind != Share::Kind::canary && after.value < before.value;
}

void check_stages(Problems& problems, RolloutSpec& spec) {
  auto& stages = spec.stages;
  const bool whole = !stages.empty() && stages.back().to.is_all() && stages.back().tags.empty();
  if (!whole) stages.emplace_back();
  if (stages.size() > kMaxStages)
    problems.add("stages", fmt::format("must be at most {}, the last of 100% included", kMaxStages));
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const auto field = fmt::format("stages[{}]", i);
    if (i > 0 && shrinks(stages[i - 1].to, stages[i].to))
      problems.add(field, fmt::format("must not be smaller than the stage before it: {} follows {}",
                                      to_string(stages[i].to), to_string(stages[i - 1].to)));
    if (stages[i].delay_s) check_range(problems, (field + ".delay_s").c_str(), *stages[i].delay_s, 0, kYear);
  }
}

}  // namespace

std::optional<Share> Share::parse(std::string_view text) {
  if (text == "canary") return Share{Kind::canary, 0};
  if (const auto percent = parse_percentage(text)) return Share{Kind::percent, *percent};
  const auto count = parse_decimal<std::int64_t>(text);
  if (!count || *count < 1 || *count > kMostDevices) return {};
  return Share{Kind::count, *count};
}

std::string to_string(const Share& share) {
  switch (share.kind) {
    case Share::Kind::canary:
      return "canary";
    case Share::Kind::count:
      return std::to_string(share.value);
    default:
      break;
  }
  const auto whole = share.value / 100;
  const auto fraction = share.value % 100;
  if (fraction == 0) return fmt::format("{}%", whole);
  return fraction % 10 == 0 ? fmt::format("{}.{}%", whole, fraction / 10) : fmt::format("{}.{:02}%", whole, fraction);
}

std::int64_t stage_size(const Share& share, std::int64_t total) {
  constexpr std::int64_t kCanary = 10;
  std::int64_t size = total;
  if (share.kind == Share::Kind::canary) size = std::min(kCanary, rounded_up(total, 100));
  if (share.kind == Share::Kind::count) size = std::min(share.value, total);
  if (share.kind == Share::Kind::percent) size = rounded_up(total, share.value);
  return std::max<std::int64_t>(1, size);
}

std::int64_t budget_size(const Share& share, std::int64_t total) {
  const auto size = share.kind == Share::Kind::percent ? total * share.value / kWhole : share.value;
  return std::max<std::int64_t>(1, size);
}

Result<void> check_and_complete(RolloutSpec& spec) {
  Problems problems;
  check_stages(problems, spec);
  if (spec.max_failures.kind == Share::Kind::canary) problems.add("max_failures", "must be a number or a percentage");
  if (spec.max_soaking) check_range(problems, "max_soaking", *spec.max_soaking, 1, kMostDevices);
  check_range(problems, "soak_s", spec.soak_s, 1, kYear);
  check_range(problems, "stage_delay_s", spec.stage_delay_s, 0, kYear);
  check_range(problems, "postpone_s", spec.postpone_s, 0, kYear);
  if (spec.only_from.size() > kMostVersions)
    problems.add("only_from", fmt::format("must be at most {} versions", kMostVersions));
  for (std::size_t i = 0; i < spec.only_from.size(); ++i)
    if (!valid_version(spec.only_from[i])) problems.add(fmt::format("only_from[{}]", i), "is no version");
  if (spec.not_before && spec.expires_at && *spec.expires_at <= *spec.not_before)
    problems.add("expires_at", "must be after not_before");
  return problems.result();
}

std::optional<RolloutId> RolloutId::parse(std::string_view text) {
  const auto parts = parse_dated_number("RO_", text);
  return parts ? std::optional{RolloutId{parts->day, parts->number}} : std::nullopt;
}

std::string RolloutId::str() const { return fmt::format("RO_{:08}_{:06}", day, number); }

}  // namespace ota
