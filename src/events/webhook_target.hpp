// One webhook as the sender has it: what waits for it, what is under way, when it is tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "events/webhook_delivery.hpp"
#include "events/webhook_inbox.hpp"
#include "ota/base/random.hpp"
#include "ota/domain/webhook.hpp"
#include "ota/engine/webhook_control.hpp"

namespace ota::events {

/// Waits between attempts: 5 s, 5 min, 30 min, 2, 5, 10, 14, 20, 24 h, each up to a fifth longer; nothing after the
/// last: no further attempt. `failures`: attempts that failed in a row, from 1.
std::optional<std::chrono::milliseconds> webhook_wait(int failures, Random& random);

/// Used by the sender's thread.
class WebhookTarget {
 public:
  using Steady = std::chrono::steady_clock;

  WebhookTarget(Webhook row, WallTime wall, Steady::time_point now);

  const Webhook& row() const { return row_; }
  const EventFilter& filter() const { return filter_; }

  /// There may be events behind the last page.
  void note_news() { news_ = true; }
  bool wants_page(Steady::time_point now) const;
  /// Orders that don't move it: what it asks for, how it is signed.
  void adopt(const Webhook& row);

  /// What the next page goes on behind.
  std::int64_t read_to() const { return read_to_; }
  /// A page is asked for. `number`, from 1, is given to no other page of any target: a late page of a target that was
  /// replaced is not taken.
  void page_asked(int number) {
    news_ = false;
    reading_ = number;
  }
  /// Nothing where it isn't the one that was asked for last.
  void take(WebhookPage page, Steady::time_point now);

  /// The event that is to be posted now.
  const WaitingEvent* due(Steady::time_point now) const;
  std::unique_ptr<WebhookDelivery> flight;
  /// The flight ended so.
  void landed(const WebhookOutcome& outcome, WallTime wall, Steady::time_point now, Random& random);

  /// What the engine is to be told now; with `last`, whatever it doesn't know.
  std::optional<engine::WebhookReport> report(Steady::time_point now, bool last);
  /// When to look at it again.
  Steady::time_point next(Steady::time_point latest) const;

 private:
  void failed(const WebhookOutcome& outcome, WallTime wall, Steady::time_point now, Random& random);
  void disable(std::string reason);
  void report_by(Steady::time_point when);

  Webhook row_;
  EventFilter filter_;
  std::deque<WaitingEvent> waiting_;
  std::int64_t read_to_;
  bool more_ = true;   // behind the last page, when it was read
  bool news_ = false;  // since it was asked for
  int reading_ = 0;    // the page that is awaited; 0: none
  Steady::time_point read_after_;
  Steady::time_point due_;
  std::optional<Steady::time_point> report_at_;
  std::optional<std::string> disable_;  // to be reported
};

}  // namespace ota::events
