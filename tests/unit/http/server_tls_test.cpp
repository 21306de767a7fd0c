// TLS with libcurl as the client.
#include <curl/curl.h>

#include <fstream>
#include <tuple>

#include "certificates.hpp"
#include "failing_openssl.hpp"
#include "server_fixture.hpp"

namespace ota::http {
namespace {

using namespace test;

struct Fetched {
  CURLcode code = CURLE_OK;
  long status = 0;
  std::string body;
};

class Tls : public ::testing::Test {
 protected:
  Tls() {
    folder.write("ca", ca);
    folder.write("server", make_identity("server", &ca));
    folder.write("device", make_identity("gw-17", &ca));
    folder.write("stranger", make_identity("gw-17", nullptr));
  }

  TlsOptions options(bool client_ca) const {
    return {folder.path("server.pem"), folder.path("server.key"), client_ca ? folder.path("ca.pem") : ""};
  }

  void serve(bool client_ca, ServerOptions server_options = TestServer::defaults()) {
    server = std::make_unique<TestServer>(
        [this](Request& request) -> boost::asio::awaitable<Reply> {
          Reply reply;
          if (request.path() == "/file") {
            FileBody body;
            body.source = file;
            body.length = content.size();
            reply.file = std::move(body);
          } else if (request.path() == "/echo") {
            auto reading = request.read_all(8 << 20);
            Result<std::string> body = co_await std::move(reading);
            reply.content_type = "text/plain";
            if (body) reply.body = std::move(*body);
          } else {
            reply.content_type = "text/plain";
            reply.body = "name=" + request.client_name();
          }
          co_return reply;
        },
        server_options, options(client_ca));
  }

  using Setup = std::function<void(CURL*)>;
  Fetched fetch(const std::string& path, const Setup& setup = {}, CURL* reused = nullptr) {
    CURL* curl = reused ? reused : curl_easy_init();
    Fetched fetched;
    const std::string url = "https://" + server->address + path;
    const std::string ca_file = folder.path("ca.pem");
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file.c_str());
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fetched.body);
    curl_easy_setopt(
        curl, CURLOPT_WRITEFUNCTION, +[](char* data, std::size_t size, std::size_t n, void* to) {
          static_cast<std::string*>(to)->append(data, size * n);
          return size * n;
        });
    if (setup) setup(curl);
    fetched.code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &fetched.status);
    if (!reused) curl_easy_cleanup(curl);
    return fetched;
  }
  Setup as(const std::string& name) const {
    return [cert = folder.path(name + ".pem"), key = folder.path(name + ".key")](CURL* curl) {
      curl_easy_setopt(curl, CURLOPT_SSLCERT, cert.c_str());
      curl_easy_setopt(curl, CURLOPT_SSLKEY, key.c_str());
    };
  }

  PemFolder folder;
  const Identity ca = make_identity("test CA", nullptr);
  const std::string content = pattern(3'000'001);
  std::shared_ptr<TestFile> file = std::make_shared<TestFile>(content);
  std::unique_ptr<TestServer> server;
};

TEST_F(Tls, SendsFilesAndRanges) {
  serve(false);
  CURL* curl = curl_easy_init();
  EXPECT_TRUE(fetch("/file", {}, curl).body == content);
  for (const auto& [range, from, size] :
       {std::tuple{"0-0", 0, 1}, {"1000-600000", 1000, 599001}, {"2999999-", 2999999, 2}}) {
    const auto part = fetch(
        "/file", [r = range](CURL* c) { curl_easy_setopt(c, CURLOPT_RANGE, r); }, curl);
    EXPECT_EQ(part.status, 206);
    EXPECT_TRUE(part.body == content.substr(static_cast<std::size_t>(from), static_cast<std::size_t>(size))) << range;
  }
  const auto several = fetch(
      "/file", [](CURL* c) { curl_easy_setopt(c, CURLOPT_RANGE, "0-9,100000-300000"); }, curl);
  EXPECT_EQ(several.status, 206);
  EXPECT_NE(several.body.find(content.substr(100000, 200001)), std::string::npos);
  curl_easy_cleanup(curl);
  EXPECT_EQ(server->server->counters().connections_total, 1u) << "kept alive";
}

