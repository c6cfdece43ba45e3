/* s3_input.c: reads one object, or all objects of a prefix, of an S3 bucket.
 *
 *   run ─► credentials ─► pages of the list ⇄ objects, at most max_concurrent_fetches at a time ─► ended
 *
 * Each object is a lane, so order holds within objects and not between them. hg_s3_go is the one place that decides
 * what happens next; everything that happens ends there: a page came, an object ended, a timer fired, the host said
 * run. Objects are begun in the order of their keys, but never more than WINDOW ahead of the oldest one that the
 * circuit has not taken whole: that bounds the position, which names them one by one.
 *
 * Not run and not held for long is the same here: a hold stops delivery at once, and after PAUSE_MS also drops the
 * connections; a later run asks for the rest of each object (s3_object.c).
 */
#include "base/hg.h"
#include "base/access.h"
#include "base/log.h"
#include "connectors/transport/s3_int.h"
#include <errno.h>
#include <unistd.h>

extern const hg_input_type_t hg_input_s3;

#define WINDOW        256u
#define LOW_QUEUE     64u /* fewer queued objects: ask for the next page */
#define RETRY_BASE_MS 100u
#define RETRY_CAP_MS  20000u
#define PAUSE_MS      30000u
#define RENEW_AGAIN_S 60  /* after a look-up that failed, at most */
#define POLL_MS       10u /* how soon we look again whether the circuit has taken what fills the window */

static const hg_opt_t s3_opts[] = {
    { .key = "region",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, region),
      .flags = HG_OPT_REQUIRED,
      .doc = "Region of the bucket, as `eu-central-1`. Other S3 servers want the one they are set up with, mostly "
             "`us-east-1`." },
    { .key = "bucket_name",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, bucket),
      .flags = HG_OPT_REQUIRED,
      .doc = "Name of the bucket." },
    { .key = "key",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, key),
      .set_at = offsetof(s3_cfg_t, has_key),
      .doc = "Key of the one object to read. Either this or `prefix` is needed." },
    { .key = "prefix",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, prefix),
      .set_at = offsetof(s3_cfg_t, has_prefix),
      .doc = "Reads all objects whose keys begin with it; an empty one is the whole bucket." },
    { .key = "aws_access_key_id",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, id),
      .flags = HG_OPT_SECRET,
      .doc = "Access key. Without one: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN` of the "
             "environment, a role by web identity (`AWS_ROLE_ARN`), the profile `AWS_PROFILE` (or `default`) of "
             "`~/.aws/credentials` and `~/.aws/config` (its keys, the role that it assumes, or its "
             "`credential_process`), the credentials service of the container, that of the EC2 machine." },
    { .key = "aws_secret_access_key",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, secret),
      .flags = HG_OPT_SECRET,
      .doc = "Its secret." },
    { .key = "aws_session_token",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, token),
      .flags = HG_OPT_SECRET,
      .doc = "Session token, where the access key is a temporary one." },
    { .key = "no_sign_request",
      .type = HG_OPT_BOOL,
      .at = offsetof(s3_cfg_t, no_sign),
      .def = "false",
      .doc = "Requests are not signed: for public buckets. No credentials are looked for." },
    { .key = "endpoint_url",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, endpoint),
      .doc =
          "URL of another S3 server than Amazon's, as `http://127.0.0.1:9000`. The bucket then stands in the path." },
    { .key = "ssl_ca_location",
      .type = HG_OPT_STR,
      .at = offsetof(s3_cfg_t, ca_file),
      .doc = "File with certificates (PEM) that may have signed the server's. Without one: `AWS_CA_BUNDLE` of the "
             "environment, else the system's." },
    { .key = "compression",
      .type = HG_OPT_ENUM,
      .at = offsetof(s3_cfg_t, compression),
      .names = HG_COMPRESSION_NAMES,
      .def = "auto",
      .doc =
          "What the objects are compressed with; `auto` goes by the end of each key (.gz or .gzip, .zst or .zstd). "
          "Several members one behind the other are one stream. A resume reads such an object again from the start, or "
          "from the last member (of 256 KiB or more) that began before; positions count uncompressed bytes." },
    { .key = "max_concurrent_fetches",
      .type = HG_OPT_U32,
      .at = offsetof(s3_cfg_t, max_fetches),
      .def = "8",
      .min = 1,
      .max = 1000,
      .doc =
          "Objects that are read at the same time. Order holds within an object; 1 reads them one after the other, in "
          "the order of their keys." },
    { .key = "max_retries",
      .type = HG_OPT_U32,
      .at = offsetof(s3_cfg_t, max_retries),
      .def = "5",
      .doc = "Attempts after a failed request that brings nothing new, after 100 ms, 200 ms … up to 20 s. Then the "
             "connector fails." },
    { .key = NULL },
};

