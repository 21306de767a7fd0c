#include "fake_server.hpp"

#include <fmt/format.h>
#include <poll.h>

#include "ota/domain/digest.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::agent {

FakeServer::FakeServer() {
  on_message = [this](const std::string& device, const std::string& what, const Json& message) {
    answer(device, what, message);
  };
  const auto listening = test::listen_on_loopback(64);
  listener_ = listening.descriptor;
  port_ = listening.port;
  acceptor_ = std::thread([this] { accept_connections(); });

  mqtt::Options options;
  options.url = broker_.url();
  options.client_id = "server";
  options.subscriptions = {"/ota/+/request", "/ota/+/progress", "/ota/+/verify", "/ota/+/chunk/get"};
  mqtt::Handlers handlers;
  handlers.on_message = [this](std::string_view topic, std::string_view payload) {
    auto slash = topic.find('/', 5);
    auto device = std::string(topic.substr(5, slash - 5));
    auto what = std::string(topic.substr(slash + 1));
    auto message = Json::parse(payload);
    {
      std::lock_guard lock(mutex_);
      heard_.emplace_back(what, message);
    }
    what == "chunk/get" ? send_chunks(device, message) : on_message(device, what, message);
  };
  client_ = mqtt::Client::create(options, std::move(handlers), random_);
  client_->start();
  if (!test::eventually([&] { return client_->status().connected; })) throw std::runtime_error("no broker");
}

FakeServer::~FakeServer() {
  client_->stop(std::chrono::milliseconds(100));
  stopping_ = true;
  acceptor_.join();
  for (auto& session : sessions_) session.join();
  close(listener_);
}

void FakeServer::offer(Firmware firmware) {
  std::lock_guard lock(mutex_);
  offers_.push_back(std::move(firmware));
}

void FakeServer::send(const std::string& device, const Json& message) {
  client_->publish("/ota/" + device + "/" + message["type"].get<std::string>(), message.dump(), 1);
}

std::string FakeServer::checksum(const std::string& bytes) { return to_checksum(firmware::sha256(bytes)); }

Json FakeServer::metadata(const Firmware& firmware, int attempt) const {
  auto base = fmt::format("http://127.0.0.1:{}/{}", port_, firmware.task);
  auto query = fmt::format("?gen={}", generation_.load());
  Json message{{"type", "metadata"},
               {"task_id", firmware.task},
               {"version", firmware.version},
               {"hardware", firmware.hardware},
               {"priority", firmware.priority},
               {"attempt", attempt},
               {"max_attempts", 3},
               {"size", firmware.image.size()},
               {"checksum", checksum(firmware.image)},
               {"chunk_bytes", firmware.chunk_bytes},
               {"chunk_count", firmware.count()},
               {"missing", {{0, firmware.count() - 1}}},
               {"url", base + "/image" + query},
               {"chunk_url", base + "/chunks/{index}" + query},
               {"manifest_url", base + "/manifest" + query},
               {"transports", firmware.transports},
               {"urls_expire_at", "2030-01-01T00:00:00Z"},
               {"a_field_of_tomorrow", 1}};
  if (firmware.inline_digests) {
    message["chunks"] = Json::array();
    for (std::size_t i = 0; i < firmware.count(); ++i)
      message["chunks"].push_back(checksum(firmware.chunk(i)).substr(7));
  }
  if (!firmware.signature.is_null()) message["signature"] = firmware.signature;
  if (!firmware.downgrade.is_null()) message["downgrade"] = firmware.downgrade;
  return message;
}

Json FakeServer::retry(const Firmware& firmware, int attempt, Json missing, const std::string& reason) const {
  auto message = metadata(firmware, attempt);
  message["type"] = "retry";
  message["missing"] = std::move(missing);
  message["reason"] = reason;
  message["retry_after_s"] = 0;
  return message;
}

std::vector<Json> FakeServer::heard(const std::string& what) {
  std::lock_guard lock(mutex_);
  std::vector<Json> result;
  for (const auto& [kind, message] : heard_) {
    if (kind == what) result.push_back(message);
  }
  return result;
}

std::map<std::size_t, int> FakeServer::served(const std::string& task) {
  std::lock_guard lock(mutex_);
  return served_[task];
}

int FakeServer::served_in_all() {
  std::lock_guard lock(mutex_);
  int count = 0;
  for (const auto& [task, chunks] : served_) {
    for (const auto& [index, times] : chunks) count += times;
  }
  return count;
}

