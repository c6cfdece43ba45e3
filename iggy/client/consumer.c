/* consumer.c: which partitions are ours, where each is, and one poll at a time over them in turn.
 *
 *   ready ─► topic ─► (alone) all that it has, or those that were asked for
 *                └──► (group) join ─► sync: what the server gives us ─► … sync with every heartbeat, or when a poll
 * says so
 *
 * 1. `setting` is true from ready until there are partitions to poll; nothing is polled then, nor while `syncing`.
 * 2. Where a partition is (`at`) is known from its first batch on; until then `start` is what it is polled with.
 * 3. A poll's answer counts only if the partition is still ours and nobody has moved it meanwhile (`epoch`).
 * 4. A poll of the `reader` is not known to the server for a member's, so it is used while messages come, and the first
 *    of them after a pause by the member. There is one poll in flight, whoever has it.
 * 5. Members of a group forget everything when the connection goes: the server has given it to others. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/client/consumer.h"
#include "iggy/client/consumer_int.h"
#include "iggy/client/topic_int.h"

#define WITHHELD_POLLS 100  /* then it is logged: what is stored cannot be read */
#define LOOK_MS        5000 /* for new partitions and assignments, when there is no heartbeat */

typedef struct {
    uint32_t id;
    hg_iggy_strategy_t start;
    bool known, ask, end_told; /* at is known; its stored offset decides between NEXT and start */
    uint64_t at;               /* the next offset */
    unsigned withheld;         /* polls that brought nothing though there is more */
    uint64_t epoch;            /* of its last move by anybody but its polls */
} part_t;

struct hg_iggy_consumer {
    hg_loop_t *loop;
    hg_iggy_t *conn;
    hg_iggy_t *reader; /* NULL: there is none, or none yet */
    hg_iggy_opts_t reader_opts;
    hg_iggy_consumer_opts_t opts;
    hg_iggy_consumer_ops_t ops;
    void *arg;
    uint32_t *wanted;                  /* opts.partitions */
    uint64_t retry_ms, look_ms, since; /* since: when the last message came, or polling began */
    iggy_find_t find;
    bool up, setting, syncing, polling, paused, dead, closing, leaving;
    bool picked;  /* by the server, poll by poll */
    bool made;    /* the group was missing */
    bool reading; /* polling, by the reader */
    bool flows;   /* the last poll brought messages */
    unsigned handles;
    void (*closed)(void *arg);
    void *closed_arg;
    uv_timer_t timer;
    uint64_t due_poll, due_look, due_setup;

    part_t *parts;          /* by id */
    uint32_t n, turn, idle; /* idle: polls in a row that brought nothing */
    uint64_t generation, epoch;
    uint64_t each;   /* bytes of a message of the last poll that brought any; 0: there was none */
    uint32_t polled; /* of the poll in flight */
    uint64_t polled_epoch;
};

static void step(hg_iggy_consumer_t *c);
static void set_up(hg_iggy_consumer_t *c);
static void sync_group(hg_iggy_consumer_t *c);
static void leave(hg_iggy_consumer_t *c);

static uint64_t now(const hg_iggy_consumer_t *c)
{
    return uv_now(hg_loop_uv(c->loop)) + 1;
}

static bool is_group(const hg_iggy_consumer_t *c)
{
    return c->opts.consumer.group;
}

/* --- the timer --- */

static void on_timer(uv_timer_t *t);

static void rearm(hg_iggy_consumer_t *c)
{
    const uint64_t due[] = { c->due_poll, c->due_look, c->due_setup };
    uint64_t first = 0, at = now(c);
    if (c->closing) return;
    for (size_t i = 0; i < HG_COUNT(due); i++)
        if (due[i] && (!first || due[i] < first)) first = due[i];
    if (first && !c->dead)
        uv_timer_start(&c->timer, on_timer, first > at ? first - at : 0, 0);
    else
        uv_timer_stop(&c->timer);
}

static bool passed(hg_iggy_consumer_t *c, uint64_t *due)
{
    if (!*due || *due > now(c)) return false;
    *due = 0;
    return true;
}