static bool is_reference(const char *v)
{
    return v && strncmp(v, "${", 2) == 0;
}

static void check_endpoint(const s3_cfg_t *c, const hg_json_t *obj, hg_diag_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    hg_s3_bucket_t b;
    if (is_reference(c->endpoint) || !c->bucket || !c->region) return;
    int rc = hg_s3_bucket_init(&b, c->bucket, c->region, c->endpoint, &err);
    if (rc == 0 && (c->endpoint || !(is_reference(c->bucket) || is_reference(c->region))))
        rc = hg_url_access(b.scheme_host, &err);
    if (rc < 0) hg_diag(d, false, hg_json_get(obj, c->endpoint ? "endpoint_url" : "bucket_name"), false, "%s", err.msg);
    hg_s3_bucket_release(&b);
}

static void check_name(const char *key, const char *value, const char *bad, const hg_json_t *obj, hg_diag_t *d)
{
    if (bad && !is_reference(value)) hg_diag(d, false, hg_json_get(obj, key), false, "option '%s': %s", key, bad);
}

static void check_access(const s3_cfg_t *c, const hg_json_t *obj, hg_diag_t *d)
{
    if (!c->id != !c->secret)
        hg_diag(d, false, hg_json_get(obj, c->id ? "aws_access_key_id" : "aws_secret_access_key"), false,
                "'%s' set but '%s' not set; either set both, or none to use the credentials of the environment",
                c->id ? "aws_access_key_id" : "aws_secret_access_key",
                c->id ? "aws_secret_access_key" : "aws_access_key_id");
    else if (c->token && !c->id)
        hg_diag(d, false, hg_json_get(obj, "aws_session_token"), false,
                "'aws_session_token' needs 'aws_access_key_id' and 'aws_secret_access_key'");
    hg_err_t err = HG_ERR_INIT;
    if (c->ca_file && !is_reference(c->ca_file) && hg_access_path(c->ca_file, &err) < 0)
        hg_diag(d, false, hg_json_get(obj, "ssl_ca_location"), false, "%s", err.msg);
    if (c->no_sign && c->id)
        hg_diag(d, true, hg_json_get(obj, "no_sign_request"), false,
                "'no_sign_request': the access key is not used, requests are not signed");
}

