/* commands.c: every command with its arguments and options. Names, places and aliases are those of the real fda;
 * `program info`, `checkpoints`, `connector … why`, `position` and `rerun`, `graph`, `wait` and `top` are ours. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define PIPELINE                                                                                                       \
    {                                                                                                                  \
        .name = "NAME", .doc = "The name of the pipeline"                                                              \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

const fda_opt_t fda_global_opts[] = {
    { .name = "format",
      .value = "FORMAT",
      .values = "text|json|arrow_ipc|parquet|prometheus|hash",
      .env = "FELDERA_OUTPUT_FORMAT",
      .doc = "The format of the output; text if not given" },
    { .name = "host",
      .value = "HOST",
      .env = "FELDERA_HOST",
      .doc = "The daemon to talk to; http://127.0.0.1:8080 if not given" },
    { .letter = 'k', .name = "insecure", .env = "FELDERA_TLS_INSECURE", .doc = "Accept invalid HTTPS certificates" },
    { .name = "tls-cert",
      .value = "TLS_CERT",
      .env = "FELDERA_HTTPS_TLS_CERT",
      .doc = "A PEM file with certificate authorities to trust for HTTPS" },
    { .name = "auth",
      .value = "AUTH",
      .env = "FELDERA_API_KEY",
      .doc = "The API key to send; it starts with \"apikey:\" and goes over HTTPS only" },
    { .name = "oidc-token-file",
      .value = "OIDC_TOKEN_FILE",
      .env = "FELDERA_OIDC_TOKEN_FILE",
      .doc = "A file that holds a bearer token" },
    { .name = "timeout",
      .value = "TIMEOUT",
      .env = "FELDERA_REQUEST_TIMEOUT",
      .doc = "Seconds that a request may take; no limit if not given" },
    { .name = "retries",
      .value = "RETRIES",
      .env = "FELDERA_RETRIES",
      .doc = "How often a request that failed for a passing reason is repeated; 3 if not given" },
    { .name = "tenant",
      .value = "TENANT",
      .env = "FELDERA_TENANT",
      .doc = "The tenant to act in, sent as the Feldera-Tenant header" },
    { .name = NULL },
};

static const fda_pos_t NAME[] = { PIPELINE, END };

#define PROGRAM_OPTS                                                                                                   \
    { .letter = 'u', .name = "udf-rs", .value = "UDF_RS", .doc = "A file with Rust UDF functions" },                   \
        { .letter = 't',                                                                                               \
          .name = "udf-toml",                                                                                          \
          .value = "UDF_TOML",                                                                                         \
          .doc = "A TOML file with dependencies of the UDFs" },                                                        \
    {                                                                                                                  \
        .letter = 's', .name = "stdin", .doc = "Read the program code from stdin"                                      \
    }

#define RUNTIME_OPTS                                                                                                   \
    { .letter = 'r',                                                                                                   \
      .name = "runtime-version",                                                                                       \
      .value = "RUNTIME_VERSION",                                                                                      \
      .env = "FELDERA_RUNTIME_VERSION",                                                                                \
      .doc = "Override the runtime version of the pipeline" },                                                         \
    {                                                                                                                  \
        .name = "use-platform-compiler", .env = "FELDERA_USE_PLATFORM_COMPILER",                                       \
        .doc = "Use the SQL compiler of the platform, not of the runtime"                                              \
    }

#define BOOTSTRAP_OPTS                                                                                                 \
    { .name = "silent-bootstrap", .doc = "Bootstrap with output connectors disabled" },                                \
    {                                                                                                                  \
        .name = "concurrent-bootstrap", .doc = "Serve the old views while changed views are filled"                    \
    }

#define START_OPTS                                                                                                     \
    { .letter = 'r', .name = "recompile", .doc = "Compile the program anew before the start" },                        \
        { .letter = 'n', .name = "no-wait", .doc = "Do not wait until the pipeline has reached the status" },          \
        { .letter = 'i',                                                                                               \
          .name = "initial",                                                                                           \
          .value = "INITIAL",                                                                                          \
          .doc = "The status to start into: running, paused or standby; running if not given" },                       \
        { .letter = 'b',                                                                                               \
          .name = "bootstrap-policy",                                                                                  \
          .value = "BOOTSTRAP_POLICY",                                                                                 \
          .doc = "allow, reject or await_approval, which it is if not given" },                                        \
        BOOTSTRAP_OPTS,                                                                                                \
    {                                                                                                                  \
        .name = "no-dismiss-error", .doc = "Keep a deployment error; the start is then refused"                        \
    }

static const fda_opt_t CREATE_OPTS[] = {
    PROGRAM_OPTS,
    RUNTIME_OPTS,
    { .name = "tag", .value = "TAGS", .doc = "A tag for the pipeline; may be repeated" },
    END,
};
static const fda_pos_t CREATE_POS[] = {
    PIPELINE,
    { .name = "PROGRAM_PATH", .optional = true, .doc = "A file with the SQL code; without one the program is empty" },
    { .name = "PROFILE",
      .optional = true,
      .values = "dev|unoptimized|optimized|optimized_symbols",
      .doc = "The compilation profile; optimized if not given" },
    END,
};
static const fda_pos_t COPY_POS[] = {
    { .name = "SOURCE", .doc = "The name of the pipeline to copy" },
    { .name = "DESTINATION", .doc = "The name of the new pipeline" },
    END,
};
static const fda_opt_t START[] = { START_OPTS, END };
static const fda_opt_t APPROVE[] = { BOOTSTRAP_OPTS, END };
static const fda_opt_t ACTIVATE[] = {
    { .letter = 'n', .name = "no-wait", .doc = "Do not wait until the pipeline has reached the status" },
    { .letter = 'i',
      .name = "initial",
      .value = "INITIAL",
      .doc = "The status to go into: running or paused; running if not given" },
    END,
};
static const fda_opt_t DIFF[] = {
    { .name = "stdin", .doc = "Read the program code from stdin" },
    { .name = "runtime-version",
      .value = "RUNTIME_VERSION",
      .doc = "The version to compile the new program with: this one" },
    END,
};
static const fda_pos_t DIFF_POS[] = {
    PIPELINE,
    { .name = "PROGRAM_PATH", .optional = true, .doc = "A file with the SQL code; without one the pipeline's program" },
    END,
};
static const fda_opt_t RESTART[] = {
    START_OPTS,
    { .letter = 'c', .name = "checkpoint", .doc = "Take a checkpoint before the stop" },
    END,
};
static const fda_opt_t STOP[] = {
    { .letter = 'c', .name = "checkpoint", .doc = "Take a checkpoint before the stop" },
    { .letter = 'n', .name = "no-wait", .doc = "Do not wait until the pipeline is stopped" },
    END,
};
static const fda_opt_t NO_WAIT[] = {
    { .letter = 'n', .name = "no-wait", .doc = "Do not wait until it has happened" },
    END,
};
static const fda_opt_t COMMIT[] = {
    { .letter = 't',
      .name = "tid",
      .value = "TRANSACTION_ID",
      .doc = "Commit only if this is the transaction that is open" },
    { .letter = 'n', .name = "no-wait", .doc = "Do not wait until the transaction is committed" },
    END,
};
static const fda_opt_t DELETE[] = {
    { .letter = 'f', .name = "force", .doc = "Clear the pipeline's storage first" },
    END,
};
static const fda_opt_t LOGS[] = {
    { .letter = 'w', .name = "watch", .doc = "Go on with new lines as they are written" },
    END,
};

/* --- program --- */

