// otactl key: keys for signing firmware.
#include <fmt/format.h>

#include <filesystem>

#include "ota/base/file.hpp"
#include "otactl/call.hpp"
#include "otactl/crypto.hpp"
#include "otactl/nouns.hpp"
#include "otactl/output.hpp"

namespace ota::otactl {
namespace {

namespace fs = std::filesystem;

int new_signing(Call& call) {
  const auto name = call.argument("NAME");
  const auto secret = name + ".key";
  const auto open = name + ".pem";
  std::error_code error;
  for (const auto& file : {secret, open})
    if (fs::exists(file, error))
      throw Failure(kRefused, fmt::format("{} is there already, and no key is ever overwritten: take another name",
                                          printable(file)));
  const auto key = new_signing_key();
  if (auto written = write_durably(secret, key.secret_pem, 0600); !written)
    throw Failure(kRefused, written.error().message);
  if (auto written = write_durably(open, key.public_pem, 0644); !written)
    throw Failure(kRefused, written.error().message);
  write_out(fmt::format("{0}: signs firmware; keep it offline and backed up\n"
                        "{1}: for the server, in security.trusted_keys_dir (/etc/otad/keys), and for the devices\n"
                        "otactl firmware upload FILE --version VERSION --sign {0}\n",
                        printable(secret), printable(open)));
  return kDone;
}

}  // namespace

Noun key_noun() {
  return {"key",
          "Keys",
          {{"new-signing", "Make an Ed25519 key pair that signs firmware: NAME.key and NAME.pem",
            {argument("NAME", "Name of the key, such as vendor-2026: the signatures' key_id", Completes::file)},
            new_signing}}};
}

}  // namespace ota::otactl