static void s3_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const s3_cfg_t *c = cfg;
    if (!c->key && !c->prefix)
        hg_diag(d, false, obj, false, "either 'key' or 'prefix' property must be specified");
    else if (c->key && c->prefix)
        hg_diag(d, false, hg_json_get(obj, "prefix"), false,
                "'key' and 'prefix' exclude each other: 'key' reads one object, 'prefix' all whose keys begin with it");
    size_t n = c->key ? strlen(c->key) : 1;
    check_name("key", c->key, n < 1 || n > HG_S3_KEY_MAX ? "a key has 1 to 1024 bytes" : NULL, obj, d);
    if (c->bucket) check_name("bucket_name", c->bucket, hg_s3_bucket_name_bad(c->bucket), obj, d);
    if (c->region)
        check_name("region", c->region,
                   !c->region[0] || c->region[strspn(c->region, "abcdefghijklmnopqrstuvwxyz"
                                                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")]
                       ? "expected the name of a region, as eu-central-1"
                       : NULL,
                   obj, d);
    check_endpoint(c, obj, d);
    check_access(c, obj, d);
}

/* --- errors --- */

uint64_t hg_s3_now(const hg_input_t *in)
{
    return uv_now(hg_loop_uv(hg_in_loop(in)));
}

void hg_s3_fatal(hg_input_t *in, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    s->running = false;
    err->fatal = 1;
    err->retry = 0;
    hg_in_error(in, "s3", err);
}

bool hg_s3_due(hg_input_t *in, const s3_try_t *t)
{
    return t->retry_at <= hg_s3_now(in);
}

void hg_s3_retry(hg_input_t *in, s3_try_t *t, const hg_err_t *why)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    hg_err_t err = *why;
    if (t->failed >= c->max_retries) {
        if (c->max_retries) hg_err_wrap(&err, "failed after %u attempts", t->failed + 1);
        hg_s3_fatal(in, &err);
        return;
    }
    uint64_t ms = t->failed < 16 ? HG_MIN((uint64_t)RETRY_BASE_MS << t->failed, (uint64_t)RETRY_CAP_MS) : RETRY_CAP_MS;
    t->failed++;
    t->retry_at = hg_s3_now(in) + ms;
    s->n_retrying += !t->told;
    t->told = true;
    err.retry = 1;
    err.fatal = 0;
    hg_in_error(in, "s3", &err);
    if (s->closing) return;
    hg_in_retries_in(in, ms);
    hg_s3_arm(in);
}

void hg_s3_works(hg_input_t *in, s3_try_t *t)
{
    s3_t *s = hg_in_inst(in);
    if (!t->told) return;
    t->told = false;
    if (--s->n_retrying == 0) hg_in_healthy(in);
}

void hg_s3_refused(hg_input_t *in, const char *what, const char *key, int status, hg_str_t body, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    if (hg_s3_refusal(what, c->bucket, key, c->region, status, body, err) && !c->id) {
        err->retry = 1; /* somebody may have written new ones */
        s->creds_ready = false;
    }
}

/* --- credentials --- */

static void finish_close(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    HG_LIST_EACH(it, &s->active)
    {
        hg_http_body_release(&HG_ENTRY(it, s3_obj_t, active)->body);
    }
    hg_s3_list_drop(s);
    if (s->client) hg_client_free(s->client);
    s->client = NULL;
    hg_in_closed(in);
}

void hg_s3_made(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    s->n_making--;
    if (s->close_due && !s->busy && !s->n_making) finish_close(in);
}

static bool is_given_up(void *arg)
{
    s3_t *s = arg;
    return atomic_load(&s->give_up);
}

static void find_creds(uv_work_t *w)
{
    s3_t *s = hg_in_inst(w->data);
    const s3_cfg_t *c = hg_in_cfg(w->data);
    const hg_s3_ask_t ask = { .region = c->region, .ca_file = s->ca_file, .cancelled = is_given_up, .cancel_arg = s };
    s->creds_err = HG_ERR_INIT;
    (void)hg_s3_creds_find(&ask, &s->fresh, &s->creds_err);
}

static bool is_valid(const s3_t *s, int64_t now_s)
{
    return s->creds_ready && (!s->creds.expires_s || now_s < s->creds.expires_s);
}

/* Is there something to ask S3 for? What streams already needs no signature any more. */
static bool has_requests(const s3_t *s)
{
    if (!s->list.done || s->n_queued) return true;
    HG_LIST_EACH(it, &s->active)
    {
        const s3_obj_t *o = HG_ENTRY(it, s3_obj_t, active);
        if (!o->body.t && !o->at_end) return true;
    }
    return false;
}