TEST_F(Tls, TakesBodies) {
  serve(false);
  const std::string body = pattern(5'000'000, 9);
  const auto answer = fetch("/echo", [&](CURL* curl) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
  });
  EXPECT_EQ(answer.status, 200);
  EXPECT_TRUE(answer.body == body);
}

TEST_F(Tls, SpeaksTls12And13Only) {
  serve(false);
  const auto with = [this](int lowest, int highest) {
    return fetch("/", [version = static_cast<long>(lowest) | highest](CURL* curl) {
      curl_easy_setopt(curl, CURLOPT_SSLVERSION, version);
      curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0");
    });
  };
  EXPECT_EQ(with(CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2).status, 200);
  EXPECT_EQ(with(CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3).status, 200);
  EXPECT_EQ(with(CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_1).code, CURLE_SSL_CONNECT_ERROR);
}

TEST_F(Tls, NamesVerifiedClients) {
  serve(true);
  EXPECT_EQ(fetch("/").body, "name=") << "without a certificate";
  EXPECT_EQ(fetch("/", as("device")).body, "name=gw-17");
  EXPECT_NE(fetch("/", as("stranger")).code, CURLE_OK) << "signed by another";
}

TEST_F(Tls, TakesNoClientsNameUnlessAsked) {
  serve(false);
  EXPECT_EQ(fetch("/", as("device")).body, "name=");
}

TEST_F(Tls, ReloadsForNewConnections) {
  serve(false);
  const auto serial = [this](CURL* curl) {
    std::string found;
    fetch(
        "/", [](CURL* c) { curl_easy_setopt(c, CURLOPT_CERTINFO, 1L); }, curl);
    curl_certinfo* info = nullptr;
    if (curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info) == CURLE_OK && info->num_of_certs > 0) {
      for (auto* line = info->certinfo[0]; line; line = line->next) {
        if (std::string(line->data).starts_with("Serial Number:")) found = line->data;
      }
    }
    return found;
  };
  CURL* old_connection = curl_easy_init();
  const std::string before = serial(old_connection);
  EXPECT_NE(before, "");
  folder.write("server", make_identity("server", &ca));
  ASSERT_TRUE(server->server->reload_tls());
  EXPECT_EQ(fetch("/", {}, old_connection).status, 200);
  CURL* new_connection = curl_easy_init();
  EXPECT_NE(serial(new_connection), before);
  EXPECT_EQ(server->server->counters().connections_total, 2u);
  curl_easy_cleanup(old_connection);
  curl_easy_cleanup(new_connection);

  folder.write("other", make_identity("server", &ca));
  std::filesystem::copy_file(folder.path("other.key"), folder.path("server.key"),
                             std::filesystem::copy_options::overwrite_existing);
  const auto mismatch = server->server->reload_tls();
  ASSERT_FALSE(mismatch);
  EXPECT_NE(mismatch.error().message.find("server.key does not match"), std::string::npos) << mismatch.error().message;
  EXPECT_EQ(fetch("/").status, 200) << "the last good ones stay";
}

