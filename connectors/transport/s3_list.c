/* s3_list.c: ListObjectsV2, page by page, as objects are needed.
 *
 * A page that cannot be had is tried again and then ends the input with an error: it is never taken for the end of the
 * list. Positions rely on the order of keys (by bytes, as S3 has it), so a server that lists otherwise is refused.
 */
#include "base/hg.h"
#include "connectors/transport/s3_int.h"

static s3_saved_t *saved_of(s3_t *s, const char *key)
{
    for (uint32_t i = 0; i < s->n_saved; i++)
        if (strcmp(s->saved[i].key, key) == 0) return &s->saved[i];
    return NULL;
}

static bool is_other(const s3_saved_t *v, const char *etag, uint64_t size)
{
    return (v->etag[0] && etag[0] && strcmp(v->etag, etag) != 0) || (size != HG_S3_UNKNOWN && v->size != size);
}

/* An object that is there; where a position knows it, it goes on from there. False: that cannot be. */
static bool add(hg_input_t *in, const char *key, const char *etag, uint64_t size)
{
    s3_t *s = hg_in_inst(in);
    s3_saved_t *v = saved_of(s, key);
    s3_obj_t *o = hg_s3_obj_new(in, key, etag, size);
    hg_list_add_tail(&s->objects, &o->link);
    s->n_queued++;
    if (size != HG_S3_UNKNOWN) s->listed_bytes += size;
    if (!v) return true;
    v->seen = true;
    if (v->done) { /* as if it had been read just now, whatever it is by now */
        s->n_queued--;
        o->state = S3_ENDED;
        o->size = size == HG_S3_UNKNOWN ? 0 : size;
        o->start = o->body.off = o->size; /* any: what it is not behind */
        o->at_end = true;
        s->done_bytes += o->size;
        return true;
    }
    o->start = o->body.off = v->offset;
    o->from = v->from;
    s->done_bytes += hg_s3_compression(hg_in_cfg(in), key) == HG_COMPRESSION_NONE ? v->offset : v->from.packed;
    if (!is_other(v, o->etag, size)) {
        hg_free(o->etag);
        o->etag = hg_xstrdup(v->etag);
        o->size = v->size;
        return true;
    }
    hg_err_t err = HG_ERR_INIT;
    hg_err_set(&err, HG_ENET,
               "object '%.200s' has changed since %" PRIu64 " bytes of it were read: it had %" PRIu64
               " bytes and ETag %.40s, and has %" PRIu64 " bytes and ETag %.40s",
               key, v->offset, v->size, v->etag, size, o->etag);
    hg_s3_fatal(in, &err);
    return false;
}

void hg_s3_single(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    s->list.done = s->list.begun = true;
    if (s->after && strcmp(s->after, c->key) == 0) return;
    (void)add(in, c->key, "", HG_S3_UNKNOWN);
}

/* All that a position has begun must have been listed. */
static bool is_whole(hg_input_t *in)
{
    const s3_t *s = hg_in_inst(in);
    for (uint32_t i = 0; i < s->n_saved; i++) {
        const s3_saved_t *v = &s->saved[i];
        if (v->seen || v->done) continue;
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENET, "object '%.300s', of which %" PRIu64 " bytes were read, is not there any more",
                   v->key, v->offset);
        hg_s3_fatal(in, &err);
        return false;
    }
    return true;
}

static int take_entries(hg_input_t *in, const hg_s3_answer_t *a, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    for (uint32_t i = 0; i < a->n; i++) {
        const hg_s3_entry_t *e = &a->entries[i];
        if (s->after && strcmp(e->key, s->after) <= 0) continue; /* a server that does not know start-after */
        if (s->list.last_key && strcmp(e->key, s->list.last_key) <= 0)
            return hg_err_set(err, HG_EPROTO,
                              "the server lists '%.150s' behind '%.150s': keys must come in the order of their bytes",
                              e->key, s->list.last_key);
        hg_free(s->list.last_key);
        s->list.last_key = hg_xstrdup(e->key);
        if (!add(in, e->key, e->etag, e->size)) return 0;
    }
    return 0;
}

static void take_page(hg_input_t *in, hg_s3_answer_t *a)
{
    s3_t *s = hg_in_inst(in);
    hg_err_t err = HG_ERR_INIT;
    int rc = 0;
    if (a->truncated && s->list.token && strcmp(s->list.token, a->next_token) == 0)
        rc = hg_err_set(&err, HG_EPROTO, "the server answers the same page of the list again and again");
    if (rc == 0) rc = take_entries(in, a, &err);
    if (rc < 0) {
        hg_s3_fatal(in, &err);
        return;
    }
    hg_free(s->list.token);
    s->list.token = a->next_token;
    a->next_token = NULL;
    s->list.done = !a->truncated;
    if (!s->list.done || is_whole(in)) hg_s3_go(in);
}

