// Sees when a part of the server stops working, and when it works again (docs/events.md, server.degraded).
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>

namespace ota::app {

/// Used from one thread.
class HealthWatch {
 public:
  using Steady = std::chrono::steady_clock;
  /// `trouble` empty: it works again.
  using Tell = std::function<void(const std::string& component, const std::string& trouble)>;

  explicit HealthWatch(Tell tell) : tell_(std::move(tell)) {}

  /// `trouble` empty: it works. It is told once it has lasted for `patience`, and its end at once.
  void look(const std::string& component, const std::string& trouble, std::chrono::seconds patience,
            Steady::time_point now);

 private:
  struct State {
    std::optional<Steady::time_point> since;  // of the trouble
    bool told = false;
  };
  const Tell tell_;
  std::map<std::string, State> states_;
};

}  // namespace ota::app
