#include "agent/timezone.hpp"

#include <string_view>
#include <system_error>

#include "agent/files.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/messages.hpp"

namespace ota::agent {

std::string system_timezone(const std::filesystem::path& etc) {
  constexpr std::string_view kDatabase = "zoneinfo/";
  std::error_code no_link;
  const auto target = std::filesystem::read_symlink(etc / "localtime", no_link).string();
  if (const auto at = target.rfind(kDatabase); at != std::string::npos) {
    auto name = target.substr(at + kDatabase.size());
    if (fit_timezone(name)) return name;
  }
  const auto content = read_small_file(etc / "timezone");
  if (!content) return {};
  const auto name = trim(std::string_view(*content).substr(0, content->find('\n')), " \t\r");
  return fit_timezone(name) ? std::string(name) : std::string();
}

}  // namespace ota::agent
