// Operators' calls as commands of the engine's loop.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "engine/engine_loop.hpp"
#include "engine/task_service.hpp"

namespace ota::engine {

/// `work` answers a Result<T>, which `done` gets after the commit.
template <class T, class Work>
void submit(EngineLoop& loop, Done<T> done, About about, Work work) {
  auto shared = std::make_shared<Done<T>>(std::move(done));
  loop.send({[shared, work = std::move(work)](TaskService& service) {
               auto result = work(service);
               service.after_commit([shared, result = std::move(result)] { (*shared)(result); });
               service.scheduler.schedule();
             },
             [shared](Error error) { (*shared)(std::move(error)); }, std::move(about)});
}

/// The same for an operator's order: what was done is in the audit log with it. What was refused the caller adds by
/// Engine::audit().
template <class T, class Work>
void order_by(EngineLoop& loop, Done<T> done, const Caller& caller, std::string action, std::string target, About about,
              Work work) {
  AuditEntry entry;
  entry.caller = caller;
  entry.action = std::move(action);
  entry.target = std::move(target);
  entry.outcome = "done";
  auto audited = [entry = std::move(entry), work = std::move(work)](TaskService& service) {
    auto result = work(service);
    if (result) service.audit(entry);
    return result;
  };
  submit<T>(loop, std::move(done), std::move(about), std::move(audited));
}

}  // namespace ota::engine
