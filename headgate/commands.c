/* commands.c: the commands of headgate that people type, with their arguments and options. */
#include "base/hg.h"
#include "headgate/cmd.h"

#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static const fda_pos_t PROGRAM[] = {
    { .name = "PROGRAM_PATH", .doc = "A file with the SQL program" },
    END,
};
static const fda_opt_t RUN[] = {
    { .name = "until-complete", .doc = "End with exit code 0 once all input has ended and all output is delivered" },
    { .name = "paused", .doc = "Start paused; drive it over --socket" },
    { .name = "plain", .doc = "Lines instead of the live table" },
    { .name = "config", .value = "JSON", .doc = "runtime_config, as in the REST API" },
    { .name = "name", .value = "NAME", .doc = "The pipeline's name; that of the file if not given" },
    { .name = "socket", .value = "SOCKET_PATH", .doc = "Serve the pipeline's HTTP endpoints on a unix socket" },
    END,
};

static const fda_pos_t CHECKED[] = {
    { .name = "PROGRAM_PATH", .doc = "A file with the SQL program; - is standard input" },
    END,
};
static const fda_opt_t CHECK[] = {
    { .name = "json", .doc = "Messages and program info as one JSON object" },
    { .name = "strict", .doc = "Unknown connector options and all other warnings count as errors" },
    { .name = "graph",
      .value = "HOW",
      .values = "text|dot|mermaid",
      .doc = "Print the connector graph instead of the schema" },
    END,
};

static const fda_opt_t SERVE[] = {
    { .name = "data-dir",
      .value = "DIR",
      .required = true,
      .doc = "Where pipelines and the control store live; created when absent" },
    { .name = "bind", .value = "ADDRESS", .doc = "The address to listen on; 127.0.0.1 if not given" },
    { .name = "port", .value = "PORT", .doc = "The TCP port, 0 for any free one; 8080 if not given" },
    { .name = "auth",
      .value = "HOW",
      .values = "none|keys",
      .doc = "keys: every request under /v0 needs an API key, the file admin-key in DIR holds the first one; none if "
             "not given" },
    { .name = "tls-cert", .value = "CERT_FILE", .doc = "A certificate chain, PEM: HTTPS; read again on SIGHUP" },
    { .name = "tls-key", .value = "KEY_FILE", .doc = "Its key, PEM" },
    { .name = "allow-path",
      .value = "PATH",
      .doc = "Programs may open this file, or files below this folder, and no others; may be repeated" },
    { .name = "allow-host",
      .value = "HOST",
      .doc = "Programs may connect to this host and no others: NAME, *.DOMAIN, ADDRESS or NETWORK/BITS, with or "
             "without :PORT, or * for all; may be repeated" },
    { .name = "deny-private-hosts",
      .doc = "Programs may connect to public addresses only, and to those that --allow-host gives as a number" },
    { .name = "git",
      .value = "SOURCE",
      .doc = "Keep pipelines equal to NAME/program.sql and NAME/config.json of a git branch: URL or PATH, with or "
             "without #BRANCH" },
    { .name = "git-path",
      .value = "DIR",
      .doc = "Where the folders NAME are within the repository; at its top if not given" },
    { .name = "git-interval", .value = "TIME", .doc = "Between two looks, such as 30s or 5m; 30s if not given" },
    { .name = "git-ssh-key", .value = "KEY_FILE", .doc = "A private key for ssh, without a passphrase" },
    { .name = "git-token", .value = "TOKEN_FILE", .doc = "A file with the token or password for https" },
    { .name = "log-format",
      .value = "FORMAT",
      .values = "text|json",
      .doc = "How log lines on standard error are written; text if not given" },
    END,
};

static const fda_pos_t CONNECTOR[] = {
    { .name = "NAME", .optional = true, .doc = "A transport or a format: print its options" },
    END,
};
static const fda_opt_t CONNECTORS[] = {
    { .name = "config",
      .value = "CONFIG_PATH",
      .doc = "Run the connectors of this file, in the format of Apache Iggy's connectors runtime" },
    { .name = "check", .doc = "With --config: print what was understood as JSON, and end" },
    END,
};
static const fda_pos_t COMPLETION[] = {
    { .name = "SHELL", .values = "bash|zsh", .doc = "The shell to write for" },
    END,
};
static const fda_pos_t MANUAL[] = { { .name = "DIR", .doc = "The folder to write to" }, END };

static const fda_cmd_t COMMANDS[] = {
    { .name = "run",
      .doc = "Run a SQL program in the foreground\n\nCtrl-C drains and stops; a second Ctrl-C stops at once.",
      .pos = PROGRAM,
      .opts = RUN,
      .tool = hg_cmd_run },
    { .name = "check",
      .doc = "Compile a program: errors, warnings, schema, connector graph\n\nNothing is started. Messages go to "
             "standard error.",
      .pos = CHECKED,
      .opts = CHECK,
      .tool = hg_cmd_check },
    { .name = "serve",
      .doc = "The daemon: Feldera's REST API over pipelines\n\nPipelines are processes of their own; they go on when "
             "the daemon ends, and the next one on the same data directory takes them over.",
      .opts = SERVE,
      .tool = hg_cmd_serve },
    { .name = "connectors",
      .doc = "List the connectors, or the options of one; or run Iggy's\n\nWith --config, or "
             "IGGY_CONNECTORS_CONFIG_PATH: a runtime for connectors "
             "of Apache Iggy, with its configuration, plugins and HTTP API.",
      .pos = CONNECTOR,
      .opts = CONNECTORS,
      .tool = hg_cmd_connectors },
    { .name = "completion",
      .doc = "Write what bash or zsh complete for headgate and fda\n\nIn bash: `source <(headgate completion bash)`.",
      .pos = COMPLETION,
      .tool = hg_cmd_completion },
    { .name = "manual",
      .doc = "Write the manual pages of headgate and fda",
      .pos = MANUAL,
      .hidden = true,
      .tool = hg_cmd_manual },
    { .name = "pages",
      .doc = "Write the pages of docs/ that are made from tables",
      .pos = MANUAL,
      .hidden = true,
      .tool = hg_cmd_pages },
    END,
};

const fda_cmd_t hg_headgate = {
    .name = "headgate",
    .doc = "Connector orchestration for Feldera's SQL programs.\n\n`headgate fda` is the command line client, also "
           "installed as `fda`.",
    .subs = COMMANDS,
    .version = "headgate " HG_VERSION " (Feldera API " HG_FELDERA_VERSION ")",
};
