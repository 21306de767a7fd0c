// One call of otactl: its verb, what was given, the server, the terminal.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ota/base/clock.hpp"
#include "otactl/client.hpp"
#include "otactl/contexts.hpp"
#include "otactl/failure.hpp"
#include "otactl/terminal.hpp"
#include "otactl/verb.hpp"

namespace ota::otactl {

/// What was given for each parameter; flags have one empty value.
using Values = std::map<std::string, std::vector<std::string>, std::less<>>;

class Call {
 public:
  Call(Values values, Terminal terminal) : values_(std::move(values)), terminal_(terminal) {}

  bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  std::optional<std::string> text(std::string_view name) const;
  /// Empty if it isn't given.
  const std::vector<std::string>& list(std::string_view name) const;
  /// Precondition: a needed parameter.
  std::string argument(std::string_view name) const { return text(name).value_or(""); }
  /// A whole number from `least` on; Failure(kUsage) for another value.
  std::optional<std::int64_t> number(std::string_view name, std::int64_t least) const;
  /// As parse_duration() reads it; Failure(kUsage) for another value.
  std::optional<std::chrono::seconds> duration(std::string_view name) const;
  /// RFC 3339. A duration counts back from now; Failure(kUsage) for what is neither.
  std::optional<std::string> past(std::string_view name) const;
  /// The same, forward from now.
  std::optional<std::string> future(std::string_view name) const;

  bool json() const { return text("output") == "json"; }
  bool wide() const { return text("output") == "wide"; }
  const Terminal& terminal() const { return terminal_; }
  /// For tables: 0 is no limit.
  std::size_t columns() const { return wide() ? 0 : terminal_.columns(); }

  /// The server of this call, by options, environment and context.
  Server server() const;
  /// Connects at its first call.
  Client& client();
  WallTime now() const { return SystemClock().wall(); }

 private:
  std::optional<std::string> time(std::string_view name, int direction) const;

  const Values values_;
  const Terminal terminal_;
  std::unique_ptr<Client> client_;
};

/// The contexts' file.
std::filesystem::path contexts_file();

}  // namespace ota::otactl
