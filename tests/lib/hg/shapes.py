"""What every answer of the REST API must look like, as data: required members, closed sets of values, integers of digits only, success codes,
content types. watch() holds every call of this process to a daemon against it, whoever makes it (our tests, Feldera's SDK), so that the whole
suite tests the shapes.

A shape is: a type's name (see _TYPES), a set of allowed strings, [shape] for a list, {member: shape} for an object (a name that ends in `?` may be
absent), ("?", shape) for a shape or null, ("any", shape, …) for one of several, ("map", shape) for an object used as a map, or ANY."""
import contextlib
import json
import re
import threading
import urllib.parse

import requests

ANY = object()


def opt(shape):
    return ("?", shape)


class _Number(str):
    """A JSON number that was not spelled with digits only."""


_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3}|\.\d{6}|\.\d{9})?(Z|\+00:00)$")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")
_TYPES = {
    "int": lambda v: type(v) is int and -2**63 <= v < 2**63,
    "count": lambda v: type(v) is int and 0 <= v < 2**63,
    "u64": lambda v: type(v) is int and 0 <= v < 2**64,
    "bool": lambda v: type(v) is bool,
    "str": lambda v: type(v) is str,
    "object": lambda v: type(v) is dict,
    "time": lambda v: type(v) is str and _TIME.match(v),
    "uuid": lambda v: type(v) is str and _UUID.match(v),
}

RESOURCES = {"Stopped", "Provisioning", "Provisioned", "Stopping"}
RUNTIME = {"Unavailable", "Standby", "Initializing", "AwaitingApproval", "Bootstrapping", "Replaying", "Paused", "Running", "Suspended",
           "ConcurrentBootstrapping", "Synchronizing"}
RUNTIME_DESIRED = {"Unavailable", "Standby", "Paused", "Running", "Suspended"}
PROGRAM = {"Pending", "CompilingSql", "SqlCompiled", "CompilingRust", "Success", "SqlError", "RustError", "SystemError"}
STORAGE = {"Cleared", "InUse", "Clearing"}
COLUMN = set("""BOOLEAN TINYINT SMALLINT INTEGER BIGINT UTINYINT USMALLINT UINTEGER UBIGINT REAL DOUBLE DECIMAL CHAR VARCHAR BINARY VARBINARY TIME DATE
 TIMESTAMP TIMESTAMP_TZ INTERVAL_DAY INTERVAL_DAY_HOUR INTERVAL_DAY_MINUTE INTERVAL_DAY_SECOND INTERVAL_HOUR INTERVAL_HOUR_MINUTE
 INTERVAL_HOUR_SECOND INTERVAL_MINUTE INTERVAL_MINUTE_SECOND INTERVAL_MONTH INTERVAL_SECOND INTERVAL_YEAR INTERVAL_YEAR_MONTH ARRAY STRUCT MAP NULL
 UUID VARIANT""".split())
TRANSPORT = set("""file_input file_output nats_input kafka_input kafka_output pub_sub_input url_input s3_input delta_table_input delta_table_output
 dynamodb_output redis_output iceberg_input postgres_input postgres_cdc_input postgres_output datagen nexmark http_input http_output ad_hoc_input
 clock_input null_output empty_input""".split())
OWN_TRANSPORT = {"iggy_input", "iggy_output"}  # shown by routes that Feldera does not have

