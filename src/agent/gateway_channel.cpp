#include "agent/gateway_channel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "ota/base/backoff.hpp"
#include "ota/base/log.hpp"

namespace ota::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kMaxAnswer = 4u << 20;
constexpr long kPostSeconds = 20;
constexpr int kPollMs = 1000;

}  // namespace

GatewayChannel::GatewayChannel(curl::TlsFiles tls, std::string path, std::string token, Events events,
                               Random& random)
    : tls_(std::move(tls)),
      path_(std::move(path)),
      token_(std::move(token)),
      events_(std::move(events)),
      random_(random) {}

GatewayChannel::~GatewayChannel() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    if (multi_ != nullptr) curl_multi_wakeup(multi_);
  }
  if (thread_.joinable()) thread_.join();
}

void GatewayChannel::set_gateway(std::string origin) {
  const MutexLock lock(mutex_);
  origin_ = std::move(origin);
}

bool GatewayChannel::has_gateway() const {
  const MutexLock lock(mutex_);
  return !origin_.empty();
}

bool GatewayChannel::idle() const {
  const MutexLock lock(mutex_);
  return waiting_.empty();
}

void GatewayChannel::switch_on() {
  const MutexLock lock(mutex_);
  if (on_ || stopping_) return;
  on_ = true;
  // Few devices ever need it: no thread before.
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

std::deque<std::pair<std::string, std::string>> GatewayChannel::switch_off() {
  const MutexLock lock(mutex_);
  on_ = false;
  reached_ = false;
  if (multi_ != nullptr) curl_multi_wakeup(multi_);
  changed_.notify_all();
  return std::exchange(waiting_, {});
}

void GatewayChannel::send(std::string what, std::string payload) {
  const MutexLock lock(mutex_);
  std::pair message(std::move(what), std::move(payload));
  // A question that is repeated while it waits needs one answer.
  if (std::find(waiting_.begin(), waiting_.end(), message) != waiting_.end()) return;
  if (waiting_.size() >= kMaxWaiting) waiting_.pop_front();
  waiting_.push_back(std::move(message));
  if (multi_ != nullptr) curl_multi_wakeup(multi_);
}

void GatewayChannel::drain(milliseconds grace) {
  const MutexLock lock(mutex_);
  const auto until = steady_clock::now() + grace;
  while (!waiting_.empty() && on_ && changed_.wait_until(mutex_, until)) continue;
}

// --- own thread ---

void GatewayChannel::run() {
  curl::Multi multi(curl_multi_init());
  prepare(post_);
  prepare(next_);
  {
    const MutexLock lock(mutex_);
    multi_ = multi.get();
    while (!stopping_) {
      if (!on_) {
        while (!on_ && !stopping_) changed_.wait(mutex_);
        failures_ = 0;
        again_ = next_again_ = {};
        last_next_.clear();
        continue;
      }
      {
        const MutexUnlock unlocked(mutex_);
        serve(multi.get());
      }
      if (on_ && !stopping_) continue;
      const MutexUnlock unlocked(mutex_);
      cut(multi.get());
    }
    multi_ = nullptr;
  }
  cut(multi.get());
}

void GatewayChannel::prepare(Exchange& exchange) const {
  exchange.handle = curl::make_handle(tls_, "ota-agent/" OTAD_VERSION);
  auto* headers = curl_slist_append(nullptr, "Content-Type: application/json");
  if (!token_.empty()) headers = curl_slist_append(headers, ("Authorization: Bearer " + token_).c_str());
  exchange.headers.reset(headers);
  curl_easy_setopt(exchange.handle.get(), CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(exchange.handle.get(), CURLOPT_PRIVATE, &exchange);
}

// One round: begins what is to be begun, waits for something to happen, ends what is over.
void GatewayChannel::serve(void* multi) {
  const auto now = steady_clock::now();
  if (now >= again_) {
    if (!post_.running) post_.running = begin_post(multi);
    if (!next_.running && now >= next_again_) next_.running = begin_next(multi);
  }
  int running = 0;
  curl_multi_perform(multi, &running);
  int left = 0;
  bool ended = false;
  while (const CURLMsg* message = curl_multi_info_read(multi, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const int code = message->data.result;
    auto* handle = message->easy_handle;
    Exchange* exchange = nullptr;
    curl_easy_getinfo(handle, CURLINFO_PRIVATE, &exchange);
    curl_multi_remove_handle(multi, handle);
    exchange->running = false;
    end(*exchange, code);
    ended = true;
  }
  if (ended) return;
  auto wait = milliseconds(kPollMs);
  if (again_ > now) wait = std::min(wait, std::chrono::ceil<milliseconds>(again_ - now));
  curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait.count()), nullptr);
}

bool GatewayChannel::begin_post(void* multi) {
  {
    const MutexLock lock(mutex_);
    if (waiting_.empty() || origin_.empty()) return false;
    post_.url = origin_ + path_ + "/" + waiting_.front().first;
    post_.payload = waiting_.front().second;
  }
  auto* handle = post_.handle.get();
  post_.body = {{}, kMaxAnswer};
  curl::receive_into(handle, post_.body);
  curl_easy_setopt(handle, CURLOPT_URL, post_.url.c_str());
  curl_easy_setopt(handle, CURLOPT_POST, 1L);
  curl_easy_setopt(handle, CURLOPT_POSTFIELDS, post_.payload.data());
  curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, static_cast<long>(post_.payload.size()));
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, kPostSeconds);
  return curl_multi_add_handle(multi, handle) == CURLM_OK;
}

