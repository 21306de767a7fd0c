// The deadline of a connection without progress.
#pragma once

#include <algorithm>
#include <cstdint>

namespace ota::http {

/// A peer must transfer something within the first span, and kLeastRate on average; otherwise a few bytes now and then
/// would keep its connection open for ever. Each transferred byte extends the deadline by 1 / kLeastRate seconds, up to
/// kGrace spans ahead. So a peer may pause after a burst, because an application doesn't control when its receive
/// window opens. Counts in ticks of its worker.
class Deadline {
 public:
  /// Bytes a second; slower than any link over which an image can be downloaded.
  static constexpr double kLeastRate = 64;
  /// A multiple of kLeastRate that shows real progress.
  static constexpr double kSteady = 8;
  /// The buffers of a peer that reads nothing take the begin of a reply within this time.
  static constexpr double kBurstSeconds = 5;
  /// The number of spans that a phase may take at any rate.
  static constexpr std::uint32_t kGrace = 2;

  Deadline(const std::uint32_t& now, std::uint32_t span, double tick_seconds)
      : now_(now), span_(span), bytes_per_tick_(kLeastRate * tick_seconds), burst_(kBurstSeconds / tick_seconds) {}

  /// A new phase begins: a request, a reply.
  void touch() {
    suspended_ = false;
    begun_ = now_;
    moved_ = moved_later_ = 0;
    at_ = now_ + span_;
    paid_until_ = now_ + kGrace * span_;
  }
  /// The peer sent, received or acknowledged this number of bytes. Ignored while the connection doesn't wait for it.
  void moved(std::uint64_t bytes) {
    if (bytes == 0 || suspended_) return;
    moved_ += bytes;
    if (now_ - begun_ >= burst_) moved_later_ += bytes;
    paid_until_ = std::min(paid_until_ + static_cast<double>(bytes) / bytes_per_tick_, 1.0 * now_ + kGrace * span_);
    at_ = paid_until_;
  }
  /// At most `ticks` from now.
  void shorten(std::uint32_t ticks) {
    suspended_ = false;
    at_ = now_ + std::min(ticks, span_);
    paid_until_ = at_;
  }
  /// The connection doesn't wait for the peer.
  void suspend() {
    if (!suspended_) since_ = now_;
    suspended_ = true;
  }
  /// Continues the phase.
  void resume() {
    if (!suspended_) return;
    suspended_ = false;
    begun_ += now_ - since_;
    at_ += now_ - since_;
    paid_until_ += now_ - since_;
  }
  /// The connection waits for the peer, which transferred less than kSteady times kLeastRate since the phase began.
  bool owed() const {
    return !suspended_ && static_cast<double>(moved_) < kSteady * bytes_per_tick_ * (now_ - begun_ + 1);
  }
  /// The peer took nothing of a reply for twice kBurstSeconds, or later less than half of kLeastRate. A window that
  /// opens in steps hides a slow reader until its first step.
  bool stalled() const {
    const auto passed = now_ - begun_;
    return !suspended_ && passed >= 2 * burst_ &&
           static_cast<double>(moved_later_) < bytes_per_tick_ / 2 * (passed - burst_);
  }
  bool suspended() const { return suspended_; }
  bool passed() const { return !suspended_ && now_ > at_; }

 private:
  const std::uint32_t& now_;
  const std::uint32_t span_;
  const double bytes_per_tick_;
  const double burst_;             // kBurstSeconds in ticks
  std::uint32_t begun_ = 0;        // of the phase, without the time in which it was suspended
  std::uint64_t moved_ = 0;        // in it
  std::uint64_t moved_later_ = 0;  // after its first kBurstSeconds
  double at_ = 0;                  // this and the next: in ticks
  double paid_until_ = 0;          // becomes `at_` with the first byte
  std::uint32_t since_ = 0;        // when it was suspended
  bool suspended_ = true;          // no wait before the first touch()
};

}  // namespace ota::http