/* Where there are valid ones still, or none are needed, a service that does not answer costs nothing yet. */
static void no_creds(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    int64_t now = (int64_t)time(NULL), left = s->creds.expires_s - now;
    hg_err_wrap(&s->creds_err, "bucket '%s'", ((const s3_cfg_t *)hg_in_cfg(in))->bucket);
    if (is_valid(s, now) || !has_requests(s)) {
        s->renew_s = now + (left > 2 ? HG_MIN(left / 2, (int64_t)RENEW_AGAIN_S) : left > 0 ? 1 : RENEW_AGAIN_S);
        hg_log(HG_LOG_WARN, "input", hg_in_name(in), "credentials",
               "message=\"not renewed, valid for %" PRId64 " s: %s\"", left, s->creds_err.msg);
        hg_s3_arm(in);
    } else if (s->creds_err.retry || s->creds.id) { /* there were some, so there may be again */
        hg_s3_retry(in, &s->creds_try, &s->creds_err);
    } else {
        hg_s3_fatal(in, &s->creds_err);
    }
}

static void have_creds(uv_work_t *w, int status)
{
    hg_input_t *in = w->data;
    s3_t *s = hg_in_inst(in);
    (void)status;
    s->busy = false;
    if (s->closing) {
        hg_s3_creds_release(&s->fresh);
        if (s->close_due && !s->n_making) finish_close(in);
        return;
    }
    if (s->creds_err.code) {
        no_creds(in);
        return;
    }
    hg_s3_creds_release(&s->creds);
    s->creds = s->fresh;
    memset(&s->fresh, 0, sizeof s->fresh);
    s->creds_ready = true;
    s->renew_s = hg_s3_creds_renew_at(&s->creds, (int64_t)time(NULL));
    hg_s3_works(in, &s->creds_try);
    s->creds_try.failed = 0;
    hg_log(HG_LOG_INFO, "input", hg_in_name(in), "credentials", "message=\"found in %s\"", s->creds.from);
    hg_s3_go(in);
}

/* Is there nothing to sign with? Then a look-up is under way, or will be. Those that expire soon are used while others
 * are looked for. */
static bool need_creds(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    int64_t now = (int64_t)time(NULL);
    bool valid = c->no_sign || is_valid(s, now);
    if (valid && (!s->renew_s || now < s->renew_s)) return false;
    if (c->id) {
        s->creds = (hg_s3_creds_t){ .id = hg_xstrdup(c->id),
                                    .secret = hg_xstrdup(c->secret),
                                    .token = c->token ? hg_xstrdup(c->token) : NULL,
                                    .from = "the options" };
        s->creds_ready = true;
        return false;
    }
    if (!s->busy && hg_s3_due(in, &s->creds_try)) {
        s->busy = true;
        s->creds_try.retry_at = 0;
        s->lookup.data = in;
        uv_queue_work(hg_loop_uv(hg_in_loop(in)), &s->lookup, find_creds, have_creds);
    }
    return !valid;
}

/* --- what is next --- */

/* Objects that the circuit has taken, with all before them, need no place any more. */
static void fold(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    while (!hg_list_empty(&s->objects)) {
        s3_obj_t *o = HG_ENTRY(s->objects.next, s3_obj_t, link);
        if (o->state != S3_ENDED) return;
        if (o->lane_id && o->body.off > o->start && !hg_in_fold(in, o->lane_id, o->body.off)) return;
        hg_free(s->after);
        s->after = o->key;
        o->key = NULL;
        hg_s3_obj_free(o);
    }
}

/* The object to begin next; NULL: none is queued, or too many before it are not taken yet (crowded). What a replay asks
 * for is begun at once, and the others wait for its end. */
static s3_obj_t *next_queued(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    uint32_t before = 0;
    s->crowded = false;
    if (!s->n_queued) return NULL;
    HG_LIST_EACH(it, &s->objects)
    {
        s3_obj_t *o = HG_ENTRY(it, s3_obj_t, link);
        hg_replay_part_t part = o->state == S3_QUEUED ? hg_in_replay_part(in, o->lane_key) : HG_REPLAY_OTHER;
        before += o->state != S3_QUEUED;
        if (part == HG_REPLAY_OTHER) continue;
        s->crowded = part == HG_REPLAY_NONE && before >= WINDOW + c->max_fetches;
        return s->crowded ? NULL : o;
    }
    return NULL;
}

