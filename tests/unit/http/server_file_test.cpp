// Files over real sockets: conditions, ranges, checks, what the listener hears.
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;

using Slices = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

class Heard final : public TransferListener {
 public:
  void sent(std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard lock(mutex_);
    slices_.emplace_back(offset, length);
  }
  Slices slices() {
    const std::lock_guard lock(mutex_);
    return slices_;
  }

 private:
  std::mutex mutex_;
  Slices slices_;
};

/// Serves `length` bytes from `offset` of one file, everywhere.
class Files : public ::testing::Test {
 protected:
  static constexpr std::size_t kOffset = 1000;
  static constexpr std::size_t kLength = 1'500'000;

  void serve(bool all_checked = true) {
    file = std::make_shared<TestFile>(content, all_checked);
    server = std::make_unique<TestServer>([this](Request& request) -> boost::asio::awaitable<Reply> {
      Reply reply;
      FileBody body;
      body.source = file;
      body.offset = kOffset;
      body.length = request.path().starts_with("/empty") ? 0 : kLength;
      body.etag = "\"tag\"";
      body.content_digest = "sha-256=:AAA=:";
      body.repr_digest = "sha-256=:BBB=:";
      body.cache_control = "public, immutable";
      body.listener = heard;
      if (request.path() == "/created" || request.path() == "/empty-created") reply.status = 201;
      if (request.path() == "/typed") reply.content_type = "text/x-test";
      reply.file = std::move(body);
      co_return reply;
    });
    client = std::make_unique<RawClient>(server->address);
  }

  RawClient::Answer get(const std::string& fields, const std::string& path = "/f") {
    return client->ask("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n");
  }
  RawClient::Answer head(const std::string& fields) {
    return client->ask("HEAD /f HTTP/1.1\r\nHost: x\r\n" + fields + "\r\n", true);
  }
  std::string part(std::size_t from, std::size_t size) const { return whole.substr(from, size); }

  const std::string content = pattern(kOffset + kLength + 500);
  const std::string whole = content.substr(kOffset, kLength);
  std::shared_ptr<TestFile> file;
  std::shared_ptr<Heard> heard = std::make_shared<Heard>();
  std::unique_ptr<TestServer> server;
  std::unique_ptr<RawClient> client;
};

TEST_F(Files, WholeHasAllItsFields) {
  serve();
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == whole);
  EXPECT_EQ(answer.field("Content-Length"), "1500000");
  EXPECT_EQ(answer.field("Content-Type"), "application/octet-stream");
  EXPECT_EQ(answer.field("Accept-Ranges"), "bytes");
  EXPECT_EQ(answer.field("ETag"), "\"tag\"");
  EXPECT_EQ(answer.field("Content-Digest"), "sha-256=:AAA=:");
  EXPECT_EQ(answer.field("Repr-Digest"), "sha-256=:BBB=:");
  EXPECT_EQ(answer.field("Cache-Control"), "public, immutable");
  EXPECT_EQ(answer.field("Transfer-Encoding"), "");
  EXPECT_NE(answer.field("Date"), "");
  EXPECT_EQ(get("", "/typed").field("Content-Type"), "text/x-test");
}

TEST_F(Files, SingleRanges) {
  serve();
  struct Case {
    const char* range;
    std::size_t from;
    std::size_t size;
    const char* content_range;
  };
  const Case cases[] = {
      {"bytes=0-0", 0, 1, "bytes 0-0/1500000"},
      {"bytes=4096-8191", 4096, 4096, "bytes 4096-8191/1500000"},
      {"bytes=0-524287", 0, 524288, "bytes 0-524287/1500000"},
      {"bytes=100-1400000", 100, 1399901, "bytes 100-1400000/1500000"},
      {"bytes=1499999-", 1499999, 1, "bytes 1499999-1499999/1500000"},
      {"bytes=-20000", 1480000, 20000, "bytes 1480000-1499999/1500000"},
      {"bytes=0-99999999999999999999", 0, 1500000, "bytes 0-1499999/1500000"},
      {"bytes=5-9,9999999-", 5, 5, "bytes 5-9/1500000"},
  };
  for (const Case& c : cases) {
    const auto answer = get("Range: " + std::string(c.range) + "\r\n");
    EXPECT_EQ(answer.status, 206) << c.range;
    EXPECT_EQ(answer.field("Content-Range"), c.content_range);
    EXPECT_EQ(answer.field("Content-Length"), std::to_string(c.size));
    EXPECT_EQ(answer.field("Content-Digest"), "") << "is of the whole";
    EXPECT_EQ(answer.field("Repr-Digest"), "sha-256=:BBB=:");
    EXPECT_TRUE(answer.body == part(c.from, c.size)) << c.range;
  }
}

