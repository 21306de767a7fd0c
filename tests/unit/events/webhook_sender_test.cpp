// The sender on a real database, with receivers on loopback (the whole way is tests/integration/webhooks_test.py).
#include "events/webhook_sender.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <thread>

#include "ota/storage/backend.hpp"
#include "support/eventually.hpp"
#include "support/fakes.hpp"

namespace ota::events {
namespace {

using namespace std::chrono_literals;
using ota::test::eventually;
using testing::ElementsAre;
using testing::HasSubstr;

/// Answers each request with `answer`, or never where that is empty. One connection after the other.
class Receiver {
 public:
  explicit Receiver(std::string answer) : answer_(std::move(answer)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const any = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    if (::bind(listener_, any, size) != 0 || ::listen(listener_, 64) != 0 || ::getsockname(listener_, any, &size) != 0)
      throw std::runtime_error("no port for the receiver");
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/hook";
    thread_ = std::thread([this] { serve(); });
  }
  ~Receiver() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    for (const int held : held_) ::close(held);
    ::close(listener_);
  }
  std::vector<std::string> requests() {
    const MutexLock lock(mutex_);
    return requests_;
  }

  std::string url;

 private:
  void serve() {
    for (int peer = 0; (peer = ::accept(listener_, nullptr, nullptr)) >= 0;) {
      const auto request = read_one(peer);
      if (answer_.empty()) {
        held_.push_back(peer);
        continue;
      }
      {
        const MutexLock lock(mutex_);
        requests_.push_back(request);
      }
      static_cast<void>(::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL));
      ::close(peer);
    }
  }
  /// Head and body.
  static std::string read_one(int peer) {
    std::string text;
    char bytes[4096];
    for (ssize_t got = 0; (got = ::recv(peer, bytes, sizeof bytes, 0)) > 0;) {
      text.append(bytes, static_cast<std::size_t>(got));
      const auto head = text.find("\r\n\r\n");
      const auto length = text.find("Content-Length: ");
      if (head == std::string::npos || length == std::string::npos) continue;
      if (text.size() >= head + 4 + std::stoul(text.substr(length + 16))) break;
    }
    return text;
  }

  const std::string answer_;
  const int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::vector<int> held_;
  Mutex mutex_;
  std::vector<std::string> requests_ OTA_GUARDED_BY(mutex_);
  std::thread thread_;
};

constexpr const char* kTaken = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
constexpr const char* kBusy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Keeps what the sender reports.
class Reports final : public engine::WebhookControl {
 public:
  void create(engine::WebhookOrder, Caller, engine::Done<Webhook>) override {}
  void change(engine::WebhookChange, Caller, engine::Done<Webhook>) override {}
  void remove(std::int64_t, Caller, engine::Done<void>) override {}
  void rotate(std::int64_t, std::string, Caller, engine::Done<Webhook>) override {}
  void replay(std::int64_t, std::int64_t, Caller, engine::Done<Webhook>) override {}
  void report(engine::WebhookReport report) override {
    const MutexLock lock(mutex_);
    if (faults > 0 && faults-- > 0) throw std::runtime_error("made by the test");
    last_ = std::move(report);
  }
  engine::WebhookReport last() {
    const MutexLock lock(mutex_);
    return last_;
  }
  std::atomic<int> faults{0};

 private:
  Mutex mutex_;
  engine::WebhookReport last_ OTA_GUARDED_BY(mutex_);
};

/// Real ones, but every second job that is posted while `hold` (the pages, of one webhook) waits for release().
class HeldReaders final : public storage::Readers {
 public:
  explicit HeldReaders(std::unique_ptr<storage::Readers> real) : real_(std::move(real)) {}
  bool post(std::function<void(storage::ReadView&)> job, std::function<void(Error)> failed) override {
    const MutexLock lock(mutex_);
    if (++posts_ % 2 == 1 || !hold) return real_->post(std::move(job), std::move(failed));
    held_.push_back(std::move(job));
    return true;
  }
  std::size_t held() {
    const MutexLock lock(mutex_);
    return held_.size();
  }
  /// One after the other.
  void release() {
    const MutexLock lock(mutex_);
    for (auto& job : held_) {
      std::promise<void> done;
      const bool taken = real_->post(
          [&](storage::ReadView& view) {
            job(view);
            done.set_value();
          },
          [](const Error&) {});
      if (taken) done.get_future().wait();
    }
    hold = false;
  }
  std::atomic<bool> hold{false};

