#include "otactl/contexts.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "otactl/failure.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

class ContextsTest : public testing::Test {
 protected:
  ContextsTest() {
    std::string name = testing::TempDir() + "otactl-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~ContextsTest() override { fs::remove_all(folder_); }

  fs::path write(const char* name, const std::string& text, mode_t mode = 0600) {
    const auto file = folder_ / name;
    std::ofstream(file) << text;
    chmod(file.c_str(), mode);
    return file;
  }

  template <class Work>
  std::string failure(Work work) {
    try {
      work();
    } catch (const Failure& failure) {
      EXPECT_EQ(failure.status(), kUsage);
      return failure.what();
    }
    ADD_FAILURE() << "nothing was refused";
    return {};
  }

  fs::path folder_;
  const Contexts two_{
      "lab", {{"lab", "http://lab:1", "lab.key", "lab.crt"}, {"prod", "https://prod/ota/", "p.key", ""}}};
};

TEST_F(ContextsTest, ComeBackAsTheyWereWritten) {
  const auto file = folder_ / "new/config.toml";
  write_contexts(file, two_);
  struct stat about {};
  ASSERT_EQ(stat(file.c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777, 0600u);
  const auto read = read_contexts(file);
  EXPECT_EQ(read.current, "lab");
  ASSERT_EQ(read.all.size(), 2u);
  EXPECT_EQ(read.find("prod")->url, "https://prod/ota/");
  EXPECT_EQ(read.find("lab")->ca_file, "lab.crt");
  EXPECT_EQ(read.find("other"), nullptr);
}

TEST_F(ContextsTest, AreNoneWithoutAFile) { EXPECT_TRUE(read_contexts(folder_ / "none.toml").all.empty()); }

TEST_F(ContextsTest, OfABadFileAreRefusedWithItsLine) {
  const auto read = [&](const std::string& text) {
    return failure([&] { read_contexts(write("bad.toml", text)); });
  };
  EXPECT_NE(read("current = 1\n").find("bad.toml:1: current must be a text"), std::string::npos);
  EXPECT_NE(read("\n[contexts.a]\nurl = \"http://a\"\nkey = \"x\"\n").find("bad.toml:4: unknown key key"),
            std::string::npos);
  EXPECT_NE(read("[contexts.a]\n").find("contexts.a has no url"), std::string::npos);
  EXPECT_NE(read("[contexts\n").find("bad.toml:1:"), std::string::npos);
}

TEST_F(ContextsTest, ResolveInTheirOrder) {
  const Named environment{"http://env", "env.key", ""};
  EXPECT_EQ(resolve({}, {}, {}, {}).url, "http://127.0.0.1:8080");
  EXPECT_EQ(resolve(two_, {}, {}, {}).key_file, "lab.key");
  EXPECT_EQ(resolve(two_, {}, environment, {}).url, "http://env");
  EXPECT_EQ(resolve(two_, {}, environment, {"http://flag", "", ""}).url, "http://flag");
  const auto named = resolve(two_, "prod", environment, {});
  EXPECT_EQ(named.url, "https://prod/ota");
  EXPECT_EQ(named.key_file, "p.key");
  EXPECT_EQ(named.context, "prod");
}

TEST_F(ContextsTest, DoNotGiveTheirKeyToAnotherServer) {
  const auto elsewhere = resolve(two_, {}, {}, {"http://elsewhere", "", ""});
  EXPECT_EQ(elsewhere.key_file, "");
  EXPECT_EQ(elsewhere.ca_file, "");
  EXPECT_EQ(elsewhere.context, "");
  EXPECT_EQ(resolve(two_, {}, {"http://elsewhere", "", ""}, {}).key_file, "");
  EXPECT_EQ(resolve(two_, {}, {}, {"", "other.key", ""}).url, "http://lab:1");
}

TEST_F(ContextsTest, ThatAreUnknownAndBadUrlsAreRefused) {
  EXPECT_NE(failure([&] { resolve(two_, "none", {}, {}); }).find("no context none"), std::string::npos);
  for (const auto* url : {"gw:8080", "ftp://gw", "http://", "http://me@gw", "http://gw/?a=1", "http://gw\x1b"})
    EXPECT_NE(failure([&] { resolve({}, {}, {}, {url, "", ""}); }).find("must be http://"), std::string::npos) << url;
}

TEST_F(ContextsTest, KeysArePrivateAndOneLine) {
  EXPECT_EQ(read_key(write("a.key", "otad_abc\r\nrest\n")), "otad_abc");
  EXPECT_NE(failure([&] { read_key(write("b.key", "otad_abc\n", 0640)); }).find("chmod 600"), std::string::npos);
  EXPECT_NE(failure([&] { read_key(write("c.key", "\notad_abc\n")); }).find("no key in its first line"),
            std::string::npos);
  EXPECT_NE(failure([&] { read_key(write("d.key", "two words\n")); }).find("is no key"), std::string::npos);
  EXPECT_NE(failure([&] { read_key((folder_ / "none").string()); }).find("can't be used"), std::string::npos);
}

}  // namespace
}  // namespace ota::otactl
