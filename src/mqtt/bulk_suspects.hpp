// Finds the bulk messages that make the broker end the connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>

namespace ota::mqtt {

/// QoS 0 is not acknowledged, so a packet that the broker must answer follows where that matters: the fence. Its answer
/// proves that the broker took what was sent before. Messages have a group each, which the broker accepts or rejects as
/// a whole.
///
/// When the connection is lost, the groups that sent something since the last fence become suspects. A suspect's next
/// message goes alone: after a fence behind all others, and with none after it until a fence of its own passed, which
/// clears the group. If the connection is lost meanwhile, the group is accused, and an accused one is the cause. It
/// stays accused, so that after its pause one loss is enough. Not thread-safe.
class BulkSuspects {
 public:
  /// Groups that are remembered since the last fence. The cause is among the last, because little is unread.
  static constexpr std::size_t kMaxRecent = 256;
  /// Beyond it the group that became a suspect first is forgotten.
  static constexpr std::size_t kMaxSuspects = 1024;

  /// Whether a message of the group may be handed over now.
  bool may_go(const std::string& group) const { return !fencing_ && !alone_ && (recent_.empty() || !suspects(group)); }
  /// It was handed over.
  void gone(const std::string& group, const std::string& topic);

  /// Whether a fence is needed before a message of the group `next` (empty: none waits), or to clear a suspect.
  bool wants_fence(const std::string& next) const {
    return !fencing_ && !recent_.empty() && (alone_ || suspects(next));
  }
  void fence_sent() { fencing_ = true; }
  void fence_passed();
  bool fencing() const noexcept { return fencing_; }

  struct Lost {
    bool unproven = false;  ///< bulk messages can be the cause
    std::string alone;      ///< the topic of the only message that can be
    std::string cause;      ///< its group, if that was accused already
  };
  /// `may_blame`: a message can be the cause.
  Lost connection_lost(bool may_blame);

 private:
  struct Suspect {
    bool accused = false;
    std::uint64_t number = 0;  // grows
  };
  bool suspects(const std::string& group) const { return suspects_.contains(group); }
  void suspect(const std::string& group);

  std::unordered_map<std::string, std::uint64_t> recent_;  // groups since the last fence, with their last number
  std::unordered_map<std::string, Suspect> suspects_;
  std::uint64_t number_ = 0;
  bool fencing_ = false;     // a fence is not answered yet
  bool alone_ = false;       // what was sent since the last fence is one message of a suspect
  std::string alone_topic_;  // of that message
};

}  // namespace ota::mqtt
