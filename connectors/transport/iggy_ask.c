/* iggy_ask.c: where the partitions of a topic begin and end. One question after the other on a client's connection:
 *
 *   GET_TOPIC ─► for each partition: POLL first ─► [POLL timestamp] ─► done
 *
 * A topic tells the newest offset of a partition, which is 0 for an empty one too: the number of its messages tells
 * them apart. Its oldest offset only a message tells. Loop thread; any answer that is an error ends it. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/iggy_int.h"

#define MAX_PARTITIONS 1000000u /* no server has more */

struct hg_iggy_ask {
    hg_iggy_t *client;
    const hg_iggy_conn_t *c;
    const hg_json_t *only;
    bool ends, dropped, timing;
    uint64_t time, created;
    hg_iggy_extent_t *parts;
    uint32_t n, at;
    hg_iggy_asked_fn done;
    void *arg;
};

static void free_ask(hg_iggy_ask_t *a)
{
    hg_free(a->parts);
    hg_free(a);
}

static void finish(hg_iggy_ask_t *a, const hg_err_t *err)
{
    if (!a->dropped) a->done(a->arg, err, a->created, a->parts, a->n);
    free_ask(a);
}

static void ask_next(hg_iggy_ask_t *a);

static void call(hg_iggy_ask_t *a, const hg_iggy_cmd_t *cmd, hg_iggy_done_fn done)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_iggy_call(a->client, cmd, done, a, &err) < 0) finish(a, &err);
}

/* Tells of the failure, if it is one. */
static bool failed(hg_iggy_ask_t *a, const hg_iggy_reply_t *r)
{
    if (!r->err && !a->dropped) return false;
    finish(a, r->err);
    return true;
}

static void got_first(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_ask_t *a = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_polled_t polled;
    hg_iggy_message_t m;
    hg_err_t err = HG_ERR_INIT;
    if (failed(a, r)) return;
    if (hg_iggy_read_polled(&in, &polled, &err) <= 0) {
        if (!err.code) hg_err_set(&err, HG_EPROTO, "the server answers a poll with nothing");
        finish(a, &err);
        return;
    }
    hg_iggy_extent_t *p = &a->parts[a->at];
    bool any = hg_iggy_messages_next(&polled.messages, &m);
    if (any) p->end = HG_MAX(p->end, polled.newest + 1);
    if (a->timing) {
        p->from = any ? m.offset : p->end;
        a->at++;
    } else {
        p->low = any ? m.offset : p->end;
        if (a->time == HG_IGGY_NONE) a->at++;
    }
    a->timing = !a->timing && a->time != HG_IGGY_NONE;
    ask_next(a);
}

static void ask_next(hg_iggy_ask_t *a)
{
    if (a->at == a->n) {
        finish(a, NULL);
        return;
    }
    call(a,
         &(hg_iggy_cmd_t){ .op = HG_IGGY_POLL,
                           .stream = hg_iggy_conn_stream(a->c),
                           .topic = hg_iggy_conn_topic(a->c),
                           .consumer.id = hg_iggy_named(HG_S("headgate")),
                           .partition = a->parts[a->at].id,
                           .strategy = { a->timing ? HG_IGGY_TIMESTAMP : HG_IGGY_FIRST, a->timing ? a->time : 0 },
                           .count = 1 },
         got_first);
}

/* The partitions that are wanted, out of those that exist. */
static int choose(hg_iggy_ask_t *a, uint32_t exist, hg_err_t *err)
{
    uint32_t n = a->only ? a->only->n : exist;
    hg_iggy_extent_t *chosen = HG_NEWN(hg_iggy_extent_t, n + 1);
    const hg_json_t *o = a->only ? a->only->child : NULL;
    for (uint32_t i = 0; i < n; i++, o = o ? o->next : NULL) {
        uint64_t id = i;
        if (o) (void)hg_json_u64(o, &id);
        if (id >= exist) {
            hg_free(chosen);
            err->fatal = 1;
            return hg_err_set(err, HG_EINVALTRANSPORT,
                              "topic '%s' has %u partitions, from 0; partition %" PRIu64 " does not exist", a->c->topic,
                              exist, id);
        }
        chosen[i] = a->parts[id];
    }
    hg_free(a->parts);
    a->parts = chosen;
    a->n = n;
    return 0;
}

static void got_topic(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_ask_t *a = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_topic_t t;
    hg_iggy_partition_t p;
    hg_err_t err = HG_ERR_INIT;
    uint32_t n = 0;
    if (failed(a, r)) return;
    int rc = hg_iggy_read_topic(&in, &t, &err);
    if (rc == 0)
        rc = hg_err_retry(&err, HG_ENOTFOUND, "topic '%s' of stream '%s' does not exist", a->c->topic, a->c->stream);
    if (rc > 0 && t.partitions == 0)
        rc = hg_err_retry(&err, HG_ENOTFOUND, "topic '%s' of stream '%s' has no partitions", a->c->topic, a->c->stream);
    if (rc > 0) {
        a->created = t.created_at;
        a->parts = HG_NEWN(hg_iggy_extent_t, HG_MIN(t.partitions, MAX_PARTITIONS));
        while (n < HG_MIN(t.partitions, MAX_PARTITIONS) && (rc = hg_iggy_read_partition(&in, &p, &err)) > 0) {
            uint64_t end = p.messages || p.newest ? p.newest + 1 : 0;
            a->parts[n] = (hg_iggy_extent_t){ .id = n, .low = 0, .end = end, .from = end };
            n++;
        }
        if (rc >= 0 && n < t.partitions)
            rc = hg_err_set(&err, HG_EPROTO, "the server tells of %u of %u partitions", n, t.partitions);
    }
    if (rc > 0) rc = choose(a, n, &err);
    if (rc < 0)
        finish(a, &err);
    else if (a->ends)
        finish(a, NULL);
    else
        ask_next(a);
}

hg_iggy_ask_t *hg_iggy_ask(hg_iggy_t *client, const hg_iggy_conn_t *c, const hg_json_t *only, bool ends, uint64_t time,
                           hg_iggy_asked_fn done, void *arg)
{
    hg_iggy_ask_t *a = HG_NEW(hg_iggy_ask_t);
    hg_err_t err = HG_ERR_INIT;
    *a =
        (hg_iggy_ask_t){ .client = client, .c = c, .only = only, .ends = ends, .time = time, .done = done, .arg = arg };
    hg_iggy_cmd_t cmd = { .op = HG_IGGY_GET_TOPIC, .stream = hg_iggy_conn_stream(c), .topic = hg_iggy_conn_topic(c) };
    if (hg_iggy_call(client, &cmd, got_topic, a, &err) == 0) return a;
    free_ask(a);
    return NULL;
}

void hg_iggy_ask_drop(hg_iggy_ask_t *a)
{
    if (a) a->dropped = true;
}