static void die(hg_iggy_consumer_t *c, const hg_err_t *err)
{
    if (c->closing || c->dead) return;
    c->dead = true;
    c->up = false;
    rearm(c);
    c->ops.fatal(c->arg, err);
}

/* false: the connection is gone; down has been told or will be. */
static bool ask(hg_iggy_consumer_t *c, hg_iggy_op_t op, hg_iggy_done_fn done)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_cmd_t cmd = { .op = op,
                          .stream = c->opts.stream,
                          .topic = c->opts.topic,
                          .group = c->opts.consumer.id,
                          .name = c->opts.consumer.id.name };
    int rc = hg_iggy_call(c->conn, &cmd, done, c, &err);
    if (rc < 0 && rc != HG_EAGAIN) die(c, &err);
    return rc == 0;
}

/* Something on the way to the first poll went wrong: later again, or never. */
static void trouble(hg_iggy_consumer_t *c, const hg_err_t *err)
{
    bool wait = err->retry || (c->opts.wait_topic && err->code == HG_ENOTFOUND);
    if (!wait) {
        die(c, err);
        return;
    }
    c->due_setup = now(c) + c->retry_ms;
    rearm(c);
    if (!err->retry) c->ops.down(c->arg, err);
}

/* --- which partitions --- */

static part_t *part_of(const hg_iggy_consumer_t *c, uint32_t id)
{
    uint32_t lo = 0, hi = c->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (c->parts[mid].id == id) return &c->parts[mid];
        if (c->parts[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return NULL;
}

static bool is_in(const uint32_t *ids, uint32_t n, uint32_t id)
{
    for (uint32_t i = 0; i < n; i++)
        if (ids[i] == id) return true;
    return false;
}

static int by_id(const void *a, const void *b)
{
    uint32_t x = ((const part_t *)a)->id, y = ((const part_t *)b)->id;
    return x < y ? -1 : x > y;
}

static void init_part(hg_iggy_consumer_t *c, part_t *p, uint32_t id)
{
    *p = (part_t){ .id = id, .start = c->opts.start, .epoch = ++c->epoch };
    if (!is_group(c) && c->ops.start)
        p->start = c->ops.start(c->arg, id);
    else
        p->ask = is_group(c) && !c->picked && (c->ops.start || p->start.from != HG_IGGY_NEXT);
}

static void forget(hg_iggy_consumer_t *c, uint32_t *gone, uint32_t n_gone)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (!is_in(gone, n_gone, c->parts[i].id)) c->parts[n++] = c->parts[i];
    c->n = n;
    if (n_gone && c->ops.revoked && !c->closing) c->ops.revoked(c->arg, gone, n_gone);
}

static void add_parts(hg_iggy_consumer_t *c, const uint32_t *fresh, uint32_t n_fresh)
{
    if (!n_fresh || c->closing) return;
    c->parts = hg_xgrow(c->parts, sizeof *c->parts * (c->n + n_fresh));
    for (uint32_t i = 0; i < n_fresh; i++) init_part(c, &c->parts[c->n + i], fresh[i]);
    c->n += n_fresh;
    qsort(c->parts, c->n, sizeof *c->parts, by_id);
    c->idle = 0;
    if (c->ops.assigned) c->ops.assigned(c->arg, fresh, n_fresh);
}

/* From now on ids are ours. keep: those that were ours before are so without a break. */
static void assign(hg_iggy_consumer_t *c, const uint32_t *ids, uint32_t n, bool keep)
{
    uint32_t *gone = HG_NEWN(uint32_t, c->n + 1), *fresh = HG_NEWN(uint32_t, n + 1);
    uint32_t n_gone = 0, n_fresh = 0;
    for (uint32_t i = 0; i < c->n; i++)
        if (!keep || !is_in(ids, n, c->parts[i].id)) gone[n_gone++] = c->parts[i].id;
    forget(c, gone, n_gone);
    for (uint32_t i = 0; i < n; i++)
        if (!part_of(c, ids[i]) && !is_in(fresh, n_fresh, ids[i])) fresh[n_fresh++] = ids[i];
    add_parts(c, fresh, n_fresh);
    hg_free(gone);
    hg_free(fresh);
}

static void set_up_done(hg_iggy_consumer_t *c)
{
    c->due_look = now(c) + c->look_ms;
    if (c->setting) {
        c->setting = false;
        c->up = true;
        c->since = now(c);
        c->ops.ready(c->arg, hg_iggy_server(c->conn));
    }
    step(c);
    rearm(c);
}

/* --- alone --- */

static void assign_all(hg_iggy_consumer_t *c, uint32_t n)
{
    hg_err_t err = HG_ERR_INIT;
    uint32_t n_ids = c->wanted ? c->opts.n_partitions : n;
    uint32_t *ids = HG_NEWN(uint32_t, n_ids + 1);
    for (uint32_t i = 0; i < n_ids; i++) {
        ids[i] = c->wanted ? c->wanted[i] : i;
        if (ids[i] >= n)
            hg_err_set(&err, HG_ENOTFOUND, "the topic has %" PRIu32 " partitions, there is no partition %" PRIu32, n,
                       ids[i]);
    }
    if (err.code)
        trouble(c, &err);
    else
        assign(c, ids, n_ids, true);
    hg_free(ids);
    if (!err.code && !c->closing) set_up_done(c);
}

/* --- a group --- */

static void got_assignment(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_consumer_t *c = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_assignment_t a;
    hg_err_t err = HG_ERR_INIT;
    c->syncing = false;
    if (c->closing || c->dead) return;
    if (r->err) {
        if (r->code) trouble(c, r->err);
        return;
    }
    int rc = hg_iggy_read_assignment(&in, &a, &err);
    if (rc < 0) {
        hg_iggy_reconnect(c->conn, err.msg);
    } else if (rc == 0) { /* not a member any more */
        assign(c, NULL, 0, false);
        if (!c->closing) set_up(c);
    } else {
        uint32_t *ids = HG_NEWN(uint32_t, a.n + 1);
        for (uint32_t i = 0; i < a.n; i++) ids[i] = hg_iggy_nth_u32(a.partitions, i);
        /* a generation that we have not seen may have given ours to somebody else for a while */
        bool keep = a.generation == c->generation || a.generation == c->generation + 1;
        c->generation = a.generation;
        assign(c, ids, a.n, keep);
        hg_free(ids);
        if (!c->closing) set_up_done(c);
    }
}

static void sync_group(hg_iggy_consumer_t *c)
{
    if (c->syncing || c->closing || c->dead) return;
    c->syncing = ask(c, HG_IGGY_SYNC_GROUP, got_assignment);
}

static void joined(void *arg, const hg_iggy_reply_t *r);

static void created(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_consumer_t *c = arg;
    if (c->closing || c->dead) return;
    c->made = !r->err;
    if (!r->err || r->code == HG_IGGY_E_GROUP_EXISTS)
        ask(c, HG_IGGY_JOIN_GROUP, joined);
    else if (r->code)
        trouble(c, r->err);
}

static void joined(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_consumer_t *c = arg;
    if (c->closing || c->dead) return;
    if (r->code == HG_IGGY_E_GROUP_NOT_FOUND && c->opts.consumer.id.name.n) {
        ask(c, HG_IGGY_CREATE_GROUP, created);
    } else if (r->err) {
        if (r->code) trouble(c, r->err);
    } else if (c->picked) {
        set_up_done(c);
    } else {
        sync_group(c);
    }
}

/* --- setting up --- */

static void on_found(void *arg, uint32_t n, const hg_err_t *err)
{
    hg_iggy_consumer_t *c = arg;
    if (c->closing || c->dead) return;
    if (err)
        trouble(c, err);
    else if (!is_group(c))
        assign_all(c, n);
    else if (c->setting)
        ask(c, HG_IGGY_JOIN_GROUP, joined);
}

static void set_up(hg_iggy_consumer_t *c)
{
    c->setting = true;
    c->up = c->made = false;
    c->due_setup = c->due_poll = c->due_look = 0;
    c->picked = is_group(c) && hg_iggy_server(c->conn)->proto == HG_IGGY_CLASSIC;
    iggy_find(&c->find);
}

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    hg_iggy_consumer_t *c = arg;
    (void)server;
    if (!c->dead && !c->closing) set_up(c);
}