TEST_F(Files, SeveralRangesAreMultipart) {
  serve();
  const auto answer = get("Range: bytes=0-9, 600000-1299999,-5\r\n");
  EXPECT_EQ(answer.status, 206);
  EXPECT_EQ(answer.field("Content-Range"), "");
  const std::string type = answer.field("Content-Type");
  const std::string start = "multipart/byteranges; boundary=";
  ASSERT_TRUE(type.starts_with(start)) << type;
  const std::string delimiter = "--" + type.substr(start.size());
  const auto piece = [&](const std::string& range, std::size_t from, std::size_t size) {
    return delimiter + "\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes " + range +
           "/1500000\r\n\r\n" + part(from, size) + "\r\n";
  };
  const std::string expected = "\r\n" + piece("0-9", 0, 10) + piece("600000-1299999", 600000, 700000) +
                               piece("1499995-1499999", 1499995, 5) + delimiter + "--\r\n";
  EXPECT_EQ(answer.field("Content-Length"), std::to_string(expected.size()));
  EXPECT_TRUE(answer.body == expected);
  EXPECT_EQ(get("Range: bytes=0-0\r\n").body, part(0, 1));
}

TEST_F(Files, AsManyRangesAsDeltaClientsAskForAreOneReply) {
  serve();
  for (const std::size_t count : {150u, 255u}) {  // SWUpdate, zchunk
    std::string value;
    std::string wanted;
    for (std::size_t i = 0; i < count; ++i) {
      value += (i ? "," : "") + std::to_string(5000 * i) + "-" + std::to_string(5000 * i + 999);
      wanted += part(5000 * i, 1000);
    }
    const auto answer = get("Range: bytes=" + value + "\r\n");
    ASSERT_EQ(answer.status, 206) << count;
    std::string got;
    for (std::size_t at = answer.body.find("\r\n\r\n"); got.size() < wanted.size() && at != std::string::npos;
         at = answer.body.find("\r\n\r\n", at + 1004))
      got += answer.body.substr(at + 4, 1000);
    EXPECT_TRUE(got == wanted) << count;
  }
}

TEST_F(Files, RandomRangesMatchTheContent) {
  serve();
  std::mt19937 random(5);
  for (int round = 0; round < 100; ++round) {
    std::string value;
    std::vector<std::pair<std::size_t, std::size_t>> asked;
    const std::size_t count = random() % 4 + 1;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t slot = kLength / 4;
      const std::size_t from = i * slot + random() % (slot / 2);
      const std::size_t size = random() % (slot / 2) + 1;
      asked.emplace_back(from, size);
      value += (i ? "," : "") + std::to_string(from) + "-" + std::to_string(from + size - 1);
    }
    const auto answer = get("Range: bytes=" + value + "\r\n");
    ASSERT_EQ(answer.status, 206);
    std::size_t at = 0;
    for (const auto& [from, size] : asked) {
      if (count > 1) at = answer.body.find("\r\n\r\n", at) + 4;
      ASSERT_TRUE(answer.body.compare(at, size, whole, from, size) == 0) << value;
      at += size;
    }
  }
}

TEST_F(Files, NonsenseRangesAreIgnored) {
  serve();
  for (const char* range : {"bytes=0--1", "bytes=", "lines=0-1", "bytes=9-1", "bytes=a-b", "\"", "bytes=0-,0-,0-"}) {
    const auto answer = get("Range: " + std::string(range) + "\r\n");
    EXPECT_EQ(answer.status, 200) << range;
    EXPECT_EQ(answer.body.size(), kLength) << range;
  }
}

TEST_F(Files, RangesPastTheEndAre416) {
  serve();
  for (const char* range : {"bytes=1500000-", "bytes=-0", "bytes=18446744073709551616-", "bytes=9999999-99999999,-0"}) {
    const auto answer = get("Range: " + std::string(range) + "\r\n");
    EXPECT_EQ(answer.status, 416) << range;
    EXPECT_EQ(answer.field("Content-Range"), "bytes */1500000") << range;
    EXPECT_NE(answer.body.find("range_not_satisfiable"), std::string::npos);
  }
}

TEST_F(Files, ConditionsComeInTheirOrder) {
  serve();
  const auto status = [this](const std::string& fields) { return get(fields).status; };
  EXPECT_EQ(status("If-None-Match: \"tag\"\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: W/\"tag\", \"b\"\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: *\r\nRange: bytes=0-1\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: \"b\"\r\nIf-None-Match: \"tag\"\r\n"), 304);
  EXPECT_EQ(status("If-None-Match: \"b\"\r\n"), 200);
  EXPECT_EQ(status("If-Match: \"tag\"\r\n"), 200);
  EXPECT_EQ(status("If-Match: *\r\nRange: bytes=0-1\r\n"), 206);
  EXPECT_EQ(status("If-Match: \"b\"\r\nIf-None-Match: \"tag\"\r\n"), 412);
  EXPECT_EQ(status("If-Match: W/\"tag\"\r\n"), 412);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: \"tag\"\r\n"), 206);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: W/\"tag\"\r\n"), 200);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: \"b\"\r\n"), 200);
  EXPECT_EQ(status("Range: bytes=0-1\r\nIf-Range: Sun, 22 Nov 2026 08:30:00 GMT\r\n"), 200);
  EXPECT_EQ(status("Range: bytes=9999999-\r\nIf-Range: \"b\"\r\n"), 200);
  const auto not_modified = get("If-None-Match: \"tag\"\r\n");
  EXPECT_EQ(not_modified.field("ETag"), "\"tag\"");
  EXPECT_EQ(not_modified.field("Cache-Control"), "public, immutable");
  EXPECT_EQ(not_modified.field("Content-Length"), "");
}

