// What was received and not yet used.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace ota::http {

/// A small buffer that is always there (an idle connection holds nothing else) and a big one while a request needs it.
/// The head of the request under way is pinned: it doesn't move while its body is received behind it.
class Input {
 public:
  static constexpr std::size_t kSmall = 1024;
  /// Room for body bytes behind the largest head.
  static constexpr std::size_t kSlack = 8 * 1024;

  /// `max_head`: of the largest head that is accepted.
  explicit Input(std::size_t max_head) : max_head_(max_head) {}

  std::string_view unread() const { return {data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  void received(std::size_t bytes) { end_ += bytes; }

  /// Where to receive more of a head; grows once. Empty where the head is at its limit.
  std::span<char> head_room() {
    if (end_ == capacity() && !big_) grow();
    const std::size_t limit = big_ ? max_head_ : kSmall;
    return end_ < limit ? std::span<char>(data() + end_, limit - end_) : std::span<char>();
  }

  /// Unread starts with a whole head of this size: it stays where it is until finish_request().
  void pin_head(std::size_t bytes) {
    begin_ += bytes;
    pinned_ = begin_;
  }

  /// Where to receive raw body bytes while some are unread (chunked coding needs whole lines). Empty: no room.
  std::span<char> body_room() {
    if (!big_) {
      // The head stays in the small buffer.
      const std::string_view rest = unread();
      auto big = std::make_unique_for_overwrite<char[]>(max_head_ + kSlack);
      std::memcpy(big.get(), rest.data(), rest.size());
      begin_ = pinned_ = 0;
      end_ = rest.size();
      big_ = std::move(big);
    } else if (begin_ > pinned_) {
      std::memmove(big_.get() + pinned_, big_.get() + begin_, end_ - begin_);
      end_ -= begin_ - pinned_;
      begin_ = pinned_;
    }
    return {big_.get() + end_, capacity() - end_};
  }

  /// Forgets the head; what stands behind it (a pipelined request) moves to the front.
  void finish_request() {
    const std::size_t rest = end_ - begin_;
    if (big_ && rest <= kSmall) {
      std::memcpy(small_, big_.get() + begin_, rest);
      big_.reset();
    } else if (rest > 0) {
      std::memmove(data(), data() + begin_, rest);
    }
    begin_ = pinned_ = 0;
    end_ = rest;
  }

 private:
  char* data() { return big_ ? big_.get() : small_; }
  const char* data() const { return big_ ? big_.get() : small_; }
  std::size_t capacity() const { return big_ ? max_head_ + kSlack : kSmall; }
  void grow() {
    auto big = std::make_unique_for_overwrite<char[]>(max_head_ + kSlack);
    std::memcpy(big.get(), small_, end_);
    big_ = std::move(big);
  }

  const std::size_t max_head_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t pinned_ = 0;
  std::unique_ptr<char[]> big_;
  char small_[kSmall];
};

}  // namespace ota::http
