/* tokens.c: completion: which steps are delivered everywhere, and what that means for a token.
 *
 * A token says "the first c records of endpoint e, in incarnation u" (base64url of JSON, as Feldera's). It is complete
 * once the step that took the c-th record is delivered by every output. Marks remember (step, count) only for steps
 * that are not completed yet.
 */
#include "base/hg.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/durable_int.h"
#include "pipeline/journal.h"
#include "pipeline/transaction.h"

static void push_mark(mark_t **marks, uint32_t *n, uint32_t *cap, mark_t m)
{
    if (*n && (*marks)[*n - 1].step == m.step) {
        (*marks)[*n - 1].count = m.count;
        return;
    }
    if (*n == *cap) {
        *cap = *cap ? *cap * 2 : 16;
        *marks = hg_xgrow(*marks, *cap * sizeof **marks);
    }
    (*marks)[(*n)++] = m;
}

/* Drops the marks with step <= done; the last one dropped in *ret (unchanged if none). */
static void pop_marks(mark_t *marks, uint32_t *n, uint64_t done, mark_t *ret)
{
    uint32_t k = 0;
    while (k < *n && marks[k].step <= done) *ret = marks[k++];
    if (k) memmove(marks, marks + k, (*n - k) * sizeof *marks);
    *n -= k;
}

void hg_marks_step(hg_pipeline_t *p, uint64_t step, uint64_t processed_total)
{
    if (p->n_marks > 64) hg_marks_settle(p);
    push_mark(&p->marks, &p->n_marks, &p->cap_marks, (mark_t){ step, processed_total, hg_now_us() });
}

void hg_marks_endpoint(endpoint_t *ep, uint64_t step, uint64_t count, int64_t read_us)
{
    push_mark(&ep->marks, &ep->n_marks, &ep->cap_marks, (mark_t){ step, count, read_us });
}

/* The completed steps' marks get the moment of it: every output has had the step (as far as outputs remember), and the
 * step itself was over. */
static void date_steps(hg_pipeline_t *p)
{
    for (uint32_t k = 0; k < p->n_marks && p->marks[k].step <= p->completed_step; k++)
        for (uint32_t i = 0; i < p->n_outputs; i++) {
            const endpoint_t *ep = p->outputs[i];
            if (ep->gone || !ep->out || ep->tap) continue;
            int64_t at = hg_output_delivered_us(ep->out, p->marks[k].step);
            p->marks[k].at_us = HG_MAX(p->marks[k].at_us, at);
        }
}

/* Both lists are in order of steps, and every step of an endpoint is one of the pipeline. */
static void time_endpoint(const hg_pipeline_t *p, endpoint_t *ep)
{
    for (uint32_t i = 0, k = 0; i < ep->n_marks && ep->marks[i].step <= p->completed_step; i++) {
        while (k < p->n_marks && p->marks[k].step < ep->marks[i].step) k++;
        if (k == p->n_marks) return;
        int64_t took = p->marks[k].at_us - ep->marks[i].at_us;
        if (p->marks[k].step != ep->marks[i].step || ep->marks[i].at_us == 0) continue;
        if (!ep->completion) ep->completion = HG_NEW(hg_latency_sum_t);
        hg_latency_sum_add(ep->completion, took > 0 ? (uint64_t)took : 0);
    }
}

static void settle_endpoint(hg_pipeline_t *p, endpoint_t *ep)
{
    time_endpoint(p, ep);
    mark_t m = { ep->done_step, ep->done_count, 0 };
    pop_marks(ep->marks, &ep->n_marks, p->completed_step, &m);
    ep->done_step = m.step;
    ep->done_count = m.count;
}

void hg_marks_settle(hg_pipeline_t *p)
{
    uint64_t done = atomic_load(&p->steps), floor = hg_txn_floor(p), durable = UINT64_MAX; /* each is asked once */
    if (p->durable && p->durable->journal) durable = hg_journal_durable(p->durable->journal);
    done = HG_MIN(done, HG_MIN(floor, durable));
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        const endpoint_t *ep = p->outputs[i];
        if (ep->gone || !ep->out || (ep->tap && (!ep->backpressure || !ep->attached))) continue;
        uint64_t s = hg_output_delivered_step(ep->out);
        if (ep->tap && s < ep->since_step) s = ep->since_step; /* it owes nothing from before its time */
        if (s < done) done = s;
    }
    if (done > p->completed_step) p->completed_step = done;
    if (p->n_marks && p->marks[0].step > p->completed_step) return;
    date_steps(p);
    for (uint32_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i]->n_marks) settle_endpoint(p, p->inputs[i]);
    mark_t m = { 0, p->completed_records, 0 };
    pop_marks(p->marks, &p->n_marks, p->completed_step, &m);
    p->completed_records = m.count;
}

