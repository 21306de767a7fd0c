// The command line, the file of options, and what is refused of both.
#include "agent/options.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/control.hpp"
#include "agent/files.hpp"
#include "agent/state_dir.hpp"

namespace ota::agent {
namespace {

namespace fs = std::filesystem;

class OptionsTest : public ::testing::Test {
 protected:
  OptionsTest() {
    fs::create_directories(dir_);
    config_ = (dir_ / "agent.toml").string();
  }
  ~OptionsTest() override { fs::remove_all(dir_); }

  static std::variant<Options, int> parse(std::vector<std::string> words) {
    words.insert(words.begin(), "ota-agent");
    std::vector<char*> argv;
    for (auto& word : words) argv.push_back(word.data());
    return parse_options(static_cast<int>(argv.size()), argv.data());
  }
  static Options good(std::vector<std::string> words) {
    auto options = parse(std::move(words));
    if (const auto* status = std::get_if<int>(&options)) {
      ADD_FAILURE() << "refused with " << *status;
      return {};
    }
    return std::get<Options>(std::move(options));
  }
  // What is said on standard error.
  static std::string refused(const std::vector<std::string>& words, int wanted = 2) {
    testing::internal::CaptureStderr();
    const auto options = parse(words);
    const auto said = testing::internal::GetCapturedStderr();
    const auto* status = std::get_if<int>(&options);
    EXPECT_TRUE(status != nullptr && *status == wanted) << said;
    return said;
  }
  std::vector<std::string> with_file(const std::string& text, std::vector<std::string> more = {}) const {
    std::ofstream(config_) << text;
    more.insert(more.begin(), {"--config", config_});
    return more;
  }
  std::string secret(const std::string& name, unsigned mode) const {
    const auto file = dir_ / name;
    std::ofstream(file) << "secret\n";
    fs::permissions(file, static_cast<fs::perms>(mode));
    return file.string();
  }