static void forget_all(hg_iggy_consumer_t *c)
{
    c->generation = 0;
    assign(c, NULL, 0, false);
}

static void on_down(void *arg, const hg_err_t *err)
{
    hg_iggy_consumer_t *c = arg;
    c->up = c->syncing = false;
    c->polling = c->reading; /* that one is answered yet */
    c->due_poll = c->due_look = c->due_setup = 0;
    rearm(c);
    if (c->closing) {
        leave(c);
        return;
    }
    if (is_group(c)) forget_all(c);
    for (uint32_t i = 0; i < c->n; i++) c->parts[i].end_told = false;
    if (!c->closing && !c->dead) c->ops.down(c->arg, err);
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    hg_iggy_consumer_t *c = arg;
    if (c->closing) {
        leave(c);
        return;
    }
    if (is_group(c)) forget_all(c);
    die(c, err);
}

/* --- polling --- */

static void wait_a_little(hg_iggy_consumer_t *c)
{
    c->idle = 0;
    c->due_poll = now(c) + iggy_idle_ms(c->opts.poll_ms, now(c) - c->since, c->n);
    rearm(c);
}

/* Messages that were delivered before are left out: a classic group repeats what is not committed. */
static void skip_old(hg_iggy_polled_t *polled, uint64_t at)
{
    hg_iggy_messages_t it = polled->messages;
    hg_iggy_message_t m;
    while (hg_iggy_messages_next(&it, &m) && m.offset < at) {
        polled->messages = it;
        polled->count--;
    }
}

