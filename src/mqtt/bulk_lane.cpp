#include "mqtt/bulk_lane.hpp"

#include <utility>

namespace ota::mqtt {
namespace {

std::size_t weight(const Outgoing& message) { return message.topic.size() + message.payload.size(); }

}  // namespace

bool BulkLane::push(std::string group, std::string topic, std::string payload, BulkSent sent) {
  Outgoing message{last_id_ + 1, std::move(topic), std::move(payload), 0};
  if (size() >= kMaxMessages || bytes_ + weight(message) > kMaxBytes) return false;
  ++last_id_;
  bytes_ += weight(message);
  waiting_.push_back({std::move(group), std::move(message), std::move(sent)});
  return true;
}

bool BulkLane::may_take() const {
  return !waiting_.empty() && under_way_bytes_ < kUnderWayBytes && under_way_.size() < kUnderWayMessages &&
         suspects_.may_go(waiting_.front().group);
}

Outgoing BulkLane::take() {
  auto [group, message, sent] = std::move(waiting_.front());
  waiting_.pop_front();
  suspects_.gone(group, message.topic);
  under_way_bytes_ += weight(message);
  under_way_.emplace(message.id, UnderWay{weight(message), std::move(sent)});
  return std::move(message);
}

std::optional<BulkSent> BulkLane::written(std::uint64_t id) {
  const auto found = under_way_.find(id);
  if (found == under_way_.end()) return std::nullopt;
  auto [bytes, sent] = std::move(found->second);
  under_way_.erase(found);
  bytes_ -= bytes;
  under_way_bytes_ -= bytes;
  return std::move(sent);
}

// Only once all before it is written: Paho keeps no order between a message and other packets.
bool BulkLane::wants_fence() const {
  return under_way_.empty() && suspects_.wants_fence(waiting_.empty() ? std::string() : waiting_.front().group);
}

BulkLane::Lost BulkLane::connection_lost(bool may_blame) {
  Lost lost;
  lost.blame = suspects_.connection_lost(may_blame);
  lost.sent.reserve(size());
  for (auto& [id, message] : under_way_) lost.sent.push_back(std::move(message.sent));
  for (auto& message : waiting_) lost.sent.push_back(std::move(message.sent));
  under_way_.clear();
  waiting_.clear();
  bytes_ = under_way_bytes_ = 0;
  return lost;
}

}  // namespace ota::mqtt
