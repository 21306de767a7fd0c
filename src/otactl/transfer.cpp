#include "otactl/transfer.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "ota/base/text.hpp"
#include "otactl/interrupt.hpp"

namespace ota::otactl {
namespace {

constexpr auto kShowEvery = std::chrono::milliseconds{100};

/// The value where `line` is that header's.
bool value_of(std::string_view line, std::string_view name, std::string& value) {
  if (line.size() <= name.size() || line[name.size()] != ':' || !iequals(line.substr(0, name.size()), name))
    return false;
  value = trim(line.substr(name.size() + 1), " \t\r\n");
  return true;
}

}  // namespace

Transfer::Transfer(CURL* handle, const Request& request) : handle_(handle), request_(request) {
  body_.limit = request.most_bytes;
  curl::receive_into(handle_, body_);
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, error_.data());
  curl_easy_setopt(handle_, CURLOPT_HEADERFUNCTION, &Transfer::header);
  curl_easy_setopt(handle_, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle_, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle_, CURLOPT_XFERINFOFUNCTION, &Transfer::progress);
  curl_easy_setopt(handle_, CURLOPT_XFERINFODATA, this);
  curl_easy_setopt(handle_, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME, static_cast<long>(request.silence.count()));
  curl_easy_setopt(handle_, CURLOPT_TIMEOUT, static_cast<long>(request.longest.count()));
  set_body();
}

void Transfer::set_body() {
  curl_easy_setopt(handle_, CURLOPT_HTTPGET, 1L);
  curl_easy_setopt(handle_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  if (request_.file) {
    curl_easy_setopt(handle_, CURLOPT_POST, 1L);
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, nullptr);
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.file->size));
    curl_easy_setopt(handle_, CURLOPT_READFUNCTION, &Transfer::read_file);
    curl_easy_setopt(handle_, CURLOPT_READDATA, this);
    curl_easy_setopt(handle_, CURLOPT_SEEKFUNCTION, &Transfer::rewind_file);
    curl_easy_setopt(handle_, CURLOPT_SEEKDATA, this);
    add_header("Content-Type: application/octet-stream");
  } else if (request_.body) {
    curl_easy_setopt(handle_, CURLOPT_POST, 1L);
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request_.body->size()));
    curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, request_.body->data());
    add_header("Content-Type: " + request_.content_type);
  }
}

void Transfer::set_url(const std::string& url) { curl_easy_setopt(handle_, CURLOPT_URL, url.c_str()); }

void Transfer::add_header(const std::string& line) {
  auto* longer = curl_slist_append(headers_.get(), line.c_str());
  if (!longer) return;
  (void)headers_.release();
  headers_.reset(longer);
}

CURLcode Transfer::run() {
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, headers_.get());
  const auto code = curl_easy_perform(handle_);
  curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &reply_.status);
  curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, nullptr);
  curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, nullptr);
  // A server that refuses a body answers before it has read all, and closes.
  if (code != CURLE_OK && request_.file && reply_.status >= 400 && !body_.bytes.empty()) return CURLE_OK;
  return code;
}

Reply Transfer::take() {
  reply_.body = std::move(body_.bytes);
  return std::move(reply_);
}

int Transfer::progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t sent) {
  auto& transfer = *static_cast<Transfer*>(self);
  if (interrupted()) return 1;
  const auto now = std::chrono::steady_clock::now();
  if (transfer.request_.file && transfer.request_.file->sent && now - transfer.shown_ >= kShowEvery) {
    transfer.shown_ = now;
    transfer.request_.file->sent(static_cast<std::uint64_t>(sent));
  }
  return 0;
}

std::size_t Transfer::read_file(char* to, std::size_t, std::size_t size, void* self) {
  auto& transfer = *static_cast<Transfer*>(self);
  const auto& file = *transfer.request_.file;
  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(size, file.size - transfer.read_));
  for (;;) {
    const auto got = ::pread(file.descriptor, to, most, static_cast<off_t>(transfer.read_));
    if (got < 0 && errno == EINTR && !interrupted()) continue;
    if (got < 0 || (got == 0 && most > 0)) return CURL_READFUNC_ABORT;  // it can't be read, or became shorter
    transfer.read_ += static_cast<std::uint64_t>(got);
    return static_cast<std::size_t>(got);
  }
}

int Transfer::rewind_file(void* self, curl_off_t offset, int origin) {
  if (origin != SEEK_SET) return CURL_SEEKFUNC_CANTSEEK;
  static_cast<Transfer*>(self)->read_ = static_cast<std::uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

std::size_t Transfer::header(char* line, std::size_t, std::size_t size, void* self) {
  auto& reply = static_cast<Transfer*>(self)->reply_;
  const std::string_view text(line, size);
  (void)(value_of(text, "Content-Type", reply.content_type) || value_of(text, "Date", reply.server_date));
  return size;
}

}  // namespace ota::otactl