TEST_F(Files, HeadSaysTheSameWithoutABody) {
  serve();
  const auto answer = head("Range: bytes=0-9\r\n");
  EXPECT_EQ(answer.status, 200) << "Range is for GET only";
  EXPECT_EQ(answer.field("Content-Length"), "1500000");
  EXPECT_EQ(answer.field("Content-Digest"), "sha-256=:AAA=:");
  EXPECT_EQ(head("If-None-Match: \"tag\"\r\n").status, 304);
  EXPECT_EQ(head("If-Match: \"b\"\r\n").status, 412);
  EXPECT_EQ(get("Range: bytes=0-9\r\n").body, part(0, 10)) << "no stray body before it";
}

TEST_F(Files, OtherStatusesHaveNoRanges) {
  serve();
  const auto answer = get("Range: bytes=0-9\r\nIf-None-Match: *\r\n", "/created");
  EXPECT_EQ(answer.status, 201);
  EXPECT_TRUE(answer.body == whole);
}

TEST_F(Files, EmptyOnesWork) {
  serve();
  EXPECT_EQ(get("", "/empty").field("Content-Length"), "0");
  EXPECT_EQ(get("Range: bytes=0-\r\n", "/empty").status, 416);
  EXPECT_EQ(get("", "/empty-created").status, 201);
  EXPECT_EQ(get("Range: bytes=0-9\r\n").body, part(0, 10));
}

TEST_F(Files, ListenerHearsEverySliceInFileOffsets) {
  serve();
  get("Range: bytes=10-19\r\n");
  get("Range: bytes=0-0,100-1299999\r\n");
  const Slices expected = {{kOffset + 10, 10},
                           {kOffset, 1},
                           {kOffset + 100, 524288},
                           {kOffset + 100 + 524288, 524288},
                           {kOffset + 100 + 2 * 524288, 1299900 - 2 * 524288}};
  // The client may be faster than the last call.
  eventually([&] { return heard->slices().size() >= expected.size(); });
  EXPECT_EQ(heard->slices(), expected);
  EXPECT_EQ(server->server->counters().file_bytes_sent, 10u + 1 + 1299900);
}

TEST_F(Files, UncheckedSlicesAreCheckedFirst) {
  serve(false);
  EXPECT_TRUE(get("").body == whole);
  EXPECT_EQ(file->checks, 3);
  EXPECT_EQ(head("").status, 200);
  EXPECT_EQ(file->checks, 3);
}

TEST_F(Files, DamageInTheFirstSliceIs503) {
  serve(false);
  file->rotten_from = kOffset + 5;
  const auto answer = get("");
  EXPECT_EQ(answer.status, 503);
  EXPECT_NE(answer.body.find("\"code\":\"image_damaged\""), std::string::npos);
  EXPECT_EQ(answer.field("ETag"), "");
  EXPECT_EQ(get("Range: bytes=0-4\r\n").body, part(0, 5)) << "the connection goes on";
  file->rotten_code = Errc::overloaded;
  const auto busy = get("");
  EXPECT_EQ(busy.status, 503);
  EXPECT_NE(busy.body.find("\"code\":\"overloaded\""), std::string::npos);
  EXPECT_NE(busy.field("Retry-After"), "");
}

TEST_F(Files, DamageLaterOnEndsTheConnection) {
  serve(false);
  file->rotten_from = kOffset + 600'000;
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == part(0, 524288)) << "nothing beyond the last good slice";
}

TEST_F(Files, ThatBecameShorterEndTheConnection) {
  serve();
  file->truncate(kOffset + 700'000);
  const auto answer = get("");
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == part(0, 700'000));
}

TEST_F(Files, PipelinedRangesComeInOrder) {
  serve();
  constexpr std::size_t kCount = 500;
  std::thread sender([this] {
    std::string requests;
    for (std::size_t i = 0; i < kCount; ++i) {
      const std::size_t from = i * 2000;
      requests += "GET /f HTTP/1.1\r\nHost: x\r\nRange: bytes=" + std::to_string(from) + "-" +
                  std::to_string(from + i * 37) + "\r\n\r\n";
    }
    client->send(requests);
  });
  for (std::size_t i = 0; i < kCount; ++i) ASSERT_TRUE(client->receive().body == part(i * 2000, i * 37 + 1)) << i;
  sender.join();
}

TEST_F(Files, GoToManyAtOnce) {
  serve();
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this, &good] {
      RawClient own(server->address, 16 * 1024);
      for (int round = 0; round < 4; ++round) {
        if (own.ask("GET /f HTTP/1.1\r\nHost: x\r\n\r\n").body == whole) ++good;
      }
    });
  }
  for (auto& thread : clients) thread.join();
  EXPECT_EQ(good, 32);
}

}  // namespace
}  // namespace ota::http
