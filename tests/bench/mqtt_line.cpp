#include "mqtt_line.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace ota::bench {
namespace {

constexpr std::uint8_t kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kPuback = 0x40, kSubscribe = 0x82,
                       kSuback = 0x90, kDisconnect = 0xe0;
constexpr std::uint8_t kQos1 = 0x02;
constexpr int kPatienceMs = 60'000;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "bench_load: %s\n", what);
  std::exit(1);
}

void put_number(std::string& into, std::size_t value) {
  into += static_cast<char>(value >> 8);
  into += static_cast<char>(value & 0xff);
}

void put_text(std::string& into, std::string_view text) {
  put_number(into, text.size());
  into += text;
}

std::size_t number(std::string_view at) {
  return static_cast<std::size_t>(static_cast<unsigned char>(at[0])) << 8 | static_cast<unsigned char>(at[1]);
}

}  // namespace

MqttLine::MqttLine(std::uint16_t port, const std::string& client_id) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) give_up("no broker there");
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  std::string body;
  put_text(body, "MQTT");
  body += '\x04';       // 3.1.1
  body += '\x02';       // clean session
  put_number(body, 0);  // no keep-alive
  put_text(body, client_id);
  put_packet(kConnect, body);
  await(kConnack);
}

MqttLine::~MqttLine() {
  put_packet(kDisconnect, {});
  flush();
  ::close(socket_);
}

void MqttLine::subscribe(const std::vector<std::string>& filters) {
  std::string body;
  put_number(body, ++last_id_);
  for (const auto& filter : filters) {
    put_text(body, filter);
    body += '\x01';
  }
  put_packet(kSubscribe, body);
  await(kSuback);
}

void MqttLine::publish(std::string_view topic, std::string_view payload) {
  if (++last_id_ == 0) ++last_id_;
  out_ += static_cast<char>(kPublish | kQos1);
  put_length(2 + topic.size() + 2 + payload.size());
  put_text(out_, topic);
  put_number(out_, last_id_);
  out_ += payload;
}

void MqttLine::receive(const OnMessage& on_message) {
  flush();
  fill();
  std::uint8_t type = 0;
  std::string_view body;
  while (take(type, body)) {
    if ((type & 0xf0) != kPublish) continue;
    const auto topic = body.substr(2, number(body));
    body.remove_prefix(2 + topic.size());
    if ((type & kQos1) != 0) {
      put_packet(kPuback, body.substr(0, 2));
      body.remove_prefix(2);
    }
    on_message(topic, body);
  }
}

void MqttLine::put_packet(std::uint8_t type, std::string_view body) {
  out_ += static_cast<char>(type);
  put_length(body.size());
  out_ += body;
}

void MqttLine::put_length(std::size_t length) {
  do {
    const auto seven = static_cast<char>(length & 0x7f);
    length >>= 7;
    out_ += static_cast<char>(length > 0 ? seven | 0x80 : seven);
  } while (length > 0);
}

void MqttLine::flush() {
  std::string_view left = out_;
  while (!left.empty()) {
    const auto sent = ::send(socket_, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent <= 0) give_up("the broker closed the connection");
    left.remove_prefix(static_cast<std::size_t>(sent));
  }
  out_.clear();
}

void MqttLine::fill() {
  static char block[256 * 1024];
  pollfd waiting{socket_, POLLIN, 0};
  if (::poll(&waiting, 1, kPatienceMs) != 1) give_up("no answer within 60 s");
  const auto got = ::recv(socket_, block, sizeof block, 0);
  if (got <= 0) give_up("the broker closed the connection");
  in_.erase(0, read_);
  read_ = 0;
  in_.append(block, static_cast<std::size_t>(got));
}

bool MqttLine::take(std::uint8_t& type, std::string_view& body) {
  const auto left = std::string_view(in_).substr(read_);
  std::size_t at = 1;
  std::size_t length = 0;
  for (int shift = 0;; shift += 7) {
    if (at >= left.size()) return false;
    const auto byte = static_cast<unsigned char>(left[at++]);
    length |= static_cast<std::size_t>(byte & 0x7f) << shift;
    if ((byte & 0x80) == 0) break;
  }
  if (left.size() < at + length) return false;
  type = static_cast<std::uint8_t>(left[0]);
  body = left.substr(at, length);
  read_ += at + length;
  return true;
}

void MqttLine::await(std::uint8_t wanted) {
  flush();
  std::uint8_t type = 0;
  std::string_view body;
  while (!take(type, body)) fill();
  if (type != wanted || (type == kConnack && body[1] != 0)) give_up("the broker refused");
}

}  // namespace ota::bench
