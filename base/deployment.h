/* deployment.h: what the manager and a pipeline process agree on. Both sides include this, neither includes the other.
 *
 * Files in the pipeline's directory DIR:
 *   deployment.json  written by the manager before the spawn (temp file, fsync, rename); secrets stay references:
 *     {"name": "price", "deployment_id": "<uuid>", "initial": "running"|"paused"|"standby",
 *      "program": "<SQL text>", "runtime_config": {…}, "socket": "<absolute path, <= 100 bytes>",
 *      "bootstrap_policy": "await_approval"|"allow"|"reject", "silent_bootstrap": bool,
 *      "concurrent_bootstrap": bool, "manager_pid": n, "access": null | limits (base/access.h)}
 *   lock             flock()ed exclusively by the pipeline process for its whole life; holds its pid as text
 *   log              appended by the pipeline: its log lines (text)
 *   exit.json        written last by a pipeline that ends by itself:
 *     {"deployment_id": "…", "reason": "stopped"|"suspended"|"failed", "error": null |
 * {"message","error_code","details","retry": may a new process not meet it?}} A process that is gone without it has
 * crashed.
 *
 * The socket: HTTP/1.1 on a unix socket, routes as Feldera's pipeline process, without the /v0/pipelines/{p} prefix.
 * Endpoint names in paths are percent-encoded (`price.hist`).
 *   GET  /status                        → {"status": "Initializing"|"Paused"|"Running"|…, "deployment_id": …,
 *                                          "since_us": n, "num_errors": n,
 *                                          "checkpoint": n (number of the newest, 0 = none), "error": null|{…},
 *                                          "details": {"approval_diff": {…}} | {"reason": "…"} | {}}
 *   POST /start /pause                  pipeline state; 200 {}
 *   POST /activate?initial=running|paused   out of standby; 200 {}. In standby there are this, /status and /stop
 *   POST /approve?silent_bootstrap=&concurrent_bootstrap=   go on with a changed program; 200 {}
 *   POST /stop?force=true|false         graceful end (false: drain what is buffered, flush outputs); answers at once
 *   GET  /stats                         ControllerStatus (rest-api §5); ?include_connector_errors=true
 *   GET  /metrics?format=prometheus|json
 *   GET  /logs                          chunked text: what is in DIR/log, then follows it  (served by the manager)
 *   GET  /input_endpoints/{e}/stats     one endpoint with its error lists
 *   GET  /output_endpoints/{e}/stats
 *   GET  /input_endpoints/{e}/start|pause          and the same under /output_endpoints
 *   GET  /input_endpoints/{e}/completion_token     {"token": "…"}
 *   GET  /input_endpoints/{e}/why                  explanation (orchestrator/orch.h); also under /output_endpoints
 *   GET, PUT, DELETE /input_endpoints/{e}/position where it goes on (pipeline/move.h)
 *   POST /input_endpoints/{e}/rerun?wait=true      a finished one reads again from its start
 *   GET  /time_series /time_series_stream          a sample per second: the last minute; and what follows
 *   GET  /completion_status?token=…
 *   POST /ingress/{table}?format=…&force=…&…       streamed body
 *   POST /egress/{relation}?format=…               chunked change stream; resumable=, after= and stream=
 *   GET  /query?sql=…&format=…                     also as WebSocket upgrade
 *   POST /checkpoint                    {"checkpoint_sequence_number": n, "incarnation_uuid": "…"}
 *   POST /suspend                       202; as /stop?force=false; 400 SuspendError if there can be no checkpoint
 *   GET  /suspendable                   {"suspendable": bool, "reasons": ["StorageRequired", …]}
 *   GET  /checkpoint_status             {"success": n|null, "failure": null|{…}}; ?incarnation_uuid=
 *   GET  /checkpoints/remote            [{"uuid": "…"}]: those in the bucket, newest first
 *   POST /checkpoint/sync               202 {"checkpoint_uuid": "…", "incarnation_uuid": "…"}
 *   GET  /checkpoint/sync_status        {"success", "failure", "periodic", "running"}; ?incarnation_uuid=
 *   POST /start_transaction /commit_transaction
 *   POST /start_compaction                         merge what can be merged now
 *   POST /rebalance                                nothing to do
 *   GET  /heap_profile                             profile/heap.h
 *   POST /samply_profile?duration_secs=            profile/cpu.h; GET: ?latest=true
 *   GET  /orchestration
 *   GET  /dataflow_graph /lir …                    as they come
 */
#ifndef HG_BASE_DEPLOYMENT_H
#define HG_BASE_DEPLOYMENT_H

#define HG_FILE_DEPLOYMENT "deployment.json"
#define HG_FILE_LOCK       "lock"
#define HG_FILE_LOG        "log"
#define HG_FILE_EXIT       "exit.json"
#define HG_DIR_STORAGE     "storage" /* checkpoints: pipeline/storage.h */
/* Query parameter "true" on what is forwarded for somebody who may not change anything. */
#define HG_PARAM_READ_ONLY "headgate.read_only"
#define HG_NAME_CHECKPOINTS                                                                                            \
    "checkpoints.json" /* in it: the checkpoints, newest first, for people: pipeline/suspend.c */

#endif
