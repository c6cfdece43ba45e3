/* s3_object.c: one object: a lane, and GET requests until all of it is in.
 *
 * The first request takes the object as it is now. Every later one, after a cut connection, a long pause or a restart,
 * asks for the rest with Range and If-Match: S3 answers 412 when the object is another one by then, which is a fatal
 * error, because two halves of different objects would not belong together.
 */
#include "base/hg.h"
#include "connectors/transport/s3_int.h"
#include <xxhash.h>

#define QUIET_MS 20 /* what has come waits for more no longer than this */

char *hg_s3_etag(hg_str_t v)
{
    v = hg_str_trim(v);
    if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"') v = (hg_str_t){ v.p + 1, v.n - 2 };
    return hg_xstrndup(v.p ? v.p : "", v.n);
}

s3_obj_t *hg_s3_obj_new(hg_input_t *in, const char *key, const char *etag, uint64_t size)
{
    s3_t *s = hg_in_inst(in);
    s3_obj_t *o = HG_NEW(s3_obj_t);
    hg_list_init(&o->link);
    hg_list_init(&o->active);
    o->in = in;
    o->key = hg_xstrdup(key);
    o->etag = hg_s3_etag(hg_strz(etag));
    o->size = size;
    o->lane_key = XXH3_64bits(key, strlen(key));
    hg_http_body_init(&o->body, &s->running);
    hg_buf_init(&o->refusal, HG_S3_REFUSAL);
    return o;
}

void hg_s3_obj_free(s3_obj_t *o)
{
    if (hg_list_linked(&o->link)) hg_list_del(&o->link);
    if (hg_list_linked(&o->active)) hg_list_del(&o->active);
    hg_http_body_release(&o->body);
    hg_http_tail_release(&o->tail);
    hg_buf_release(&o->refusal);
    hg_free(o->key);
    hg_free(o->etag);
    hg_free(o);
}

static void bad_body(s3_obj_t *o, hg_err_t *err)
{
    s3_t *s = hg_in_inst(o->in);
    if (s->closing) return;
    hg_err_wrap(err, "object '%.200s'", o->key);
    hg_s3_fatal(o->in, err);
}

static void end_object(s3_obj_t *o)
{
    s3_t *s = hg_in_inst(o->in);
    hg_lane_t *l = o->body.lane;
    hg_err_t err = HG_ERR_INIT;
    if (o->size && hg_http_body_end(&o->body, &err) < 0) {
        bad_body(o, &err);
        return;
    }
    hg_s3_works(o->in, &o->again);
    o->body.lane = NULL;
    o->state = S3_ENDED;
    hg_list_del(&o->active);
    s->n_active--;
    hg_http_body_release(&o->body);
    if (l && hg_lane_close(l, false) != HG_LANE_OK) s->running = false;
}

static void changed(s3_obj_t *o, const char *what, ...) HG_PRINTF(2, 3);
static void changed(s3_obj_t *o, const char *what, ...)
{
    hg_err_t err = HG_ERR_INIT;
    char why[160];
    va_list ap;
    va_start(ap, what);
    vsnprintf(why, sizeof why, what, ap);
    va_end(ap);
    hg_http_body_drop(&o->body);
    hg_err_set(&err, HG_ENET, "object '%.300s' has changed since %" PRIu64 " bytes of it were read: %s", o->key,
               hg_http_body_have(&o->body), why);
    hg_s3_fatal(o->in, &err);
}

static void broke(s3_obj_t *o, const hg_err_t *why)
{
    uint64_t have = hg_http_body_have(&o->body);
    if (have != o->tried_at) o->again.failed = 0;
    o->tried_at = have;
    hg_s3_retry(o->in, &o->again, why);
}

/* It was listed, and is gone before a byte of it was read: what there is to read does not have it any more. */
static void gone(s3_obj_t *o, const hg_err_t *why)
{
    if (!hg_in_replay_reaches(o->in, o->lane_key, 0)) return;
    hg_err_t err = *why;
    err.fatal = err.retry = 0;
    hg_err_wrap(&err, "skipped, it was deleted after it was listed");
    hg_in_error(o->in, "s3", &err);
    o->size = 0;
    o->at_end = true;
    end_object(o);
    hg_s3_go(o->in);
}

/* --- an answer --- */

/* Is it the object of which we have something? If we have nothing, it is the one that we know from now on. */
static bool take_identity(s3_obj_t *o, uint64_t total)
{
    bool known = hg_http_body_have(&o->body) || o->tail.known;
    char *etag = hg_s3_etag(hg_transfer_header(o->body.t, "ETag"));
    bool same = !known || !etag[0] || !o->etag[0] || strcmp(etag, o->etag) == 0;
    if (!same) {
        changed(o, "its ETag was %.60s and is %.60s", o->etag, etag);
    } else if (known && o->size != HG_S3_UNKNOWN && total != HG_S3_UNKNOWN && total != o->size) {
        changed(o, "it had %" PRIu64 " bytes and has %" PRIu64, o->size, total);
        same = false;
    }
    if (same && !known) {
        s3_t *s = hg_in_inst(o->in);
        hg_free(o->etag);
        o->etag = etag;
        etag = NULL;
        if (o->size != HG_S3_UNKNOWN) s->listed_bytes -= o->size;
        o->size = total;
        if (o->size != HG_S3_UNKNOWN) s->listed_bytes += o->size;
    }
    hg_free(etag);
    return same;
}

