// Requests over real sockets: heads, limits, smuggling, bodies, pipelines.
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;
using Awaitable = boost::asio::awaitable<Reply>;

Reply text(std::string body) {
  Reply reply;
  reply.content_type = "text/plain";
  reply.body = std::move(body);
  return reply;
}

Awaitable serve(Request& request) {
  const std::string_view path = request.path();
  if (path == "/throw") throw std::runtime_error("on purpose");
  if (path == "/empty") {
    Reply reply;
    reply.status = 204;
    co_return reply;
  }
  if (path == "/close") {
    Reply reply = text("bye");
    reply.close = true;
    co_return reply;
  }
  if (path == "/ignore") co_return text("ignored");
  if (path == "/big") co_return text(std::string(3'000'000, 'b'));
  if (path == "/echo") {
    auto reading = request.read_all(100'000);
    Result<std::string> body = co_await std::move(reading);
    if (!body) {
      Reply reply = text(body.error().message);
      reply.status = body.error().code == Errc::too_large ? 413 : 400;
      co_return reply;
    }
    co_return text(std::move(*body));
  }
  if (path == "/count") {
    std::uint64_t count = 0;
    std::uint64_t sum = 0;
    std::vector<char> piece(64 * 1024);
    for (;;) {
      auto reading = request.read_some(piece);
      const Result<std::size_t> got = co_await std::move(reading);
      if (!got) co_return text("broken after " + std::to_string(count));
      if (*got == 0) break;
      for (std::size_t i = 0; i < *got; ++i) sum += static_cast<unsigned char>(piece[i]);
      count += *got;
    }
    co_return text(std::to_string(count) + " " + std::to_string(sum));
  }
  co_return text(std::string(to_string(request.method())) + " " + std::string(path) + " " +
                 std::string(request.query()) + " " + std::string(request.header("x-test")));
}

class Requests : public ::testing::Test {
 protected:
  TestServer server{serve};
};

TEST_F(Requests, AnswerGoldenBytes) {
  RawClient client(server.address);
  client.send("GET /a%20b?c=d&e HTTP/1.1\r\nHost: x\r\nX-Test:  v w \t\r\nConnection: close\r\n\r\n");
  std::string answer = client.rest();
  const std::size_t date = answer.find("Date: ");
  ASSERT_NE(date, std::string::npos);
  answer.erase(date, answer.find("\r\n", date) + 2 - date);
  EXPECT_EQ(answer,
            "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\n"
            "GET /a%20b c=d&e v w");
}

TEST_F(Requests, MayComeInOddPieces) {
  const std::string request =
      "\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n10;ext=1\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n";
  for (const std::size_t piece : {1u, 2u, 3u, 7u, 50u}) {
    RawClient client(server.address);
    for (int twice = 0; twice < 2; ++twice) {
      for (std::size_t at = 0; at < request.size(); at += piece) {
        ASSERT_TRUE(client.send(std::string_view(request).substr(at, piece)));
        if (piece < 3 && at % 8 == 0) std::this_thread::sleep_for(100us);
      }
      EXPECT_EQ(client.receive().body, "abc0123456789abcdef");
    }
  }
}

TEST_F(Requests, NameTheirMethod) {
  RawClient client(server.address);
  for (const std::string method : {"GET", "POST", "PUT", "PATCH", "DELETE"}) {
    EXPECT_EQ(client.ask(method + " /m HTTP/1.1\r\nHost: x\r\n\r\n").body, method + " /m  ");
  }
  for (const std::string method : {"OPTIONS", "TRACE", "BREW", "get"}) {
    EXPECT_EQ(client.ask(method + " /m HTTP/1.1\r\nHost: x\r\n\r\n").body, "other /m  ");
  }
  const auto head = client.ask("HEAD /m HTTP/1.1\r\nHost: x\r\n\r\n", true);
  EXPECT_EQ(head.field("Content-Length"), "9");
  EXPECT_EQ(client.ask("GET /n HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /n  ");
}

TEST_F(Requests, TakeAbsoluteTargets) {
  RawClient client(server.address);
  EXPECT_EQ(client.ask("GET http://h:1/p?q HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /p q ");
  EXPECT_EQ(client.ask("GET HTTP://h HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /  ");
  EXPECT_EQ(client.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").body, "other *  ");
  EXPECT_EQ(client.ask("GET nonsense HTTP/1.1\r\nHost: x\r\n\r\n").status, 400);
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, ThatAreMalformedAreRefusedAndTheConnectionClosed) {
  struct Case {
    const char* request;
    int status;
    const char* code;
  };
  const Case cases[] = {
      {"nonsense\r\n\r\n", 400, "bad_request"},
      {"GET / HTTQ/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
      {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "version_not_supported"},
      {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505, "version_not_supported"},
      {"GET / HTTP/1.1\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\nHost: x\n\n\r\n", 400, "bad_request"},
      {"GET /\x01 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "bad_request"},
      {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400, "bad_request"},
      // Smuggling: two readings of where the body ends.
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400,
       "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nabcde", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5, 5\r\n\r\nabcde", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nabcde", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
       "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "not_implemented"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 501, "not_implemented"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, "not_implemented"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_request"},
      {"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic\r\n\r\n", 417, "expectation_failed"},
  };
  for (const Case& c : cases) {
    RawClient client(server.address);
    const auto answer = client.ask(std::string(c.request) + "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(answer.status, c.status) << c.request;
    EXPECT_EQ(answer.field("Content-Type"), "application/problem+json") << c.request;
    EXPECT_EQ(answer.field("Connection"), "close") << c.request;
    EXPECT_NE(answer.body.find("\"code\":\"" + std::string(c.code) + "\""), std::string::npos) << answer.body;
    EXPECT_NE(answer.body.find("\"status\":" + std::to_string(c.status) + ","), std::string::npos) << answer.body;
    client.end_sending();
    EXPECT_TRUE(client.ended()) << c.request;
  }
  EXPECT_EQ(RawClient(server.address).ask("GET /after HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /after  ");
}

TEST_F(Requests, HaveLimits) {
  const auto ask = [this](const std::string& request) { return RawClient(server.address).ask(request).status; };
  const std::string host = " HTTP/1.1\r\nHost: x\r\n";
  EXPECT_EQ(ask("GET /" + std::string(4095, 'a') + host + "\r\n"), 200);
  EXPECT_EQ(ask("GET /" + std::string(4096, 'a') + host + "\r\n"), 414);
  EXPECT_EQ(ask("GET /" + std::string(100'000, 'a')), 414);
  EXPECT_EQ(ask("GET /" + host + "A: " + std::string(16 * 1024 - 40, 'a') + "\r\n\r\n"), 200);
  EXPECT_EQ(ask("GET /" + host + "A: " + std::string(16 * 1024, 'a') + "\r\n\r\n"), 431);
  std::string fields;
  for (int i = 0; i < 63; ++i) fields += "A: b\r\n";
  EXPECT_EQ(ask("GET /" + host + fields + "\r\n"), 200);
  EXPECT_EQ(ask("GET /" + host + fields + "A: b\r\n\r\n"), 431);
}

TEST_F(Requests, OfHttp10EndTheConnectionUnlessAsked) {
  RawClient client(server.address);
  const auto kept = client.ask("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(kept.status, 200);
  EXPECT_EQ(kept.field("Connection"), "keep-alive");
  const auto last = client.ask("GET /b HTTP/1.0\r\n\r\n");
  EXPECT_EQ(last.body, "GET /b  ");
  EXPECT_EQ(last.field("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, ArePipelinedInOrder) {
  RawClient client(server.address);
  constexpr int kCount = 2000;
  std::thread sender([&client] {
    std::string requests;
    for (int i = 0; i < kCount; ++i) {
      const std::string number = std::to_string(i);
      if (i % 3 == 0) {
        requests += "GET /" + number + " HTTP/1.1\r\nHost: x\r\n\r\n";
      } else if (i % 3 == 1) {
        requests +=
            "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(number.size()) + "\r\n\r\n" + number;
      } else {
        requests += "POST /ignore HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nGET /\r\n0\r\n\r\n";
      }
    }
    client.send(requests);
  });
  for (int i = 0; i < kCount; ++i) {
    const auto answer = client.receive();
    const std::string number = std::to_string(i);
    ASSERT_EQ(answer.body, i % 3 == 0 ? "GET /" + number + "  " : i % 3 == 1 ? number : "ignored");
  }
  sender.join();
}

TEST_F(Requests, HandlersFaultsAre500) {
  RawClient client(server.address);
  const auto answer = client.ask("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(answer.status, 500);
  EXPECT_NE(answer.body.find("server_fault"), std::string::npos);
  EXPECT_EQ(answer.body.find("on purpose"), std::string::npos);
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, EmptyAndLargeRepliesAreFramed) {
  RawClient client(server.address);
  const auto empty = client.ask("GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(empty.status, 204);
  EXPECT_EQ(empty.field("Content-Length"), "");
  EXPECT_EQ(client.ask("GET /big HTTP/1.1\r\nHost: x\r\n\r\n").body, std::string(3'000'000, 'b'));
  EXPECT_EQ(client.ask("GET /close HTTP/1.1\r\nHost: x\r\n\r\n").body, "bye");
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, BodiesAreRead) {
  RawClient client(server.address);
  const std::string body = pattern(100'000);
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  EXPECT_EQ(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\n" + length + body).body, body);
  EXPECT_EQ(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").body, "");
  EXPECT_EQ(client.ask("POST /echo HTTP/1.1\r\nHost: x\r\n\r\n").body, "");
  std::string chunks;
  for (std::size_t at = 0, size = 1; at < body.size(); at += size, size = size * 3 % 9001 + 1) {
    const std::string piece = body.substr(at, size);
    char line[32];
    std::snprintf(line, sizeof line, "%zX\r\n", piece.size());
    chunks += line + piece + "\r\n";
  }
  EXPECT_EQ(
      client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n" + chunks + "0\r\n\r\n").body,
      body);
  EXPECT_EQ(client.ask("GET /next HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /next  ");
}

TEST_F(Requests, BodiesBeyondTheHandlersLimitAreRefused) {
  RawClient known(server.address);
  EXPECT_EQ(known.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100001\r\n\r\n").status, 413);
  EXPECT_TRUE(known.ended());
  RawClient chunked(server.address);
  const std::string chunk = "186a1\r\n" + std::string(100'001, 'x') + "\r\n0\r\n\r\n";
  EXPECT_EQ(chunked.ask("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk).status, 413);
}

TEST_F(Requests, BrokenChunksEndTheConnection) {
  for (const char* broken : {"x\r\nabc\r\n0\r\n\r\n", "3\r\nabcX\r\n0\r\n\r\n", "-1\r\n\r\n0\r\n\r\n",
                             "11111111111111111\r\nabc\r\n0\r\n\r\n", "\r\n\r\n\r\n\r\n"}) {
    RawClient client(server.address);
    const auto answer =
        client.ask(std::string("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") + broken);
    EXPECT_EQ(answer.status, 400) << broken;
    EXPECT_EQ(answer.field("Connection"), "close") << broken;
  }
}

TEST_F(Requests, EndlessChunkHeadersAreRefused) {
  RawClient client(server.address);
  client.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("3;" + std::string(100'000, 'e'));
  EXPECT_EQ(client.receive().status, 400);
}

TEST_F(Requests, UnreadBodiesAreDrainedIfSmall) {
  RawClient client(server.address);
  const std::string small(64 * 1024, 's');
  const auto head = [](std::size_t size) {
    return "POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n";
  };
  EXPECT_EQ(client.ask(head(small.size()) + small).body, "ignored");
  EXPECT_EQ(client.ask("GET /a HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /a  ");
  const std::string large(64 * 1024 + 1, 'l');
  const auto answer = client.ask(head(large.size()) + large);
  EXPECT_EQ(answer.body, "ignored");
  EXPECT_EQ(answer.field("Connection"), "close");
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, ThatExpect100AreAnsweredIt) {
  RawClient client(server.address);
  const auto first = client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-Continue\r\n\r\n");
  EXPECT_EQ(first.head, "HTTP/1.1 100 Continue\r\n");
  EXPECT_EQ(client.ask("abc").body, "abc");
  // Not read: no 100, and what follows could be a body or not.
  const auto refused =
      client.ask("POST /ignore HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(refused.status, 200);
  EXPECT_EQ(refused.field("Connection"), "close");
}

TEST_F(Requests, BodiesCutOffAreNoticed) {
  RawClient client(server.address);
  client.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n0123456789");
  client.end_sending();
  EXPECT_EQ(client.receive().body, "broken after 10");
  EXPECT_TRUE(client.ended());
}

TEST_F(Requests, HalfClosedClientsGetTheirAnswer) {
  RawClient client(server.address);
  client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  client.end_sending();
  EXPECT_EQ(client.receive().body, "GET /a  ");
  EXPECT_TRUE(client.ended());
}

std::size_t resident_bytes() {
  std::size_t pages = 0;
  std::size_t resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  EXPECT_EQ(std::fscanf(file, "%zu %zu", &pages, &resident), 2);
  std::fclose(file);
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

TEST_F(Requests, LargeUploadsTakeConstantMemory) {
  constexpr std::size_t kPiece = 1 << 20;
  constexpr std::size_t kPieces = 256;
  const std::string piece(kPiece, '\x01');
  for (const bool chunked : {false, true}) {
    RawClient client(server.address);
    const std::size_t before = resident_bytes();
    client.send("POST /count HTTP/1.1\r\nHost: x\r\n");
    client.send(chunked ? std::string("Transfer-Encoding: chunked\r\n\r\n")
                        : "Content-Length: " + std::to_string(kPiece * kPieces) + "\r\n\r\n");
    for (std::size_t i = 0; i < kPieces; ++i) {
      if (chunked) client.send("100000\r\n");
      ASSERT_TRUE(client.send(piece));
      if (chunked) client.send("\r\n");
    }
    if (chunked) client.send("0\r\n\r\n");
    const std::string expected = std::to_string(kPiece * kPieces);
    EXPECT_EQ(client.receive().body, expected + " " + expected);
    EXPECT_LT(resident_bytes(), before + (32u << 20));
  }
}

TEST_F(Requests, AreCounted) {
  RawClient client(server.address);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
  const auto counters = server.server->counters();
  EXPECT_EQ(counters.requests_total, 5u);
  EXPECT_EQ(counters.connections_total, 1u);
  EXPECT_EQ(counters.connections_open, 1u);
  client.close();
  EXPECT_TRUE(eventually([this] { return server.server->counters().connections_open == 0; }));
}

TEST(RequestsOf, AnyBytesAreSurvived) {
  TestServer server(serve);
  std::mt19937 random(3);
  const std::vector<std::string> bits = {"GET ",
                                         "POST ",
                                         "/echo",
                                         " HTTP/1.1\r\n",
                                         "Host: x\r\n",
                                         "\r\n",
                                         "\r\n\r\n",
                                         "Content-Length: ",
                                         "3",
                                         "Transfer-Encoding: chunked\r\n",
                                         "0\r\n\r\n",
                                         "5\r\nabcde\r\n",
                                         "Range: bytes=",
                                         ":",
                                         " ",
                                         "\n",
                                         std::string(1, '\0'),
                                         "Expect: 100-continue\r\n",
                                         "Connection: close\r\n",
                                         "ffffffffffffffff\r\n"};
  for (int round = 0; round < 400; ++round) {
    RawClient client(server.address);
    std::string bytes = random() % 2 ? "POST /echo HTTP/1.1\r\nHost: x\r\n" : "";
    for (std::size_t i = random() % 12; i > 0; --i) {
      bytes += random() % 8 ? bits[random() % bits.size()] : std::string(1, static_cast<char>(random()));
    }
    client.send(bytes);
    client.end_sending();
    client.rest();
  }
  EXPECT_EQ(RawClient(server.address).ask("GET /alive HTTP/1.1\r\nHost: x\r\n\r\n").body, "GET /alive  ");
}

}  // namespace
}  // namespace ota::http