TEST_F(Tls, UnusableFilesAreNamedAndExplained) {
  const auto message = [](const TlsOptions& tls) {
    const auto checked = check_tls(tls);
    const auto got = Server::create(TestServer::defaults())
                         ->listen(
                             "127.0.0.1:0", [](Request&) -> boost::asio::awaitable<Reply> { co_return Reply{}; }, tls);
    EXPECT_EQ(got.has_value(), checked.has_value());
    if (got || checked) return std::string("no error");
    EXPECT_EQ(got.error().code, Errc::malformed);
    EXPECT_EQ(got.error().message, checked.error().message);
    return got.error().message;
  };
  const auto with = [this](std::string TlsOptions::* field, const std::string& name) {
    auto tls = options(true);
    tls.*field = folder.path(name);
    return tls;
  };
  folder.write_encrypted_key("secret.key");
  folder.write_der("server.der", make_identity("server", &ca));
  std::ofstream(folder.path("empty.pem"));
  std::filesystem::create_directory(folder.path("folder"));
  constexpr auto kCert = &TlsOptions::cert_file;
  constexpr auto kKey = &TlsOptions::key_file;
  constexpr auto kCa = &TlsOptions::client_ca;
  const std::string no_certificate = "it holds no certificate in PEM form";
  const std::string no_key = "it holds no private key in PEM form";
  for (const auto& [field, name, why] : {std::tuple{kCert, "none.pem", std::string("No such file or directory")},
                                         {kCert, "folder", "it is a folder; name a file"},
                                         {kCert, "server.der", no_certificate},
                                         {kCert, "server.key", no_certificate},
                                         {kCert, "empty.pem", no_certificate},
                                         {kKey, "none.pem", "No such file or directory"},
                                         {kKey, "folder", "it is a folder; name a file"},
                                         {kKey, "ca.pem", no_key},
                                         {kKey, "secret.key", "it is encrypted, and nobody can give a password"},
                                         {kCa, "none.pem", "No such file or directory"},
                                         {kCa, "folder", "it is a folder; name a file"},
                                         {kCa, "server.key", no_certificate},
                                         {kCa, "empty.pem", no_certificate}})
    EXPECT_NE(message(with(field, name)).find(folder.path(name) + ": " + why), std::string::npos)
        << message(with(field, name));
  EXPECT_EQ(message(with(kKey, "device.key")), "the TLS key " + folder.path("device.key") +
                                                   " does not match the certificate " + folder.path("server.pem"));
  folder.write("small", make_identity("server", nullptr, 512));
  const auto small = message({folder.path("small.pem"), folder.path("small.key"), ""});
  EXPECT_NE(small.find("small.pem: its key is too small to be safe"), std::string::npos) << small;
  EXPECT_TRUE(check_tls(options(true)));
}

TEST_F(Tls, HandshakesHaveATimeOfTheirOwn) {
  auto options = TestServer::defaults();
  options.idle_timeout = 3600s;
  options.head_timeout = 1s;
  serve(false, options);
  RawClient silent(server->address), half(server->address);
  half.send(std::string("\x16\x03\x01\x02", 4));
  EXPECT_TRUE(silent.ended());
  EXPECT_TRUE(half.ended());
}

TEST_F(Tls, HandshakesThatNeverEndGiveWayFirst) {
  auto few = TestServer::defaults();
  few.max_connections = 8;
  serve(false, few);
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);  // of a ClientHello the beginning
  for (const auto& half : {std::string(), hello}) {
    std::vector<std::unique_ptr<RawClient>> halves;
    for (std::size_t i = 0; i < 8; ++i) {
      halves.push_back(std::make_unique<RawClient>(server->address));
      halves.back()->send(half);
    }
    ASSERT_TRUE(eventually([this] { return server->server->counters().connections_open == 8; }));
    for (int i = 0; i < 20; ++i) ASSERT_EQ(fetch("/").status, 200) << i;
    EXPECT_TRUE(halves.front()->ended());
    halves.clear();
    ASSERT_TRUE(eventually([this] { return server->server->counters().connections_open == 0; }));
  }
  EXPECT_EQ(server->server->counters().connections_refused, 0u);
}

TEST_F(Tls, WithoutMemoryForOneConnectionTheNextIsServed) {
  serve(false);
  ASSERT_EQ(fetch("/").status, 200);
  {
    const FailingOpenssl failing;
    RawClient lost(server->address);
    lost.rest();
  }
  EXPECT_EQ(fetch("/").status, 200);
  EXPECT_TRUE(eventually([this] { return server->server->counters().connections_open == 0; }))
      << "none is counted for ever";
}

TEST_F(Tls, SurvivesPeersThatSpeakNoTls) {
  auto quick = TestServer::defaults();
  quick.idle_timeout = 1s;
  serve(false, quick);
  RawClient silent(server->address);
  for (int i = 0; i < 20; ++i) {
    RawClient plain(server->address);
    plain.send(i % 2 ? "GET / HTTP/1.1\r\nHost: x\r\n\r\n" : pattern(300, static_cast<unsigned>(i)));
    plain.end_sending();
    plain.rest();
  }
  EXPECT_TRUE(silent.ended()) << "a handshake that never comes is cut";
  EXPECT_EQ(fetch("/").status, 200);
}

}  // namespace
}  // namespace ota::http