static bool take_head(s3_obj_t *o, uint64_t length)
{
    uint64_t have = hg_http_body_have(&o->body), start = 0, total = length == UINT64_MAX ? HG_S3_UNKNOWN : length;
    hg_err_t err = HG_ERR_INIT;
    if (o->status == 206) {
        int rc = hg_http_content_range(o->body.t, &start, &total, &err);
        if (rc == 0 && start != have)
            rc = hg_err_set(&err, HG_EPROTO, "bytes from %" PRIu64 " were asked for and come from %" PRIu64, have,
                            start);
        if (rc < 0) {
            hg_http_body_drop(&o->body);
            hg_err_wrap(&err, "object '%.200s'", o->key);
            hg_s3_fatal(o->in, &err);
            return false;
        }
        if (!total) total = HG_S3_UNKNOWN;
    }
    o->body.skip = have - start;
    return take_identity(o, total);
}

static void on_head(void *arg, int status, uint64_t length)
{
    s3_obj_t *o = arg;
    o->status = status;
    o->body.skip = 0;
    hg_buf_clear(&o->refusal);
    if (status == 412 || status == 416)
        changed(o, status == 412 ? "its ETag is not %.60s any more" : "it is shorter now", o->etag);
    else if (status == 200 || status == 206)
        if (take_head(o, length)) hg_s3_works(o->in, &o->again);
}

/* before: of the object's bytes taken */
static void delivered(s3_obj_t *o, uint64_t before)
{
    s3_t *s = hg_in_inst(o->in);
    if (o->body.raw == before) return;
    s->done_bytes += o->body.raw - before;
    hg_in_progress(o->in, s->done_bytes, s->list.done ? HG_MAX(s->listed_bytes, s->done_bytes) : 0);
    if (!s->quiet_at) s->quiet_at = hg_s3_now(o->in) + QUIET_MS;
}

static bool on_data(void *arg, const char *p, size_t n)
{
    s3_obj_t *o = arg;
    s3_t *s = hg_in_inst(o->in);
    if (o->status != 200 && o->status != 206) {
        (void)hg_buf_add(&o->refusal, p, HG_MIN(n, HG_S3_REFUSAL - o->refusal.len));
        return true;
    }
    hg_err_t err = HG_ERR_INIT;
    uint64_t before = o->body.raw;
    bool quiet = s->quiet_at != 0;
    int rc = hg_http_body_data(&o->body, p, n, &err);
    delivered(o, before);
    if (rc < 0) bad_body(o, &err);
    if (!quiet && s->quiet_at) hg_s3_arm(o->in);
    return rc > 0;
}

static void refused(s3_obj_t *o)
{
    const s3_cfg_t *c = hg_in_cfg(o->in);
    hg_err_t err = HG_ERR_INIT;
    hg_s3_refused(o->in, "GetObject", o->key, o->status, hg_buf_str(&o->refusal), &err);
    if (err.retry)
        broke(o, &err);
    else if (err.code == HG_ENOTFOUND && !c->has_key && !hg_http_body_have(&o->body))
        gone(o, &err);
    else
        hg_s3_fatal(o->in, &err);
}

static void on_done(void *arg, const hg_err_t *why)
{
    s3_obj_t *o = arg;
    s3_t *s = hg_in_inst(o->in);
    o->body.t = NULL;
    o->body.stalled = false;
    if (s->closing || s->ended) return;
    if (!why->code && o->status != 200 && o->status != 206) {
        refused(o);
        return;
    }
    if (why->code) {
        hg_err_t err = *why;
        if (err.retry)
            broke(o, &err);
        else
            hg_s3_fatal(o->in, &err);
        return;
    }
    if (o->body.skip) {
        changed(o, "it is shorter now");
        return;
    }
    o->at_end = true;
    if (o->size == HG_S3_UNKNOWN) o->size = hg_http_body_have(&o->body);
    hg_s3_go(o->in);
}

/* --- the end of it, before the rest --- */

static void tail_head(void *arg, int status, uint64_t length)
{
    s3_obj_t *o = arg;
    hg_err_t err = HG_ERR_INIT;
    (void)length;
    o->status = status;
    hg_buf_clear(&o->refusal);
    if (status == 412) {
        changed(o, "its ETag is not %.60s any more", o->etag);
    } else if (status == 200 || status == 206 || status == 416) {
        int rc = hg_http_tail_head(&o->tail, o->body.t, status, &err);
        if (rc > 0 && take_identity(o, o->tail.size)) {
            o->tail.known = true;
            hg_s3_works(o->in, &o->again);
        } else if (rc == 0) { /* as a whole, then */
            hg_http_body_drop(&o->body);
            o->again.retry_at = hg_s3_now(o->in);
            hg_s3_arm(o->in);
        } else if (rc < 0) {
            hg_http_body_drop(&o->body);
            hg_err_wrap(&err, "object '%.200s'", o->key);
            hg_s3_fatal(o->in, &err);
        }
    }
}