static const fda_opt_t PROGRAM_GET[] = {
    { .letter = 'u', .name = "udf-rs", .doc = "Retrieve the Rust UDF code" },
    { .letter = 't', .name = "udf-toml", .doc = "Retrieve the TOML file with dependencies of the UDFs" },
    END,
};
static const fda_opt_t PROGRAM_SET[] = {
    PROGRAM_OPTS,
    { .name = "git",
      .value = "SOURCE",
      .doc = "Read the program from a git repository: URL[@REF]:PATH, with REF a branch, a tag or a commit" },
    { .name = "git-ssh-key", .value = "KEY_FILE", .doc = "For --git: a private key for ssh, without a passphrase" },
    { .name = "git-token", .value = "TOKEN_FILE", .doc = "For --git: a file with the token or password for https" },
    END,
};
static const fda_pos_t PROGRAM_SET_POS[] = {
    PIPELINE,
    { .name = "PROGRAM_PATH", .optional = true, .doc = "A file with the SQL code" },
    END,
};
static const fda_opt_t PROGRAM_SET_CONFIG[] = {
    { .letter = 'p',
      .name = "profile",
      .value = "PROFILE",
      .values = "dev|unoptimized|optimized|optimized_symbols",
      .doc = "The compilation profile" },
    RUNTIME_OPTS,
    END,
};
static const fda_cmd_t PROGRAM[] = {
    { .name = "get", .doc = "Retrieve the program code", .pos = NAME, .opts = PROGRAM_GET, .run = fda_cmd_program_get },
    { .name = "set",
      .doc = "Set a new program",
      .pos = PROGRAM_SET_POS,
      .opts = PROGRAM_SET,
      .run = fda_cmd_program_set },
    { .name = "config",
      .aliases = "cfg",
      .doc = "Retrieve the configuration of the program",
      .pos = NAME,
      .run = fda_cmd_program_config },
    { .name = "set-config",
      .aliases = "set-cfg",
      .doc = "Set the configuration of the program",
      .pos = NAME,
      .opts = PROGRAM_SET_CONFIG,
      .run = fda_cmd_program_set_config },
    { .name = "status",
      .doc = "Retrieve the compilation status of the program",
      .pos = NAME,
      .run = fda_cmd_program_status },
    { .name = "errors",
      .doc = "Retrieve the program's errors and warnings",
      .pos = NAME,
      .run = fda_cmd_program_errors },
    { .name = "info",
      .doc = "Retrieve schema and connectors of the compiled program",
      .pos = NAME,
      .run = fda_cmd_program_info },
    END,
};

