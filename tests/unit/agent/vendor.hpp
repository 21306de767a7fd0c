// A vendor that signs, by the openssl program: nothing of the code under test is in its signatures.
#pragma once

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <stdexcept>
#include <string>

#include "fake_server.hpp"
#include "ota/firmware/hash.hpp"

namespace ota::agent {

class Vendor {
 public:
  /// Makes `<name>.pem`, the public key, and the private one beside it.
  Vendor(const std::filesystem::path& dir, const std::string& name)
      : key_(dir / (name + ".key")), public_(dir / (name + ".pem")), work_(dir), name_(name) {
    shell(
        fmt::format("openssl genpkey -algorithm ed25519 -out {0} 2>/dev/null && openssl pkey -in {0} -pubout -out {1}",
                    key_.string(), public_.string()));
  }

  std::string public_key() const { return public_.string(); }

  Json signature(const Firmware& firmware) const {
    return {{"algorithm", "ed25519"}, {"key_id", name_}, {"value", sign("otad-firmware-v1\n" + described(firmware))}};
  }
  Json permission(const Firmware& firmware, const std::string& device, const std::string& expires) const {
    const auto text = fmt::format("otad-downgrade-v1\n{}device:{}\nexpires:{}\n", described(firmware), device, expires);
    return {
        {"algorithm", "ed25519"}, {"key_id", name_}, {"device", device}, {"expires", expires}, {"value", sign(text)}};
  }

 private:
  static std::string described(const Firmware& firmware) {
    return fmt::format("hardware:{}\nversion:{}\nsize:{}\nsha256:{}\n", firmware.hardware, firmware.version,
                       firmware.image.size(), FakeServer::checksum(firmware.image).substr(7));
  }
  static void shell(const std::string& line) {
    if (std::system(line.c_str()) != 0) throw std::runtime_error(line);
  }
  std::string sign(const std::string& text) const {
    std::ofstream(work_ / "text", std::ios::binary) << text;
    shell(fmt::format("openssl pkeyutl -sign -rawin -inkey {} -in {}/text -out {}/value", key_.string(), work_.string(),
                      work_.string()));
    std::ifstream in(work_ / "value", std::ios::binary);
    std::ostringstream raw;
    raw << in.rdbuf();
    const auto bytes = raw.str();
    return firmware::base64({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }

  const std::filesystem::path key_, public_, work_;
  const std::string name_;
};

}  // namespace ota::agent