  const fs::path dir_ = fs::temp_directory_path() / fmt::format("ota-options-{}", getpid());
  std::string config_;
};

void expect_equal(const Options& a, const Options& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.count, b.count);
  EXPECT_EQ(a.broker, b.broker);
  EXPECT_EQ(a.topic_root, b.topic_root);
  EXPECT_EQ(a.state_dir, b.state_dir);
  EXPECT_EQ(a.hardware + a.current_version + a.want_version + a.version_command + a.version_file, "");
  EXPECT_EQ(a.gateway + a.username + a.ca_file + a.cert_file + a.key_file + a.http_ca_file, "");
  EXPECT_EQ(a.install_command + a.reboot_command + a.health_command + a.token_file + a.password_file, "");
  EXPECT_EQ(a.timezone + a.channel + a.may_install, "");
  EXPECT_EQ(a.max_chunk_bytes, b.max_chunk_bytes);
  EXPECT_EQ(a.max_message_bytes, b.max_message_bytes);
  EXPECT_EQ(a.install_timeout_s, b.install_timeout_s);
  EXPECT_EQ(a.reboot_status, b.reboot_status);
  EXPECT_EQ(a.health_timeout_s, b.health_timeout_s);
  EXPECT_EQ(a.trusted_keys, b.trusted_keys);
  EXPECT_EQ(a.allow_downgrade, b.allow_downgrade);
  EXPECT_EQ(a.once, b.once);
  EXPECT_EQ(a.rate, b.rate);
  EXPECT_EQ(a.poll_s, b.poll_s);
  EXPECT_EQ(a.workers, b.workers);
  EXPECT_EQ(a.report, b.report);
}

TEST_F(OptionsTest, TheSampleHoldsEveryOptionAtItsDefault) {
  Options defaults;
  defaults.id = "gw";
  expect_equal(good({"--id", "gw"}), defaults);
  expect_equal(good({"--config", OTAD_SAMPLE_AGENT_OPTIONS, "--id", "gw"}), defaults);

  testing::internal::CaptureStdout();
  (void)parse({"--help"});
  std::istringstream help(testing::internal::GetCapturedStdout());
  std::ifstream in(OTAD_SAMPLE_AGENT_OPTIONS);
  std::ostringstream sample;
  sample << "\n" << in.rdbuf();
  int seen = 0;
  for (std::string line; std::getline(help, line);) {
    const auto at = line.find("--");
    if (!line.starts_with("  -") || at == std::string::npos) continue;
    auto name = line.substr(at + 2, line.find_first_of(" ,=", at) - at - 2);
    if (name == "help" || name == "version" || name == "config") continue;
    std::replace(name.begin(), name.end(), '-', '_');
    EXPECT_NE(sample.str().find("\n" + name + " = "), std::string::npos) << name;
    ++seen;
  }
  EXPECT_GE(seen, 30);
}

TEST_F(OptionsTest, AllCanStandInTheFileAndTheCommandLineGoesBefore) {
  const auto words = with_file(R"(
id = "gw-17"  # the device
install = "echo \"a # b\" 'c'"
install_timeout = 600
reboot_status = 3
once = true
report = "json"
trusted_key = ["/etc", '/etc/passwd']
hardware = "gw-a"
max_chunk_bytes = 65_536
max_message_bytes = 1024
timezone = "Europe/Berlin"
channel = "beta"
may_install = "exit 1"
)");
  auto options = good(words);
  EXPECT_EQ(options.id, "gw-17");
  EXPECT_EQ(options.install_command, R"(echo "a # b" 'c')");
  EXPECT_EQ(options.install_timeout_s, 600);
  EXPECT_EQ(options.reboot_status, 3);
  EXPECT_TRUE(options.once);
  EXPECT_EQ(options.report, ReportStyle::json);
  EXPECT_EQ(options.trusted_keys, (std::vector<std::string>{"/etc", "/etc/passwd"}));
  EXPECT_EQ(options.max_chunk_bytes, 65'536u);
  EXPECT_EQ(options.max_message_bytes, 1024u);
  EXPECT_EQ(options.timezone, "Europe/Berlin");
  EXPECT_EQ(options.channel, "beta");
  EXPECT_EQ(options.may_install, "exit 1");
  auto more = words;
  more.insert(more.end(),
              {"--id", "gw-18", "--install-timeout", "5", "--trusted-key", "/usr", "--trusted-key", "/etc"});
  options = good(more);
  EXPECT_EQ(options.id, "gw-18");
  EXPECT_EQ(options.install_timeout_s, 5);
  EXPECT_EQ(options.trusted_keys, (std::vector<std::string>{"/usr", "/etc"}));
  EXPECT_EQ(options.reboot_status, 3);
}

TEST_F(OptionsTest, AWrongFileIsRefusedByName) {
  for (const auto& [text, word] : std::vector<std::pair<std::string, std::string>>{
           {"id = \"gw\"\ninstal = \"x\"\n", "line 2: there is no option instal; did you mean install?"},
           {"id = \"gw\"\ninstall-timeout = 5\n", "there is no option install-timeout; did you mean install_timeout?"},
           {"id = \"gw\"\n[tasks]\nmax = 1\n", "there is no option tasks"},
           {"help = true\n", "there is no option help"},
           {"config = \"/other\"\n", "there is no option config"},
           {"id = gw\n", "not TOML"},
           {"id = \"gw\"\nid = \"gw\"\n", "not TOML"},
           {"id = 1.5\n", "line 1: id must be a quoted string"},
           {"id = \"gw\"\nhardware = true\n", "line 2: hardware must be a quoted string"},
           {"trusted_key = [1]\n", "trusted_key must be a quoted string"},
           {"id = \"gw\"\npoll = 0\n", "--poll"},
           {"id = \"gw\"\npoll = \"5\"\n", "line 2: poll must be a whole number"},
           {"id = \"gw\"\nmax_chunk_bytes = 1.0\n", "max_chunk_bytes must be a whole number"},
           {"id = \"gw\"\nrate = -1\n", "--rate"},
           {"id = \"gw\"\nonce = 1\n", "line 2: once must be true or false"},
           {"id = \"gw\"\nonce = \"true\"\n", "line 2: once must be true or false"},
           {"id = \"gw\"\nreport = \"loud\"\n", "--report"},
           {"id = [\"a\", \"b\"]\n", "--id"},
           {"poll = 5\n", "--id is required: the id of this device"},
       }) {
    const auto said = refused(with_file(text));
    EXPECT_NE(said.find(word), std::string::npos) << text << said;
  }
  EXPECT_NE(refused({"--config", (dir_ / "none.toml").string(), "--id", "gw"}).find("none.toml"), std::string::npos);
}

TEST_F(OptionsTest, WhatDoesNotGoTogetherIsRefused) {
  EXPECT_NE(refused({"--id", "gw", "--trusted-key", "/etc/passwd"}).find("--hardware"), std::string::npos);
  EXPECT_NE(refused({"--id", "gw", "--version-command", "x", "--version-file", "y"}).find("used together"),
            std::string::npos);
  EXPECT_NE(refused({"--id", "a b"}).find("not a valid device id"), std::string::npos);
  for (const auto* zone : {"Europe Berlin", "../etc", "Z\xc3\xbcrich"})
    EXPECT_NE(refused({"--id", "gw", "--timezone", zone}).find("--timezone"), std::string::npos) << zone;
  for (const auto* channel : {"Beta", "a b", "a.b"})
    EXPECT_NE(refused({"--id", "gw", "--channel", channel}).find("--channel"), std::string::npos) << channel;
  EXPECT_NE(refused({"--id", "gw", "--max-chunk-bytes", "1"}).find("--max-chunk-bytes"), std::string::npos);
  EXPECT_EQ(good({"--id", "gw", "--max-chunk-bytes", "0"}).max_chunk_bytes, std::nullopt);
}

TEST_F(OptionsTest, UnknownOnesAreNamedInTheirOrderWithWhatWasMeant) {
  EXPECT_EQ(refused({"--id", "gw", "--versoin"}), "ota-agent: unknown argument --versoin; did you mean --version?\n");
  const auto said = refused({"--brokr=tcp://gw:1883", "--id", "gw", "xyzzy\n"});
  EXPECT_TRUE(said.starts_with("ota-agent: unknown argument --brokr=tcp://gw:1883; did you mean --broker?\n"
                               "ota-agent: unknown argument xyzzy\\n; known are --help, --"))
      << said;
}

TEST_F(OptionsTest, SecretsThatOthersMayReadOrChangeAreRefused) {
  for (const char* option : {"--token-file", "--password-file", "--key"}) {
    for (const unsigned mode : {0644u, 0606u, 0602u, 0777u}) {
      const auto said = refused({"--id", "gw", option, secret("secret", mode)});
      EXPECT_NE(said.find(option), std::string::npos) << said;
      EXPECT_NE(said.find("chmod o-rwx"), std::string::npos) << said;
    }
    for (const unsigned mode : {0600u, 0400u, 0640u}) good({"--id", "gw", option, secret("secret", mode)});
    EXPECT_NE(refused({"--id", "gw", option, "/nonexistent/secret"}).find("/nonexistent/secret"), std::string::npos);
  }
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const auto file = secret("foreign", 0600);
  ASSERT_EQ(chown(file.c_str(), 65'534, 65'534), 0);
  EXPECT_NE(refused({"--id", "gw", "--token-file", file}).find("belongs to user 65534"), std::string::npos);
}

TEST_F(OptionsTest, OnlyRegularFilesAreRead) {
  const auto fifo = (dir_ / "fifo").string();
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const char* option : {"--token-file", "--password-file", "--key", "--config", "--ca", "--cert", "--http-ca"})
    for (const auto& file : {fifo, dir_.string(), std::string("/dev/zero")})
      EXPECT_NE(refused({"--id", "gw", option, file}).find(file), std::string::npos) << option;
  EXPECT_NE(refused(with_file(std::string((1u << 20) + 1, '#'))).find("larger than"), std::string::npos);
}

TEST_F(OptionsTest, WhatOthersMayChangeIsNotGoneBy) {
  EXPECT_NE(refused({"--id", "gw", "--hardware", "a", "--trusted-key", ""}).find("--trusted-key is empty"),
            std::string::npos);
  const auto said = refused({"--id", "gw", "--hardware", "a", "--trusted-key", secret("vendor.pem", 0646)});
  EXPECT_NE(said.find("--trusted-key"), std::string::npos) << said;
  EXPECT_NE(said.find("chmod o-w"), std::string::npos) << said;
  const auto words = with_file("id = \"gw\"\n");
  EXPECT_EQ(good(words).id, "gw");
  fs::permissions(config_, static_cast<fs::perms>(0666));
  EXPECT_NE(refused(words).find("--config"), std::string::npos);
}

TEST_F(OptionsTest, AStateFolderThatOthersMayChangeIsRefused) {
  const auto expect_refused = [&](const std::string& word) {
    const auto state = StateDir::open(dir_ / "state", "gw");
    ASSERT_FALSE(state) << word;
    EXPECT_EQ(state.error().code, Errc::forbidden);
    EXPECT_NE(state.error().message.find(word), std::string::npos) << state.error().message;
  };
  const auto open_to = [](const fs::path& folder, unsigned mode) {
    fs::permissions(folder, static_cast<fs::perms>(mode));
  };
  const auto old = umask(0);
  EXPECT_TRUE(StateDir::open(dir_ / "state", "gw")) << "its own are closed whatever the umask";
  umask(old);
  for (const unsigned mode : {0777u, 0775u, 0757u, 01777u}) {
    open_to(dir_ / "state", mode);
    expect_refused("others may write");
    open_to(dir_ / "state", 0755);
    open_to(dir_ / "state" / "gw", mode);
    expect_refused("others may write");
    open_to(dir_ / "state" / "gw", 0755);
  }
  EXPECT_TRUE(StateDir::open(dir_ / "state", "gw"));
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a folder away";
  ASSERT_EQ(chown((dir_ / "state" / "gw").c_str(), 65'534, 65'534), 0);
  expect_refused("belongs to user 65534");
  fs::remove_all(dir_ / "state");
  fs::create_directory(dir_ / "state");
  ASSERT_EQ(chown((dir_ / "state").c_str(), 65'534, 65'534), 0);
  expect_refused("belongs to user 65534");
}

TEST(MayCarryMessages, SecretsGoOnlyWhereTheOwnerSaidOrToTheBrokersHostOverTls) {
  EXPECT_TRUE(may_carry_messages("http://gw:8080", "tcp://gw:1883", false));
  EXPECT_TRUE(may_carry_messages("http://other:8080", "tcp://gw:1883", false)) << "there is nothing to lose";
  EXPECT_FALSE(may_carry_messages("http://gw:8080", "tcp://gw:1883", true)) << "in clear";
  EXPECT_FALSE(may_carry_messages("https://evil.example", "tcp://gw:1883", true));
  EXPECT_FALSE(may_carry_messages("https://gw.evil.example", "ssl://gw:8883", true));
  EXPECT_TRUE(may_carry_messages("https://gw:8443", "ssl://gw:8883", true));
  EXPECT_TRUE(may_carry_messages("https://gw", "tcp://gw:1883", true));
  EXPECT_TRUE(may_carry_messages("https://[::1]:8443", "ssl://[::1]:8883", true));
  EXPECT_FALSE(may_carry_messages("https://[::2]:8443", "ssl://[::1]:8883", true));
  EXPECT_FALSE(may_carry_messages("http://gw:8080", "ssl://gw:8883", false)) << "no step down from TLS";
  EXPECT_FALSE(may_carry_messages("http://gw:8080", "mqtts://gw:8883", false));
  EXPECT_EQ(origin_of("https://gw:8443@evil.example/x"), "");
  EXPECT_EQ(origin_of("https://evil.example\\@gw/x"), "");
  EXPECT_EQ(origin_of("https://gw:8443/download/x"), "https://gw:8443");
}

}  // namespace
}  // namespace ota::agent