/* --- the request --- */

static void on_head(void *arg, int status, uint64_t length)
{
    s3_t *s = hg_in_inst(arg);
    (void)length;
    s->list.status = status;
}

static bool on_data(void *arg, const char *p, size_t n)
{
    s3_t *s = hg_in_inst(arg);
    if (s->list.status != 200)
        (void)hg_buf_add(&s->list.refusal, p, HG_MIN(n, HG_S3_REFUSAL - s->list.refusal.len));
    else if (!s->list.bad.code)
        (void)hg_s3_xml_feed(s->list.xml, p, n, &s->list.bad);
    return true;
}

static void finish_page(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    hg_s3_answer_t a = { 0 };
    hg_err_t err = s->list.bad;
    int rc = err.code ? (int)err.code : hg_s3_xml_end(s->list.xml, &a, &err);
    if (rc < 0) { /* half an answer, or a proxy's page: perhaps better next time */
        hg_err_wrap(&err, "ListObjectsV2 of bucket '%s'", ((const s3_cfg_t *)hg_in_cfg(in))->bucket);
        hg_s3_retry(in, &s->list.again, &err);
        return;
    }
    if (a.is_error) {
        hg_err_retry(&err, HG_ENET, "ListObjectsV2: %s: %.300s", a.code ? a.code : "an error without a code",
                     a.message ? a.message : "");
        hg_s3_retry(in, &s->list.again, &err);
    } else {
        hg_s3_works(in, &s->list.again);
        take_page(in, &a);
    }
    hg_s3_answer_release(&a);
}

static void on_done(void *arg, const hg_err_t *why)
{
    hg_input_t *in = arg;
    s3_t *s = hg_in_inst(in);
    hg_err_t err = *why;
    s->list.t = NULL;
    if (s->closing || s->ended) return;
    if (!err.code && s->list.status == 200) {
        finish_page(in);
        return;
    }
    if (!err.code) hg_s3_refused(in, "ListObjectsV2", NULL, s->list.status, hg_buf_str(&s->list.refusal), &err);
    if (err.retry)
        hg_s3_retry(in, &s->list.again, &err);
    else
        hg_s3_fatal(in, &err);
}

void hg_s3_list_drop(s3_t *s)
{
    if (s->list.t) hg_transfer_cancel(s->list.t);
    s->list.t = NULL;
}

void hg_s3_list_start(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    const char *params[5][2];
    unsigned n = 0;
    hg_err_t err = HG_ERR_INIT;
    hg_s3_get_t g;
    if (s->list.t || !hg_s3_due(in, &s->list.again)) return;
    params[n][0] = "list-type", params[n++][1] = "2";
    params[n][0] = "encoding-type", params[n++][1] = "url";
    if (c->prefix && c->prefix[0]) params[n][0] = "prefix", params[n++][1] = c->prefix;
    if (s->list.token)
        params[n][0] = "continuation-token", params[n++][1] = s->list.token;
    else if (s->after)
        params[n][0] = "start-after", params[n++][1] = s->after;
    hg_s3_xml_free(s->list.xml);
    s->list.xml = hg_s3_xml_new();
    s->list.bad = HG_ERR_INIT;
    s->list.status = 0;
    s->list.begun = true;
    s->list.again.retry_at = 0;
    hg_buf_clear(&s->list.refusal);
    hg_s3_get_init(&g, &s->bucket, c->no_sign ? NULL : &s->creds, (hg_str_t){ NULL, 0 },
                   (const char *const(*)[2])params, n, NULL, (int64_t)time(NULL));
    hg_transfer_opts_t t = { .url = g.url.p,
                             .headers = g.headers,
                             .connect_timeout_ms = HG_S3_CONNECT,
                             .low_speed_timeout_ms = HG_S3_SILENCE,
                             .ca_file = s->ca_file,
                             .raw_path = true };
    hg_transfer_ops_t ops = { on_head, on_data, on_done, in };
    if (hg_transfer_start(s->client, &t, &ops, &s->list.t, &err) < 0) {
        s->list.t = NULL;
        hg_s3_fatal(in, &err);
    }
    hg_s3_get_release(&g);
}
