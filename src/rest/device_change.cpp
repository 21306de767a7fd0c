#include "rest/device_change.hpp"

#include <fmt/format.h>

#include "ota/base/text.hpp"

namespace ota::rest {

engine::DeviceChange change_of(wire::JsonFields& fields, std::string device) {
  engine::DeviceChange change;
  change.device = std::move(device);
  change.hardware = fields.is_null("hardware") ? std::optional<std::string>("") : fields.text("hardware", 4096);
  if (change.hardware && !valid_hardware(*change.hardware)) fields.errors().add("hardware", kHardwareRule);
  change.channel = fields.is_null("channel") ? kDefaultChannel : fields.text("channel", 4096);
  if (change.channel && !valid_channel(*change.channel)) fields.errors().add("channel", kNoChannelName);
  change.clear_tags = fields.is_null("tags");
  if (!change.clear_tags)
    change.tags = fields.text_map("tags", engine::DeviceChange::kMaxTags, kLongestTagName, kLongestTag)
                      .value_or(wire::JsonFields::TextMap{});
  for (const auto& [name, value] : change.tags) check_tag("tags", name, value.value_or(""), fields.errors());
  return change;
}

void check_tag(const std::string& field, const std::string& name, const std::string& value,
               wire::FieldErrors& errors) {
  if (name.empty() || name.size() > kLongestTagName)
    errors.add(field, fmt::format("must have a name of 1 to {} bytes", kLongestTagName));
  else if (value.size() > kLongestTag)
    errors.add(field, fmt::format("must be a string of at most {} bytes", kLongestTag));
  else if (has_control(name) || has_control(value))
    errors.add(field, "must not hold control characters");
}

Result<Device> changed(Device device, const engine::DeviceChange& change) {
  if (change.hardware) device.hardware = *change.hardware;
  if (change.channel) device.channel = *change.channel;
  if (change.clear_tags) device.tags.clear();
  for (const auto& [name, value] : change.tags) {
    if (value)
      device.tags[name] = *value;
    else
      device.tags.erase(name);
  }
  if (change.registers) device.registered = true;
  if (device.tags.size() <= engine::DeviceChange::kMaxTags) return device;
  return fail(Errc::malformed, fmt::format("the device would have {} tags, more than {}", device.tags.size(),
                                           engine::DeviceChange::kMaxTags));
}

boost::asio::awaitable<std::vector<Changed>> change_all(Context& context, std::vector<engine::DeviceChange> changes,
                                                        Caller caller) {
  using Put = engine::PutDevice;
  const auto count = changes.size();
  std::function<void(std::size_t, engine::Done<Put>)> send = [&context, changes = std::move(changes),
                                                              caller = std::move(caller)](auto i, auto done) {
    context.engine.registry().change_device(changes[i], caller, std::move(done));
  };
  auto waiting = all_of<Put>(count, std::move(send));
  co_return co_await std::move(waiting);
}

}  // namespace ota::rest