ERROR = {"message": "str", "error_code": "str", "details": ANY}
ERROR_CODES = {  # which code comes with which status; a code that is in no row is an error of ours
    400: """AdHocQueryError BootstrapNotAllowed BootstrapPolicyImmutableUnlessStopped CannotRenameNonExistingPipeline CannotStartWhileClearingStorage
     CannotStartWithCompilationError CannotStartWithUndismissedError CompilationError DeleteRestrictedToClearedStorage DeleteRestrictedToFullyStopped
     DismissErrorRestrictedToFullyStopped EditRestrictedToClearedStorage EmptyName FtRequiresStorage HeapProfilerError IllegalPipelineAction IncarnationUuidMismatch
     InitialImmutableUnlessStopped InitialStandbyNotAllowed InvalidActivateStatus InvalidBootstrapConfig InvalidConnectorAction InvalidNewProgramSql
     InvalidParam InvalidProgramConfig InvalidRequest InvalidRuntimeConfig InvalidRuntimeVersion InvalidTag InvalidTransition InvalidUuidParam MissingOption
     InvalidSupportBundleParameter NameDoesNotMatchPattern NoTransactionInProgress OutOfRange ParseError ParseErrors ProtocolError StorageStatusImmutableUnlessStopped SuspendError
     TooLongDescription TooLongName TooManyTags TypeError UnknownOption UpdateRestrictedToStopped ConfigError.CyclicDependency
     ConfigError.EmptyStartAfter ConfigError.EncoderConfigParseError ConfigError.HandoffNotExact ConfigError.HandoffNotSupported
     ConfigError.InvalidTransportConfig ConfigError.ParserConfigParseError ConfigError.UnknownInputFormat ConfigError.UnknownLabel
     ConfigError.UnknownOutputFormat""",
    401: "InvalidApiKey",
    403: "InsufficientPermissions OwnerAdminNotMintableAsApiKey OwnerRoleNotAssignable RoleExceedsCreator",
    404: """NoPipelineMonitorEventsAvailable NotFound ProgramInfoMissesDataflow ProgramNotCompiled UnknownApiKey UnknownClusterMonitorEvent
     UnknownInputEndpoint UnknownOidcTrust UnknownOutputEndpoint UnknownPipelineMonitorEvent UnknownPipelineName UnknownTenantName UnknownUser
     ConfigError.UnknownInputStream ConfigError.UnknownOutputStream""",
    405: "MethodNotAllowed UnsupportedPipelineAction",
    408: "Timeout",
    409: "BootstrapRejected Busy DuplicateName TransactionInProgress",
    410: "PipelineRestarted SequenceNumberGone Terminating UnknownEndpointInCompletionToken",
    413: "PayloadTooLarge",
    417: "InvalidRequest",
    429: "ApiConnectionLimit",
    500: """InternalError IoError NewProgramCompilationFailed PipelineInteractionFailed ReplayFailure StorageDamaged StorageError
     UnableToCreateSupportBundle""",
    501: "NotSupported",
    503: """AwaitingApproval BootstrapInProgress Initializing OutOfMemory PipelineInteractionNotDeployed PipelineInteractionUnreachable
     RestoreInProgress TryAgain"""}
ERROR_CODES = {status: frozenset(codes.split()) for status, codes in ERROR_CODES.items()}
OF_THE_MANAGER = {"PipelineInteractionNotDeployed", "PipelineInteractionUnreachable"}  # say when to come again

_NAMES = "added_input_connectors modified_input_connectors removed_input_connectors added_output_connectors modified_output_connectors " \
         "removed_output_connectors".split()
_PROGRAM_DIFF = "added_tables removed_tables modified_tables added_views removed_views modified_views".split()
DIFF = {**{k: ["str"] for k in _NAMES}, "program_diff": opt({k: ["str"] for k in _PROGRAM_DIFF}), "program_diff_error": opt("str")}
_SINCE = {f"deployment_{x}": "time" for x in ("status_since", "desired_status_since", "resources_status_since", "resources_desired_status_since")}
CHECKPOINT = {"uuid": "uuid", "identifier": opt("str"), "fingerprint": "u64", "size": opt("u64"), "steps": opt("u64"), "processed_records": opt("u64"),
              "sequence": "count", "created_at": "time"}
PERMANENT = ("any", {"StorageRequired", "EnterpriseFeature"}, {"UnsupportedInputEndpoint": "str"})
TEMPORARY = ("any", {"Replaying", "Bootstrapping", "TransactionInProgress", "Coordination"}, {"InputEndpointBarrier": "str"})
STATUS = {
    "id": "uuid", "name": "str", "description": "str", "tags": ["str"], "created_at": "time", "version": "count", "platform_version": "str",
    "program_config": "object", "program_version": "count", "program_status": PROGRAM, "program_status_since": "time",
    "deployment_error": opt(ERROR), "refresh_version": "count", "storage_status": STORAGE,
    "storage_status_details": opt({"checkpoints": [CHECKPOINT]}), "deployment_id": opt("uuid"),
    "deployment_initial": opt(RUNTIME_DESIRED), "deployment_status": RUNTIME | {"Stopped", "Provisioning", "Stopping"},
    "deployment_desired_status": RUNTIME_DESIRED | {"Stopped"}, "deployment_resources_status": RESOURCES,
    "deployment_resources_desired_status": {"Stopped", "Provisioned"}, "deployment_runtime_status": opt(RUNTIME),
    "deployment_runtime_status_details": opt({"connector_stats?": {"num_errors": "count"}, "reason?": "str", "approval_diff?": DIFF}), "deployment_runtime_status_since": opt("time"),
    "deployment_runtime_desired_status": opt(RUNTIME_DESIRED), "deployment_runtime_desired_status_since": opt("time"),
    "bootstrap_policy": opt({"allow", "reject", "await_approval"}), "silent_bootstrap": "bool", "concurrent_bootstrap": "bool", **_SINCE}

