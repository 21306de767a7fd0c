#include "agent/device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/http_source.hpp"
#include "agent/timezone.hpp"
#include "ota/base/log.hpp"

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

constexpr Backoff kFetchBackoff{milliseconds(500), seconds(30)};
constexpr milliseconds kProgressEvery{300};
constexpr milliseconds kDeliveredEvery{20};
constexpr std::size_t kMaxInbox = 256;
constexpr std::size_t kMaxInboxBytes = 8u << 20;
constexpr std::size_t kMaxCancel = 4096;  // bytes; longer ones are no cancel
std::string token_of(const Options& options, const std::string& id) {
  auto it = options.tokens.find(id);
  return it == options.tokens.end() ? options.token : it->second;
}

}  // namespace

Device::Device(const Shared& shared, std::string id, StateDir state, std::function<void()> wake)
    : shared_(shared),
      id_(std::move(id)),
      state_(std::move(state)),
      wake_(std::move(wake)),
      who_{{},
           shared.options.hardware,
           shared.options.want_version,
           token_of(shared.options, id_),
           shared.options.max_chunk_bytes,
           shared.options.max_message_bytes,
           {},
           shared.options.channel},
      ask_(kAskBackoff, shared.random),
      verify_(kAskBackoff, shared.random),
      fetch_again_(kFetchBackoff, shared.random),
      reboot_(kAskBackoff, shared.random),
      http_(make_http_source({shared.options.http_ca_file, shared.options.cert_file, shared.options.key_file},
                             interrupted_)),
      mqtt_({[this] { return control_.broker_connected(); },
             [this](std::string payload) { control_.ask_chunks(std::move(payload)); }},
            who_.token, interrupted_),
      source_(http_.get()),
      control_(shared.options, id_, who_.token, control_events(), shared.random) {}

Device::~Device() { control_.stop(milliseconds(0)); }

Control::Events Device::control_events() {
  Control::Events events;
  events.on_message = [this](std::string_view payload) {
    {
      const MutexLock lock(inbox_mutex_);
      // One too many is dropped: the server says it again when it is asked again.
      if (inbox_.size() >= kMaxInbox || inbox_bytes_ + payload.size() > kMaxInboxBytes) return;
      inbox_.emplace_back(payload);
      inbox_bytes_ += payload.size();
    }
    // A cancel must not wait for a slow chunk.
    if (payload.size() < kMaxCancel && type_of(payload) == "cancel") interrupted_ = true;
    mqtt_.interrupt();
    wake_();
  };
  events.on_chunk = [this](std::string_view task, std::uint32_t index, std::string_view payload) {
    mqtt_.deliver(task, index, payload);
    wake_();
  };
  events.on_online = [this] {
    {
      const MutexLock lock(inbox_mutex_);
      was_connected_ = true;
    }
    mqtt_.interrupt();
    wake_();
  };
  events.on_offline = [this] {
    mqtt_.lost();
    mqtt_.interrupt();
    wake_();
  };
  return events;
}

void Device::start() {
  resume_kept_task();
  control_.start();
}

// A process that died between a message and what follows from it goes on from there.
void Device::resume_kept_task() {
  auto kept = state_.task();
  if (kept) control_.learn_gateway(kept->gateway);
  if (!kept || kept->phase == "downloading") {  // the server's metadata brings what it takes to go on
    (void)look_what_runs();
    return;
  }
  task_ = std::move(kept->task);
  confirm_ = kept->confirm;
  install_ = std::move(kept->install);
  began_ = steady_clock::now();
  if (kept->phase != "verifying") return resume_install(kept->phase);
  (void)look_what_runs();
  auto digest = file_digest(state_.part(task_->checksum));
  if (!digest) {
    leave(true);
    return;
  }
  computed_ = *digest;
  phase_ = Phase::verifying;
}

Time Device::step() {
  if (stopping_) return Time::max();
  handle_inbox();
  if (verdict()) return Time::max();
  auto now = steady_clock::now();
  auto look_again = control_.look(now);
  bool online = control_.online();
  if (phase_ == Phase::reporting && online) report();
  if (online && ask_.due(now)) request(now);
  if (phase_ == Phase::downloading) download(now);
  if (phase_ == Phase::verifying && online && verify_.due(now)) send_verify(now);
  if (phase_ == Phase::installing) install();
  if (phase_ == Phase::rebooting) await_reboot(steady_clock::now());
  if (phase_ == Phase::confirming) confirm();
  if (phase_ == Phase::reporting && !reported_ && control_.online()) report();
  flush_progress(steady_clock::now(), false);
  if (verdict()) return Time::max();
  if (phase_ == Phase::idle && !ask_.armed()) {
    auto poll = static_cast<double>(shared_.options.poll_s) * (1.0 - shared_.random.unit() / 4);
    ask_.arm(now, milliseconds(static_cast<std::int64_t>(poll * 1000)));
  }
  return std::min(next_step(now, online), look_again);
}

