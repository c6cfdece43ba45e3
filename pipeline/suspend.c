/* suspend.c: can the pipeline be suspended, what stands in the way, which checkpoints are there: in Feldera's shapes
 * (rest-api §5.1, §6.7).
 *
 * Permanent reasons follow from the configuration alone; temporary ones pass. The list of checkpoints is a small file
 * beside them, written after each commit, so that the manager can tell it without a process. It is derived: what counts
 * is in the manifests, and the next start writes it anew.
 */
#include "base/hg.h"
#include "base/deployment.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/transaction.h"

/* --- reasons: any thread --- */

static void put_named(hg_jw_t *w, const char *reason, hg_str_t endpoint)
{
    hg_jw_obj(w);
    hg_jw_key(w, reason);
    hg_jw_str(w, endpoint);
    hg_jw_end_obj(w);
}

/* Returns how many there are. */
static uint32_t put_permanent(const hg_pipeline_t *p, hg_jw_t *w)
{
    uint32_t n = 0;
    if (!p->durable) {
        hg_jw_strz(w, "StorageRequired");
        n++;
    }
    for (uint32_t i = 0; i < p->prog->n_inputs; i++) {
        const hg_conn_spec_t *spec = &p->prog->conns[i];
        if (hg_input_ft(spec->in_type) >= HG_FT_AT_LEAST_ONCE) continue;
        put_named(w, "UnsupportedInputEndpoint", spec->endpoint);
        n++;
    }
    return n;
}

static uint32_t put_temporary(hg_pipeline_t *p, hg_jw_t *w)
{
    uint32_t n = 0;
    if (atomic_load(&p->replaying)) {
        hg_jw_strz(w, "Replaying");
        n++;
    }
    if (atomic_load(&p->phase) >= HG_PHASE_BOOTSTRAPPING) {
        hg_jw_strz(w, "Bootstrapping");
        n++;
    }
    if (hg_txn_active(p)) {
        hg_jw_strz(w, "TransactionInProgress");
        n++;
    }
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        hg_input_stats_t s;
        if (!p->inputs[i]->in) continue;
        hg_input_get_stats(p->inputs[i]->in, &s);
        if (!s.barrier) continue;
        put_named(w, "InputEndpointBarrier", hg_strz(p->inputs[i]->name));
        n++;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* The reasons as the elements of an array, without its brackets, in b. */
static uint32_t list_permanent(const hg_pipeline_t *p, hg_buf_t *b)
{
    hg_jw_t w;
    hg_buf_init(b, HG_BUF_NOMAX);
    hg_buf_adds(b, "");
    hg_jw_init(&w, b);
    return put_permanent(p, &w);
}
static uint32_t list_temporary(hg_pipeline_t *p, hg_buf_t *b)
{
    hg_jw_t w;
    hg_buf_init(b, HG_BUF_NOMAX);
    hg_buf_adds(b, "");
    hg_jw_init(&w, b);
    return put_temporary(p, &w);
}

static void put_array(hg_jw_t *w, const hg_buf_t *elements)
{
    hg_jw_arr(w);
    if (elements->len) hg_jw_raw(w, hg_buf_str(elements));
    hg_jw_end_arr(w);
}

void hg_pipeline_suspendable_json(const hg_pipeline_t *p, hg_jw_t *w)
{
    hg_buf_t reasons;
    uint32_t n = list_permanent(p, &reasons);
    hg_jw_obj(w);
    hg_jw_kbool(w, "suspendable", n == 0);
    hg_jw_key(w, "reasons");
    put_array(w, &reasons);
    hg_jw_end_obj(w);
    hg_buf_release(&reasons);
}

static void put_error(hg_jw_t *w, const char *kind, const hg_buf_t *reasons)
{
    hg_jw_obj(w);
    hg_jw_key(w, kind);
    put_array(w, reasons);
    hg_jw_end_obj(w);
}

static void put_activity(const hg_pipeline_t *p, const hg_buf_t *temporary, uint32_t n, hg_jw_t *w)
{
    int64_t since = p->durable ? atomic_load(&p->durable->busy_since_us) : 0;
    char at[40];
    hg_time_rfc3339(at, since);
    hg_jw_obj(w);
    if (!since) {
        hg_jw_kstr(w, "status", "idle");
    } else if (n) {
        hg_jw_kstr(w, "status", "delayed");
        hg_jw_key(w, "reasons");
        put_array(w, temporary);
        hg_jw_kstr(w, "delayed_since", at);
    } else {
        hg_jw_kstr(w, "status", "in_progress");
        hg_jw_kstr(w, "started_at", at);
    }
    hg_jw_end_obj(w);
}

void hg_suspend_stats(hg_pipeline_t *p, hg_jw_t *w)
{
    hg_buf_t permanent, temporary;
    uint32_t n_permanent = list_permanent(p, &permanent), n_temporary = list_temporary(p, &temporary);
    hg_jw_key(w, "suspend_error");
    if (n_permanent)
        put_error(w, "Permanent", &permanent);
    else if (n_temporary)
        put_error(w, "Temporary", &temporary);
    else
        hg_jw_null(w);
    hg_jw_key(w, "checkpoint_activity");
    put_activity(p, &temporary, n_temporary, w);
    hg_jw_key(w, "permanent_checkpoint_errors");
    if (n_permanent)
        put_array(w, &permanent);
    else
        hg_jw_null(w);
    hg_buf_release(&permanent);
    hg_buf_release(&temporary);
}

/* --- the list of checkpoints: disk thread, or before it runs --- */

static uint64_t number_of(const hg_json_t *m, const char *key)
{
    uint64_t v = 0;
    hg_json_u64(hg_json_get(m, key), &v);
    return v;
}

/* Feldera's CheckpointMetadata, and beside it what people ask first: which, and when. */
static void put_checkpoint(hg_jw_t *w, const hg_json_t *m)
{
    char at[40];
    hg_time_rfc3339(at, (int64_t)number_of(m, "taken_us"));
    hg_jw_obj(w);
    hg_jw_kstr(w, "uuid", hg_json_str(hg_json_get(m, "uuid"), ""));
    hg_jw_knull(w, "identifier");
    hg_jw_ku64(w, "fingerprint", strtoull(hg_json_str(hg_json_get(m, "program"), "0"), NULL, 16));
    hg_jw_ku64(w, "size", number_of(m, "bytes"));
    hg_jw_ku64(w, "steps", number_of(m, "step"));
    hg_jw_ku64(w, "processed_records", number_of(m, "processed_records"));
    hg_jw_ku64(w, "sequence", number_of(m, "number"));
    hg_jw_kstr(w, "created_at", at);
    hg_jw_end_obj(w);
}

void hg_checkpoints_list(const hg_storage_t *s)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_arr(&w);
    for (unsigned i = 0; hg_storage_kept(s, i); i++) put_checkpoint(&w, hg_storage_kept(s, i));
    hg_jw_end_arr(&w);
    char *path = hg_xprintf("%s/%s", hg_storage_dir(s), HG_NAME_CHECKPOINTS);
    if (hg_file_replace(path, hg_buf_str(&b), "checkpoints", &err) < 0)
        hg_log(HG_LOG_WARN, "storage", path, "list_not_written", "error=\"%s\"", err.msg);
    hg_free(path);
    hg_buf_release(&b);
}