static void deliver(hg_iggy_consumer_t *c, part_t *p, hg_iggy_polled_t *polled, const hg_iggy_reply_t *r)
{
    hg_iggy_message_t m;
    hg_iggy_delivered_t d = { .partition = p->id, .reply = r };
    if (p->known) skip_old(polled, p->at);
    d.count = polled->count;
    d.messages = polled->messages;
    for (hg_iggy_messages_t it = d.messages; hg_iggy_messages_next(&it, &m); d.last = m.offset)
        if (it.left + 1 == d.count) d.first = m.offset;
    bool any = d.count || polled->newest || (p->known && p->at);
    d.end = any ? polled->newest + 1 : 0;
    c->flows = d.count > 0;
    if (d.count) {
        c->each = (uint64_t)(d.messages.end - d.messages.p) / d.count + 1;
        p->known = true;
        p->at = d.last + 1;
        p->end_told = false;
        p->withheld = 0;
        c->idle = 0;
        c->since = now(c);
    } else {
        c->idle++;
        if (!p->known && p->start.from == HG_IGGY_LAST) { /* nothing yet: all that comes */
            p->known = true;
            p->at = d.end;
        }
        if (p->known && p->at < d.end && !c->picked) { /* there is more, but the server does not give it */
            if (++p->withheld == WITHHELD_POLLS)
                hg_log(HG_LOG_WARN, "iggy", NULL, "messages_withheld",
                       "partition=%" PRIu32 " offset=%" PRIu64 " newest=%" PRIu64, p->id, p->at, polled->newest);
            return;
        }
        if (p->end_told) return;
        p->end_told = true;
    }
    c->ops.batch(c->arg, &d);
}

/* The first poll of END: only how far it goes. */
static void at_end(part_t *p, const hg_iggy_polled_t *polled)
{
    p->known = true;
    p->at = polled->count ? polled->newest + 1 : 0;
}

