#include "otactl/crypto.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ota/base/file.hpp"
#include "ota/credentials/signing.hpp"
#include "otactl/failure.hpp"
#include "otactl/interrupt.hpp"
#include "otactl/terminal.hpp"

namespace ota::otactl {
namespace {

constexpr std::size_t kBlock = 1 << 20;
constexpr std::size_t kLargestKey = 64u << 10;

struct Free {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

void require(bool good, const char* what) {
  if (!good) throw std::runtime_error(fmt::format("OpenSSL failed: {}", what));
}

/// The text of a file that only its user may read.
std::string read_secret(const std::filesystem::path& file) {
  const auto shown = printable(file.string());
  struct stat about {};
  if (::stat(file.c_str(), &about) != 0)
    throw Failure(kUsage, fmt::format("the signing key {} can't be read: {}", shown, std::strerror(errno)));
  if ((about.st_mode & 0077) != 0)
    throw Failure(kUsage, fmt::format("the signing key {} can be read by others: chmod 600 it", shown));
  auto text = read_file(file, kLargestKey);
  if (!text) throw Failure(kUsage, fmt::format("the signing key {} can't be read: {}", shown, text.error().message));
  return std::move(*text);
}

}  // namespace

std::string digest_of(int descriptor, std::uint64_t size, const std::function<void(std::uint64_t)>& seen) {
  const std::unique_ptr<EVP_MD_CTX, Free> context(EVP_MD_CTX_new());
  require(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1, "SHA-256");
  std::vector<char> block(kBlock);
  for (std::uint64_t at = 0; at < size;) {
    const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, size - at));
    const auto got = ::pread(descriptor, block.data(), most, static_cast<off_t>(at));
    if (interrupted()) throw Failure(kInterrupted, "interrupted");
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw Failure(kRefused, fmt::format("the file can't be read: {}", std::strerror(errno)));
    if (got == 0) throw Failure(kRefused, "the file became shorter while it was read");
    require(EVP_DigestUpdate(context.get(), block.data(), static_cast<std::size_t>(got)) == 1, "SHA-256");
    at += static_cast<std::uint64_t>(got);
    seen(at);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int length = 0;
  require(EVP_DigestFinal_ex(context.get(), digest.data(), &length) == 1, "SHA-256");
  std::string text;
  for (unsigned int i = 0; i < length; ++i) text += fmt::format("{:02x}", digest[i]);
  return text;
}

std::string sign(const SignedFirmware& firmware, const std::filesystem::path& key_file) {
  const auto text = fmt::format("otad-firmware-v1\nhardware:{}\nversion:{}\nsize:{}\nsha256:{}\n", firmware.hardware,
                                firmware.version, firmware.size, firmware.sha256);
  auto signature = credentials::sign(read_secret(key_file), text);
  if (!signature)
    throw Failure(kUsage, fmt::format("{} is no readable Ed25519 private key in PEM form without a password; "
                                      "otactl key new-signing makes one",
                                      printable(key_file.string())));
  return std::move(*signature);
}

}  // namespace ota::otactl