/* --- connector --- */

static const fda_pos_t CONNECTOR_POS[] = {
    PIPELINE,
    { .name = "RELATION_NAME", .doc = "The name of the table or view" },
    { .name = "CONNECTOR_NAME", .doc = "The name of the connector" },
    END,
};
static const fda_pos_t POSITION_POS[] = {
    { .name = "ACTION", .optional = true, .values = "get|set|reset", .doc = "What to do; get if not given" },
    { .name = "POSITION", .optional = true, .doc = "For set: a JSON object, as get shows it; - reads it from stdin" },
    END,
};
static const fda_opt_t RERUN[] = {
    { .letter = 'w', .name = "wait", .doc = "The connectors that wait for it wait again until it has ended" },
    END,
};
static const fda_cmd_t CONNECTOR[] = {
    { .name = "start", .doc = "Start the connector", .run = fda_cmd_connector_start },
    { .name = "pause", .aliases = "stop", .doc = "Pause the connector", .run = fda_cmd_connector_pause },
    { .name = "stats",
      .aliases = "status",
      .doc = "Retrieve the connector's statistics",
      .run = fda_cmd_connector_stats },
    { .name = "why", .doc = "Say why the connector is running or not", .run = fda_cmd_connector_why },
    { .name = "position",
      .doc = "Show where the connector goes on; set it, or reset it to the configured start\n\n"
             "A position is set while the connector is paused or the pipeline is stopped. Rows that are in the table "
             "stay.",
      .pos = POSITION_POS,
      .run = fda_cmd_connector_position },
    { .name = "rerun",
      .doc = "Have a connector that has reached its end of input run again from its start",
      .opts = RERUN,
      .run = fda_cmd_connector_rerun },
    END,
};

/* --- cluster --- */

#define EVENT_ID                                                                                                       \
    {                                                                                                                  \
        .name = "EVENT_ID", .doc = "The UUID of the event, or latest"                                                  \
    }

static const fda_pos_t CLUSTER_EVENT_POS[] = {
    EVENT_ID,
    { .name = "SELECTOR", .optional = true, .values = "status|all", .doc = "How much to show; status if not given" },
    END,
};
static const fda_cmd_t CLUSTER[] = {
    { .name = "events", .doc = "List the events of the daemon", .run = fda_cmd_cluster_events },
    { .name = "event",
      .doc = "Retrieve one event of the daemon",
      .pos = CLUSTER_EVENT_POS,
      .run = fda_cmd_cluster_event },
    { .name = "health",
      .doc = "Check the health of the daemon's services; exit 2 if one is not well",
      .run = fda_cmd_cluster_health },
    { .name = "config", .doc = "Retrieve edition, version and build of the daemon", .run = fda_cmd_cluster_config },
    END,
};