static void poll_failed(hg_iggy_consumer_t *c, const hg_iggy_reply_t *r)
{
    switch (r->code) {
    case 0:
        if (r->client != c->conn) step(c); /* without the reader until it is back */
        return;                            /* the connection: down tells */
    case HG_IGGY_E_PARTITION_NOT_OWNED:
        sync_group(c);
        return;
    case HG_IGGY_E_NOT_A_MEMBER:
    case HG_IGGY_E_GROUP_NOT_FOUND:
        forget_all(c);
        if (!c->closing) set_up(c);
        return;
    case HG_IGGY_E_RESOURCE_NOT_FOUND:
    case HG_IGGY_E_STREAM_NOT_FOUND:
    case HG_IGGY_E_TOPIC_NOT_FOUND:
    case HG_IGGY_E_PARTITION_NOT_FOUND:
        c->up = false;
        trouble(c, r->err);
        return;
    default:
        break;
    }
    if (!r->err->retry) {
        die(c, r->err);
        return;
    }
    c->due_poll = now(c) + c->retry_ms;
    rearm(c);
}

static void on_polled(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_consumer_t *c = arg;
    hg_iggy_in_t in = r->in;
    hg_iggy_polled_t polled;
    hg_err_t err = HG_ERR_INIT;
    c->polling = c->reading = false;
    if (c->closing || c->dead) return;
    if (r->err) {
        poll_failed(c, r);
        return;
    }
    if (hg_iggy_read_polled(&in, &polled, &err) < 0) {
        hg_iggy_reconnect(r->client, err.msg);
        if (r->client != c->conn) step(c); /* as in poll_failed */
        return;
    }
    if (is_group(c) && polled.partition == HG_IGGY_NOT_YOURS) {
        sync_group(c);
        return;
    }
    if (c->picked && polled.count && !part_of(c, polled.partition)) add_parts(c, &polled.partition, 1);
    part_t *p = part_of(c, c->picked ? polled.partition : c->polled);
    bool ours = p && (c->picked || p->epoch == c->polled_epoch);
    if (c->closing) return;
    if (!ours)
        c->idle++;
    else if (!p->known && p->start.from == HG_IGGY_END)
        at_end(p, &polled);
    else
        deliver(c, p, &polled, r);
    step(c);
}

static void got_offset(void *arg, const hg_iggy_reply_t *r)
{
    hg_iggy_consumer_t *c = arg;
    c->polling = false;
    if (c->closing || c->dead) return;
    if (r->err) {
        poll_failed(c, r);
        return;
    }
    part_t *p = part_of(c, c->polled);
    if (p && p->epoch == c->polled_epoch) {
        p->ask = false;
        bool stored = r->in.p < r->in.end;
        if (stored) p->start = (hg_iggy_strategy_t){ HG_IGGY_NEXT, 0 };
        if (!stored && c->ops.start && !c->made) p->start = c->ops.start(c->arg, p->id);
    }
    step(c);
}

static uint32_t count(const hg_iggy_consumer_t *c)
{
    bool many = c->opts.many_count && c->each && !c->picked && c->each * c->opts.many_count <= HG_IGGY_MANY_BYTES;
    return many ? c->opts.many_count : c->opts.batch_count;
}

/* --- the reader --- */

static void on_reader_ready(void *arg, const hg_iggy_server_t *server)
{
    (void)arg, (void)server; /* the next poll is its */
}

static void on_reader_down(void *arg, const hg_err_t *err)
{
    (void)arg, (void)err; /* its poll was answered; the member's connection says what there is to say */
}

/* Over which connection a poll goes. */
static hg_iggy_t *way(hg_iggy_consumer_t *c, const part_t *p)
{
    static const hg_iggy_ops_t ops = { on_reader_ready, on_reader_down, on_reader_down };
    if (!p || !p->known || !c->flows) return c->conn;
    if (!c->opts.apart || !is_group(c) || c->picked || c->opts.auto_commit) return c->conn;
    if (!c->reader) {
        c->handles++;
        c->reader = hg_iggy_open(c->loop, &c->reader_opts, &ops, c);
    }
    return hg_iggy_is_ready(c->reader) ? c->reader : c->conn;
}

