#include "mqtt/outbox.hpp"

#include <algorithm>
#include <utility>

namespace ota::mqtt {

bool Outbox::push(std::string topic, std::string payload, int qos) {
  const bool doubted = qos == 0 && doubted_topics_.contains(topic);
  Outgoing message{first_id_ + entries_.size(), std::move(topic), std::move(payload), qos};
  if (size_ >= max_messages_ || bytes_ + weight(message) > max_bytes_) return false;
  bytes_ += weight(message);
  ++size_;
  entries_.push_back(Entry{std::move(message)});
  if (doubted) set_trust(*entries_.back(), Trust::suspect);
  return true;
}

/// The first from `next_` on that waits and is not accused.
std::optional<std::size_t> Outbox::next_waiting() const {
  for (std::size_t i = next_; i < entries_.size(); ++i) {
    const auto& entry = entries_[i];
    if (entry && !entry->in_flight && entry->trust != Trust::accused) return i;
  }
  return std::nullopt;
}

std::size_t Outbox::first_accused() const {
  std::size_t i = 0;
  while (!entries_[i] || entries_[i]->trust != Trust::accused) ++i;
  return i;
}

const Outgoing& Outbox::fly(std::size_t index) {
  auto& entry = *entries_[index];
  entry.in_flight = true;
  ++in_flight_;
  if (in_doubt()) entry.message.qos = std::max(entry.message.qos, 1);
  if (entry.message.qos == 0) {
    unacknowledged_ = true;
    if (written_.size() == kMaxWritten) written_.pop_front();
    written_.push_back(entry.message.topic);
  }
  if (entry.trust != Trust::full) alone_ = true;
  return entry.message;
}

std::vector<Outgoing> Outbox::take(std::size_t window) {
  std::vector<Outgoing> taken;
  if (std::exchange(broken_, false)) first_after_ = first_id_ + entries_.size();
  while (!alone_ && in_flight_ < window && has_waiting()) {
    const auto next = next_waiting();
    if (!next || waits_for_accused(*next)) {
      if (accused_ > 0 && in_flight_ == 0) taken.push_back(fly(first_accused()));
      break;
    }
    next_ = *next;
    if (entries_[*next]->trust == Trust::suspect && in_flight_ > 0) break;
    taken.push_back(fly(*next));
    ++next_;
  }
  return taken;
}

bool Outbox::can_take(std::size_t window) const {
  if (alone_ || in_flight_ >= window || !has_waiting()) return false;
  if (doubted_ == 0 || in_flight_ == 0) return true;
  const auto next = next_waiting();
  return next && !waits_for_accused(*next) && entries_[*next]->trust == Trust::full;
}

std::optional<Outgoing> Outbox::delivered(std::uint64_t id) {
  if (id < first_id_ || id - first_id_ >= entries_.size()) return std::nullopt;
  auto& entry = entries_[static_cast<std::size_t>(id - first_id_)];
  if (!entry) return std::nullopt;
  if (entry->message.qos > 0) {
    unacknowledged_ = false;
    doubted_topics_.erase(entry->message.topic);
  }
  auto message = drop(entry);
  trim();
  return message;
}

Outbox::Lost Outbox::connection_lost(bool may_blame, bool others) {
  Lost lost;
  if (may_blame) lost.in_flight = in_flight_;
  const bool alone = may_blame && in_flight_ == 1 && !unacknowledged_ && !others;
  for (auto& entry : entries_) {
    if (!entry || !entry->in_flight) continue;
    if (entry->message.qos == 0) {
      drop(entry);
      continue;
    }
    if (alone) lost.alone = entry->message.topic;
    if (alone && entry->trust == Trust::accused) {
      lost.victim = drop(entry);
    } else {
      entry->in_flight = false;
      --in_flight_;
      if (may_blame) set_trust(*entry, alone ? Trust::accused : std::max(entry->trust, Trust::suspect));
    }
  }
  if (lost.victim) lost.removed = drop_all(lost.victim->topic);
  trim();
  if (may_blame) doubt_written();
  written_.clear();
  next_ = 0;
  alone_ = unacknowledged_ = false;
  broken_ = true;
  return lost;
}

void Outbox::doubt_written() {
  for (const auto& topic : written_) {
    if (doubted_topics_.size() >= kMaxDoubtedTopics) doubted_topics_.erase(doubted_topics_.begin());
    doubted_topics_.insert(topic);
  }
}

// They would end the connection, too.
std::size_t Outbox::drop_all(const std::string& topic) {
  std::size_t dropped = 0;
  for (auto& entry : entries_) {
    if (!entry || entry->message.topic != topic) continue;
    drop(entry);
    ++dropped;
  }
  doubted_topics_.erase(topic);
  return dropped;
}

void Outbox::set_trust(Entry& entry, Trust trust) {
  doubted_ += static_cast<std::size_t>(trust != Trust::full) - static_cast<std::size_t>(entry.trust != Trust::full);
  accused_ +=
      static_cast<std::size_t>(trust == Trust::accused) - static_cast<std::size_t>(entry.trust == Trust::accused);
  entry.trust = trust;
}

Outgoing Outbox::drop(std::optional<Entry>& entry) {
  if (entry->in_flight) {
    --in_flight_;
    if (entry->trust != Trust::full) alone_ = false;
  }
  set_trust(*entry, Trust::full);
  auto message = std::move(entry->message);
  bytes_ -= weight(message);
  --size_;
  entry.reset();
  return message;
}

void Outbox::trim() {
  while (!entries_.empty() && !entries_.front()) {
    entries_.pop_front();
    ++first_id_;
    if (next_ > 0) --next_;
  }
}

}  // namespace ota::mqtt