void FakeServer::let_chunks_go() {
  withholding_ = false;
  std::vector<std::pair<std::string, Json>> questions;
  {
    std::lock_guard lock(mutex_);
    questions.swap(withheld_);
  }
  for (const auto& [device, question] : questions) send_chunks(device, question);
}

void FakeServer::send_chunks(const std::string& device, const Json& message) {
  std::lock_guard lock(mutex_);
  if (withholding_) {
    withheld_.emplace_back(device, message);
    return;
  }
  const auto task = message["task_id"].get<std::string>();
  const auto of_task = [&](const Firmware& firmware) { return firmware.task == task; };
  const auto firmware = std::find_if(offers_.begin(), offers_.end(), of_task);
  if (firmware == offers_.end()) return;
  for (const auto& range : message["chunks"]) {
    for (std::size_t i = range[0]; i <= range[1]; ++i) {
      const auto digest = firmware::sha256(firmware->chunk(i));
      client_->publish(fmt::format("/ota/{}/chunk/{}/{}", device, task, i),
                       std::string(digest.begin(), digest.end()) + firmware->chunk(i), 0);
      ++published_[task][i];
    }
  }
}

std::map<std::size_t, int> FakeServer::published(const std::string& task) {
  std::lock_guard lock(mutex_);
  return published_[task];
}

void FakeServer::answer(const std::string& device, const std::string& what, const Json& message) {
  std::optional<Firmware> last;
  {
    std::lock_guard lock(mutex_);
    if (!offers_.empty()) last = offers_.back();
  }
  if (!last) {
    if (what == "request") send(device, {{"type", "up_to_date"}, {"version", "1.0.0"}});
  } else if (what == "request") {
    send(device, metadata(*last));
  } else if (what == "progress" && message.value("status", "") == "mismatch") {
    send(device, retry(*last, 1, message["chunks"], "chunk_mismatch"));
  } else if (what == "verify") {
    bool right = message["checksum"] == checksum(last->image);
    send(device, right ? Json{{"type", "success"}, {"task_id", last->task}, {"version", last->version}}
                       : retry(*last, 2, {{0, last->count() - 1}}, "checksum_mismatch"));
  }
}

// --- HTTP ---

void FakeServer::accept_connections() {
  while (!stopping_) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, 20) <= 0) continue;
    int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) sessions_.emplace_back([this, fd] { serve(fd); });
  }
}

void FakeServer::serve(int fd) {
  std::string input;
  while (!stopping_) {
    pollfd waiting{fd, POLLIN, 0};
    if (poll(&waiting, 1, 20) <= 0) continue;
    char buffer[4096];
    auto got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) break;
    input.append(buffer, static_cast<std::size_t>(got));
    auto end = input.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    auto path = input.substr(4, input.find(' ', 4) - 4);
    input.erase(0, end + 4);
    auto answer = respond(path);
    auto reply = fmt::format("HTTP/1.1 {} X\r\nContent-Length: {}\r\n{}\r\n{}", answer.status, answer.body.size(),
                             answer.headers, answer.body);
    if (::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL) < 0) break;
  }
  close(fd);
}

Answer FakeServer::respond(const std::string& path) {
  Firmware firmware;
  {
    std::lock_guard lock(mutex_);
    auto task = path.substr(1, path.find('/', 1) - 1);
    auto it = std::find_if(offers_.rbegin(), offers_.rend(), [&](const Firmware& f) { return f.task == task; });
    if (it == offers_.rend()) return {404, "", ""};
    firmware = *it;
  }
  if (!path.ends_with(fmt::format("?gen={}", generation_.load()))) return {403, "expired", ""};
  if (path.find("/manifest") != std::string::npos) {
    std::string digests;
    for (std::size_t i = 0; i < firmware.count(); ++i) {
      auto digest = firmware::sha256(firmware.chunk(i));
      digests.append(digest.begin(), digest.end());
    }
    return {200, digests, ""};
  }
  // For several chunks, where the machine is so busy that the link seems slow; ranges are not served here.
  if (path.find("/image") != std::string::npos) return {200, firmware.image, ""};
  auto at = path.find("/chunks/");
  auto index = static_cast<std::size_t>(std::stoul(path.substr(at + 8)));
  if (on_chunk) {
    if (auto other = on_chunk(firmware, index)) return *other;
  }
  std::lock_guard lock(mutex_);
  ++served_[firmware.task][index];
  return {200, firmware.chunk(index), ""};
}

}  // namespace ota::agent