/* --- the rest --- */

static const fda_pos_t SET_CONFIG_POS[] = {
    PIPELINE,
    { .name = "KEY",
      .values = "workers|storage|fault_tolerance|checkpoint_interval|cpu_profiler|tracing|tracing_endpoint_jaeger|"
                "min_batch_size_records|max_buffering_delay_usecs|cpu_cores_min|cpu_cores_max|memory_mb_min|"
                "memory_mb_max|storage_mb_max|storage_class|min_storage_bytes|clock_resolution_usecs|logging|"
                "http_workers|io_workers|dev_tweaks",
      .doc = "The key of the configuration to update" },
    { .name = "VALUE", .doc = "The new value" },
    END,
};
static const fda_pos_t SET_TAGS_POS[] = {
    PIPELINE,
    { .name = "TAGS", .optional = true, .doc = "The tags, separated by commas; without them there are none" },
    END,
};
static const fda_pos_t QUERY_POS[] = {
    PIPELINE,
    { .name = "SQL", .optional = true, .doc = "The query; without one it is read from stdin" },
    END,
};
static const fda_opt_t QUERY[] = {
    { .letter = 's', .name = "stdin", .doc = "Read the query from stdin" },
    END,
};
static const fda_pos_t TOKEN_POS[] = {
    PIPELINE,
    { .name = "TABLE", .doc = "The name of the table" },
    { .name = "CONNECTOR", .doc = "The name of the connector" },
    END,
};
static const fda_pos_t TOKEN_STATUS_POS[] = {
    PIPELINE,
    { .name = "TOKEN", .doc = "The token, from `fda completion-token` or from an ingress call" },
    END,
};
static const fda_pos_t WAIT_POS[] = {
    PIPELINE,
    { .name = "RELATION", .optional = true, .doc = "The name of a table: wait for one of its connectors" },
    { .name = "CONNECTOR", .optional = true, .doc = "The name of the connector" },
    END,
};
static const fda_opt_t WAIT[] = {
    { .name = "for",
      .value = "WHAT",
      .values = "end_of_input|running|complete",
      .required = true,
      .doc = "running: it runs (or has run). end_of_input: all input was read. complete: and its output is delivered" },
    END,
};

static const fda_pos_t SELECTOR_POS[] = {
    PIPELINE,
    { .name = "SELECTOR", .optional = true, .values = "status|all", .doc = "How much to show; status if not given" },
    END,
};
static const fda_pos_t EVENT_POS[] = {
    PIPELINE,
    EVENT_ID,
    { .name = "SELECTOR", .optional = true, .values = "status|all", .doc = "How much to show; status if not given" },
    END,
};
static const fda_opt_t VALIDATE[] = {
    { .name = "stdin", .doc = "Read the program code from stdin" },
    { .name = "runtime-version",
      .value = "RUNTIME_VERSION",
      .doc = "The version to compile the program with: this one" },
    { .name = "ir", .doc = "Return the plan of the program, too" },
    END,
};
static const fda_pos_t VALIDATE_POS[] = {
    { .name = "PROGRAM_PATH", .optional = true, .doc = "A file with the SQL code" },
    END,
};
static const fda_opt_t CLOCK[] = {
    { .name = "delta-ms", .value = "DELTA_MS", .doc = "Milliseconds to add; one clock resolution if not given" },
    END,
};
static const fda_pos_t FILE_POS[] = { { .name = "PATH", .doc = "The file to read" }, END };
static const fda_pos_t UNBUNDLE_POS[] = { { .name = "PATH", .doc = "The support bundle's ZIP file" }, END };
static const fda_opt_t UNBUNDLE[] = {
    { .name = "dry-run", .doc = "Show the pipelines, and make none" },
    { .name = "force", .doc = "Clear and delete pipelines of these names that there are" },
    END,
};
static const fda_cmd_t DEBUG[] = {
    { .name = "msgp-cat",
      .doc = "Print a MessagePack file, such as Feldera's steps.bin, a value a line",
      .pos = FILE_POS,
      .run = fda_cmd_msgp_cat },
    { .name = "metrics",
      .doc = "Print a file of Prometheus metrics by what they are about",
      .pos = FILE_POS,
      .run = fda_cmd_debug_metrics },
    { .name = "unbundle",
      .doc = "Make the pipelines of a support bundle anew\n\n"
             "From each collection of the bundle comes a pipeline NAME_unbundled_TIME; none is started. What was "
             "secret in "
             "the bundle's pipelines is not in it.",
      .pos = UNBUNDLE_POS,
      .opts = UNBUNDLE,
      .run = fda_cmd_unbundle },
    END,
};
static const fda_opt_t HEAP[] = {
    { .letter = 'p',
      .name = "pprof",
      .value = "PPROF",
      .doc = "The command that shows the profile; its file is put behind it. `pprof -http :` if not given" },
    { .letter = 'o', .name = "output", .value = "OUTPUT", .doc = "The file to write the profile to, instead" },
    END,
};
static const fda_opt_t PROFILE[] = {
    { .letter = 'o', .name = "output", .value = "OUTPUT", .doc = "The ZIP file to write the profile to" },
    END,
};
static const fda_opt_t BUNDLE[] = {
    { .letter = 'o', .name = "output", .value = "OUTPUT", .doc = "The ZIP file to write" },
    { .letter = 'n', .name = "limit", .value = "LIMIT", .doc = "At most so many collections, the newest first" },
    { .name = "no-collect", .doc = "Only what was collected before" },
    { .name = "no-circuit-profile", .doc = "Leave out the circuit profile" },
    { .name = "no-heap-profile", .doc = "Leave out the heap profile" },
    { .name = "no-metrics", .doc = "Leave out the metrics" },
    { .name = "no-logs", .doc = "Leave out the logs" },
    { .name = "no-stats", .doc = "Leave out the statistics" },
    { .name = "no-pipeline-config", .doc = "Leave out the pipeline and its configuration" },
    { .name = "no-system-config", .doc = "Leave out the daemon's configuration" },
    { .name = "no-dataflow-graph", .doc = "Leave out the dataflow graph" },
    { .name = "no-pipeline-events", .doc = "Leave out the pipeline's events" },
    END,
};