static void go_on_reading(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    HG_LIST_EACH(it, &s->active)
    {
        if (!s->running) break;
        hg_s3_obj_go(HG_ENTRY(it, s3_obj_t, active));
    }
}

void hg_s3_go(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    if (!s->running || s->closing || s->ended) return;
    s->creds_wanted = need_creds(in) && has_requests(s);
    if (s->creds_wanted) {
        hg_s3_arm(in);
        return;
    }
    if (!s->client) s->client = hg_client_new(hg_in_loop(in));
    if (!s->list.begun && c->key) hg_s3_single(in);
    go_on_reading(in);
    fold(in);
    s3_obj_t *next = next_queued(in);
    while (s->running && next && s->n_active < c->max_fetches) {
        hg_s3_obj_begin(next);
        next = next_queued(in);
    }
    bool out = !next && !s->crowded;
    if (s->running && !s->list.done && (out || s->n_queued < LOW_QUEUE)) hg_s3_list_start(in);
    if (s->running && s->list.done && !s->n_active && out) { /* in a replay that lacks an object this is an error */
        s->ended = s->n_queued == 0;
        s->running = false;
        hg_in_eoi(in);
    }
    hg_s3_arm(in);
}

/* --- time --- */

static void flush_lanes(s3_t *s)
{
    HG_LIST_EACH(it, &s->active)
    {
        s3_obj_t *o = HG_ENTRY(it, s3_obj_t, active);
        if (!o->body.lane || o->flushed == o->body.off) continue;
        o->flushed = o->body.off;
        if (hg_lane_flush(o->body.lane) != HG_LANE_OK) s->running = false;
    }
}

static void drop_connections(s3_t *s)
{
    HG_LIST_EACH(it, &s->active)
    {
        hg_http_body_drop(&HG_ENTRY(it, s3_obj_t, active)->body);
    }
    hg_s3_list_drop(s);
}

static void on_timer(uv_timer_t *t)
{
    hg_input_t *in = t->data;
    s3_t *s = hg_in_inst(in);
    uint64_t now = hg_s3_now(in);
    if (s->drop_at && now >= s->drop_at) {
        s->drop_at = 0;
        drop_connections(s);
    }
    if (s->quiet_at && now >= s->quiet_at) {
        s->quiet_at = 0;
        if (s->running) flush_lanes(s);
    }
    hg_s3_go(in);
}

static void earlier(uint64_t *due, uint64_t at)
{
    if (at && (!*due || at < *due)) *due = at;
}

void hg_s3_arm(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    uint64_t due = 0, now = hg_s3_now(in);
    if (s->closing) return;
    earlier(&due, s->drop_at);
    if (s->running && s->creds_try.retry_at)
        earlier(&due, s->creds_try.retry_at);
    else if (s->running && s->renew_s && !s->busy)
        earlier(&due, now + 1000 * (uint64_t)HG_MAX(s->renew_s - (int64_t)time(NULL), (int64_t)0));
    if (s->running && !s->creds_wanted) {
        earlier(&due, s->quiet_at);
        earlier(&due, s->list.again.retry_at);
        if (s->crowded) earlier(&due, now + POLL_MS);
        HG_LIST_EACH(it, &s->active)
        {
            earlier(&due, HG_ENTRY(it, s3_obj_t, active)->again.retry_at);
        }
    }
    if (!s->timer && due) {
        s->timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_in_loop(in)), s->timer);
        s->timer->data = in;
    }
    if (due)
        uv_timer_start(s->timer, on_timer, due > now ? due - now : 0, 0);
    else if (s->timer)
        uv_timer_stop(s->timer);
}

/* --- the contract --- */

