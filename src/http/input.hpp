// Received bytes that are not yet used.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

namespace ota::http {

/// A small permanent buffer (the only one of an idle connection), and a big one while a request needs it. The header of
/// the current request doesn't move while its body is received after it.
class Input {
 public:
  static constexpr std::size_t kSmall = 1024;
  /// Space for body bytes after the largest header.
  static constexpr std::size_t kSlack = 8 * 1024;

  /// `max_head`: of the largest head that is accepted.
  explicit Input(std::size_t max_head) : max_head_(max_head) {}

  std::string_view unread() const { return {data() + begin_, end_ - begin_}; }
  void consume(std::size_t bytes) { begin_ += bytes; }
  void received(std::size_t bytes) { end_ += bytes; }

  /// Space to receive more of a header; grows once. Empty if the header has reached its limit.
  std::span<char> head_room() {
    if (end_ == capacity() && !big_) grow();
    const std::size_t limit = big_ ? max_head_ : kSmall;
    return end_ < limit ? std::span<char>(data() + end_, limit - end_) : std::span<char>();
  }

  /// The unread bytes start with a complete header of this size, which doesn't move until finish_request().
  void pin_head(std::size_t bytes) {
    begin_ += bytes;
    pinned_ = begin_;
  }

  /// Where to receive raw body bytes while some are unread (chunked coding needs complete lines). Empty: no space.
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

  /// Removes the header; bytes after it (a pipelined request) move to the front.
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