 private:
  const std::unique_ptr<storage::Readers> real_;
  Mutex mutex_;
  int posts_ OTA_GUARDED_BY(mutex_) = 0;
  std::vector<std::function<void(storage::ReadView&)>> held_ OTA_GUARDED_BY(mutex_);
};

class WebhookSenderTest : public ::testing::Test {
 protected:
  std::int64_t add(EventType type) {
    Event event;
    event.time = clock.wall();
    event.type = type;
    event.subject = "subject";
    event.data = "{}";
    write([&] { db->event_log().add(event); });
    sender.wake();
    return event.number;
  }
  Webhook hook(const std::string& url) {
    Webhook webhook;
    webhook.url = url;
    webhook.types = {"task.*"};
    webhook.salt = make_webhook_salt();
    write([&] { db->webhooks().insert(webhook); });
    sender.refresh();
    return webhook;
  }
  template <class Work>
  void write(Work work) {
    db->begin();
    work();
    db->commit();
  }
  static std::vector<std::string> ids(const std::vector<std::string>& requests) {
    std::vector<std::string> found;
    for (const auto& request : requests) {
      const auto at = request.find("webhook-id: ") + 12;
      found.push_back(request.substr(at, request.find('\r', at) - at));
    }
    return found;
  }

  test::TempDir dir;
  test::FakeClock clock;
  test::FakeRandom random;
  const std::unique_ptr<storage::Backend> storage = storage::make_backend({.database = dir / "otad.db"});
  const std::unique_ptr<storage::Database> db = storage->open(storage::Mode::writer).value();
  HeldReaders readers{storage->open_readers(2).value()};
  Reports reports;
  WebhookSender sender{{{true, true}, "/otad/test", "key"}, readers, reports, clock, random};
};

TEST_F(WebhookSenderTest, PostsWhatItAsksForInOrderAndReportsHowFarItCame) {
  Receiver receiver(kTaken);
  hook(receiver.url);
  sender.start();
  const auto first = add(EventType::task_created);
  add(EventType::device_registered);
  const auto second = add(EventType::task_failed);
  ASSERT_TRUE(eventually([&] { return receiver.requests().size() == 2; }));
  EXPECT_THAT(ids(receiver.requests()), ElementsAre(std::to_string(first), std::to_string(second)));
  EXPECT_THAT(receiver.requests()[0], HasSubstr("\"type\":\"otad.task.created\""));
  EXPECT_TRUE(eventually([&] { return reports.last().cursor == second; }));
  EXPECT_EQ(sender.stats().delivered, 2u);
  EXPECT_EQ(sender.stats().failed, 0u);
}

TEST_F(WebhookSenderTest, AFailureIsReportedAtOnceAndTheCursorStays) {
  Receiver receiver(kBusy);
  hook(receiver.url);
  sender.start();
  add(EventType::task_created);
  ASSERT_TRUE(eventually([&] { return reports.last().failures == 1; }));
  EXPECT_EQ(reports.last().cursor, 0);
  EXPECT_EQ(reports.last().last_status, 503);
  EXPECT_EQ(reports.last().last_error, "answered 503");
  EXPECT_TRUE(reports.last().next_at);
  EXPECT_EQ(sender.stats().failed, 1u);
}

TEST_F(WebhookSenderTest, OneThatHangsHoldsUpNoOther) {
  Receiver hangs("");
  Receiver receiver(kTaken);
  hook(hangs.url);
  hook(receiver.url);
  sender.start();
  add(EventType::task_created);
  add(EventType::task_failed);
  EXPECT_TRUE(eventually([&] { return receiver.requests().size() == 2; }));
  const auto began = std::chrono::steady_clock::now();
  sender.stop();
  EXPECT_LT(std::chrono::steady_clock::now() - began, WebhookDelivery::kTimeout) << "it is broken off";
}

TEST_F(WebhookSenderTest, OneThatIsGoneIsSentNothing) {
  Receiver receiver(kTaken);
  const auto webhook = hook(receiver.url);
  sender.start();
  add(EventType::task_created);
  ASSERT_TRUE(eventually([&] { return receiver.requests().size() == 1; }));
  write([&] { db->webhooks().remove(webhook.id); });
  Receiver other(kTaken);
  hook(other.url);  // once it has something, the list was read again
  add(EventType::task_failed);
  ASSERT_TRUE(eventually([&] { return other.requests().size() == 2; }));
  EXPECT_EQ(receiver.requests().size(), 1u);
}