Time Device::next_step(Time now, bool online) {
  auto next = now + seconds(60);
  // While offline, the connection that comes up wakes it.
  if (online && ask_.armed()) next = std::min(next, ask_.next());
  if (online && phase_ == Phase::verifying) next = std::min(next, verify_.next());
  if (phase_ == Phase::downloading && !(need_urls_ && source_ == http_.get())) {
    const bool waits = image_ && !image_->have().complete() && !next_chunk(now);
    if (!waits) next = std::min(next, std::max(hold_until_, paced_until_));
    if (const auto late = mqtt_.may_bring_until(*task_, now); waits && late) next = std::min(next, *late);
  }
  if (phase_ == Phase::rebooting) next = std::min(next, reboot_.next());
  if (phase_ == Phase::reporting && reported_ && online) next = std::min(next, now + kDeliveredEvery);
  if (!arrived_.empty()) next = std::min(next, progress_sent_ + kProgressEvery);
  return next;
}

void Device::interrupt() {
  stopping_ = true;
  interrupted_ = true;
  mqtt_.interrupt();
  wake_();
}

void Device::stop(milliseconds grace) {
  flush_progress(steady_clock::now(), true);
  control_.stop(grace);
}

std::optional<int> Device::verdict() const {
  int status = verdict_;
  return status < 0 ? std::nullopt : std::optional(status);
}

void Device::handle_inbox() {
  std::deque<std::string> messages;
  bool came = false;
  {
    const MutexLock lock(inbox_mutex_);
    messages.swap(inbox_);
    inbox_bytes_ = 0;
    came = std::exchange(was_connected_, false);
    interrupted_ = false;
    mqtt_.resume();
  }
  if (stopping_) interrupted_ = true;
  if (came) connected(steady_clock::now());
  for (const auto& payload : messages) {
    if (!verdict()) handle(payload);
  }
}

void Device::request(Time now) {
  ask_.asked(now);
  if (auto runs = look_what_runs(); !runs) tell("error", runs.error().message);
  check_unwell();
  who_.timezone = shared_.options.timezone.empty() ? system_timezone() : shared_.options.timezone;
  send("request", request_json(who_));
}

void Device::send(std::string_view what, std::string payload) { control_.send(what, std::move(payload)); }

void Device::flush_progress(Time now, bool at_once) {
  if (arrived_.empty() || !task_ || (!at_once && now - progress_sent_ < kProgressEvery)) return;
  auto rtt = rtt_count_ == 0 ? 0 : rtt_sum_ms_ / rtt_count_;
  send("progress", progress_json(who_, *task_, std::exchange(arrived_, {}), true, arrived_by_, rtt));
  progress_sent_ = now;
  rtt_sum_ms_ = 0;
  rtt_count_ = 0;
}

void Device::tell(std::string name, std::string detail, const std::string& other_task) {
  Event event;
  event.device = id_;
  event.event = std::move(name);
  event.detail = std::move(detail);
  event.from_version = is_committed() ? install_.from_version : who_.current_version;
  event.task_id = other_task;
  if (task_ && (other_task.empty() || is_mine(other_task))) {
    event.task_id = task_->id;
    event.version = task_->version;
    event.priority = task_->priority;
    event.size = task_->grid.size;
    event.chunk_count = task_->grid.count();
    event.attempt = task_->attempt;
    event.bytes_fetched = bytes_fetched_;
    event.seconds = std::chrono::duration<double>(steady_clock::now() - began_).count();
    bool whole = phase_ == Phase::verifying || is_committed();
    if (image_ || whole) {
      event.chunks = whole ? event.chunk_count : image_->have().have();
      event.bytes = whole ? event.size : image_->bytes();
    }
  }
  shared_.reporter.tell(event);
}

void Device::finish(int status) {
  if (shared_.options.once) verdict_ = status;
}

}  // namespace ota::agent