_POSITION = {"start_line_number": "count", "start_column": "count", "end_line_number": "count", "end_column": "count"}
# a ROW has fields and no type
COLUMN_TYPE = ("any", {"nullable": "bool", "fields": ["object"]},
               {"nullable": "bool", "type": COLUMN, "precision?": opt("int"), "scale?": opt("int"), "component?": opt("object"),
                "key?": opt("object"), "value?": opt("object")})
RELATION = {"name": "str", "case_sensitive": "bool", "materialized": "bool",
            "fields": [{"name": "str", "case_sensitive": "bool", "columntype": COLUMN_TYPE}],
            "properties?": ("map", {"value": "str", "key_position": _POSITION, "value_position": _POSITION})}
NO_CONFIG = {"null_output", "empty_input"}
CONNECTOR = {"stream": "str", "transport": ("any", {"name": NO_CONFIG}, {"name": TRANSPORT - NO_CONFIG, "config": "object"}),
             "format?": opt({"name": {"json", "csv", "raw", "avro", "parquet"}}), "paused?": "bool", "labels?": ["str"],
             "start_after?": opt(["str"]), "max_queued_records?": "u64"}
PROGRAM_INFO = {"schema": {"inputs": [RELATION], "outputs": [RELATION]}, "udf_stubs": "str", "input_connectors": ("map", CONNECTOR),
                "output_connectors": ("map", CONNECTOR)}
SQL_COMPILATION = {"exit_code": "int", "messages": [{**_POSITION, "warning": "bool", "error_type": "str", "message": "str", "snippet": opt("str")}]}
PROGRAM_ERROR = {"sql_compilation": opt(SQL_COMPILATION), "rust_compilation": opt({"exit_code": "int", "stdout": "str", "stderr": "str"}),
                 "system_error": opt("str")}
RUNTIME_CONFIG = {
    "workers": "count", "max_rss_mb": opt("u64"), "datafusion_memory_mb": opt("u64"), "hosts": "count", "storage": opt("object"),
    "fault_tolerance": {"model": {"none", "at_least_once", "exactly_once"}, "checkpoint_interval_secs": opt("u64")}, "cpu_profiler": "bool",
    "tracing": "bool", "tracing_endpoint_jaeger": "str", "min_batch_size_records": "u64", "max_buffering_delay_usecs": "u64", "resources": "object",
    "clock_resolution_usecs": opt("u64"), "clock_timezone_offset": opt("str"), "pin_cpus": ["count"], "provisioning_timeout_secs": opt("u64"),
    "max_parallel_connector_init": opt("u64"), "init_containers": ANY, "checkpoint_during_suspend": "bool", "http_workers": opt("u64"),
    "io_workers": opt("u64"), "env": ("map", "str"), "dev_tweaks": "object", "logging": opt("str"), "pipeline_template_configmap": opt("object")}
RESTARTS = {"restart": {"policy": {"never", "on_failure", "always"}, "attempts": "count", "max_attempts": opt("count"), "next_at": opt("time"),
                        "last_exit_at": "time", "last_exit": ERROR}}
GIT_MARK = {"git": {**{k: "str" for k in "source folder branch commit author subject state description".split()},
                    **{k: opt("str") for k in "message refused resume".split()}, "tags": ["str"], "time": "int"}}
_MORE = {"runtime_config": RUNTIME_CONFIG, "program_code": "str", "udf_rust": "str", "udf_toml": "str", "program_error": PROGRAM_ERROR,
         "program_info": opt(PROGRAM_INFO), "deployment_resources_status_details": opt(("any", RESTARTS, GIT_MARK, {**RESTARTS, **GIT_MARK}))}
