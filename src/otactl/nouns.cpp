#include "otactl/nouns.hpp"

namespace ota::otactl {

const std::vector<Noun>& nouns() {
  static const std::vector<Noun> all{plain_verbs(), rollout_noun(), channel_noun(), device_noun(),
                                     firmware_noun(), task_noun(), webhook_noun(), key_noun(), context_noun()};
  return all;
}

const std::vector<Parameter>& common_options() {
  static const std::vector<Parameter> all{
      option("context", "CONTEXT", "Server to call, of those that otactl context list shows", Completes::context),
      option("url", "URL", "Server to call, such as https://gw.example:8080"),
      option("key-file", "FILE", "File with the API key in its first line; only its user may read it", Completes::file),
      option("ca-file", "FILE", "CA certificates (PEM) that the server's certificate is verified with",
             Completes::file),
      with_letter(choice("output", "table|json|wide",
                         "table (the default), json (the answer unchanged), or wide (all columns)"),
                  'o'),
  };
  return all;
}

}  // namespace ota::otactl
