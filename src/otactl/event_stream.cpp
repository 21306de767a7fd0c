#include "otactl/event_stream.hpp"

#include "otactl/interrupt.hpp"

namespace ota::otactl {
namespace {

constexpr long kOk = 200;
constexpr long kSilentSeconds = 60;  ///< the server sends a comment each 15 s
constexpr std::size_t kLongestRefusal = 64u << 10;

void append(curl::Headers& headers, const std::string& line) {
  auto* longer = curl_slist_append(headers.get(), line.c_str());
  if (!longer) return;
  (void)headers.release();
  headers.reset(longer);
}

}  // namespace

EventStream::EventStream(Client& client, Query query, const std::string& since)
    : client_(client),
      handle_(curl::make_handle({client.server().ca_file, {}, {}}, "otactl/" OTAD_VERSION)),
      multi_(curl_multi_init()) {
  request_.path = "/events";
  if (!since.empty()) query.emplace_back("since", since);
  request_.query = std::move(query);
  url_ = client.url_of(request_);
  append(headers_, "Accept: text/event-stream");
  if (!client.key().empty()) append(headers_, "Authorization: Bearer " + client.key());
  curl_easy_setopt(handle_.get(), CURLOPT_URL, url_.c_str());
  curl_easy_setopt(handle_.get(), CURLOPT_HTTPHEADER, headers_.get());
  curl_easy_setopt(handle_.get(), CURLOPT_WRITEFUNCTION, &EventStream::take);
  curl_easy_setopt(handle_.get(), CURLOPT_WRITEDATA, this);
  curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle_.get(), CURLOPT_LOW_SPEED_TIME, kSilentSeconds);
  curl_multi_add_handle(multi_.get(), handle_.get());
}

EventStream::~EventStream() { curl_multi_remove_handle(multi_.get(), handle_.get()); }

std::vector<Event> EventStream::next(std::chrono::milliseconds most) {
  using Steady = std::chrono::steady_clock;
  const auto end = Steady::now() + most;
  for (;;) {
    int running = 0;
    curl_multi_perform(multi_.get(), &running);
    if (!events_.empty()) return std::exchange(events_, {});
    if (running == 0) check_end();
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Steady::now());
    if (left.count() <= 0 || interrupted()) return {};
    // A signal between the check and the wait is seen a little later.
    const auto piece = std::min<std::int64_t>(left.count(), 200);
    curl_multi_poll(multi_.get(), nullptr, 0, static_cast<int>(piece), nullptr);
  }
}

void EventStream::check_end() {
  Reply reply;
  curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &reply.status);
  int left = 0;
  const auto* message = curl_multi_info_read(multi_.get(), &left);
  const auto code = message ? message->data.result : CURLE_RECV_ERROR;
  if (code == CURLE_OK && reply.status != kOk) {
    const char* type = nullptr;
    curl_easy_getinfo(handle_.get(), CURLINFO_CONTENT_TYPE, &type);
    reply.content_type = type ? type : "";
    reply.body = other_;
    throw client_.refusal(request_, reply);
  }
  if (code == CURLE_OK) throw Unreachable("the server ended the stream of events");
  throw Unreachable(describe(code, "", client_.server()));
}

std::size_t EventStream::take(char* data, std::size_t, std::size_t size, void* self) {
  auto& stream = *static_cast<EventStream*>(self);
  long status = 0;
  curl_easy_getinfo(stream.handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  if (status != kOk) {
    if (stream.other_.size() + size > kLongestRefusal) return 0;
    stream.other_.append(data, size);
    return size;
  }
  auto events = stream.parser_.feed({data, size});
  std::move(events.begin(), events.end(), std::back_inserter(stream.events_));
  return size;
}

}  // namespace ota::otactl