TEST_F(WebhookSenderTest, APageFromBeforeAReplayIsNotTaken) {
  const auto first = add(EventType::task_created);
  const auto second = add(EventType::task_failed);
  Receiver receiver(kTaken);
  auto webhook = hook(receiver.url);
  webhook.cursor = first;
  write([&] { db->webhooks().update(webhook); });
  readers.hold = true;
  sender.start();
  ASSERT_TRUE(eventually([&] { return readers.held() == 1; }));
  webhook.cursor = 0;
  ++webhook.revision;
  write([&] { db->webhooks().update(webhook); });
  sender.refresh();
  ASSERT_TRUE(eventually([&] { return readers.held() == 2; }));
  readers.release();
  ASSERT_TRUE(eventually([&] { return reports.last().cursor == second; }));
  EXPECT_THAT(ids(receiver.requests()), ElementsAre(std::to_string(first), std::to_string(second)));
}

TEST_F(WebhookSenderTest, ItsThreadGoesOnAfterExceptions) {
  Receiver receiver(kTaken);
  hook(receiver.url);
  testing::internal::CaptureStderr();
  reports.faults = 2;
  sender.start();
  const auto event = add(EventType::task_created);
  EXPECT_TRUE(eventually([&] { return reports.last().cursor == event; }));
  const auto next = add(EventType::task_failed);
  EXPECT_TRUE(eventually([&] { return reports.last().cursor == next; }));
  sender.stop();
  const auto log = testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("error webhooks: sending, which begins anew, failed: made by the test"));
  EXPECT_THAT(ids(receiver.requests()), testing::Contains(std::to_string(next)).Times(1));
}

TEST_F(WebhookSenderTest, AnExceptionAnswersTheTestsThatWait) {
  Receiver hangs(""), receiver(kTaken);
  hook(receiver.url);
  reports.faults = 1;
  sender.start();
  Webhook webhook;
  webhook.url = hangs.url;
  webhook.salt = make_webhook_salt();
  std::promise<Result<WebhookOutcome>> done;
  sender.test(webhook, [&](Result<WebhookOutcome> outcome) { done.set_value(std::move(outcome)); });
  add(EventType::task_created);
  auto answer = done.get_future();
  ASSERT_EQ(answer.wait_for(5s), std::future_status::ready);
  EXPECT_EQ(answer.get().error().code, Errc::server_fault);
}

TEST_F(WebhookSenderTest, ATestIsPostedOnceAndAnswered) {
  Receiver receiver(kBusy);
  sender.start();
  Webhook webhook;
  webhook.url = receiver.url;
  webhook.salt = make_webhook_salt();
  std::promise<Result<WebhookOutcome>> done;
  sender.test(webhook, [&](Result<WebhookOutcome> outcome) { done.set_value(std::move(outcome)); });
  const auto outcome = done.get_future().get();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, 503);
  ASSERT_EQ(receiver.requests().size(), 1u);
  EXPECT_THAT(receiver.requests()[0], HasSubstr("\"type\":\"otad.webhook.test\""));
}

TEST_F(WebhookSenderTest, TooManyTestsAtOnceAreRefusedAndAStopEndsThem) {
  Receiver hangs("");
  sender.start();
  Webhook webhook;
  webhook.url = hangs.url;
  webhook.salt = make_webhook_salt();
  Mutex mutex;
  std::vector<Errc> ends;
  for (int i = 0; i < 10; ++i)
    sender.test(webhook, [&](Result<WebhookOutcome> outcome) {
      const MutexLock lock(mutex);
      ends.push_back(outcome ? Errc::in_use : outcome.error().code);
    });
  const auto ended = [&] {
    const MutexLock lock(mutex);
    return ends;
  };
  EXPECT_TRUE(eventually([&] { return ended().size() == 2; }));
  EXPECT_THAT(ended(), ElementsAre(Errc::overloaded, Errc::overloaded));
  sender.stop();
  EXPECT_EQ(ended().size(), 10u);
  EXPECT_EQ(ended().back(), Errc::cancelled);
}

}  // namespace
}  // namespace ota::events
