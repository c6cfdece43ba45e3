/* cmd_serve.c: `headgate serve`: options in, hg_manager_run() out. */
#include "base/hg.h"

#include <getopt.h>

#include "base/buf.h"
#include "base/log.h"
#include "manager/manager.h"

/* Declared by the program's main, which lists all sub-commands. */
int hg_cmd_serve(int argc, char **argv);

static void usage(FILE *out)
{
    fputs("usage: headgate serve --data-dir DIR [--bind ADDRESS] [--port PORT] [--auth none|keys]\n"
          "                      [--tls-cert FILE --tls-key FILE] [--log-format text|json]\n"
          "\n"
          "Runs the daemon: REST API under /v0, pipelines as processes of their own.\n"
          "\n"
          "  --data-dir DIR       where pipelines and the control store live; created when absent\n"
          "  --bind ADDRESS       address to listen on (127.0.0.1)\n"
          "  --port PORT          TCP port, 0 for any free one (8080)\n"
          "  --auth none|keys     keys: every request under /v0 needs an API key; DIR/admin-key holds the first one "
          "(none)\n"
          "  --tls-cert FILE      certificate chain, PEM: HTTPS; read again on SIGHUP\n"
          "  --tls-key FILE       its key, PEM\n"
          "  --log-format FORMAT  log lines on stderr: text or json (text)\n",
          out);
}

static int wrong(const char *what, const char *value)
{
    fprintf(stderr, "headgate serve: %s '%s'\n", what, value);
    return 2;
}

static bool is_loopback(const char *address)
{
    return !strncmp(address, "127.", 4) || !strcmp(address, "::1") || !strcmp(address, "localhost");
}

/* argv[0] is the word "serve". Returns the exit code: 0, 1 = could not start, 2 = wrong usage. */
int hg_cmd_serve(int argc, char **argv)
{
    static const struct option longs[] = {
        { "data-dir", required_argument, NULL, 'd' },
        { "bind", required_argument, NULL, 'b' },
        { "port", required_argument, NULL, 'p' },
        { "log-format", required_argument, NULL, 'l' },
        { "auth", required_argument, NULL, 'a' },
        { "tls-cert", required_argument, NULL, 'c' },
        { "tls-key", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    hg_manager_opts_t opts = { .bind = "127.0.0.1", .port = 8080 };
    hg_log_opts_t log = { .fd = 2, .level = HG_LOG_WARN }; /* what an operator must know */
    uint64_t port;
    int c;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        switch (c) {
        case 'd':
            opts.data_dir = optarg;
            break;
        case 'b':
            opts.bind = optarg;
            break;
        case 'p':
            if (hg_str_u64(hg_strz(optarg), &port) < 0 || port > 65535)
                return wrong("--port must be a number from 0 to 65535, not", optarg);
            opts.port = (unsigned)port;
            break;
        case 'l':
            if (strcmp(optarg, "text") != 0 && strcmp(optarg, "json") != 0)
                return wrong("--log-format must be 'text' or 'json', not", optarg);
            log.json = !strcmp(optarg, "json");
            break;
        case 'a':
            if (strcmp(optarg, "none") != 0 && strcmp(optarg, "keys") != 0)
                return wrong("--auth must be 'none' or 'keys', not", optarg);
            opts.auth = !strcmp(optarg, "keys");
            break;
        case 'c':
            opts.tls_cert = optarg;
            break;
        case 'k':
            opts.tls_key = optarg;
            break;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return 2;
        }
    }
    if (optind < argc) return wrong("unexpected argument", argv[optind]);
    if (!opts.data_dir || !*opts.data_dir) {
        fputs("headgate serve: --data-dir is missing\n", stderr);
        usage(stderr);
        return 2;
    }
    if (!opts.tls_cert != !opts.tls_key) {
        fprintf(stderr, "headgate serve: --tls-%s is missing: a certificate and its key go together\n",
                opts.tls_cert ? "key" : "cert");
        return 2;
    }
    hg_log_init(log);
    if (!opts.auth && !is_loopback(opts.bind))
        fprintf(stderr, "headgate serve: warning: whoever reaches %s can run programs as this user: see --auth keys\n",
                opts.bind);
    if (opts.auth && !opts.tls_cert)
        fputs("headgate serve: warning: without TLS everybody on the way can read the API keys, and fda sends none\n",
              stderr);
    return hg_manager_run(&opts);
}