static void poll_part(hg_iggy_consumer_t *c, part_t *p)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_cmd_t cmd = { .op = p && p->ask ? HG_IGGY_GET_OFFSET : HG_IGGY_POLL,
                          .stream = c->opts.stream,
                          .topic = c->opts.topic,
                          .consumer = c->opts.consumer,
                          .any_partition = !p,
                          .partition = p ? p->id : 0,
                          .strategy = { HG_IGGY_NEXT, 0 },
                          .count = count(c),
                          .auto_commit = c->opts.auto_commit };
    if (p && p->known) {
        cmd.strategy = (hg_iggy_strategy_t){ HG_IGGY_OFFSET, p->at };
    } else if (p && p->start.from == HG_IGGY_END) {
        cmd.strategy.from = HG_IGGY_LAST;
        cmd.count = 1;
        cmd.auto_commit = false;
    } else if (p) {
        cmd.strategy = p->start;
    }
    hg_iggy_t *by = way(c, p);
    if (by != c->conn) cmd.consumer.group = false;
    c->polled = p ? p->id : 0;
    c->polled_epoch = p ? p->epoch : 0;
    int rc = hg_iggy_call(by, &cmd, p && p->ask ? got_offset : on_polled, c, &err);
    if (rc == 0) {
        c->polling = true;
        c->reading = by != c->conn;
    } else if (rc != HG_EAGAIN) {
        die(c, &err);
    }
}

static void step(hg_iggy_consumer_t *c)
{
    if (!c->up || c->setting || c->syncing || c->polling || c->paused || c->dead || c->closing || c->due_poll) return;
    uint32_t n = c->picked ? 1 : c->n;
    if (!n) return; /* a member without a partition: the next sync may bring one */
    if (c->idle >= n) {
        wait_a_little(c);
        return;
    }
    poll_part(c, c->picked ? NULL : &c->parts[c->turn++ % n]);
}

static void look(hg_iggy_consumer_t *c)
{
    c->due_look = now(c) + c->look_ms;
    if (!c->up || c->picked) return;
    if (is_group(c))
        sync_group(c);
    else if (!c->wanted)
        iggy_find(&c->find);
}

static void on_timer(uv_timer_t *t)
{
    hg_iggy_consumer_t *c = t->data;
    if (passed(c, &c->due_setup) && hg_iggy_is_ready(c->conn)) set_up(c);
    if (passed(c, &c->due_look)) look(c);
    (void)passed(c, &c->due_poll);
    step(c);
    rearm(c);
}

/* --- the owner's side --- */

hg_iggy_consumer_t *hg_iggy_consumer_open(hg_loop_t *loop, const hg_iggy_opts_t *conn,
                                          const hg_iggy_consumer_opts_t *opts, const hg_iggy_consumer_ops_t *ops,
                                          void *arg)
{
    static const hg_iggy_ops_t conn_ops = { on_ready, on_down, on_fatal };
    hg_iggy_consumer_t *c = HG_NEW(hg_iggy_consumer_t);
    c->loop = loop;
    c->opts = *opts;
    c->opts.stream = iggy_id_copy(opts->stream);
    c->opts.topic = iggy_id_copy(opts->topic);
    c->opts.consumer.id = iggy_id_copy(opts->consumer.id);
    if (opts->n_partitions) {
        c->wanted = HG_NEWN(uint32_t, opts->n_partitions);
        memcpy(c->wanted, opts->partitions, sizeof *c->wanted * opts->n_partitions);
    }
    c->opts.partitions = c->wanted;
    if (!c->opts.start.from) c->opts.start.from = HG_IGGY_NEXT;
    if (!c->opts.batch_count) c->opts.batch_count = 1000;
    if (!c->opts.poll_ms) c->opts.poll_ms = 5;
    c->ops = *ops;
    c->arg = arg;
    c->retry_ms = conn->retry_ms;
    c->look_ms = conn->heartbeat_ms ? conn->heartbeat_ms : LOOK_MS;
    uv_timer_init(hg_loop_uv(loop), &c->timer);
    c->timer.data = c;
    c->handles = 2;
    c->conn = hg_iggy_open(loop, conn, &conn_ops, c);
    hg_iggy_opts_copy(&c->reader_opts, conn);
    memset(c->reader_opts.id, 0, sizeof c->reader_opts.id);
    c->find = (iggy_find_t){ .stream = c->opts.stream,
                             .topic = c->opts.topic,
                             .create = opts->create,
                             .partitions = opts->create_partitions,
                             .found = on_found,
                             .arg = c,
                             .conn = c->conn };
    return c;
}