bool GatewayChannel::begin_next(void* multi) {
  {
    const MutexLock lock(mutex_);
    if (origin_.empty()) return false;
    // Beyond the first answer it is held open: until then we want to know whether the gateway is there at all.
    next_.url = fmt::format("{}{}/next?wait={}", origin_, path_, reached_ ? kNextSeconds : 0);
  }
  auto* handle = next_.handle.get();
  next_.body = {{}, kMaxAnswer};
  curl::receive_into(handle, next_.body);
  curl_easy_setopt(handle, CURLOPT_URL, next_.url.c_str());
  curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, kNextSeconds + kPostSeconds);
  return curl_multi_add_handle(multi, handle) == CURLM_OK;
}

void GatewayChannel::end(Exchange& exchange, int code) {
  long status = 0;
  curl_easy_getinfo(exchange.handle.get(), CURLINFO_RESPONSE_CODE, &status);
  const bool posted = &exchange == &post_;
  if (code != CURLE_OK || status < 200) {
    if (failures_ == 0)
      log::warn(fmt::format("the gateway can't be reached: {}: {}", exchange.url,
                            curl_easy_strerror(static_cast<CURLcode>(code))));
    return failed();
  }
  // A proxy answers 502 or 504 if the server is unreachable; 503 is the server's own answer.
  if (status >= 500 && status != 503) return failed();
  failures_ = 0;
  {
    const MutexLock lock(mutex_);
    if (!on_) return;
    if (posted && !waiting_.empty() && waiting_.front().second == exchange.payload) waiting_.pop_front();
    changed_.notify_all();
  }
  if (!reached_.exchange(true)) events_.on_reached();
  auto& answer = exchange.body.bytes;
  if (posted) {
    if (!answer.empty()) events_.on_message(std::move(answer));
    return;
  }
  // Refused, as to a device that isn't known yet, or told what it was told before: not again at once.
  const bool news = status == 200 && answer != last_next_;
  next_again_ = steady_clock::now() + (news ? milliseconds(0) : milliseconds(kMinWait));
  if (!news) return;
  last_next_ = answer;
  events_.on_message(std::move(answer));
}

void GatewayChannel::failed() {
  reached_ = false;
  again_ = steady_clock::now() + Backoff{kMinWait, kMaxWait}.wait(failures_++, random_.unit());
}

void GatewayChannel::cut(void* multi) {
  for (auto* exchange : {&post_, &next_}) {
    if (exchange->running) curl_multi_remove_handle(multi, exchange->handle.get());
    exchange->running = false;
  }
}

}  // namespace ota::agent
