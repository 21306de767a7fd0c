// GET /metrics: counters and gauges of all modules (docs/rest.md, "Audit, health, metrics").
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>

#include "ota/base/text.hpp"
#include "rest/fleet_counts.hpp"
#include "rest/fleet_metrics.hpp"
#include "rest/handlers.hpp"
#include "rest/health.hpp"
#include "rest/metrics_text.hpp"
#include "rest/selection.hpp"

namespace ota::rest {
namespace {

double real(std::uint64_t count) { return static_cast<double>(count); }

void add_engine(MetricsPage& page, const engine::Stats& stats) {
  page.gauge("otad_engine_commands_waiting", "Commands waiting in the engine's queue", real(stats.waiting));
  page.gauge("otad_engine_commands_max", "Commands that the engine's queue takes", real(stats.max_waiting));
  page.counter("otad_engine_commands_total", "Commands accepted by the engine", real(stats.commands));
  page.counter("otad_engine_commands_refused_total", "Commands rejected because the queue was full",
               real(stats.refused));
  page.counter("otad_engine_commits_total", "Transactions committed", real(stats.commits));
  page.counter("otad_engine_commit_faults_total", "Transactions that failed", real(stats.commit_faults));
  page.begin("otad_engine_commit_seconds", "Time of a commit", "histogram");
  page.histogram("otad_engine_commit_seconds", {}, stats.commit_time);
  page.gauge("otad_firmware_damaged", "Firmware whose image is corrupted on disk and has not been uploaded again",
             real(stats.damaged));
  page.gauge("otad_slots_held", "Tasks that are offered, downloading or in retry_wait",
             static_cast<double>(stats.slots_held));
  page.gauge("otad_slots_max", "Tasks that may hold a slot (tasks.max_active)", static_cast<double>(stats.slots));
  page.counter("otad_tasks_created_total", "Tasks created since the start", real(stats.tasks_created));
  page.counter("otad_tasks_succeeded_total", "Tasks that succeeded since the start", real(stats.tasks_succeeded));
  page.counter("otad_tasks_failed_total", "Tasks that failed since the start", real(stats.tasks_failed));
  page.counter("otad_task_retries_total", "Failed attempts that were retried", real(stats.retries));
  page.counter("otad_task_preemptions_total", "Routine tasks preempted by a security task", real(stats.preemptions));
  page.counter("otad_transport_switches_total", "Times that a device continued a download over the other transport",
               real(stats.transport_switches));
  page.counter("otad_transport_orders_total", "Transport changes requested during a task",
               real(stats.transport_orders));
  page.counter("otad_smaller_grids_total", "Attempts with reduced chunk size", real(stats.smaller_grids));
}

void add_deliveries(MetricsPage& page, const engine::Stats& stats) {
  constexpr auto kEnded = "otad_tasks_ended_total";
  page.begin(kEnded, "Tasks that ended since the start, by state and reason", "counter");
  for (const auto& [end, count] : *stats.ended)
    page.sample(kEnded, {{"state", std::string(to_string(end.first))}, {"reason", end.second}}, real(count));
  constexpr auto kTime = "otad_delivery_seconds";
  page.begin(kTime, "Time from a task's first offer to its verified image", "histogram");
  page.histogram(kTime, {}, stats.delivery_time);
  constexpr auto kRate = "otad_delivery_bytes_per_second";
  page.begin(kRate, "Bytes of the image in each second of that time", "histogram");
  page.histogram(kRate, {}, stats.delivery_rate);
}

void add_broker(MetricsPage& page, const mqtt::Status& status) {
  page.gauge("otad_mqtt_connected", "1 if connected to the broker, else 0", status.connected ? 1 : 0);
  page.counter("otad_mqtt_connects_total", "Connections made to the broker", real(status.connects));
  page.counter("otad_mqtt_received_total", "Messages received from the broker", real(status.received));
  page.counter("otad_mqtt_published_total", "Messages acknowledged by the broker", real(status.published));
  page.counter("otad_mqtt_refused_total", "Messages rejected because the outbox was full", real(status.refused));
  page.counter("otad_mqtt_dropped_total", "Messages dropped because the broker did not accept them",
               real(status.dropped));
  page.gauge("otad_mqtt_outbox", "Messages queued or in flight to the broker", real(status.outbox));
  page.gauge("otad_mqtt_bulk", "Chunks queued or being written to the broker", real(status.bulk));
}

void add_http(MetricsPage& page, const http::ServerCounters& counters) {
  page.gauge("otad_http_connections", "Open connections", real(counters.connections_open));
  page.counter("otad_http_connections_total", "Connections accepted", real(counters.connections_total));
  page.counter("otad_http_connections_refused_total", "Connections rejected at http.max_connections",
               real(counters.connections_refused));
  page.counter("otad_http_requests_total", "HTTP requests of devices and operators", real(counters.requests_total));
  if (counters.certificate_end)
    page.gauge("otad_tls_certificate_expiry_timestamp_seconds", "When the certificate in use ends, since 1970",
               static_cast<double>(*counters.certificate_end));
  page.counter("otad_http_file_bytes_total", "Firmware bytes sent over HTTP", real(counters.file_bytes_sent));
}

void add_devices(MetricsPage& page, const download::DeviceCounters& counters) {
  page.counter("otad_device_messages_total", "Valid device messages", real(counters.messages));
  page.counter("otad_device_bad_messages_total",
               "Device messages that were malformed, too large, retained or of an invalid device id",
               real(counters.bad_messages));
  page.counter("otad_device_dropped_total",
               "Device messages refused because of a rate limit or because the engine's queue was full",
               real(counters.dropped));
  page.counter("otad_device_unsent_total", "Replies to devices dropped because the MQTT outbox was full",
               real(counters.unsent));
  page.counter("otad_downloads_total", "Successful download requests", real(counters.downloads));
  page.counter("otad_mqtt_chunks_total", "Chunks sent over MQTT", real(counters.mqtt_chunks));
  page.counter("otad_mqtt_chunk_bytes_total", "Bytes of chunks sent over MQTT", real(counters.mqtt_chunk_bytes));
  page.counter("otad_mqtt_chunks_lost_total", "Chunks requested over MQTT that could not be sent",
               real(counters.mqtt_chunks_lost));
}

void add_ddi(MetricsPage& page, const download::DdiCounters& counters) {
  page.counter("otad_ddi_polls_total", "Polls over hawkBit's interface", real(counters.polls));
  page.counter("otad_ddi_reports_total", "Reports over hawkBit's interface", real(counters.reports));
  constexpr auto kRefused = "otad_ddi_refused_total";
  page.begin(kRefused, "Calls over hawkBit's interface that were refused, by the code of the reason", "counter");
  for (const auto& [code, count] : counters.refused) page.sample(kRefused, "code", code, real(count));
}

void add_operators(MetricsPage& page, const Context& context) {
  context.metrics.write(page);
  page.gauge("otad_uploads", "Uploads in progress", context.uploads.load());
}

using Verdicts = std::array<std::int64_t, 4>;

/// What the database has.
struct Stored {
  Verdicts links{};
  FleetNumbers fleet;
  storage::DeviceCounts devices;
  std::array<std::int64_t, kTaskStates> tasks{};
  std::optional<WallTime> last_backup;
  std::optional<WallTime> oldest_queued;
  std::optional<WallTime> oldest_ready;
  std::int64_t newest_event = 0;
  std::vector<Webhook> webhooks;
  std::int64_t audit_entries = 0;
  std::uint64_t database_bytes = 0;
};

Stored read_stored(storage::ReadView& view, const Presence& presence, WallTime living) {
  return {view.devices.verdicts(),
          fleet_numbers(view),
          view.devices.counts(presence, living),
          view.tasks.by_state(),
          last_backup(view),
          view.tasks.oldest_queued(false),
          view.tasks.oldest_queued(true),
          view.events.newest(),
          view.webhooks.all(),
          view.audit.count(),
          view.metadata.database_bytes()};
}

double age_s(std::optional<WallTime> time, WallTime now) {
  return time ? std::max(std::chrono::duration<double>(now - *time).count(), 0.0) : 0;
}

void add_waiting(MetricsPage& page, const Stored& stored, WallTime now) {
  page.gauge("otad_queue_oldest_seconds", "Age of the oldest task in the queue; 0: there is none",
             age_s(stored.oldest_queued, now));
  page.gauge("otad_queue_oldest_ready_seconds", "The same of those that wait for nothing but a slot",
             age_s(stored.oldest_ready, now));
}

void add_database(MetricsPage& page, const Stored& stored) {
  page.gauge("otad_database_bytes", "Size of the database", real(stored.database_bytes));
  page.gauge("otad_audit_entries", "Entries of the audit log", static_cast<double>(stored.audit_entries));
}

/// `good`, `failing` or `disabled`
std::string_view state_of(const Webhook& webhook) {
  if (!webhook.enabled) return "disabled";
  return webhook.failures > 0 ? "failing" : "good";
}

void add_webhooks(MetricsPage& page, const Stored& stored) {
  std::map<std::string_view, double> states{{"good", 0}, {"failing", 0}, {"disabled", 0}};
  for (const auto& webhook : stored.webhooks) ++states[state_of(webhook)];
  constexpr auto kStates = "otad_webhooks";
  page.begin(kStates, "Webhooks by state; disabled: by an operator, or after all attempts failed", "gauge");
  for (const auto& [state, count] : states) page.sample(kStates, "state", state, count);
  constexpr auto kBehind = "otad_webhook_events_behind";
  page.begin(kBehind, "Events that a webhook was neither sent nor passed over yet, about", "gauge");
  for (const auto& webhook : stored.webhooks)
    page.sample(kBehind, "webhook", std::to_string(webhook.id),
                static_cast<double>(std::max<std::int64_t>(stored.newest_event - webhook.cursor, 0)));
}

void add_events(MetricsPage& page, const Context& context) {
  const auto feed = context.feed.stats();
  page.gauge("otad_event_readers", "Streams that follow the events", real(feed.readers));
  page.counter("otad_event_readers_cut_total", "Streams that were cut off because they were too far behind",
               real(feed.cut));
  const auto sent = context.webhooks.stats();
  constexpr auto kAttempts = "otad_webhook_attempts_total";
  page.begin(kAttempts, "Attempts to deliver an event to a webhook, by outcome", "counter");
  page.sample(kAttempts, "outcome", "delivered", real(sent.delivered));
  page.sample(kAttempts, "outcome", "failed", real(sent.failed));
}

void add_links(MetricsPage& page, const Verdicts& counts) {
  constexpr auto kName = "otad_device_links";
  page.begin(kName, "Devices by link quality", "gauge");
  for (std::size_t i = 0; i < counts.size(); ++i)
    page.sample(kName, "verdict", to_string(static_cast<LinkVerdict>(i)), static_cast<double>(counts[i]));
}

void add_counts(MetricsPage& page, const Stored& stored) {
  page.gauge("otad_devices", "Devices in the registry", static_cast<double>(stored.devices.total));
  page.gauge("otad_devices_online",
             "Devices seen within devices.present_s, or within two and a half of their own polls",
             static_cast<double>(stored.devices.online));
  page.gauge("otad_devices_living", "Devices seen within fleet.living_days", static_cast<double>(stored.devices.living));
  constexpr auto kTasks = "otad_tasks";
  page.begin(kTasks, "Tasks by state", "gauge");
  for (std::size_t i = 0; i < stored.tasks.size(); ++i)
    page.sample(kTasks, "state", to_string(static_cast<TaskState>(i)), static_cast<double>(stored.tasks[i]));
}

void add_stored(MetricsPage& page, const Stored& stored, WallTime now) {
  add_links(page, stored.links);
  add_fleet(page, stored.fleet);
  if (stored.last_backup)
    page.gauge("otad_last_backup_timestamp_seconds", "Time of the last backup by otad backup, since 1970",
               static_cast<double>(stored.last_backup->time_since_epoch().count()) / 1'000);
  add_counts(page, stored);
  add_waiting(page, stored, now);
  page.counter("otad_events_total", "Events in the life of the database: the newest one's number",
               static_cast<double>(stored.newest_event));
  add_webhooks(page, stored);
  add_database(page, stored);
}

void add_process(MetricsPage& page) {
  const auto process = process_metrics();
  page.gauge("process_resident_memory_bytes", "Resident memory", real(process.resident_bytes));
  page.gauge("process_open_fds", "Open file descriptors", real(process.open_files));
  page.gauge("process_max_fds", "Maximum number of open file descriptors", real(process.max_files));
  page.gauge("process_start_time_seconds", "When the process started, in seconds since 1970", process.start_seconds);
  page.counter("process_cpu_seconds_total", "User and system CPU time", process.cpu_seconds);
}

}  // namespace

Answering get_metrics(Context& context, Call&) {
  MetricsPage page;
  page.begin("otad_build_info", "Version of otad", "gauge");
  page.sample("otad_build_info", "version", OTAD_VERSION, 1);
  const auto stats = context.engine.stats();
  add_engine(page, stats);
  add_deliveries(page, stats);
  if (context.probes.broker) add_broker(page, context.probes.broker());
  if (context.probes.http) add_http(page, context.probes.http());
  if (context.probes.devices) add_devices(page, context.probes.devices());
  if (context.probes.ddi) add_ddi(page, context.probes.ddi());
  std::function<Result<Stored>(storage::ReadView&)> count =
      [presence = presence_of(context), living = living_since(context)](storage::ReadView& view) -> Result<Stored> {
    return read_stored(view, presence, living);
  };
  // Left out if the database can't be read.
  const auto counts = co_await read<Stored>(context.readers, std::move(count));
  if (counts) add_stored(page, *counts, context.clock.wall());
  add_events(page, context);
  add_operators(page, context);
  if (const auto free = context.store.free_bytes())
    page.gauge("otad_firmware_free_bytes", "Free bytes on the file system of storage.firmware_dir", real(*free));
  add_process(page);
  http::Reply reply;
  reply.content_type = "text/plain; version=0.0.4";
  reply.body = page.take();
  co_return reply;
}

}  // namespace ota::rest
