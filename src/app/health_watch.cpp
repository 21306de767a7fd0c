#include "app/health_watch.hpp"

namespace ota::app {

void HealthWatch::look(const std::string& component, const std::string& trouble, std::chrono::seconds patience,
                       Steady::time_point now) {
  auto& state = states_[component];
  if (trouble.empty()) {
    if (state.told) tell_(component, {});
    state = {};
    return;
  }
  if (!state.since) state.since = now;
  if (state.told || now - *state.since < patience) return;
  state.told = true;
  tell_(component, trouble);
}

}  // namespace ota::app
