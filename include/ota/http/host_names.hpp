// The host names of this server (RFC 9110, 7.2 and 7.4).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/mutex.hpp"

namespace ota::http {

/// The addresses of this machine's network interfaces, as text without brackets or zones. A system call.
std::vector<std::string> local_addresses();

/// Compares names without case, addresses by value. Loopback addresses and `localhost` are always included.
/// Thread-safe.
class HostNames {
 public:
  struct Options {
    std::vector<std::string> own{};         ///< listen addresses and names of this machine
    std::vector<std::string> configured{};  ///< names from the settings
    /// Further addresses, which can change during its lifetime: local_addresses() if a listener is bound to all.
    /// Called at construction, and again for an unknown address, at most once in `look_again`.
    std::function<std::vector<std::string>()> changing{};
    std::chrono::milliseconds look_again{5'000};
  };
  HostNames() : HostNames(Options{}) {}
  explicit HostNames(Options options);

  HostNames(const HostNames&) = delete;
  HostNames& operator=(const HostNames&) = delete;

  /// Unique for each object, never 0: a key for cached results of these names.
  std::uint64_t number() const noexcept { return number_; }
  /// `host` as in ota::Authority.
  bool has(std::string_view host) const;
  /// Whether it is a name from the settings.
  bool configured(std::string_view host) const;

 private:
  bool changing_has(const std::string& address) const;

  const std::uint64_t number_;
  const std::function<std::vector<std::string>()> changing_;
  const std::chrono::milliseconds look_again_;
  std::vector<std::string> configured_;
  std::vector<std::string> known_;  ///< all names that were known at the start; need no lock
  mutable Mutex mutex_;
  mutable std::vector<std::string> changed_ OTA_GUARDED_BY(mutex_);
  mutable std::chrono::steady_clock::time_point looked_ OTA_GUARDED_BY(mutex_);
};

}  // namespace ota::http
