#include "otactl/call.hpp"

#include <fmt/format.h>

#include <cstdlib>

#include "ota/base/text.hpp"
#include "otactl/format.hpp"

namespace ota::otactl {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::filesystem::path contexts_file() { return config_folder() / "config.toml"; }

std::optional<std::string> Call::text(std::string_view name) const {
  const auto& values = list(name);
  return values.empty() ? std::nullopt : std::optional(values.back());
}

const std::vector<std::string>& Call::list(std::string_view name) const {
  static const std::vector<std::string> none;
  const auto found = values_.find(name);
  return found == values_.end() ? none : found->second;
}

std::optional<std::int64_t> Call::number(std::string_view name, std::int64_t least) const {
  const auto given = text(name);
  if (!given) return std::nullopt;
  const auto value = parse_decimal<std::int64_t>(*given);
  if (!value || *value < least)
    throw Failure(kUsage, fmt::format("--{} must be a number from {} on, not '{}'", name, least, printable(*given)));
  return value;
}

std::optional<std::chrono::seconds> Call::duration(std::string_view name) const {
  const auto given = text(name);
  if (!given) return std::nullopt;
  const auto value = parse_duration(*given);
  if (!value)
    throw Failure(kUsage, fmt::format("--{} must be a time such as 90s, 30m, 2h, 1d or 1h30m, not '{}'", name,
                                      printable(*given)));
  return value;
}

std::optional<std::string> Call::past(std::string_view name) const { return time(name, -1); }

std::optional<std::string> Call::future(std::string_view name) const { return time(name, 1); }

std::optional<std::string> Call::time(std::string_view name, int direction) const {
  const auto given = text(name);
  if (!given || parse_rfc3339(*given)) return given;
  const auto span = parse_duration(*given);
  if (!span)
    throw Failure(kUsage, fmt::format("--{} must be a time such as 2h or 2026-11-22T08:30:00Z, not '{}'", name,
                                      printable(*given)));
  return to_rfc3339(now() + direction * *span);
}

Server Call::server() const {
  const Named environment{variable("OTACTL_URL"), variable("OTACTL_KEY_FILE"), variable("OTACTL_CA_FILE")};
  const Named options{text("url").value_or(""), text("key-file").value_or(""), text("ca-file").value_or("")};
  return resolve(read_contexts(contexts_file()), text("context"), environment, options);
}

Client& Call::client() {
  if (!client_) client_ = std::make_unique<Client>(server());
  return *client_;
}

}  // namespace ota::otactl