ALL = {**STATUS, **_MORE}
INFO = {k: v for k, v in ALL.items() if k not in ("bootstrap_policy", "silent_bootstrap", "concurrent_bootstrap")}
WITH_CONNECTORS = {**STATUS, "connectors?": {"num_errors": "count"}}

_GLOBAL_COUNTS = """memory_pressure_epoch rss_bytes cpu_msecs uptime_msecs start_time initial_start_time storage_bytes storage_mb_secs
 runtime_elapsed_msecs buffered_input_records buffered_input_bytes total_input_records total_input_bytes total_processed_records
 total_processed_bytes total_completed_records output_stall_msecs total_initiated_steps total_completed_steps""".split()
GLOBAL_METRICS = {
    "state": {"Running", "Paused"}, "bootstrap_in_progress": "bool",
    "transaction_status": {"NoTransaction", "TransactionInProgress", "CommitInProgress"}, "transaction_id": "int",
    "transaction_msecs?": opt("count"), "transaction_records?": opt("count"),
    "commit_progress?": opt({k: "count" for k in ("completed", "in_progress", "remaining", "in_progress_processed_records",
                                                  "in_progress_total_records")}),
    "transaction_initiators": {"transaction_id?": opt("count"), "initiated_by_api?": opt({"Started", "Committed"}),
                               "initiated_by_connectors": "object"},
    "concurrent_bootstrap_phase": {"Inactive", "ConcurrentBootstrapping", "Synchronizing"},
    "memory_pressure": {"low", "moderate", "high", "critical"}, "incarnation_uuid": "uuid", "pipeline_complete": "bool",
    **{k: "count" for k in _GLOBAL_COUNTS}}
CONNECTOR_ERROR = {"timestamp": "time", "index": "count", "message": "str", "tag?": opt("str")}
_HEALTH = opt({"status": {"Healthy", "Unhealthy"}, "description?": opt("str")})
INPUT = {
    "endpoint_name": "str", "config": {"stream": "str"}, "paused": "bool", "barrier": "bool", "fatal_error": opt("str"), "health": _HEALTH,
    "metrics": {**{k: "count" for k in "total_bytes total_records buffered_records buffered_bytes num_transport_errors num_parse_errors".split()},
                "end_of_input": "bool", "processing_latency_p99_micros?": "count"},
    "completed_frontier?": opt({"metadata": ANY, "ingested_at": "time", "processed_at": "time", "completed_at": "time"}),
    "parse_errors?": opt([CONNECTOR_ERROR]), "transport_errors?": opt([CONNECTOR_ERROR]),
    "mark?": ("map", "count")}
OUTPUT = {
    "endpoint_name": "str", "config": {"stream": "str"}, "paused": "bool", "fatal_error": opt("str"), "health?": _HEALTH,
    "metrics": {k: "count" for k in """transmitted_records transmitted_bytes queued_records queued_batches buffered_records buffered_batches
                num_encode_errors num_transport_errors total_processed_input_records total_processed_steps memory""".split()},
    "encode_errors?": opt([CONNECTOR_ERROR]), "transport_errors?": opt([CONNECTOR_ERROR])}
STATS = {"global_metrics": GLOBAL_METRICS, "inputs": [INPUT], "outputs": [OUTPUT],
         "checkpoint_activity": ("any", {"status": {"idle"}}, {"status": {"in_progress"}, "started_at": "time"},
                                 {"status": {"delayed"}, "reasons": [TEMPORARY], "delayed_since": "time"}),
         "suspend_error": opt(("any", {"Permanent": [PERMANENT]}, {"Temporary": [TEMPORARY]})), "permanent_checkpoint_errors": opt([PERMANENT])}
SAMPLE = {"t": "int", "r": "count", "m": "count", "s": "count"}
EVENT = {"event_id": "uuid", "recorded_at": "time", "deployment_resources_status": RESOURCES, "deployment_has_error": "bool",
         "deployment_resources_desired_status": {"Stopped", "Provisioned"}, "program_status": PROGRAM, "storage_status": STORAGE, "deployment_resources_status_details?": opt(("any", RESTARTS, GIT_MARK, {**RESTARTS, **GIT_MARK}))}