static int s3_open(hg_input_t *in, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    const s3_cfg_t *c = hg_in_cfg(in);
    hg_list_init(&s->objects);
    hg_list_init(&s->active);
    hg_buf_init(&s->list.refusal, HG_S3_REFUSAL);
    const char *bad = hg_s3_bucket_name_bad(c->bucket);
    if (bad) return hg_err_option(err, HG_EINVALTRANSPORT, "bucket_name", "option 'bucket_name': %s", bad);
    s->ca_file = c->ca_file ? c->ca_file : hg_s3_ca_file();
    if (c->ca_file && hg_access_path(c->ca_file, err) < 0) return err->code;
    if (s->ca_file && access(s->ca_file, R_OK) < 0)
        return hg_err_option(err, HG_EINVALTRANSPORT, "ssl_ca_location", "%s: cannot read '%s': %s",
                             c->ca_file ? "option 'ssl_ca_location'" : "AWS_CA_BUNDLE", s->ca_file, strerror(errno));
    return hg_s3_bucket_init(&s->bucket, c->bucket, c->region, c->endpoint, err);
}

static int s3_run(hg_input_t *in, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    (void)err;
    s->running = true;
    s->drop_at = 0;
    hg_s3_go(in);
    return 0;
}

static int s3_hold(hg_input_t *in, hg_err_t *err)
{
    s3_t *s = hg_in_inst(in);
    (void)err;
    flush_lanes(s); /* whole records that were read are delivered */
    s->running = false;
    s->drop_at = hg_s3_now(in) + PAUSE_MS;
    hg_s3_arm(in);
    return 0;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

/* The transfer may be the one whose call-back led here: it is cancelled from the loop's next turn. */
static void close_later(void *arg)
{
    s3_t *s = hg_in_inst(arg);
    s->close_due = true;
    if (!s->busy && !s->n_making) finish_close(arg);
}

static void s3_close(hg_input_t *in)
{
    s3_t *s = hg_in_inst(in);
    s->closing = true;
    s->running = false;
    atomic_store(&s->give_up, true);
    if (s->timer) uv_close((uv_handle_t *)s->timer, free_timer);
    s->timer = NULL;
    HG_LIST_EACH(it, &s->active)
    {
        s3_obj_t *o = HG_ENTRY(it, s3_obj_t, active);
        if (o->body.lane) (void)hg_lane_close(o->body.lane, true);
        o->body.lane = NULL;
    }
    hg_loop_post(hg_in_loop(in), close_later, in);
}

static void s3_fini(void *inst)
{
    s3_t *s = inst;
    while (s->objects.next && !hg_list_empty(&s->objects)) hg_s3_obj_free(HG_ENTRY(s->objects.next, s3_obj_t, link));
    hg_s3_saved_free(s);
    hg_s3_creds_release(&s->creds);
    hg_s3_creds_release(&s->fresh);
    hg_s3_bucket_release(&s->bucket);
    hg_s3_xml_free(s->list.xml);
    hg_buf_release(&s->list.refusal);
    hg_free(s->list.token);
    hg_free(s->list.last_key);
}

const hg_input_type_t hg_input_s3 = {
    .abi = HG_CONNECTOR_ABI,
    .name = "s3_input",
    .summary = "reads objects of an S3 bucket",
    .opts = s3_opts,
    .extra = HG_EXTRA_WARN,
    .cfg_size = sizeof(s3_cfg_t),
    .inst_size = sizeof(s3_t),
    .caps = HG_CAP_FINITE | HG_CAP_REPLAY | HG_CAP_RESUME,
    .check = s3_check,
    .open = s3_open,
    .run = s3_run,
    .hold = s3_hold,
    .close = s3_close,
    .save = hg_s3_save,
    .restore = hg_s3_restore,
    .fini = s3_fini,
    .check_position = hg_s3_check_position,
    .position_doc =
        "`{\"after\": \"key\"}`: all objects up to that key, in the order of their bytes, are done. Saved ones also "
        "have "
        "`objects`, those behind it that are partly read (`key`, `offset`, `size`, `etag`; of "
        "compressed ones `offset` counts uncompressed bytes, and `member_at` and `member_offset` tell where reading "
        "begins), and `done`, the keys of "
        "those "
        "behind it that are done. An object that has changed since a part of it was read is an error, never a mixture.",
};