/* --- tokens --- */

static const char g_b64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void b64_encode(hg_buf_t *out, hg_str_t s)
{
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t v = (uint32_t)(unsigned char)s.p[i] << 16;
        size_t n = HG_MIN(s.n - i, (size_t)3);
        if (n > 1) v |= (uint32_t)(unsigned char)s.p[i + 1] << 8;
        if (n > 2) v |= (unsigned char)s.p[i + 2];
        for (size_t k = 0; k <= n; k++) hg_buf_addc(out, g_b64[v >> (18 - 6 * k) & 63]);
    }
}

static int b64_decode(hg_buf_t *out, hg_str_t s)
{
    uint32_t v = 0;
    unsigned bits = 0;
    while (s.n && s.p[s.n - 1] == '=') s.n--;
    for (size_t i = 0; i < s.n; i++) {
        const char *at = s.p[i] ? strchr(g_b64, s.p[i]) : NULL;
        if (!at) return HG_EPARSE;
        v = v << 6 | (uint32_t)(at - g_b64);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            if (hg_buf_addc(out, (char)(v >> bits & 255)) < 0) return HG_EPARSE;
        }
    }
    return 0;
}

int hg_pipeline_token(hg_pipeline_t *p, hg_str_t endpoint, hg_buf_t *out, hg_err_t *err)
{
    hg_input_stats_t s;
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = hg_pipeline_find(p, endpoint, true);
    if (!ep || !ep->in) {
        pthread_mutex_unlock(&p->lock);
        return hg_err_set(err, HG_EUNKNOWNINPUT, "unknown input endpoint name '" HG_SF "'", HG_SA(endpoint));
    }
    hg_input_get_stats(ep->in, &s);
    hg_buf_t json;
    hg_jw_t w;
    hg_buf_init(&json, 4096);
    hg_jw_init(&w, &json);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "u", p->incarnation);
    hg_jw_ku64(&w, "e", ep->id);
    hg_jw_ku64(&w, "c", s.total_records);
    hg_jw_end_obj(&w);
    b64_encode(out, hg_buf_str(&json));
    hg_buf_release(&json);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

static int bad_token(hg_err_t *err, const char *why)
{
    return hg_err_set(err, HG_EINVAL, "invalid completion token: %s", why);
}

static int status_of(hg_pipeline_t *p, const hg_json_t *t, bool *ret_complete, uint64_t *ret_step, hg_err_t *err)
{
    uint64_t id, count;
    const char *u = hg_json_str(hg_json_get(t, "u"), NULL);
    if (!u || hg_json_u64(hg_json_get(t, "e"), &id) < 0 || hg_json_u64(hg_json_get(t, "c"), &count) < 0)
        return bad_token(err, "members are missing");
    if (strcmp(u, p->incarnation) != 0)
        return hg_err_set(err, HG_ERESTARTED,
                          "the completion token is from incarnation %s of the pipeline, which has been restarted since",
                          u);
    pthread_mutex_lock(&p->lock);
    endpoint_t *ep = id < p->n_inputs ? p->inputs[id] : NULL;
    if (ep) {
        hg_marks_settle(p);
        *ret_complete = count <= ep->done_count;
        *ret_step = *ret_complete ? ep->done_step : 0;
        for (uint32_t i = 0; !*ret_complete && *ret_step == 0 && i < ep->n_marks; i++)
            if (count <= ep->marks[i].count) *ret_step = ep->marks[i].step;
    }
    pthread_mutex_unlock(&p->lock);
    return ep ? 0 : hg_err_set(err, HG_EGONE, "the completion token names an endpoint that does not exist any more");
}

int hg_pipeline_token_status(hg_pipeline_t *p, hg_str_t token, bool *ret_complete, uint64_t *ret_step, hg_err_t *err)
{
    hg_buf_t json;
    hg_json_t *t = NULL;
    hg_arena_t *a = hg_arena_new();
    hg_err_t parse_err;
    hg_buf_init(&json, 4096);
    int rc = b64_decode(&json, token);
    if (rc < 0) bad_token(err, "it is not base64url");
    if (rc == 0) {
        rc = hg_json_parse(a, hg_buf_str(&json), &t, &parse_err);
        if (rc < 0) bad_token(err, parse_err.msg);
    }
    rc = rc < 0 ? HG_EINVAL : status_of(p, t, ret_complete, ret_step, err);
    hg_buf_release(&json);
    hg_arena_free(a);
    return rc;
}