CONFIG = {**{k: "str" for k in "posthog conceptualhq product_fruits version revision runtime_revision changelog_url build_source".split()},
          "edition": {"Enterprise", "Open source"},
          "build_info": {k: "str" for k in """build_timestamp build_cpu build_os cargo_dependencies cargo_features cargo_debug cargo_opt_level
                         cargo_target_triple rustc_version""".split()}}
_SERVICE = {"healthy": "bool", "message": "str", "unchanged_since": "time", "checked_at": "time"}
_MONITOR = {"InitialUnhealthy", "Unhealthy", "Healthy"}
CLUSTER_EVENT = {"id": "uuid", "recorded_at": "time", "all_healthy": "bool", "api_status": _MONITOR, "compiler_status": _MONITOR,
                 "runner_status": _MONITOR}
ROLE = {"read", "write", "admin", "owner"}

BLOCKER = {"label": "str", "connector": "str", "until": {"finished", "marked"}, "failed": "bool"}
LAST_CHANGE = opt({"change": {"set", "reset", "rerun"}, "at": "time"})
POSITION = {"endpoint_name": "str", "transport": TRANSPORT | OWN_TRANSPORT, "position": opt("object"), "settable": "bool", "obstacle": opt("str"),
            "origin": {"running", "checkpoint", "user", "configuration"}, "durable": "bool", "checkpoint": opt("count"),
            "last_change": LAST_CHANGE, "members": opt("str")}

PROFILE = {"steps": "count", "circuit_usecs": "count", "relations": [
    {"name": "str", "kind": {"table", "view"}, "stored": "bool",
     **{k: "count" for k in "steps rows_out time_usecs rows waiting_rows dead_rows segments bytes index_bytes".split()}}]}
_REL = {"id": "count", "relOp": "str", "inputs": ["count"], "table?": ["str"], "fields?": ["str"], "all?": "bool", "exprs?": ["object"]}
DATAFLOW = {"calcite_plan": ("map", {"rels": [_REL]}),
            "mir": ("map", {"operation": "str", "inputs": [{"node": "str", "output": "count"}], "positions": [_POSITION], "table?": "str", "view?": "str"})}

_COMMIT = {"id": "str", "author": "str", "subject": "str"}
GIT = {"source": "str", "interval_msecs": "count", "state": {"starting", "checking", "applying", "ok", "refused", "unreachable"}, "commit": opt(_COMMIT),
       "looked_at": opt("time"), "next_look_at": opt("time"), "failures": "count", "error": opt("str"),
       "refused": opt({"commit": _COMMIT, "at": "str", "message": "str"}),
       "pipelines": [{"name": "str", "state": {"applied", "stopping", "blocked", "refused", "taken"}, "commit": opt(_COMMIT), "message": opt("str")}]}

JSON, TEXT, NONE = "application/json", "text/plain", None
P = r"/v0/pipelines/[^/]+"

