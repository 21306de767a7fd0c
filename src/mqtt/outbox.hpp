// What waits to be published, and what the broker has not acknowledged yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace ota::mqtt {

struct Outgoing {
  std::uint64_t id = 0;  ///< unique in its outbox, growing
  std::string topic;
  std::string payload;
  int qos = 0;
};

/// Messages in the order of push(). Bounded in messages and bytes (payload and topic): push() refuses one more.
/// Messages taken for sending stay until delivered(), so that a broken connection loses none above QoS 0. Not
/// thread-safe.
class Outbox {
 public:
  Outbox(std::size_t max_messages, std::size_t max_bytes) : max_messages_(max_messages), max_bytes_(max_bytes) {}

  bool push(std::string topic, std::string payload, int qos);

  /// The oldest ones that are not in flight, so many that at most `window` are; they now are. Copies, because the
  /// outbox keeps its own until delivered().
  std::vector<Outgoing> take(std::size_t window);

  /// Out of the outbox: acknowledged, written (QoS 0), or refused for good. False where it was not there.
  bool delivered(std::uint64_t id);

  /// The connection broke: what was in flight waits again, in its order; QoS 0 in flight is dropped.
  void reset_in_flight();

  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t in_flight() const noexcept { return in_flight_; }
  bool has_waiting() const noexcept { return size_ > in_flight_; }

 private:
  struct Entry {
    Outgoing message;
    bool in_flight = false;
  };
  static std::size_t weight(const Outgoing& message) { return message.topic.size() + message.payload.size(); }
  void drop(std::optional<Entry>& entry);
  void trim();

  const std::size_t max_messages_;
  const std::size_t max_bytes_;
  // Entry `i` has the id `first_id_ + i`; delivered ones are empty until they reach the front.
  std::deque<std::optional<Entry>> entries_;
  std::uint64_t first_id_ = 1;
  std::size_t next_ = 0;  // no waiting entry lies before this index
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::size_t in_flight_ = 0;
};

}  // namespace ota::mqtt
