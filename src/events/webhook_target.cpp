#include "events/webhook_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace ota::events {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

constexpr std::array<seconds, 9> kWaits{seconds{5}, minutes{5}, minutes{30}, hours{2},  hours{5},
                                        hours{10},  hours{14},  hours{20},   hours{24}};
constexpr double kJitter = 0.2;
constexpr milliseconds kReportWithin{1'000};        // what was delivered
constexpr milliseconds kReportPassedWithin{60'000};  // what isn't for it
constexpr milliseconds kReadEvery{100};  // at most, at the end of the log
constexpr milliseconds kAfterFailedRead{1'000};
constexpr milliseconds kLongestWait = hours{30};  // however the clock was set
constexpr int kGone = 410;

}  // namespace

std::optional<milliseconds> webhook_wait(int failures, Random& random) {
  const auto index = static_cast<std::size_t>(std::max(failures, 1)) - 1;
  if (index >= kWaits.size()) return std::nullopt;
  const milliseconds wait = kWaits.at(index);
  return wait + milliseconds(static_cast<std::int64_t>(static_cast<double>(wait.count()) * kJitter * random.unit()));
}

WebhookTarget::WebhookTarget(Webhook row, WallTime wall, Steady::time_point now)
    : row_(std::move(row)), filter_(row_.filter()), read_to_(row_.cursor), read_after_(now), due_(now) {
  if (row_.next_at) due_ = now + std::clamp<milliseconds>(*row_.next_at - wall, milliseconds{0}, kLongestWait);
}

bool WebhookTarget::wants_page(Steady::time_point now) const {
  return row_.enabled && waiting_.empty() && (more_ || news_) && reading_ == 0 && now >= read_after_;
}

void WebhookTarget::adopt(const Webhook& row) {
  row_.salt = row.salt;
  row_.old_salt = row.old_salt;
  row_.old_until = row.old_until;
  if (row_.types == row.types && row_.channel == row.channel) return;
  row_.types = row.types;
  row_.channel = row.channel;
  filter_ = row_.filter();
  // Read again by the new filter, but for the event that is being posted.
  waiting_.resize(flight ? 1 : 0);
  read_to_ = flight ? waiting_.front().number : row_.cursor;
  reading_ = 0;
  read_after_ = {};
  more_ = true;
}

void WebhookTarget::take(WebhookPage page, Steady::time_point now) {
  if (page.reading != reading_ || reading_ == 0) return;
  reading_ = 0;
  if (page.failed) {
    read_after_ = now + kAfterFailedRead;
    return;
  }
  more_ = page.more;
  if (!more_) read_after_ = now + kReadEvery;
  read_to_ = std::max(read_to_, page.last);
  for (auto& event : page.events) waiting_.push_back(std::move(event));
  if (!waiting_.empty() || row_.cursor == read_to_) return;
  row_.cursor = read_to_;
  report_by(now + kReportPassedWithin);
}

const WaitingEvent* WebhookTarget::due(Steady::time_point now) const {
  return row_.enabled && !flight && !waiting_.empty() && now >= due_ ? &waiting_.front() : nullptr;
}

void WebhookTarget::landed(const WebhookOutcome& outcome, WallTime wall, Steady::time_point now, Random& random) {
  flight.reset();
  row_.last_at = wall;
  row_.last_status = outcome.status;
  row_.last_error = outcome.error;
  if (!outcome.error.empty()) return failed(outcome, wall, now, random);
  const bool failed_before = std::exchange(row_.failures, 0) > 0;
  row_.next_at.reset();
  row_.cursor = waiting_.front().number;
  waiting_.pop_front();
  if (waiting_.empty()) row_.cursor = std::max(row_.cursor, read_to_);
  due_ = now;
  report_by(failed_before ? now : now + kReportWithin);
}

void WebhookTarget::failed(const WebhookOutcome& outcome, WallTime wall, Steady::time_point now, Random& random) {
  ++row_.failures;
  report_by(now);
  row_.next_at.reset();
  if (outcome.status == kGone) return disable("the receiver answered 410 (Gone)");
  const auto wait = webhook_wait(row_.failures, random);
  if (!wait) return disable(fmt::format("{} attempts in a row failed, the last one: {}", row_.failures, outcome.error));
  const milliseconds longer = std::max<milliseconds>(*wait, outcome.retry_after);
  due_ = now + longer;
  row_.next_at = wall + longer;
}

void WebhookTarget::disable(std::string reason) {
  row_.enabled = false;
  disable_ = std::move(reason);
}

void WebhookTarget::report_by(Steady::time_point when) {
  report_at_ = report_at_ ? std::min(*report_at_, when) : when;
}

std::optional<engine::WebhookReport> WebhookTarget::report(Steady::time_point now, bool last) {
  if (!report_at_ || (!last && now < *report_at_)) return std::nullopt;
  report_at_.reset();
  engine::WebhookReport report;
  report.id = row_.id;
  report.revision = row_.revision;
  report.cursor = row_.cursor;
  report.failures = row_.failures;
  report.next_at = row_.next_at;
  report.last_at = row_.last_at;
  report.last_status = row_.last_status;
  report.last_error = row_.last_error;
  report.disable = std::exchange(disable_, std::nullopt);
  return report;
}

WebhookTarget::Steady::time_point WebhookTarget::next(Steady::time_point latest) const {
  auto at = latest;
  if (report_at_) at = std::min(at, *report_at_);
  if (!row_.enabled) return at;
  if (!waiting_.empty() && !flight) at = std::min(at, due_);
  if (waiting_.empty() && (more_ || news_) && reading_ == 0) at = std::min(at, read_after_);
  return at;
}

}  // namespace ota::events
