#include "events/webhook_sender.hpp"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "events/report_exception.hpp"
#include "events/webhook_signature.hpp"
#include "ota/base/log.hpp"
#include "ota/events/cloud_event.hpp"
#include "ota/firmware/hash.hpp"
#include "ota/wire/errors.hpp"

namespace ota::events {
namespace {

using std::chrono::milliseconds;

constexpr int kReadEvents = 50;  // of one webhook
constexpr std::size_t kMostTests = 8;
constexpr milliseconds kLongestSleep{60'000};
constexpr milliseconds kAfterFailedList{1'000};
constexpr std::size_t kTestIdBytes = 12;

}  // namespace

std::unique_ptr<Webhooks> Webhooks::create(Options options, storage::Readers& readers, engine::WebhookControl& control,
                                           const Clock& clock, Random& random) {
  return std::make_unique<WebhookSender>(std::move(options), readers, control, clock, random);
}

WebhookSender::WebhookSender(Options options, storage::Readers& readers, engine::WebhookControl& control,
                             const Clock& clock, Random& random)
    : options_(std::move(options)), readers_(readers), control_(control), clock_(clock), random_(random) {}

WebhookSender::~WebhookSender() {
  stop();
  inbox_->close();
}

void WebhookSender::start() {
  thread_ = std::thread([this] {
    for (bool ended = false; !ended;) {
      try {
        loop();
        ended = true;
      } catch (...) {
        report_exception("webhooks: sending, which begins anew,");
        begin_anew();
      }
    }
  });
  pthread_setname_np(thread_.native_handle(), "otad-webhook");
}

void WebhookSender::stop() {
  inbox_->put([](WebhookMail& mail) { mail.stop = true; });
  if (thread_.joinable()) thread_.join();
}

void WebhookSender::wake() {
  if (!any_) return;  // the first page of one that comes has them all
  inbox_->put([](WebhookMail& mail) { mail.news = true; });
}

void WebhookSender::refresh() {
  inbox_->put([](WebhookMail& mail) { mail.refresh = true; });
}

void WebhookSender::test(Webhook webhook, std::function<void(Result<WebhookOutcome>)> done) {
  inbox_->put([&](WebhookMail& mail) { mail.tests.push_back({std::move(webhook), std::move(done)}); });
}

std::string WebhookSender::secret_of(const Webhook& webhook) const {
  return webhook_secret(options_.key, webhook.salt);
}

WebhookStats WebhookSender::stats() const { return {delivered_, failed_}; }

void WebhookSender::loop() {
  while (take_mail()) {
    go_on();
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    collect();
    curl_multi_poll(multi_.get(), nullptr, 0, wait_ms(), nullptr);
  }
  for (auto& [id, target] : targets_) {
    break_off(target);
    report(target, true);
  }
  for (auto& test : std::exchange(tests_, {})) {
    curl_multi_remove_handle(multi_.get(), test.flight->handle());
    test.done(fail(Errc::cancelled, "the server is stopping"));
  }
}

void WebhookSender::begin_anew() {
  for (auto& [id, target] : targets_) {
    break_off(target);
    try {
      report(target, true);
    } catch (...) {
      report_exception("webhooks: reporting what was delivered");
    }
  }
  targets_.clear();
  for (auto& test : std::exchange(tests_, {})) {
    curl_multi_remove_handle(multi_.get(), test.flight->handle());
    try {
      test.done(fail(Errc::server_fault, "sending webhooks failed; the server's log says why"));
    } catch (...) {
      report_exception("webhooks: answering a test");
    }
  }
  listing_ = false;
  list_wanted_ = true;
  list_after_ = Steady::now() + kAfterFailedList;
}

bool WebhookSender::take_mail() {
  auto mail = inbox_->take();
  const auto now = Steady::now();
  for (auto& order : mail.tests) begin_test(std::move(order));
  if (mail.refresh) list_wanted_ = true;
  if (mail.list_failed) {
    listing_ = false;
    list_wanted_ = true;
    list_after_ = now + kAfterFailedList;
  }
  if (mail.list) take_list(std::move(*mail.list));
  for (auto& page : mail.pages) {
    const auto target = targets_.find(page.id);
    if (target != targets_.end()) target->second.take(std::move(page), now);
  }
  if (mail.news)
    for (auto& [id, target] : targets_) target.note_news();
  return !mail.stop;
}

/// What an order moved starts over from its row; of the others the row is older than what is known here.
void WebhookSender::take_list(std::vector<Webhook> list) {
  listing_ = false;
  for (auto at = targets_.begin(); at != targets_.end();) {
    const auto same = std::find_if(list.begin(), list.end(), [&](const Webhook& webhook) {
      return webhook.id == at->first && webhook.revision == at->second.row().revision;
    });
    if (same == list.end()) {
      break_off(at->second);
      at = targets_.erase(at);
    } else {
      at->second.adopt(*same);
      ++at;
    }
  }
  any_ = !list.empty();
  for (auto& webhook : list) {
    const auto id = webhook.id;
    targets_.try_emplace(id, std::move(webhook), clock_.wall(), Steady::now());
  }
}

void WebhookSender::read_list() {
  listing_ = true;
  list_wanted_ = false;
  const auto failed = [inbox = inbox_] { inbox->put([](WebhookMail& mail) { mail.list_failed = true; }); };
  const bool taken = readers_.post(
      [inbox = inbox_](storage::ReadView& view) {
        auto list = view.webhooks.all();
        inbox->put([&](WebhookMail& mail) { mail.list = std::move(list); });
      },
      [failed](const Error&) { failed(); });
  if (!taken) failed();
}

void WebhookSender::read_page(WebhookTarget& target) {
  WebhookPage page;
  page.id = target.row().id;
  target.page_asked(page.reading = ++pages_);
  const auto failed = [inbox = inbox_, page] {
    inbox->put([&](WebhookMail& mail) { mail.pages.emplace_back(page).failed = true; });
  };
  const bool taken = readers_.post(
      [inbox = inbox_, page, filter = target.filter(), after = target.read_to(),
       source = options_.source](storage::ReadView& view) mutable {
        const auto found = view.events.list(filter, after, kReadEvents);
        page.last = found.last;
        page.more = found.last < view.events.newest();
        for (const auto& event : found.events) page.events.push_back({event.number, cloud_event(event, source)});
        inbox->put([&](WebhookMail& mail) { mail.pages.push_back(std::move(page)); });
      },
      [failed](const Error&) { failed(); });
  if (!taken) failed();
}

void WebhookSender::begin_test(WebhookTestOrder order) {
  if (tests_.size() >= kMostTests) {
    order.done(wire::overloaded("too many webhooks are tested at present; try again in a moment", 5));
    return;
  }
  const auto id = "test_" + firmware::base64url(firmware::random_bytes(kTestIdBytes));
  auto body = cloud_event(id, "webhook.test", clock_.wall(), options_.source);
  tests_.push_back({launch(order.webhook, id, std::move(body)), std::move(order.done)});
}

void WebhookSender::go_on() {
  const auto now = Steady::now();
  if (list_wanted_ && !listing_ && now >= list_after_) read_list();
  for (auto& [id, target] : targets_) {
    if (target.wants_page(now)) read_page(target);
    if (const auto* event = target.due(now))
      target.flight = launch(target.row(), std::to_string(event->number), event->body);
    report(target, false);
  }
}

std::unique_ptr<WebhookDelivery> WebhookSender::launch(const Webhook& webhook, const std::string& id,
                                                       std::string body) {
  const auto now = clock_.wall();
  auto delivery = std::make_unique<WebhookDelivery>(webhook.url, signing_secrets(webhook, options_.key, now),
                                                    options_.rules, id, std::move(body), now);
  curl_multi_add_handle(multi_.get(), delivery->handle());
  return delivery;
}

void WebhookSender::break_off(WebhookTarget& target) {
  if (!target.flight) return;
  curl_multi_remove_handle(multi_.get(), target.flight->handle());
  target.flight.reset();
}

void WebhookSender::collect() {
  int left = 0;
  while (const auto* message = curl_multi_info_read(multi_.get(), &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    auto* const handle = message->easy_handle;
    const auto code = message->data.result;  // the message goes with the handle
    curl_multi_remove_handle(multi_.get(), handle);
    landed(handle, code);
  }
}

void WebhookSender::landed(CURL* handle, CURLcode code) {
  const auto test = std::find_if(tests_.begin(), tests_.end(),
                                 [handle](const Test& one) { return one.flight->handle() == handle; });
  if (test != tests_.end()) {
    const auto done = std::move(test->done);
    auto outcome = test->flight->outcome(code);
    tests_.erase(test);
    done(std::move(outcome));
    return;
  }
  for (auto& [id, target] : targets_) {
    if (!target.flight || target.flight->handle() != handle) continue;
    const auto outcome = target.flight->outcome(code);
    ++(outcome.error.empty() ? delivered_ : failed_);
    if (!outcome.error.empty())
      log::warn("webhook " + std::to_string(id) + ": an event could not be delivered: " + outcome.error);
    target.landed(outcome, clock_.wall(), Steady::now(), random_);
    report(target, false);
    return;
  }
}

void WebhookSender::report(WebhookTarget& target, bool last) {
  if (auto report = target.report(Steady::now(), last)) control_.report(std::move(*report));
}

int WebhookSender::wait_ms() const {
  const auto now = Steady::now();
  auto at = now + kLongestSleep;
  if (list_wanted_ && !listing_) at = std::min(at, list_after_);
  for (const auto& [id, target] : targets_) at = target.next(at);
  const auto ms = std::chrono::ceil<milliseconds>(at - now).count();
  return static_cast<int>(std::max<std::int64_t>(ms, 0));
}

}  // namespace ota::events
