#include "otactl/run.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <csignal>
#include <iostream>

#include "otactl/cli.hpp"
#include "otactl/completion.hpp"
#include "otactl/output.hpp"

namespace ota::otactl {

int run(int argc, const char* const* argv) {
  std::signal(SIGPIPE, SIG_IGN);  // also for connections; write_out() ends by it
  curl_global_init(CURL_GLOBAL_DEFAULT);
  // Its words are those of another command line, options too.
  if (argc > 2 && std::string_view(argv[1]) == "complete" && std::string_view(argv[2]) == "--")
    return complete({argv + 3, argv + argc});
  auto parsed = parse(argc, argv);
  if (const auto* status = std::get_if<int>(&parsed)) return *status;
  auto& [verb, values] = std::get<Parsed>(parsed);
  try {
    Call call(std::move(values), find_terminal());
    return verb->run(call);
  } catch (const Failure& failure) {
    write_note(fmt::format("otactl: {}", failure.what()));
    return failure.status();
  } catch (const nlohmann::json::exception& wrong) {
    write_note(fmt::format("otactl: the server's answer has an unexpected form: {}", printable(wrong.what())));
  } catch (const std::exception& fault) {
    write_note(fmt::format("otactl: internal error: {}", printable(fault.what())));
  }
  return kRefused;
}

}  // namespace ota::otactl
