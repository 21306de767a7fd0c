// Messages that wait to be published, and those that the broker has not acknowledged yet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <set>
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
/// Messages taken for sending stay until delivered(), so that a broken connection loses none above QoS 0.
///
/// A broker may end the connection because of one message, so all messages in flight at that time become suspects: on
/// the next connection each is sent alone, in order, before newer ones. A message that was the only one in flight is
/// sent again after all waiting ones, alone; if the connection is lost again, it is dropped. So one bad message causes
/// two losses of the connection and delays only itself.
///
/// QoS 0 isn't acknowledged. So after a loss the topics to which it was sent before are suspects, too: the next message
/// to each goes alone. While there are suspects all messages have QoS 1 at least. Not thread-safe.
class Outbox {
 public:
  /// Topics at QoS 0 that are remembered for a loss, and those that are suspects; beyond it one is forgotten.
  static constexpr std::size_t kMaxWritten = 256;
  static constexpr std::size_t kMaxDoubtedTopics = 1024;

  Outbox(std::size_t max_messages, std::size_t max_bytes) : max_messages_(max_messages), max_bytes_(max_bytes) {}

  bool push(std::string topic, std::string payload, int qos);

  /// The next ones to send, so that at most `window` are in flight. A suspect is returned alone, when nothing is in
  /// flight, and nothing is returned while it is. Copies, because the outbox keeps its own until delivered().
  std::vector<Outgoing> take(std::size_t window);
  /// Whether take() would return something.
  bool can_take(std::size_t window) const;

  /// Removes it: acknowledged, written (QoS 0), or refused permanently. No effect if it is unknown.
  std::optional<Outgoing> delivered(std::uint64_t id);

  struct Lost {
    std::size_t in_flight = 0;       ///< messages that can be the cause
    std::string alone;               ///< the topic of the only one
    std::optional<Outgoing> victim;  ///< that one, if it was alone for the second time; it is removed
    std::size_t removed = 0;         ///< others to its topic, which are removed with it
  };
  /// The connection is lost: messages in flight wait again; QoS 0 in flight is dropped. `may_blame`: a message can be
  /// the cause; without it no message becomes a suspect. `others`: one of another lane can be the cause, too.
  Lost connection_lost(bool may_blame, bool others = false);

  /// Whether there are suspects; meanwhile no message without acknowledgement should be sent.
  bool in_doubt() const noexcept { return doubted_ > 0; }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t in_flight() const noexcept { return in_flight_; }
  bool has_waiting() const noexcept { return size_ > in_flight_; }

 private:
  enum class Trust : std::uint8_t {
    full,
    suspect,  ///< was in flight with others when the connection was lost
    accused,  ///< was the only one in flight when the connection was lost
  };
  struct Entry {
    Outgoing message;
    bool in_flight = false;
    Trust trust = Trust::full;
  };
  static std::size_t weight(const Outgoing& message) { return message.topic.size() + message.payload.size(); }
  std::optional<std::size_t> next_waiting() const;
  bool waits_for_accused(std::size_t index) const { return accused_ > 0 && first_id_ + index >= first_after_; }
  std::size_t first_accused() const;
  const Outgoing& fly(std::size_t index);
  void set_trust(Entry& entry, Trust trust);
  void doubt_written();
  std::size_t drop_all(const std::string& topic);
  Outgoing drop(std::optional<Entry>& entry);
  void trim();

  const std::size_t max_messages_;
  const std::size_t max_bytes_;
  // Entry `i` has the id `first_id_ + i`; delivered ones are empty until they reach the front.
  std::deque<std::optional<Entry>> entries_;
  std::uint64_t first_id_ = 1;
  std::size_t next_ = 0;  // no waiting entry lies before this index, but accused ones
  std::size_t size_ = 0;
  std::size_t bytes_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t doubted_ = 0;        // suspects and accused
  std::size_t accused_ = 0;        // of those
  // Topics of the last messages at QoS 0 on this connection, and of those that may have ended an earlier one.
  std::deque<std::string> written_;
  std::set<std::string> doubted_topics_;
  bool alone_ = false;             // the one in flight is doubted
  bool unacknowledged_ = false;    // QoS 0 was taken since the last acknowledgement: it may be the cause of a break
  bool broken_ = false;            // nothing was taken since the last break
  std::uint64_t first_after_ = 0;  // the first of those that came after that: they wait for the accused
};

}  // namespace ota::mqtt