static const fda_opt_t SHELL[] = {
    { .letter = 's', .name = "start", .doc = "Start the pipeline before the first prompt" },
    { .letter = 'i',
      .name = "initial",
      .value = "INITIAL",
      .doc = "With --start: the status to start into; running if not given" },
    { .letter = 'b',
      .name = "bootstrap-policy",
      .value = "BOOTSTRAP_POLICY",
      .doc = "With --start: allow, reject or await_approval, which it is if not given" },
    BOOTSTRAP_OPTS,
    { .name = "no-dismiss-error", .doc = "With --start: keep a deployment error; the start is then refused" },
    END,
};
static const fda_opt_t BENCH[] = {
    { .letter = 'd',
      .name = "duration",
      .value = "DURATION",
      .doc = "Seconds to measure; until the pipeline has processed all its input if not given" },
    { .letter = 'n', .name = "no-recompile", .doc = "Do not compile the program anew before the start" },
    { .name = "no-transaction", .doc = "Do not run it all in one transaction" },
    END,
};
static const fda_pos_t COMPLETION_POS[] = {
    { .name = "WHAT",
      .values = "bash|zsh|pipelines",
      .doc = "The shell to write a script for; or the names of the pipelines, one a line" },
    END,
};

static const fda_cmd_t COMMANDS[] = {
    { .name = "pipelines", .doc = "List the available pipelines", .run = fda_cmd_pipelines },
    { .name = "create", .doc = "Create a new pipeline", .pos = CREATE_POS, .opts = CREATE_OPTS, .run = fda_cmd_create },
    { .name = "copy",
      .aliases = "clone",
      .doc = "Copy a pipeline's program and configuration into a new pipeline",
      .pos = COPY_POS,
      .run = fda_cmd_copy },
    { .name = "start", .doc = "Start a pipeline", .pos = NAME, .opts = START, .run = fda_cmd_start },
    { .name = "pause", .doc = "Pause a pipeline", .pos = NAME, .opts = NO_WAIT, .run = fda_cmd_pause },
    { .name = "resume", .doc = "Resume a pipeline", .pos = NAME, .opts = NO_WAIT, .run = fda_cmd_resume },
    { .name = "restart",
      .doc = "Stop a pipeline, then start it again",
      .pos = NAME,
      .opts = RESTART,
      .run = fda_cmd_restart },
    { .name = "stop", .aliases = "shutdown", .doc = "Stop a pipeline", .pos = NAME, .opts = STOP, .run = fda_cmd_stop },
    { .name = "status", .doc = "Retrieve the state of a pipeline", .pos = NAME, .run = fda_cmd_status },
    { .name = "stats",
      .aliases = "statistics",
      .doc = "Retrieve the runtime statistics of a pipeline",
      .pos = NAME,
      .run = fda_cmd_stats },
    { .name = "metrics",
      .doc = "Retrieve the metrics of a pipeline, with --format json or prometheus",
      .pos = NAME,
      .run = fda_cmd_metrics },
    { .name = "logs",
      .aliases = "log",
      .doc = "Retrieve the logs of a pipeline",
      .pos = NAME,
      .opts = LOGS,
      .run = fda_cmd_logs },
    { .name = "program", .doc = "Interact with the program of the pipeline", .subs = PROGRAM },
    { .name = "config",
      .aliases = "cfg",
      .doc = "Retrieve the runtime configuration of a pipeline",
      .pos = NAME,
      .run = fda_cmd_config },
    { .name = "set-config",
      .aliases = "set-cfg",
      .doc = "Update the runtime configuration of a pipeline",
      .pos = SET_CONFIG_POS,
      .run = fda_cmd_set_config },
    { .name = "tags", .doc = "Retrieve the tags of a pipeline", .pos = NAME, .run = fda_cmd_tags },
    { .name = "set-tags", .doc = "Replace the tags of a pipeline", .pos = SET_TAGS_POS, .run = fda_cmd_set_tags },
    { .name = "delete",
      .aliases = "del",
      .doc = "Delete a pipeline",
      .pos = NAME,
      .opts = DELETE,
      .run = fda_cmd_delete },
    { .name = "connector",
      .doc = "Control a connector of a table or view of a pipeline",
      .pos = CONNECTOR_POS,
      .subs = CONNECTOR },
    { .name = "graph",
      .doc = "Show which connectors wait for which, and their states",
      .pos = NAME,
      .run = fda_cmd_graph },
    { .name = "wait",
      .doc = "Wait until a pipeline or one of its connectors is as asked; exit 1 if it cannot get there\n\n"
             "With --timeout the wait ends with exit code 1 after that many seconds.",
      .pos = WAIT_POS,
      .opts = WAIT,
      .run = fda_cmd_wait },
    { .name = "top",
      .doc = "Watch the connectors of a pipeline, refreshed every second",
      .pos = NAME,
      .run = fda_cmd_top },
    { .name = "query",
      .aliases = "exec",
      .doc = "Execute an ad-hoc query against a pipeline and return the result",
      .pos = QUERY_POS,
      .opts = QUERY,
      .run = fda_cmd_query },
    { .name = "shell",
      .doc = "Enter the ad-hoc SQL shell of a pipeline\n\n"
             "Lines are SQL, or start, pause, resume, restart, stop, program, help. Tab completes SQL words, relations "
             "and columns; ^C ends a query, ^D the shell.",
      .pos = NAME,
      .opts = SHELL,
      .run = fda_cmd_shell },
    { .name = "bench",
      .doc = "Run a pipeline anew and measure it\n\n"
             "--format json prints Bencher's metric format.",
      .pos = NAME,
      .opts = BENCH,
      .run = fda_cmd_bench },
    { .name = "completion-token",
      .aliases = "generate-token|generate-completion-token",
      .doc = "Generate a completion token for a table and connector of a pipeline",
      .pos = TOKEN_POS,
      .run = fda_cmd_token },
    { .name = "completion-status",
      .aliases = "check-token|check-completion-token",
      .doc = "Check the status of a completion token",
      .pos = TOKEN_STATUS_POS,
      .run = fda_cmd_token_status },
    { .name = "start-transaction",
      .aliases = "transaction-start",
      .doc = "Start a new transaction",
      .pos = NAME,
      .run = fda_cmd_start_transaction },
    { .name = "commit-transaction",
      .aliases = "commit|transaction-commit",
      .doc = "Commit the current transaction, and wait until its changes are handed to the outputs",
      .pos = NAME,
      .opts = COMMIT,
      .run = fda_cmd_commit_transaction },
    { .name = "checkpoint",
      .doc = "Checkpoint a fault-tolerant pipeline",
      .pos = NAME,
      .opts = NO_WAIT,
      .run = fda_cmd_checkpoint },
    { .name = "activate",
      .doc = "Let a pipeline take over that was started into standby",
      .pos = NAME,
      .opts = ACTIVATE,
      .run = fda_cmd_activate },
    { .name = "approve",
      .doc = "Go on with a changed program, when the pipeline waits for that",
      .pos = NAME,
      .opts = APPROVE,
      .run = fda_cmd_approve },
    { .name = "diff",
      .doc = "Compare a program with the one whose state is stored",
      .pos = DIFF_POS,
      .opts = DIFF,
      .run = fda_cmd_diff },
    { .name = "checkpoints", .doc = "List the checkpoints of a pipeline", .pos = NAME, .run = fda_cmd_checkpoints },
    { .name = "clear",
      .doc = "Clear the storage of a pipeline, which must be stopped",
      .pos = NAME,
      .opts = NO_WAIT,
      .run = fda_cmd_clear },
    { .name = "dismiss-error",
      .doc = "Dismiss the deployment error of a pipeline",
      .pos = NAME,
      .run = fda_cmd_dismiss },
    { .name = "events", .doc = "List the events of a pipeline", .pos = SELECTOR_POS, .run = fda_cmd_events },
    { .name = "event", .doc = "Retrieve one event of a pipeline", .pos = EVENT_POS, .run = fda_cmd_event },
    { .name = "validate-program",
      .doc = "Compile a program without creating a pipeline, and print the outcome as JSON\n\n"
             "Errors in the program are part of the outcome, not a failure of the command.",
      .pos = VALIDATE_POS,
      .opts = VALIDATE,
      .run = fda_cmd_validate },
    { .name = "update-runtime",
      .doc = "Compile the program of a stopped pipeline anew with this version",
      .pos = NAME,
      .run = fda_cmd_update_runtime },
    { .name = "start-compaction",
      .doc = "Have a pipeline merge what its storage can spare",
      .pos = NAME,
      .run = fda_cmd_compaction },
    { .name = "rebalance", .doc = "Have a pipeline spread its work anew", .pos = NAME, .run = fda_cmd_rebalance },
    { .name = "clock-advance",
      .aliases = "clock-set|set-clock",
      .doc = "Advance the clock of a pipeline whose NOW() is driven from outside",
      .pos = NAME,
      .opts = CLOCK,
      .run = fda_cmd_clock },
    { .name = "support-bundle",
      .doc = "Download what helps to find out what is wrong with a pipeline, secrets left out",
      .pos = NAME,
      .opts = BUNDLE,
      .run = fda_cmd_bundle },
    { .name = "circuit-profile",
      .doc = "Download where the time and memory of a running pipeline go, by table and view",
      .pos = NAME,
      .opts = PROFILE,
      .run = fda_cmd_circuit_profile },
    { .name = "heap-profile",
      .doc = "Obtain a heap profile of a running pipeline and show it with pprof",
      .pos = NAME,
      .opts = HEAP,
      .run = fda_cmd_heap_profile },
    { .name = "debug", .doc = "Read files that pipelines leave, and support bundles", .subs = DEBUG },
    { .name = "completion",
      .doc = "Write what bash or zsh complete\n\nIn bash: `source <(fda completion bash)`.",
      .pos = COMPLETION_POS,
      .run = fda_cmd_completion },
    { .name = "apikey", .doc = "Manage API keys", .subs = fda_apikey_cmds },
    { .name = "tenant", .doc = "Manage tenants", .subs = fda_tenant_cmds },
    { .name = "member", .doc = "Manage the members of the tenant", .subs = fda_member_cmds },
    { .name = "oidc-trust", .doc = "Manage OIDC trust relationships", .subs = fda_trust_cmds },
    { .name = "git",
      .doc = "Show the repository that the daemon follows, and how far its pipelines are",
      .run = fda_cmd_git },
    { .name = "cluster", .doc = "Show the daemon's health, events and configuration", .subs = CLUSTER },
    END,
};

const fda_cmd_t fda_root = {
    .name = "fda",
    .doc = "A command line client of the REST API.",
    .opts = fda_global_opts,
    .subs = COMMANDS,
    .version = "fda " HG_FELDERA_VERSION " (headgate " HG_VERSION ")",
};
