/* cmd_transaction.c: `start-transaction` and `commit-transaction`. The server commits by itself after the answer: that
 * it is done shows in the stats, where the transaction's number changes. */
#include "base/hg.h"
#include "fda/fda_int.h"

#define POLL_FIRST_MS 10
#define POLL_LAST_MS  1000

int fda_cmd_start_transaction(fda_t *f, const fda_args_t *a)
{
    static const char what[] = "Failed to start transaction";
    fda_answer_t ans;
    uint64_t id;
    int rc = fda_call(f, what, "POST", fda_path(f, "/v0/pipelines/%s/start_transaction", fda_arg(a, "NAME")),
                      (hg_str_t){ 0 }, FDA_ONCE | FDA_QUIET, &ans);
    if (rc && ans.message)
        return fda_error("%s%s%s", ans.status == 404 ? what : "", ans.status == 404 ? ": " : "", ans.message);
    if (rc) return rc;
    if (f->format == FDA_JSON) {
        fda_print_json(ans.json, true);
        return 0;
    }
    if (hg_json_u64(hg_json_get(ans.json, "transaction_id"), &id) < 0)
        return fda_error("%s: the answer has no transaction_id", what);
    printf("Transaction started successfully with ID: %" PRIu64 "\n", id);
    if (f->format == FDA_TEXT) return 0;
    return fda_error("Unsupported output format, falling back to text: %s", fda_format_name(f->format));
}

typedef struct {
    const char *path;
    uint64_t id;
} committing_t;

static int read_id(fda_t *f, const char *path, uint64_t *ret)
{
    const hg_json_t *s;
    int rc = fda_get(f, "Failed to get the stats of the pipeline", path, 0, &s);
    if (rc) return rc;
    if (hg_json_u64(fda_member(s, "global_metrics.transaction_id"), ret) == 0) return 0;
    return fda_error("The stats of the pipeline have no transaction_id");
}

static int is_committed(fda_t *f, void *arg)
{
    const committing_t *c = arg;
    uint64_t id;
    if (read_id(f, c->path, &id)) return -1;
    return id != c->id;
}

int fda_cmd_commit_transaction(fda_t *f, const fda_args_t *a)
{
    const char *name = fda_arg(a, "NAME"), *tid = fda_option(a, "tid");
    committing_t c = { .path = fda_path(f, "/v0/pipelines/%s/stats", name) };
    uint64_t want = 0;
    char *end = NULL;
    if (tid) want = strtoull(tid, &end, 10);
    if (tid && (end == tid || *end))
        return fda_usage(a, "invalid value '%s' for '--tid <TRANSACTION_ID>': invalid digit found in string", tid);
    int rc = read_id(f, c.path, &c.id);
    if (rc) return rc;
    if (c.id == 0) return fda_error("Attempting to commit a transaction, but there is no transaction in progress");
    if (tid && want != c.id)
        return fda_error("Specified transaction %" PRIu64 " doesn't match current active transaction %" PRIu64, want,
                         c.id);
    rc = fda_call(f, "Failed to commit transaction", "POST", fda_path(f, "/v0/pipelines/%s/commit_transaction", name),
                  (hg_str_t){ 0 }, FDA_ONCE, NULL);
    if (rc) return rc;
    if (!fda_flag(a, "no-wait"))
        for (uint64_t ms = POLL_FIRST_MS; (rc = fda_once(f, is_committed, &c)) == 0;
             ms = HG_MIN(ms * 2, (uint64_t)POLL_LAST_MS))
            fda_pause_ms(ms);
    if (rc < 0) return 1;
    if (f->format != FDA_TEXT && f->format != FDA_JSON) return fda_unsupported(f);
    puts(f->format == FDA_JSON ? "null" : "Transaction committed successfully.");
    return 0;
}