static bool tail_data(void *arg, const char *p, size_t n)
{
    s3_obj_t *o = arg;
    if (o->status != 206) {
        (void)hg_buf_add(&o->refusal, p, HG_MIN(n, HG_S3_REFUSAL - o->refusal.len));
        return true;
    }
    if (hg_http_tail_data(&o->tail, p, n)) return true;
    hg_http_body_drop(&o->body);
    o->again.retry_at = hg_s3_now(o->in);
    hg_s3_arm(o->in);
    return false;
}

static void tail_made(void *arg)
{
    s3_obj_t *o = arg;
    hg_input_t *in = o->in;
    s3_t *s = hg_in_inst(in);
    bool bad = o->tail.err.code && !s->closing;
    if (bad) {
        hg_err_wrap(&o->tail.err, "object '%.200s'", o->key);
        hg_s3_fatal(in, &o->tail.err);
    }
    hg_s3_made(in);
    if (!bad && !s->closing) hg_s3_go(in);
}

static void tail_done(void *arg, const hg_err_t *why)
{
    s3_obj_t *o = arg;
    s3_t *s = hg_in_inst(o->in);
    hg_err_t err = *why;
    o->body.t = NULL;
    if (s->closing || s->ended) return;
    if (!why->code && o->status != 206) {
        refused(o);
    } else if (!why->code) {
        s->n_making++;
        hg_http_tail_make(&o->tail, tail_made, o);
    } else if (err.retry) {
        broke(o, &err);
    } else {
        hg_s3_fatal(o->in, &err);
    }
}

/* --- a request --- */

static void request(s3_obj_t *o)
{
    s3_t *s = hg_in_inst(o->in);
    const s3_cfg_t *c = hg_in_cfg(o->in);
    uint64_t have = hg_http_body_have(&o->body);
    hg_err_t err = HG_ERR_INIT;
    hg_s3_get_t g;
    bool tail = o->tail.state == HG_TAIL_WANTED;
    char *match = (have || o->tail.known) && o->etag[0] ? hg_xprintf("\"%s\"", o->etag) : NULL;
    hg_s3_get_init(&g, &s->bucket, c->no_sign ? NULL : &s->creds, hg_strz(o->key), NULL, 0, match, (int64_t)time(NULL));
    hg_transfer_opts_t t = { .url = g.url.p,
                             .headers = g.headers,
                             .range_from = have,
                             .connect_timeout_ms = HG_S3_CONNECT,
                             .low_speed_timeout_ms = HG_S3_SILENCE,
                             .ca_file = s->ca_file,
                             .raw_path = true };
    const hg_transfer_ops_t rest = { on_head, on_data, on_done, o }, end = { tail_head, tail_data, tail_done, o };
    if (tail) {
        hg_http_tail_ask(&o->tail, &t);
    } else if (!o->body.lane) {
        o->body.lane = hg_http_tail_lane(&o->tail, o->lane_key, o->start);
        o->lane_id = hg_lane_id(o->body.lane);
    }
    o->status = 0;
    o->again.retry_at = 0;
    if (hg_transfer_start(s->client, &t, tail ? &end : &rest, &o->body.t, &err) < 0) {
        o->body.t = NULL;
        hg_s3_fatal(o->in, &err);
    }
    hg_s3_get_release(&g);
    hg_free(match);
}

void hg_s3_obj_begin(s3_obj_t *o)
{
    s3_t *s = hg_in_inst(o->in);
    s->n_queued--;
    s->n_active++;
    o->state = S3_ACTIVE;
    hg_list_add_tail(&s->active, &o->active);
    hg_http_body_from(&o->body, hg_s3_compression(hg_in_cfg(o->in), o->key), o->from, o->start);
    if (o->size != HG_S3_UNKNOWN && !o->body.packed && !hg_in_replay_reaches(o->in, o->lane_key, o->size)) {
        s->running = false;
        return;
    }
    if (!o->size || (!o->body.packed && o->size == o->start)) { /* nothing (left) to read */
        o->at_end = true;
        end_object(o);
        return;
    }
    hg_http_tail_init(&o->tail, o->in, o->body.packed);
    hg_s3_obj_go(o);
}

void hg_s3_obj_go(s3_obj_t *o)
{
    hg_err_t err = HG_ERR_INIT;
    uint64_t before = o->body.raw;
    int rc = hg_http_body_pump(&o->body, &err);
    delivered(o, before);
    if (rc < 0) bad_body(o, &err);
    if (rc <= 0 || o->body.t || o->tail.state == HG_TAIL_MAKING) return;
    if (o->at_end)
        end_object(o);
    else if (hg_s3_due(o->in, &o->again))
        request(o);
}
