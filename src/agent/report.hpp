// The agent's progress reports to its user or calling program.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/options.hpp"

namespace ota::agent {

/// The state of a device's update at one moment.
struct Event {
  std::string device;
  /// metadata, chunk, transport, mismatch, retry, hold, postponed, success, rebooting, installed, rolled_back,
  /// superseded, failed, cancel, queued, up_to_date, error
  std::string event;
  std::string task_id;
  std::string version;       ///< of the update
  std::string from_version;  ///< that ran before
  std::string priority;
  std::string detail;               ///< reason, error text, path of the image
  std::uint64_t bytes = 0;          ///< of the image that are on disk and verified
  std::uint64_t size = 0;           ///< of the image
  std::uint64_t bytes_fetched = 0;  ///< over the network for this task, by this process
  std::uint32_t chunks = 0;
  std::uint32_t chunk_count = 0;
  int attempt = 0;
  double seconds = 0;  ///< since this process first received the task
};

/// Thread-safe.
class Reporter {
 public:
  virtual ~Reporter() = default;
  virtual void tell(const Event& event) = 0;
};

/// `automatic` is bar where standard output is a terminal, else plain. Sets the log's level to what leaves the bars
/// whole.
std::unique_ptr<Reporter> make_reporter(ReportStyle style, std::vector<std::string> devices);

/// The bars' part: `devices` in their order, one line each, redrawn in place ten times a second.
std::unique_ptr<Reporter> make_bars(std::vector<std::string> devices);

}  // namespace ota::agent
