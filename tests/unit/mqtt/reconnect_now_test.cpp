// Waits between tries to connect, ended by one who knows more.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>

#include "ota/base/random.hpp"
#include "ota/mqtt/client.hpp"
#include "support/broker.hpp"

namespace ota::mqtt {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// A port that takes connections and closes them.
class Door {
 public:
  Door() {
    const auto [descriptor, port] = ota::test::listen_on_loopback(8);
    listener_ = descriptor;
    url = fmt::format("tcp://127.0.0.1:{}", port);
  }
  ~Door() { close(listener_); }

  // The next try, within `patience`.
  bool tried(milliseconds patience) {
    pollfd waiting{listener_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(patience.count())) != 1) return false;
    close(accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC));
    return true;
  }

  std::string url;

 private:
  int listener_ = -1;
};

TEST(ReconnectNow, EndsALongWait) {
  Door door;
  Options options;
  options.url = door.url;
  options.client_id = "hurried";
  options.reconnect_min = seconds(1);
  SystemRandom random;
  auto client = Client::create(options, {}, random);
  client->start();
  // Until the waits have grown to 4 s: the next one is no shorter.
  auto last = steady_clock::now();
  for (bool grown = false; !grown;) {
    ASSERT_TRUE(door.tried(seconds(60)));
    grown = steady_clock::now() - last >= seconds(4);
    last = steady_clock::now();
  }
  while (door.tried(milliseconds(300))) last = steady_clock::now();  // a try may be two connections
  client->reconnect_now();
  EXPECT_TRUE(door.tried(seconds(3)));
  client->stop(milliseconds(0));
}

}  // namespace
}  // namespace ota::mqtt