# method, path (whole), success codes, content type (None: no body), shape of the body (None: not looked at)
TENANT = {"id": "uuid", "name": "str", "initial_provider": "str"}
ROUTES = [
    ("GET", r"/v0/pipelines", {200}, JSON, "list"),
    ("POST", r"/v0/pipelines", {201}, JSON, INFO),
    ("GET", P, {200}, JSON, "selected"),
    ("PUT", P, {200, 201}, JSON, INFO),
    ("PATCH", P, {200}, JSON, INFO),
    ("DELETE", P, {200}, NONE, None),
    ("POST", P + r"/(start|stop|clear|pause|resume|activate)", {202}, JSON, "str"),
    ("POST", P + r"/dismiss_error", {200}, JSON, "str"),
    ("POST", P + r"/update_runtime", {200}, JSON, INFO),
    ("POST", P + r"/approve", {200}, JSON, "str"),
    ("POST", P + r"/diff", {200}, JSON, DIFF),
    ("GET", P + r"/stats", {200}, JSON, STATS),
    ("GET", P + r"/tables/[^/]+/connectors/[^/]+/stats", {200}, JSON, INPUT),
    ("GET", P + r"/views/[^/]+/connectors/[^/]+/stats", {200}, JSON, OUTPUT),
    ("GET", P + r"/tables/[^/]+/connectors/[^/]+/completion_token", {200}, JSON, {"token": "str"}),
    ("GET", P + r"/tables/[^/]+/connectors/[^/]+/position", {200}, JSON, POSITION),
    ("PUT", P + r"/tables/[^/]+/connectors/[^/]+/position", {200}, JSON, POSITION),
    ("DELETE", P + r"/tables/[^/]+/connectors/[^/]+/position", {200}, JSON, POSITION),
    ("POST", P + r"/tables/[^/]+/connectors/[^/]+/rerun", {200}, JSON, POSITION),
    ("POST", P + r"/(tables|views)/[^/]+/connectors/[^/]+/[a-zA-Z]+", {200}, NONE, None),
    ("GET", P + r"/completion_status", {200, 202}, JSON, {"status": {"complete", "inprogress"}, "step": opt("count")}),
    ("POST", P + r"/start_transaction", {200}, JSON, {"transaction_id": "count"}),
    ("POST", P + r"/commit_transaction", {200}, JSON, "str"),
    ("POST", P + r"/checkpoint", {200}, JSON, {"checkpoint_sequence_number": "count", "incarnation_uuid": "uuid"}),
    ("GET", P + r"/checkpoint_status", {200}, JSON, {"success": opt("u64"), "failure": opt(
        {"sequence_number": "count", "error": "str", "failed_at": "time"})}),
    ("GET", P + r"/checkpoints", {200}, JSON, [CHECKPOINT]),
    ("GET", P + r"/checkpoints/remote", {200}, JSON, [{"uuid": "uuid"}]),
    ("POST", P + r"/checkpoint/sync", {202}, JSON, {"checkpoint_uuid": "uuid", "incarnation_uuid": "uuid"}),
    ("GET", P + r"/checkpoint/sync_status", {200}, JSON, {"success": opt("uuid"), "failure": opt({"uuid": "uuid", "error": "str"}), "periodic": opt("uuid"),
                                                          "running": ["uuid"]}),
    ("GET", P + r"/suspendable", {200}, JSON, {"suspendable": "bool", "reasons": [PERMANENT]}),
    ("POST", P + r"/ingress/[^/]+", {200}, JSON, {"token": "str"}),
    ("POST", P + r"/egress/[^/]+", {200}, "egress", None),
    ("GET", P + r"/query", {200}, "query", None),
    ("GET", P + r"/metrics", {200}, "metrics", None),
    ("POST", P + r"/(start_compaction|rebalance)", {200}, NONE, None),
    ("GET", P + r"/time_series", {200}, JSON, {"now": "int", "samples": [SAMPLE]}),
    ("GET", P + r"/time_series_stream", {200}, "application/x-ndjson", None),
    ("GET", P + r"/circuit_json_profile", {200}, JSON, PROFILE),
    ("GET", P + r"/(circuit_profile|support_bundle)", {200}, "application/zip", None),
    ("GET", P + r"/samply_profile", {200, 204}, "application/gzip", None),
    ("POST", P + r"/samply_profile", {202}, NONE, None),
    ("GET", P + r"/heap_profile", {200}, "application/protobuf", None),
    ("GET", P + r"/dataflow_graph", {200}, JSON, DATAFLOW),
    ("GET", P + r"/logs", {200}, "text/plain; charset=utf-8", None),
    ("GET", P + r"/events", {200}, JSON, [EVENT]),
    ("GET", P + r"/events/[^/]+", {200}, JSON, EVENT),
    ("GET", P + r"/orchestration", {200}, JSON, {"connectors": [{"name": "str", "state": {"Running", "Paused"}, "since": "time",
     "reason": {"running", "user", "waiting", "mark", "failed", "ended"}, "labels": ["str"], "start_after": ["str"],
     "waiting_for": [BLOCKER], "last_change": LAST_CHANGE}], "edges": [
         {"from": "str", "to": "str", "label": "str"}]}),
    ("GET", P + r"/(tables|views)/[^/]+/connectors/[^/]+/why", {200}, JSON, {"endpoint_name": "str", "text": "str", "since": "time", "waiting_for": [BLOCKER],
     "reason": {"running", "user", "waiting", "mark", "failed", "ended"}, "last_change?": LAST_CHANGE}),
    ("GET", r"/v0/git", {200}, JSON, GIT),
    ("GET", r"/v0/config", {200}, JSON, CONFIG),
    ("GET", r"/config/authentication", {200}, JSON, "object"),
    ("GET", r"/healthz", {200}, JSON, {"status": {"healthy"}}),
    ("GET", r"/v0/cluster_healthz", {200}, JSON, {"all_healthy": "bool", "api": _SERVICE, "compiler": _SERVICE, "runner": _SERVICE}),
    ("GET", r"/v0/cluster/events", {200}, JSON, [CLUSTER_EVENT]),
    ("GET", r"/v0/cluster/events/[^/]+", {200}, JSON, CLUSTER_EVENT),
    ("GET", r"/v0/api_keys", {200}, JSON, [{"id": "uuid", "name": "str", "role": {"read", "write"}}]),
    ("GET", r"/v0/api_keys/[^/]+", {200}, JSON, [{"id": "uuid", "name": "str", "role": {"read", "write"}}]),
    ("POST", r"/v0/api_keys", {201}, JSON, {"id": "uuid", "name": "str", "api_key": "str"}),
    ("DELETE", r"/v0/api_keys/[^/]+", {200}, NONE, None),
    ("GET", r"/v0/tenants", {200}, JSON, [TENANT]),
    ("POST", r"/v0/tenants", {200, 201}, JSON, TENANT),
    ("GET", r"/v0/tenants/[^/]+", {200}, JSON, TENANT),
    ("GET", r"/v0/tenant/users", {200}, JSON, [{"user_id": "uuid", "provider": "str", "subject": "str", "role": ROLE}]),
    ("GET", r"/v0/oidc_trust", {200}, JSON, [{"id": "uuid", "name": "str", "issuer": "str", "subject": "str", "role": ROLE}]),
    ("GET", r"/v0/config/demos", {200}, JSON, [ANY]),
    ("GET", r"/v0/config/session", {200}, JSON, {"tenant_id": opt("uuid"), "tenant_name": opt("str"), "role": opt(ROLE)}),
    ("GET", r"/v0/config/owners", {200}, JSON, {"owners": ["str"], "owner_trusts": [{"issuer": "str", "subject": "str", "audience?": opt("str")}]}),
    ("GET", r"/v0/metrics", {200}, TEXT, None),
    ("POST", r"/v0/validate_program", {200}, JSON, ("any", {"Success": {"program_info": {**PROGRAM_INFO, "dataflow": opt(DATAFLOW)}}},
                                                    {"SqlError": {"info": SQL_COMPILATION}}, {"SystemError": {"error": "str"}})),
]
METRICS = [{"key": "str", "type": {"counter", "gauge", "histogram"}, "description?": opt("str"), "values": [{"labels": ("map", "str"), "value": ANY}]}]
NO_CACHE = re.compile(r"/v0/(pipelines(/[^/]+(/checkpoints|/events(/[^/]+)?)?)?|api_keys(/[^/]+)?|config|cluster_healthz|cluster/events(/[^/]+)?)")
EXACT = (ALL, STATUS)  # strict clients compare the member sets of these


