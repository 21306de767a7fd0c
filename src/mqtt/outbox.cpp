#include "mqtt/outbox.hpp"

#include <utility>

namespace ota::mqtt {

bool Outbox::push(std::string topic, std::string payload, int qos) {
  Outgoing message{first_id_ + entries_.size(), std::move(topic), std::move(payload), qos};
  if (size_ >= max_messages_ || bytes_ + weight(message) > max_bytes_) return false;
  bytes_ += weight(message);
  ++size_;
  entries_.push_back(Entry{std::move(message)});
  return true;
}

std::vector<Outgoing> Outbox::take(std::size_t window) {
  std::vector<Outgoing> taken;
  for (; next_ < entries_.size() && in_flight_ < window; ++next_) {
    auto& entry = entries_[next_];
    if (!entry || entry->in_flight) continue;
    entry->in_flight = true;
    ++in_flight_;
    taken.push_back(entry->message);
  }
  return taken;
}

bool Outbox::delivered(std::uint64_t id) {
  if (id < first_id_ || id - first_id_ >= entries_.size()) return false;
  auto& entry = entries_[id - first_id_];
  if (!entry) return false;
  drop(entry);
  trim();
  return true;
}

void Outbox::reset_in_flight() {
  for (auto& entry : entries_) {
    if (!entry || !entry->in_flight) continue;
    if (entry->message.qos == 0) {
      drop(entry);
    } else {
      entry->in_flight = false;
      --in_flight_;
    }
  }
  trim();
  next_ = 0;
}

void Outbox::drop(std::optional<Entry>& entry) {
  bytes_ -= weight(entry->message);
  --size_;
  if (entry->in_flight) --in_flight_;
  entry.reset();
}

void Outbox::trim() {
  while (!entries_.empty() && !entries_.front()) {
    entries_.pop_front();
    ++first_id_;
    if (next_ > 0) --next_;
  }
}

}  // namespace ota::mqtt
