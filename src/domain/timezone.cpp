#include "domain/timezone.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <string>
#include <system_error>
#include <unordered_map>

#include "ota/base/mutex.hpp"
#include "ota/base/text.hpp"
#include "ota/domain/window.hpp"

namespace ota {
namespace {

constexpr std::string_view kDatabase = "/usr/share/zoneinfo/";
constexpr std::size_t kMaxName = 64;

bool is_capital(char c) { return c >= 'A' && c <= 'Z'; }

bool fits_name(char c) {
  return is_capital(c) || (c >= 'a' && c <= 'z') || is_digit(c) || c == '_' || c == '+' || c == '-' || c == '/';
}

struct NameHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
};

/// The zones that were used. Unknown names are not kept, here nor by cctz (which keeps every name that it is asked
/// for), since devices choose them: the number of zones is bounded by that of the database's files.
class Zones {
 public:
  std::optional<cctz::time_zone> find(std::string_view name) {
    const MutexLock lock(mutex_);
    const auto found = zones_.find(name);
    if (found != zones_.end()) return found->second;
    const auto path = std::string(kDatabase).append(name);
    std::error_code error;
    cctz::time_zone zone;
    if (!std::filesystem::is_regular_file(path, error) || !cctz::load_time_zone(path, &zone)) return std::nullopt;
    zones_.emplace(name, zone);
    return zone;
  }

 private:
  Mutex mutex_;
  std::unordered_map<std::string, cctz::time_zone, NameHash, std::equal_to<>> zones_ OTA_GUARDED_BY(mutex_);
};

}  // namespace

bool wellformed_timezone(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && is_capital(name.front()) && name.back() != '/' &&
         name.find("//") == std::string_view::npos && std::all_of(name.begin(), name.end(), fits_name);
}

std::optional<cctz::time_zone> find_timezone(std::string_view name) {
  if (name == "UTC") return cctz::utc_time_zone();
  static Zones zones;
  return wellformed_timezone(name) ? zones.find(name) : std::nullopt;
}

ZoneOffset offset_at(const cctz::time_zone& zone, WallTime time) {
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  const auto local = zone.lookup(second);
  ZoneOffset result{std::chrono::seconds(local.offset), {}};
  cctz::time_zone::civil_transition change;
  if (zone.next_transition(second, &change)) result.until = second + std::chrono::seconds(change.from - local.cs);
  return result;
}

bool known_timezone(std::string_view name) { return find_timezone(name).has_value(); }

}  // namespace ota