def parse(text):
    """JSON whose integers must be digits: 1.0 and 1e3 come back as something that is no int."""
    return json.loads(text, parse_float=_Number)


def check_value(value, shape, where):
    __tracebackhide__ = True
    if shape is ANY:
        return
    if isinstance(shape, str):
        assert _TYPES[shape](value), f"{where}: {value!r} is no {shape}"
    elif isinstance(shape, (set, frozenset)):
        assert value in shape, f"{where}: {value!r} is none of {sorted(shape)}"
    elif isinstance(shape, list):
        assert isinstance(value, list), f"{where}: {value!r} is no list"
        for i, v in enumerate(value):
            check_value(v, shape[0], f"{where}[{i}]")
    elif isinstance(shape, tuple) and shape[0] == "?":
        if value is not None:
            check_value(value, shape[1], where)
    elif isinstance(shape, tuple) and shape[0] == "any":
        for one in shape[1:]:
            try:
                return check_value(value, one, where)
            except (AssertionError, TypeError):  # an object is in no set of strings
                continue
        raise AssertionError(f"{where}: {value!r} is none of {shape[1:]}")
    elif isinstance(shape, tuple):
        assert isinstance(value, dict), f"{where}: {value!r} is no object"
        for k, v in value.items():
            check_value(v, shape[1], f"{where}.{k}")
    else:
        assert isinstance(value, dict), f"{where}: {value!r} is no object"
        for k, s in shape.items():
            name = k.rstrip("?")
            if name in value:
                check_value(value[name], s, f"{where}.{name}")
            else:
                assert k.endswith("?"), f"{where}: member {name!r} is missing"
        if any(shape is e for e in EXACT):
            assert set(value) == set(shape), f"{where}: members too many: {sorted(set(value) - set(shape))}"


