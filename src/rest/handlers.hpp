// Handlers of the REST routes, one function for each route.
#pragma once

#include "rest/context.hpp"

namespace ota::rest {

Answering upload_firmware(Context& context, Call& call);
Answering list_firmware(Context& context, Call& call);
Answering list_orphans(Context& context, Call& call);
Answering get_firmware(Context& context, Call& call);
Answering delete_firmware(Context& context, Call& call);
Answering patch_firmware(Context& context, Call& call);

Answering post_upgrade(Context& context, Call& call);

Answering list_tasks(Context& context, Call& call);
Answering get_task(Context& context, Call& call);
Answering get_task_log(Context& context, Call& call);
Answering cancel_task(Context& context, Call& call);
Answering retry_task(Context& context, Call& call);
Answering patch_task(Context& context, Call& call);

Answering list_devices(Context& context, Call& call);
Answering get_device(Context& context, Call& call);
Answering put_device(Context& context, Call& call);
Answering patch_device(Context& context, Call& call);
Answering delete_device(Context& context, Call& call);
Answering issue_device_token(Context& context, Call& call);
Answering import_devices(Context& context, Call& call);
Answering post_device_tags(Context& context, Call& call);

Answering get_summary(Context& context, Call& call);
Answering explain_device(Context& context, Call& call);
Answering move_devices(Context& context, Call& call);

Answering list_events(Context& context, Call& call);

Answering post_webhook(Context& context, Call& call);
Answering list_webhooks(Context& context, Call& call);
Answering get_webhook(Context& context, Call& call);
Answering patch_webhook(Context& context, Call& call);
Answering delete_webhook(Context& context, Call& call);
Answering test_webhook(Context& context, Call& call);
Answering replay_webhook(Context& context, Call& call);
Answering rotate_webhook(Context& context, Call& call);

Answering get_fleet(Context& context, Call& call);

Answering list_channels(Context& context, Call& call);
Answering get_channel(Context& context, Call& call);
Answering put_channel(Context& context, Call& call);
Answering delete_channel(Context& context, Call& call);
Answering delete_target(Context& context, Call& call);

Answering post_rollout(Context& context, Call& call);
Answering list_rollout_devices(Context& context, Call& call);
Answering list_rollout_history(Context& context, Call& call);
Answering list_rollout_report(Context& context, Call& call);
Answering list_rollouts(Context& context, Call& call);
Answering get_rollout(Context& context, Call& call);
Answering patch_rollout(Context& context, Call& call);
Answering pause_rollout(Context& context, Call& call);
Answering resume_rollout(Context& context, Call& call);
Answering advance_rollout(Context& context, Call& call);
Answering finish_rollout(Context& context, Call& call);
Answering cancel_rollout(Context& context, Call& call);
Answering approve_rollout(Context& context, Call& call);
Answering deny_rollout(Context& context, Call& call);
Answering retry_rollout(Context& context, Call& call);
Answering rollback_rollout(Context& context, Call& call);

Answering get_me(Context& context, Call& call);

Answering list_settings(Context& context, Call& call);

Answering list_audit(Context& context, Call& call);

Answering list_keys(Context& context, Call& call);
Answering add_key(Context& context, Call& call);
Answering get_key(Context& context, Call& call);
Answering patch_key(Context& context, Call& call);
Answering rotate_key(Context& context, Call& call);
Answering delete_key(Context& context, Call& call);

Answering get_healthz(Context& context, Call& call);
Answering get_readyz(Context& context, Call& call);
Answering get_metrics(Context& context, Call& call);

Answering get_openapi_json(Context& context, Call& call);
Answering get_openapi_yaml(Context& context, Call& call);

}  // namespace ota::rest
