/* topic.c: get topic ─► (get or create stream ─► [which options are there] ─► create topic ─► get topic). That somebody
 * else was faster is no error. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/client/topic_int.h"

hg_iggy_id_t iggy_id_copy(hg_iggy_id_t id)
{
    if (id.name.n) id.name.p = hg_xstrndup(id.name.p, id.name.n);
    return id;
}

void iggy_id_release(hg_iggy_id_t *id)
{
    if (id->name.n) hg_free((void *)(uintptr_t)id->name.p);
    *id = (hg_iggy_id_t){ 0 };
}

static void ask(iggy_find_t *f, const hg_iggy_cmd_t *cmd, hg_iggy_done_fn done)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_iggy_call(f->conn, cmd, done, f, &err);
    if (rc < 0 && rc != HG_EAGAIN) f->found(f->arg, 0, &err);
}

/* true: an error that stops the search; told, unless the connection's owner hears of it anyway. */
static bool stopped(iggy_find_t *f, const hg_iggy_reply_t *r, uint32_t but)
{
    if (!r->err || (but && r->code == but)) return false;
    if (r->code) f->found(f->arg, 0, r->err);
    return true;
}

static void got_topic(void *arg, const hg_iggy_reply_t *r);

static void get_topic(iggy_find_t *f)
{
    ask(f, &(hg_iggy_cmd_t){ .op = HG_IGGY_GET_TOPIC, .stream = f->stream, .topic = f->topic }, got_topic);
}

static void made_topic(void *arg, const hg_iggy_reply_t *r)
{
    iggy_find_t *f = arg;
    if (stopped(f, r, HG_IGGY_E_TOPIC_EXISTS)) return;
    f->made = true;
    get_topic(f);
}

static void create_topic(iggy_find_t *f)
{
    ask(f,
        &(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_TOPIC,
                          .stream = f->stream,
                          .name = f->topic.name,
                          .count = f->partitions ? f->partitions : 1,
                          .topic_opts = f->opts },
        made_topic);
}

static void not_durable(iggy_find_t *f)
{
    hg_err_t err = HG_ERR_INIT;
    hg_err_set(&err, HG_EUNSUPPORTED,
               "this Iggy server has no option for a durable topic: set it in the server's own "
               "configuration, or create the topic yourself");
    f->found(f->arg, 0, &err);
}

/* The option has changed its name; one that a server does not know is refused. */
static void got_options(void *arg, const hg_iggy_reply_t *r)
{
    iggy_find_t *f = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_option_info_t o;
    hg_err_t err = HG_ERR_INIT;
    if (stopped(f, r, 0)) return;
    while (hg_iggy_read_option(&in, &o, &err) > 0) {
        if (hg_str_eqz(o.key, "durability")) f->opts.saved = HG_IGGY_SAVED_PERSISTED;
        if (hg_str_eqz(o.key, "enforce_fsync") && !f->opts.saved) f->opts.saved = HG_IGGY_SAVED_BY_FSYNC;
    }
    if (f->opts.saved)
        create_topic(f);
    else
        not_durable(f);
}

static void made_stream(void *arg, const hg_iggy_reply_t *r)
{
    iggy_find_t *f = arg;
    if (stopped(f, r, HG_IGGY_E_STREAM_EXISTS)) return;
    if (!f->durable || f->opts.saved)
        create_topic(f);
    else if (hg_iggy_server(f->conn)->proto == HG_IGGY_CLASSIC)
        not_durable(f);
    else
        ask(f, &(hg_iggy_cmd_t){ .op = HG_IGGY_GET_OPTIONS, .count = 1 }, got_options);
}

/* The stream may be there, and its creation not be allowed. */
static void got_stream(void *arg, const hg_iggy_reply_t *r)
{
    iggy_find_t *f = arg;
    if (stopped(f, r, HG_IGGY_E_STREAM_NOT_FOUND)) return;
    if (!r->err && r->in.p < r->in.end)
        made_stream(f, r);
    else
        ask(f, &(hg_iggy_cmd_t){ .op = HG_IGGY_CREATE_STREAM, .name = f->stream.name }, made_stream);
}

static void missing(iggy_find_t *f)
{
    hg_err_t err = HG_ERR_INIT;
    if (f->create && !f->made && f->stream.name.n && f->topic.name.n) {
        ask(f, &(hg_iggy_cmd_t){ .op = HG_IGGY_GET_STREAM, .stream = f->stream }, got_stream);
        return;
    }
    char stream[16], topic[16];
    snprintf(stream, sizeof stream, "%" PRIu32, f->stream.num);
    snprintf(topic, sizeof topic, "%" PRIu32, f->topic.num);
    hg_str_t s = f->stream.name.n ? f->stream.name : hg_strz(stream);
    hg_str_t t = f->topic.name.n ? f->topic.name : hg_strz(topic);
    hg_err_set(&err, HG_ENOTFOUND, "there is no topic '" HG_SF "' in stream '" HG_SF "' of the Iggy server", HG_SA(t),
               HG_SA(s));
    f->found(f->arg, 0, &err);
}

static void got_topic(void *arg, const hg_iggy_reply_t *r)
{
    iggy_find_t *f = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_topic_t t;
    hg_err_t err = HG_ERR_INIT;
    bool absent = r->code == HG_IGGY_E_STREAM_NOT_FOUND || r->code == HG_IGGY_E_TOPIC_NOT_FOUND;
    if (!absent && stopped(f, r, 0)) return;
    int rc = absent ? 0 : hg_iggy_read_topic(&in, &t, &err);
    if (rc == 0)
        missing(f);
    else if (rc < 0)
        f->found(f->arg, 0, &err);
    else
        f->found(f->arg, t.partitions, NULL);
}

void iggy_find(iggy_find_t *f)
{
    f->made = false;
    get_topic(f);
}
