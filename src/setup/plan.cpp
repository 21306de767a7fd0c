#include "ota/setup/plan.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "ota/base/url.hpp"
#include "setup/draft.hpp"

namespace ota::setup {
namespace {

/// An IPv6 address as certificates are read; everything else as it is.
std::string canonical(const std::string& name) {
  in6_addr address{};
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_pton(AF_INET6, name.c_str(), &address) != 1) return name;
  return ::inet_ntop(AF_INET6, &address, text.data(), text.size()) ? text.data() : name;
}

/// By which devices most probably reach this machine: a name with a domain, else an address, else the bare name.
std::string best_name(const Machine& machine) {
  if (machine.host.find('.') != std::string::npos || machine.addresses.empty()) return machine.host;
  return machine.addresses.front();
}

std::vector<std::string> names_found(const Machine& machine) {
  std::vector<std::string> names;
  const auto label = machine.host.substr(0, machine.host.find('.'));
  if (!machine.host.empty()) names = {machine.host, label, label + ".local"};  // the last is that of mDNS
  names.insert(names.end(), machine.addresses.begin(), machine.addresses.end());
  return names;
}

/// What the answers say, else what an earlier setup wrote into the settings, else what is found.
void choose_names(Plan& plan, const Machine& machine, const Answers& answers, const HttpSettings& http) {
  const auto before = parse_url(http.public_url);
  plan.name = canonical(!answers.name.empty() ? answers.name
                        : before              ? std::string(before->authority.host)
                                              : best_name(machine));
  if (!is_host(plan.name))
    refuse(Errc::malformed, "this machine has neither a usable name nor an address: give one as name in a file of "
                            "answers (--answers)");
  const auto found = names_found(machine);
  const auto& names = !answers.names.empty()                        ? answers.names
                      : !http.hosts.empty() || !http.tls_cert.empty() ? http.hosts
                                                                      : found;
  for (const auto& name : names) {
    auto one = canonical(name);
    const bool known = one == plan.name || std::find(plan.names.begin(), plan.names.end(), one) != plan.names.end();
    if (!known && is_host(one)) plan.names.push_back(std::move(one));
  }
}

/// From this machine: by a name that needs no DNS, unless only another address is listened on.
std::string operators_url(const HttpSettings& http) {
  const auto& listen = http.admin_listen.empty() ? http.listen : http.admin_listen;
  const auto address = parse_authority(listen).value_or(Authority{});
  const bool any = address.host == "0.0.0.0" || address.host == "::" || address.host == "127.0.0.1";
  return "https://" + host_and_port(any ? "localhost" : address.host, address.port);
}

Settings required_settings(const Machine& machine) {
  auto settings = settings_of(machine);
  if (!settings) throw Refused{settings.error()};
  return std::move(*settings);
}

}  // namespace

Result<Settings> settings_of(const Machine& machine) {
  const auto file = machine.at(kSettingsFile);
  std::error_code error;
  auto settings = load_settings(std::filesystem::exists(file, error) ? file.string() : "", {});
  if (!settings) return settings.error();
  settings->storage.database = machine.at(settings->storage.database).string();
  settings->storage.firmware_dir = machine.at(settings->storage.firmware_dir).string();
  return settings;
}

Result<Plan> plan_setup(const Machine& machine, const Answers& answers) {
  try {
    Draft draft(machine);
    const auto settings = required_settings(machine);
    choose_names(draft.plan, machine, answers, settings.http);
    add_authority(draft);
    add_server_certificate(draft);
    const auto password = add_password(draft);
    add_broker(draft, settings, password);
    add_settings(draft, settings);
    draft.plan.operators_url = operators_url(settings.http);
    return std::move(draft.plan);
  } catch (const Refused& refused) {
    return refused.error;
  }
}

Result<Plan> plan_renewal(const Machine& machine) {
  try {
    Draft draft(machine);
    if (!draft.content(kAuthorityKey) || !draft.content(kAuthority))
      return fail(Errc::not_found, fmt::format("there is no certificate authority {}: run otad setup first", kAuthority));
    const auto settings = required_settings(machine);
    choose_names(draft.plan, machine, {}, settings.http);
    add_server_certificate(draft);
    return std::move(draft.plan);
  } catch (const Refused& refused) {
    return refused.error;
  }
}

}  // namespace ota::setup
