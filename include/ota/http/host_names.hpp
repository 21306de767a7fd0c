// The names under which clients may call this server (RFC 9110, 7.2 and 7.4).
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ota::http {

/// The addresses of this machine's network interfaces, as text without brackets or zones. A system call.
std::vector<std::string> local_addresses();

/// Compares names without case, addresses by what they stand for. Loopback addresses and `localhost` are always among
/// them. Thread-safe.
class HostNames {
 public:
  struct Options {
    std::vector<std::string> own{};         ///< listen addresses and names of this machine
    std::vector<std::string> configured{};  ///< what the settings call this server
    /// Further addresses, which may change while this lives: local_addresses() where a listener is bound to all of
    /// them. Asked now, and again for an address that isn't known, once in `look_again` at most.
    std::function<std::vector<std::string>()> changing{};
    std::chrono::milliseconds look_again{5'000};
  };
  HostNames() : HostNames(Options{}) {}
  explicit HostNames(Options options);

  HostNames(const HostNames&) = delete;
  HostNames& operator=(const HostNames&) = delete;

  /// Another one for each, never 0: what was found with these names may be kept under it.
  std::uint64_t number() const noexcept { return number_; }
  /// `host` as in ota::Authority.
  bool has(std::string_view host) const;
  /// Whether the settings name it.
  bool configured(std::string_view host) const;

 private:
  bool changing_has(const std::string& address) const;

  const std::uint64_t number_;
  const std::function<std::vector<std::string>()> changing_;
  const std::chrono::milliseconds look_again_;
  std::vector<std::string> configured_;
  std::vector<std::string> known_;            ///< all that was known at the start: found without a lock
  mutable std::mutex mutex_;                  // a leaf
  mutable std::vector<std::string> changed_;  // protected by mutex_, as the next
  mutable std::chrono::steady_clock::time_point looked_;
};

}  // namespace ota::http
