// What operators do in a history.

#include "unit/engine/model_driver.hpp"

namespace ota::engine::model {

void History::operator_acts() {
  const auto roll = below(100);
  if (roll < 50) return upgrade_some();
  if (roll < 84) return task_orders();
  if (roll < 90) return registry_changes();
  catalogue_changes();
}

void History::upgrade_some() {
  if (model->open_tasks().size() > 40) return;
  auto o = order(some_device(), chance(97) ? some_version() : "9.9.9");
  if (chance(60)) o.priority = static_cast<Priority>(below(4));
  if (chance(10)) o.hardware = chance(80) ? hardware_of(o.device) : "gw-b";
  if (!row_of(o.device) && chance(70)) o.hardware = hardware_of(o.device);
  if (chance(40)) o.confirm = chance(60) ? Confirm::always : Confirm::never;
  o.force = chance(40);
  if (chance(15)) o.not_before = clock.wall() + Millis{static_cast<long>(below(1'200'000))};
  if (chance(25)) o.expires_at = clock.wall() + Millis{static_cast<long>(below(7'200'000))};
  if (chance(1)) o.expires_at = clock.wall() - 1s;
  if (chance(5)) o.checksum = digest_of(250);
  begin("upgrade of " + o.device + " to " + o.version + (o.force ? ", forced" : "") + (o.confirm ? ", confirmed" : "") +
        (o.not_before ? ", later" : "") + (o.expires_at ? ", limited" : ""));
  auto refusals = model->upgrade(o);
  const auto result = upgrade(o);
  if (result) model->adopted(result->task.id.number);
  observe();
  if (!result) story.back() += " <- " + result.error().message;
  model->ordered(o, refusals, result);
  finish();
}

void History::task_orders() {
  const auto* task = some_task(70);
  if (!task) return;
  const auto id = task->facts.id;
  const auto roll = below(100);
  const bool ended_before = is_ended(task->state);
  const bool installing = task->state == TaskState::installing;
  const std::string number = std::to_string(id.number);
  std::optional<Errc> refused;
  if (roll < 25) {
    begin("cancel of " + number);
    model->cancel(id.number);
    const auto result = unit([&](auto& s) { return on_cancel(s, id, "alice"); });
    if (!result) refused = result.error().code;
    if (refused.has_value() != ended_before) faults.push_back("cancel went the wrong way");
    if (refused && *refused != Errc::wrong_state) faults.push_back("cancel was refused for a wrong cause");
  } else if (roll < 60) {
    begin("retry of " + number);
    const auto refusals = model->retry(id.number);
    const auto result = unit([&](auto& s) { return on_retry(s, id, "alice"); });
    if (!result) refused = result.error().code;
    if (refused && !refusals.contains(*refused)) faults.push_back("retry was refused: " + result.error().message);
    if (!refused && refusals.contains(Errc::wrong_state)) faults.push_back("retry was taken in a wrong state");
  } else {
    const auto priority = static_cast<Priority>(below(4));
    begin("priority of " + number + " to " + std::string(to_string(priority)));
    const auto result = unit([&](auto& s) { return on_set_priority(s, id, priority, "alice"); });
    if (!result) refused = result.error().code;
    if (!refused) model->set_priority(id.number, priority);
    // Where it waits for its confirmation, the documents leave it open.
    if (refused.has_value() != ended_before && !installing) faults.push_back("a change of priority went the wrong way");
  }
  observe();
  finish();
}

void History::registry_changes() {
  const auto id = some_device();
  if (chance(40)) {
    begin("removal of " + id);
    model->remove_device(id);
    const bool known = model->devices.contains(id);
    const auto result = unit([&](auto& s) { return on_remove_device(s, id, "alice"); });
    if (static_cast<bool>(result) != known) faults.push_back("removal of " + id + " went the wrong way");
  } else {
    begin("registration of " + id);
    DeviceChange change;
    change.device = id;
    change.may_create = true;
    change.hardware = hardware_of(id);
    unit([&](auto& s) { return on_change_device(s, change); }).value();
    model->put_device(id, hardware_of(id));
  }
  observe();
  finish();
}

void History::catalogue_changes() {
  auto& catalogue = model->firmware;
  if (catalogue.empty() || (removed.size() && chance(40))) {
    if (removed.empty()) return;
    const auto which = static_cast<long>(below(removed.size()));
    auto firmware = removed[static_cast<std::size_t>(which)];
    removed.erase(removed.begin() + which);
    begin("firmware " + firmware.version + " for '" + firmware.hardware + "' again");
    const auto added = unit([&](auto& s) { return on_add_firmware(s, firmware); });
    for (auto& each : catalogue)
      if (each.checksum == firmware.checksum) each.damaged = false;
    catalogue.push_back(added.value().firmware);
  } else {
    const auto which = static_cast<long>(below(catalogue.size()));
    const auto firmware = catalogue[static_cast<std::size_t>(which)];
    if (chance(40)) {
      begin("firmware " + firmware.version + " removed");
      const bool needed = model->needs_firmware(firmware.id);
      const auto result = unit([&](auto& s) { return on_remove_firmware(s, firmware.id); });
      if (static_cast<bool>(result) == needed) faults.push_back("removal of firmware went the wrong way");
      if (result) {
        removed.push_back(firmware);
        catalogue.erase(catalogue.begin() + which);
      }
    } else if (firmware.damaged || chance(50)) {
      begin("upload of " + firmware.version + " again");
      unit([&](auto& s) { return on_add_firmware(s, firmware); }).value();
      for (auto& each : catalogue)
        if (each.checksum == firmware.checksum) each.damaged = false;
    } else {
      begin("image of " + firmware.version + " damaged");
      model->damage(firmware.checksum);
      while (!unit([&](auto& s) { return on_image_damaged(s, firmware.checksum); })) {
      }
    }
  }
  observe();
  finish();
}

}  // namespace ota::engine::model