void hg_iggy_consumer_pause(hg_iggy_consumer_t *c)
{
    HG_ON_LOOP(c->loop);
    c->paused = true;
}

void hg_iggy_consumer_resume(hg_iggy_consumer_t *c)
{
    HG_ON_LOOP(c->loop);
    c->paused = false;
    step(c);
}

static void not_told(void *arg, const hg_iggy_reply_t *r)
{
    (void)arg;
    (void)r;
}

int hg_iggy_consumer_commit(hg_iggy_consumer_t *c, uint32_t partition, uint64_t offset, hg_iggy_done_fn done, void *arg,
                            hg_err_t *err)
{
    HG_ON_LOOP(c->loop);
    hg_iggy_cmd_t cmd = { .op = HG_IGGY_STORE_OFFSET,
                          .stream = c->opts.stream,
                          .topic = c->opts.topic,
                          .consumer = c->opts.consumer,
                          .partition = partition,
                          .offset = offset };
    return hg_iggy_call(c->conn, &cmd, done ? done : not_told, arg, err);
}

void hg_iggy_consumer_sync(hg_iggy_consumer_t *c)
{
    HG_ON_LOOP(c->loop);
    if (c->up && is_group(c) && !c->picked) sync_group(c);
}

int hg_iggy_consumer_seek(hg_iggy_consumer_t *c, uint32_t partition, hg_iggy_strategy_t to, hg_err_t *err)
{
    HG_ON_LOOP(c->loop);
    part_t *p = part_of(c, partition);
    if (!p) return hg_err_set(err, HG_ENOTFOUND, "partition %" PRIu32 " is not ours", partition);
    *p = (part_t){ .id = partition, .start = to, .epoch = ++c->epoch };
    if (to.from == HG_IGGY_OFFSET) {
        p->known = true;
        p->at = to.value;
    }
    c->idle = 0;
    c->due_poll = 0;
    c->since = now(c);
    step(c);
    return 0;
}

void hg_iggy_consumer_rest(hg_iggy_consumer_t *c)
{
    hg_iggy_rest(c->conn);
    if (c->reader) hg_iggy_rest(c->reader);
}

hg_iggy_t *hg_iggy_consumer_client(hg_iggy_consumer_t *c)
{
    return c->conn;
}

/* --- the end --- */

static void maybe_free(hg_iggy_consumer_t *c)
{
    if (--c->handles) return;
    if (c->closed) c->closed(c->closed_arg);
    hg_free(c->parts);
    hg_free(c->wanted);
    iggy_id_release(&c->opts.stream);
    iggy_id_release(&c->opts.topic);
    iggy_id_release(&c->opts.consumer.id);
    hg_iggy_opts_release(&c->reader_opts);
    hg_free(c);
}

static void conn_closed(void *arg)
{
    maybe_free(arg);
}

static void timer_closed(uv_handle_t *h)
{
    maybe_free(h->data);
}

/* Everything is stored, or nothing can be any more. */
static void leave(hg_iggy_consumer_t *c)
{
    if (c->leaving) return;
    c->leaving = true;
    hg_iggy_close(c->conn, conn_closed, c);
}

static void last_answer(void *arg, const hg_iggy_reply_t *r)
{
    (void)r;
    leave(arg);
}

void hg_iggy_consumer_close(hg_iggy_consumer_t *c, void (*closed)(void *arg), void *arg)
{
    HG_ON_LOOP(c->loop);
    HG_ASSERT(!c->closing);
    bool member = is_group(c) && c->up && hg_iggy_is_ready(c->conn),
         waits = hg_iggy_pending(c->conn) > (c->polling && !c->reading);
    c->closing = true;
    c->closed = closed;
    c->closed_arg = arg;
    uv_close((uv_handle_t *)&c->timer, timer_closed);
    if (c->reader) hg_iggy_close(c->reader, conn_closed, c);
    if (!(member && ask(c, HG_IGGY_LEAVE_GROUP, last_answer)) && !(waits && ask(c, HG_IGGY_PING, last_answer)))
        leave(c);
}