def _content_type(kind, query, where, got):
    if kind == "egress":
        kind = JSON if query.get("format") == "json" else None
        if kind is None:
            return
    elif kind == "query":
        kind = {"json": JSON, None: TEXT, "text": TEXT, "hash": TEXT}.get(query.get("format"), "application/octet-stream")
    elif kind == "metrics":
        kind = JSON if query.get("format") == "json" else TEXT
    assert got == kind, f"{where}: Content-Type is {got!r}, not {kind!r}"


def route(method, path):
    """The first row of ROUTES for a path without its query, or None."""
    return next((r for r in ROUTES if r[0] == method and re.fullmatch(r[1], path)), None)


def check(method, path, response, body=True):
    """An answer against the table. body: it has been read (not a stream)."""
    __tracebackhide__ = True
    url = urllib.parse.urlsplit(path)
    query = dict(urllib.parse.parse_qsl(url.query))
    where = f"{method} {path} -> {response.status_code}"
    got = response.headers.get("Content-Type")
    if response.status_code >= 400:
        assert got == JSON, f"{where}: an error of type {got!r}"
        codes = ERROR_CODES.get(response.status_code)
        assert codes, f"{where}: no error has this status"
        if body:
            error = parse(response.text)
            check_value(error, ERROR, where)
            check_value(error["error_code"], codes, f"{where}: error_code")
            assert error["error_code"] not in OF_THE_MANAGER or response.headers.get("Retry-After") == "5", f"{where}: no Retry-After"
        return
    if method == "OPTIONS":
        assert response.status_code == 200 and "Access-Control-Allow-Origin" in response.headers, f"{where}: {response.headers}"
        return
    row = route(method, url.path)
    assert row, f"{where}: no shape is written down for this call (tests/lib/hg/shapes.py)"
    _, _, codes, kind, shape = row
    assert response.status_code in codes, f"{where}: expected {codes}"
    if kind is NONE:
        assert response.headers.get("Content-Length") == "0" and (not body or response.content == b""), f"{where}: a body where none belongs"
        return
    if response.status_code == 204:
        assert got is None and int(response.headers["Retry-After"]) > 0, f"{where}: {response.headers}"
        return
    _content_type(kind, query, where, got)
    if kind == "metrics" and got == JSON:
        shape = METRICS
    if shape == "selected" or shape == "list":
        one = {"status": STATUS, "status_with_connectors": WITH_CONNECTORS}.get(query.get("selector"), ALL)
        shape = [one] if shape == "list" else one
    if method == "GET" and NO_CACHE.fullmatch(url.path):
        assert response.headers.get("Cache-Control") == "no-cache", f"{where}: may be cached"
    if shape is not None and body:
        check_value(parse(response.text), shape, where)


# --- every call of this process ----------------------------------------------------------------------------------------

wrong = []  # what was not as it must be, also where nobody saw the exception
_daemons = set()
_unchecked = threading.local()


def watch(url):
    """From now on answers of the daemon at this address are checked."""
    _daemons.add(url)


def forget(url):
    _daemons.discard(url)


@contextlib.contextmanager
def unchecked():
    """Calls of this thread that are not about the API."""
    _unchecked.on = True
    try:
        yield
    finally:
        _unchecked.on = False


def _send(session, request, _send=requests.Session.send, **kw):
    __tracebackhide__ = True
    response = _send(session, request, **kw)
    if request.url[:len(request.url) - len(request.path_url)] in _daemons and not getattr(_unchecked, "on", False):
        try:
            check(request.method, request.path_url, response, body=not kw.get("stream"))
        except AssertionError as e:
            wrong.append(str(e))
            raise
    return response


requests.Session.send = _send
