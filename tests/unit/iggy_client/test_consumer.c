/* Consumers: where they start, who has which partition, what is delivered after which trouble. */
#include "iggy/client/consumer.h"
#include "iggy/client/consumer_int.h"
#include "tests/unit/iggy_client/fake.h"

typedef struct {
    fake_t f;
    hg_iggy_opts_t o;
    hg_iggy_consumer_opts_t co;
    hg_iggy_consumer_t *c;
    unsigned ready, downs, fatal, batches, ends, stored;
    hg_err_t err;
    bool closed;
    hg_buf_t told; /* "+0 +1 0[0-2/3] 1[] -0 …" */
    hg_iggy_strategy_t (*start)(void *arg, uint32_t partition);
    void (*then)(void *arg, const hg_iggy_delivered_t *d); /* within a batch */
    /* the peer's */
    uint32_t partitions;
    uint64_t end[4]; /* of each partition: it has the offsets below */
    bool missing_group, missing_topic;
    uint64_t withheld; /* offsets from here on are not given, 0: all are */
    uint64_t generation;
    const char *owned;                               /* digits; NULL: not a member */
    int64_t offset[4];                               /* stored, -1 */
    unsigned joins, leaves, syncs, polls, not_yours; /* not_yours: so many polls are refused */
    hg_buf_t log;                                    /* polls: "partition:strategy value;", "store partition offset;" */
    unsigned apart;                                  /* polls of somebody who is no member */
    unsigned by;                                     /* the connection of the last one */
    bool hold;                                       /* such polls are not answered */
    fake_req_t held;                                 /* the last of these */
    uint8_t held_id[16];
    unsigned refused; /* so many stores are refused: not the owner */
} test_t;

static void on_ready(void *arg, const hg_iggy_server_t *s)
{
    (void)s;
    ((test_t *)arg)->ready++;
}

static void on_down(void *arg, const hg_err_t *err)
{
    test_t *t = arg;
    t->downs++;
    t->err = *err;
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    test_t *t = arg;
    t->fatal++;
    t->err = *err;
}

static void on_assigned(void *arg, const uint32_t *p, uint32_t n)
{
    test_t *t = arg;
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(&t->told, "+%u ", (unsigned)p[i]);
}

static void on_revoked(void *arg, const uint32_t *p, uint32_t n)
{
    test_t *t = arg;
    assert_true(n > 0);
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(&t->told, "-%u ", (unsigned)p[i]);
}

static hg_iggy_strategy_t on_start(void *arg, uint32_t partition)
{
    test_t *t = arg;
    return t->start ? t->start(arg, partition) : t->co.start;
}

static void on_batch(void *arg, const hg_iggy_delivered_t *d)
{
    test_t *t = arg;
    hg_iggy_messages_t it = d->messages;
    hg_iggy_message_t m;
    uint64_t at = d->first;
    uint32_t n = 0;
    for (; hg_iggy_messages_next(&it, &m); n++) assert_int_equal(m.offset, at++);
    assert_int_equal(n, d->count);
    if (n) {
        assert_int_equal(at, d->last + 1);
        hg_buf_addf(&t->told, "%u[%" PRIu64 "-%" PRIu64 "/%" PRIu64 "] ", (unsigned)d->partition, d->first, d->last,
                    d->end);
        t->batches++;
    } else {
        hg_buf_addf(&t->told, "%u[/%" PRIu64 "] ", (unsigned)d->partition, d->end);
        t->ends++;
    }
    if (t->then) t->then(t, d);
}

static void on_stored(void *arg, const hg_iggy_reply_t *r)
{
    if (!r->err) ((test_t *)arg)->stored++;
}

/* --- the peer: one topic; every message is empty --- */

static void poll_reply(test_t *t, const fake_req_t *r, uint32_t partition, uint64_t from, uint64_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    iggy_out_t o = { .b = &b };
    uint64_t end = partition < 4 ? t->end[partition] : 0;
    iggy_w32(&o, partition);
    iggy_w64(&o, end ? end - 1 : 0);
    iggy_w32(&o, (uint32_t)n);
    if (n && !t->f.classic) {
        iggy_w64(&o, 0);
        iggy_w64(&o, from);
        iggy_wzero(&o, 16);
        iggy_w64(&o, IGGY_BATCH + n * IGGY_FRAME);
        iggy_w64(&o, 0);
        iggy_w32(&o, (uint32_t)n);
        iggy_wzero(&o, 204);
    }
    for (uint64_t i = 0; i < n; i++) {
        iggy_wzero(&o, 24);
        if (t->f.classic) {
            iggy_w64(&o, from + i);
            iggy_wzero(&o, 32);
        } else {
            iggy_w32(&o, (uint32_t)i);
            iggy_wzero(&o, 20);
        }
    }
    fake_answer(r, 0, b.p, b.len);
    hg_buf_release(&b);
}

/* Where the fields begin that follow consumer, stream and topic (all with names of one byte). */
#define AFTER 10

static void polled(test_t *t, const fake_req_t *r)
{
    const uint8_t *p = r->body + AFTER;
    uint32_t partition = iggy_get32(p + 1), count = iggy_get32(p + 14);
    uint64_t value = iggy_get64(p + 6), from = 0;
    assert_int_equal(p[0], !(t->f.classic && t->co.consumer.group));
    t->polls++;
    if (t->co.consumer.group && r->body[0] == 1) {
        t->apart++;
        t->by = r->conn->number;
        assert_int_equal(p[5], HG_IGGY_OFFSET);
        assert_int_equal(p[18], 0); /* auto_commit */
        if (t->hold) {
            t->held = *r;
            memcpy(t->held_id, r->id, sizeof t->held_id);
            t->held.id = t->held_id;
            return;
        }
    }
    hg_buf_addf(&t->log, "%u:%u,%" PRIu64 ";", (unsigned)partition, p[5], value);
    if (t->not_yours) {
        t->not_yours--;
        poll_reply(t, r, HG_IGGY_NOT_YOURS, 0, 0);
        return;
    }
    uint64_t end = t->end[partition];
    if (p[5] == HG_IGGY_OFFSET) from = value;
    if (p[5] == HG_IGGY_LAST) from = end > count ? end - count : 0;
    if (p[5] == HG_IGGY_NEXT) from = (uint64_t)(t->offset[partition] + 1);
    uint64_t given = t->withheld ? HG_MIN(end, t->withheld) : end;
    poll_reply(t, r, partition, from, from < given ? HG_MIN(given - from, count) : 0);
}

static void topic(test_t *t, const fake_req_t *r)
{
    uint8_t b[60] = { 0 };
    iggy_put32(b + 12, t->partitions);
    size_t name = t->f.classic ? 50 : 49;
    b[name] = 1;
    b[name + 1] = 't';
    fake_answer(r, 0, b, t->missing_topic ? 0 : t->f.classic ? 52 : 59);
}

static void synced(test_t *t, const fake_req_t *r)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    iggy_out_t o = { .b = &b };
    t->syncs++;
    if (t->owned) {
        iggy_w64(&o, t->generation);
        iggy_w32(&o, (uint32_t)strlen(t->owned));
        for (const char *d = t->owned; *d; d++) iggy_w32(&o, (uint32_t)(*d - '0'));
    }
    fake_answer(r, 0, b.p, b.len);
    hg_buf_release(&b);
}

static void offsets(test_t *t, const fake_req_t *r, bool store)
{
    uint32_t partition = iggy_get32(r->body + AFTER + 1);
    uint8_t b[20] = { 0 };
    if (store && t->refused) {
        static const uint8_t not_owner[12] = { [0] = 1, [8] = 0x91, [9] = 0x13 }; /* 5009 */
        t->refused--;
        fake_answer(r, 0, not_owner, sizeof not_owner);
        return;
    }
    if (store) {
        t->offset[partition] = (int64_t)iggy_get64(r->body + AFTER + 5);
        hg_buf_addf(&t->log, "store %u %" PRIi64 ";", (unsigned)partition, t->offset[partition]);
        fake_result(r, "", 0);
        return;
    }
    iggy_put64(b + 12, (uint64_t)t->offset[partition]);
    fake_answer(r, 0, b, t->offset[partition] < 0 ? 0 : sizeof b);
}

static void join(test_t *t, const fake_req_t *r)
{
    static const uint8_t gone[12] = { [0] = 1, [8] = 0x88, [9] = 0x13 }; /* 5000 */
    t->joins++;
    if (t->missing_group && t->f.classic)
        fake_answer(r, 5000, "", 0);
    else if (t->missing_group)
        fake_answer(r, 0, gone, sizeof gone);
    else
        fake_result(r, "", 0);
}

static void script(fake_t *f, const fake_req_t *r)
{
    static const struct {
        uint8_t operation;
        uint32_t code;
    } vsr_codes[] = { { 161, 121 }, { 139, 602 }, { 148, 604 }, { 149, 605 } };
    test_t *t = f->arg;
    uint32_t code = r->code;
    if (fake_usual(r)) return;
    for (size_t i = 0; i < HG_COUNT(vsr_codes); i++)
        if (!f->classic && r->operation == vsr_codes[i].operation) code = vsr_codes[i].code;
    switch (code) {
    case 100:
        polled(t, r);
        break;
    case 120:
        offsets(t, r, false);
        break;
    case 121:
        offsets(t, r, true);
        break;
    case 300:
        topic(t, r);
        break;
    case 602:
        t->missing_group = false;
        fake_result(r, "", 0);
        break;
    case 604:
        join(t, r);
        break;
    case 605:
        t->leaves++;
        hg_buf_adds(&t->log, "leave;");
        fake_result(r, "", 0);
        break;
    case 606:
        synced(t, r);
        break;
    default:
        fail_msg("unexpected request: operation %u, code %u", r->operation, (unsigned)code);
    }
}

/* --- the test's side --- */

static void up(test_t *t, bool group)
{
    memset(t, 0, sizeof *t);
    fake_up(&t->f, script);
    t->f.arg = t;
    fake_opts(&t->f, &t->o);
    t->o.heartbeat_ms = 1000000;
    hg_buf_init(&t->told, HG_BUF_NOMAX);
    hg_buf_init(&t->log, HG_BUF_NOMAX);
    t->partitions = 2;
    t->owned = "01";
    t->generation = 1;
    for (size_t i = 0; i < HG_COUNT(t->offset); i++) t->offset[i] = -1;
    t->co = (hg_iggy_consumer_opts_t){ .stream = hg_iggy_named(HG_S("s")),
                                       .topic = hg_iggy_named(HG_S("t")),
                                       .consumer = { group, hg_iggy_named(HG_S("c")) },
                                       .start = { HG_IGGY_FIRST, 0 },
                                       .batch_count = 3,
                                       .poll_ms = 1 };
}

static void dial(test_t *t)
{
    static const hg_iggy_consumer_ops_t ops = { on_ready, on_down, on_fatal, on_assigned, on_revoked, NULL, on_batch };
    static const hg_iggy_consumer_ops_t with = { on_ready,   on_down,  on_fatal, on_assigned,
                                                 on_revoked, on_start, on_batch };
    t->c = hg_iggy_consumer_open(t->f.loop, &t->o, &t->co, t->start ? &with : &ops, t);
}

static void down(test_t *t)
{
    hg_iggy_consumer_close(t->c, fake_note, &t->closed);
    UNTIL(&t->f, t->closed);
    fake_down(&t->f);
    hg_iggy_opts_release(&t->o);
    hg_buf_release(&t->told);
    hg_buf_release(&t->log);
}

/* --- alone --- */

static void test_all_partitions_to_their_ends(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.end[0] = 4;
    t.end[1] = 2;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    assert_string_equal(t.told.p, "+0 +1 0[0-2/4] 1[0-1/2] 0[3-3/4] 1[/2] 0[/4] ");
    unsigned polls = t.polls;
    UNTIL(&t.f, t.polls > polls + 4);
    assert_int_equal(t.ends, 2); /* told once */
    t.end[1] = 3;
    UNTIL(&t.f, t.ends == 3);
    assert_true(strstr(t.told.p, "0[/4] 1[2-2/3] 1[/3] "));
    down(&t);
}

static void test_chosen_partition_and_next(void **state)
{
    (void)state;
    test_t t;
    uint32_t one = 1;
    up(&t, false);
    t.co.partitions = &one;
    t.co.n_partitions = 1;
    t.co.start.from = HG_IGGY_NEXT;
    t.end[1] = 5;
    t.offset[1] = 2;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    assert_string_equal(t.told.p, "+1 1[3-4/5] 1[/5] ");
    assert_true(hg_str_starts(hg_buf_str(&t.log), HG_S("1:5,0;1:1,5;")));
    down(&t);
}

static hg_iggy_strategy_t from_end_or_2(void *arg, uint32_t partition)
{
    (void)arg;
    return partition ? (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 2 } : (hg_iggy_strategy_t){ HG_IGGY_END, 0 };
}

static void test_start_of_each(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.start = from_end_or_2;
    t.end[0] = 7;
    t.end[1] = 4;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    assert_true(strstr(t.told.p, "1[2-3/4] ") && strstr(t.told.p, "0[/7] "));
    t.end[0] = 8;
    UNTIL(&t.f, t.batches == 2);
    assert_true(strstr(t.told.p, "0[7-7/8] "));
    down(&t);
}

static void test_end_of_an_empty_partition(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.partitions = 1;
    t.co.start.from = HG_IGGY_END;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    assert_string_equal(t.told.p, "+0 0[/0] ");
    t.end[0] = 2;
    UNTIL(&t.f, t.batches == 1);
    assert_true(strstr(t.told.p, "0[0-1/2] "));
    down(&t);
}

static void test_goes_on_where_it_was(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.partitions = 1;
    t.end[0] = 2;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    fake_evict(t.f.conns[0], 13, 0, 0);
    UNTIL(&t.f, t.ready == 2);
    t.end[0] = 3;
    UNTIL(&t.f, t.batches == 2);
    assert_true(t.downs == 1 && hg_str_starts(hg_buf_str(&t.told), HG_S("+0 0[0-1/2] 0[/2] ")));
    assert_true(strstr(t.told.p, "0[2-2/3] "));
    down(&t);
}

static void pause_then(void *arg, const hg_iggy_delivered_t *d)
{
    test_t *t = arg;
    (void)d;
    hg_iggy_consumer_pause(t->c);
}

static void test_pause_and_seek(void **state)
{
    (void)state;
    test_t t;
    hg_err_t err = HG_ERR_INIT;
    up(&t, false);
    t.partitions = 1;
    t.end[0] = 9;
    t.then = pause_then;
    dial(&t);
    UNTIL(&t.f, t.batches == 1);
    for (int i = 0; i < 3; i++) uv_run(hg_loop_uv(t.f.loop), UV_RUN_ONCE);
    assert_int_equal(t.polls, 1);
    hg_iggy_consumer_resume(t.c); /* this poll is under way when the owner goes elsewhere: it does not count */
    assert_int_equal(hg_iggy_consumer_seek(t.c, 0, (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 7 }, &err), 0);
    assert_int_equal(hg_iggy_consumer_seek(t.c, 5, (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 7 }, &err), HG_ENOTFOUND);
    UNTIL(&t.f, t.batches == 2);
    assert_string_equal(t.told.p, "+0 0[0-2/9] 0[7-8/9] ");
    down(&t);
}

/* A server that has messages and does not give them is not at its end. */
static void test_withheld_messages(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.partitions = 1;
    t.end[0] = 3;
    t.withheld = 2;
    dial(&t);
    UNTIL(&t.f, t.polls > 5);
    assert_string_equal(t.told.p, "+0 0[0-1/3] ");
    t.withheld = 0;
    UNTIL(&t.f, t.ends == 1);
    assert_string_equal(t.told.p, "+0 0[0-1/3] 0[2-2/3] 0[/3] ");
    down(&t);
}

static void test_new_partitions(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.o.heartbeat_ms = 1;
    t.partitions = 1;
    t.end[0] = t.end[1] = 1;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    t.partitions = 2;
    UNTIL(&t.f, t.ends == 2);
    assert_string_equal(t.told.p, "+0 0[0-0/1] 0[/1] +1 1[0-0/1] 1[/1] ");
    t.partitions = 1;
    UNTIL(&t.f, strstr(t.told.p, "-1 "));
    down(&t);
}

static void test_missing_topic(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.missing_topic = true;
    dial(&t);
    UNTIL(&t.f, t.fatal);
    assert_string_equal(t.err.msg, "there is no topic 't' in stream 's' of the Iggy server");
    down(&t);
    up(&t, false);
    t.missing_topic = t.co.wait_topic = true;
    dial(&t);
    UNTIL(&t.f, t.downs == 2);
    t.missing_topic = false;
    UNTIL(&t.f, t.ready == 1);
    assert_int_equal(t.f.n_conns, 1);
    down(&t);
}

/* --- groups --- */

static void store_then(void *arg, const hg_iggy_delivered_t *d)
{
    test_t *t = arg;
    hg_err_t err = HG_ERR_INIT;
    if (d->count) assert_int_equal(hg_iggy_consumer_commit(t->c, d->partition, d->last, on_stored, t, &err), 0);
}

static void test_group_creates_joins_stores_leaves(void **state)
{
    (void)state;
    test_t t;
    up(&t, true);
    t.missing_group = true;
    t.co.start.from = HG_IGGY_NEXT;
    t.then = store_then;
    t.end[0] = 4;
    t.end[1] = 1;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    assert_true(t.joins == 2 && t.syncs == 1);
    assert_true(t.offset[0] == 3 && t.offset[1] == 0);
    /* what is under way when it closes is stored before it leaves */
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_iggy_consumer_commit(t.c, 0, 2, on_stored, &t, &err), 0);
    hg_iggy_consumer_close(t.c, fake_note, &t.closed);
    UNTIL(&t.f, t.closed);
    assert_true(t.stored == 4 && t.leaves == 1);
    assert_true(strstr(t.log.p, "store 0 2;leave;"));
    fake_down(&t.f);
    hg_iggy_opts_release(&t.o);
    hg_buf_release(&t.told);
    hg_buf_release(&t.log);
}

static void test_start_of_a_member(void **state)
{
    (void)state;
    test_t t;
    up(&t, true); /* FIRST, but partition 1 has an offset: members come and go */
    t.offset[1] = 1;
    t.end[0] = t.end[1] = 3;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    assert_true(strstr(t.told.p, "0[0-2/3] ") && strstr(t.told.p, "1[2-2/3] "));
    down(&t);
}

static hg_iggy_strategy_t from_2(void *arg, uint32_t partition)
{
    (void)arg, (void)partition;
    return (hg_iggy_strategy_t){ HG_IGGY_OFFSET, 2 };
}

/* Its owner is asked where nothing is stored, but not for a group that was made a moment ago. */
static void test_owner_says_where_a_member_starts(void **state)
{
    (void)state;
    for (int made = 0; made < 2; made++) {
        test_t t;
        up(&t, true);
        t.co.start.from = HG_IGGY_NEXT;
        t.start = from_2;
        t.missing_group = made;
        t.offset[1] = 0;
        t.end[0] = t.end[1] = 3;
        dial(&t);
        UNTIL(&t.f, t.ends == 2);
        assert_non_null(strstr(t.told.p, made ? "0[0-2/3] " : "0[2-2/3] "));
        assert_non_null(strstr(t.told.p, "1[1-2/3] "));
        down(&t);
    }
}

static void test_many_at_once(void **state)
{
    (void)state;
    test_t t;
    up(&t, false);
    t.partitions = 1;
    t.co.many_count = 6;
    t.end[0] = 11;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    assert_string_equal(t.told.p, "+0 0[0-2/11] 0[3-8/11] 0[9-10/11] 0[/11] ");
    down(&t);
    up(&t, false); /* so many may be too large */
    t.partitions = 1;
    t.co.many_count = HG_IGGY_MANY_BYTES / IGGY_FRAME;
    t.end[0] = 5;
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    assert_string_equal(t.told.p, "+0 0[0-2/5] 0[3-4/5] 0[/5] ");
    down(&t);
}

static void sync_if_refused(void *arg, const hg_iggy_reply_t *r)
{
    test_t *t = arg;
    assert_int_equal(r->code, HG_IGGY_E_PARTITION_NOT_OWNED);
    hg_iggy_consumer_sync(t->c);
}

/* Messages come until a poll is held: they are told by the member, and by the reader where it is ready. */
static void until_held(test_t *t)
{
    t->hold = true;
    while (!t->held.conn) {
        unsigned polls = t->polls;
        t->end[0]++;
        UNTIL(&t->f, t->polls > polls + 1 || t->held.conn);
    }
}

/* The held poll brings n messages; the next one is held, too. */
static void bring(test_t *t, unsigned n)
{
    t->end[0] += n;
    fake_req_t r = t->held;
    t->held.conn = NULL;
    poll_reply(t, &r, 0, t->end[0] - n, n);
}

static void test_polls_apart(void **state)
{
    (void)state;
    test_t t;
    hg_err_t err = HG_ERR_INIT;
    up(&t, true);
    t.partitions = 1;
    t.owned = "0";
    t.co.apart = true;
    t.co.start.from = HG_IGGY_NEXT;
    dial(&t);
    until_held(&t);
    assert_int_equal(t.joins, 1);
    /* the member's connection stores while a poll is under way on the other */
    assert_int_equal(hg_iggy_consumer_commit(t.c, 0, 0, on_stored, &t, &err), 0);
    UNTIL(&t.f, t.stored == 1);
    unsigned batches = t.batches;
    bring(&t, 2);
    UNTIL(&t.f, t.batches == batches + 1 && t.held.conn);
    /* nothing for now: the member asks, whom the server would tell that the partition is not ours */
    unsigned apart = t.apart, polls = t.polls;
    t.hold = false;
    bring(&t, 0);
    UNTIL(&t.f, t.polls > polls + 3);
    assert_int_equal(t.apart, apart);
    /* what it says is no poll's answer: the member reads on, and it connects anew */
    until_held(&t);
    fake_req_t odd = t.held;
    unsigned first = t.by;
    t.held.conn = NULL;
    t.end[0]++;
    batches = t.batches;
    fake_answer(&odd, 0, "?", 1);
    UNTIL(&t.f, t.batches > batches);
    until_held(&t);
    assert_true(t.by > first && t.downs == 0);
    /* it goes: likewise */
    unsigned before = t.by;
    batches = t.batches;
    t.end[0] += 2;
    t.hold = false;
    t.held.conn = NULL;
    fake_hang_up(t.f.conns[before - 1]);
    UNTIL(&t.f, t.batches > batches);
    until_held(&t);
    assert_true(t.by > before && t.downs == 0 && t.joins == 1);
    /* the partition is somebody else's: what is under way does not count */
    t.refused = 1;
    t.owned = "";
    t.generation = 2;
    assert_int_equal(hg_iggy_consumer_commit(t.c, 0, 1, sync_if_refused, &t, &err), 0);
    UNTIL(&t.f, strstr(t.told.p, "-0 "));
    batches = t.batches;
    t.offset[0] = (int64_t)t.end[0] - 1;
    bring(&t, 1);
    t.owned = "0";
    t.generation = 3;
    hg_iggy_consumer_sync(t.c);
    UNTIL(&t.f, t.held.conn);
    assert_int_equal(t.batches, batches + 1); /* the member's, with NEXT */
    assert_true(strstr(t.told.p, "-0 +0 "));
    /* the member's connection goes while the other polls; then both end while it does */
    polls = t.polls;
    fake_hang_up(t.f.conns[0]);
    UNTIL(&t.f, t.ready == 2 && t.syncs == 4);
    assert_int_equal(t.polls, polls);
    t.held.conn = NULL;
    fake_hang_up(t.f.conns[t.by - 1]);
    until_held(&t);
    down(&t);
}

static void test_rebalance(void **state)
{
    (void)state;
    test_t t;
    up(&t, true);
    t.co.start.from = HG_IGGY_NEXT;
    t.end[0] = t.end[1] = 2;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    hg_buf_clear(&t.told);
    /* one goes to somebody else; the other stays and goes on where it is though nothing was stored */
    t.owned = "1";
    t.generation = 2;
    t.not_yours = 1;
    t.end[1] = 3;
    UNTIL(&t.f, t.batches == 3 && t.ends == 3);
    assert_string_equal(t.told.p, "-0 1[2-2/3] 1[/3] ");
    /* a generation was missed: who knows who had it meanwhile */
    hg_buf_clear(&t.told);
    t.owned = "10";
    t.generation = 4;
    t.not_yours = 1;
    t.offset[1] = 1;
    UNTIL(&t.f, t.ends == 5);
    assert_true(hg_str_starts(hg_buf_str(&t.told), HG_S("-1 +1 +0 ")));
    assert_true(strstr(t.told.p, "1[2-2/3] ") && strstr(t.told.p, "0[0-1/2] "));
    /* without any it waits */
    hg_buf_clear(&t.told);
    t.owned = "";
    t.generation = 5;
    t.not_yours = 1;
    UNTIL(&t.f, t.told.len);
    assert_string_equal(t.told.p, "-0 -1 ");
    down(&t);
}

static void test_not_a_member_any_more(void **state)
{
    (void)state;
    test_t t;
    up(&t, true);
    t.co.start.from = HG_IGGY_NEXT;
    dial(&t);
    UNTIL(&t.f, t.ends == 2);
    t.owned = NULL;
    t.not_yours = 1;
    UNTIL(&t.f, t.joins >= 2);
    t.owned = "0";
    t.generation = 9;
    UNTIL(&t.f, t.ready == 2 && t.ends == 3);
    assert_true(strstr(t.told.p, "-0 -1 +0 0[/0] ") && t.downs == 0);
    down(&t);
}

static void test_member_whose_connection_goes(void **state)
{
    (void)state;
    test_t t;
    up(&t, true);
    t.co.start.from = HG_IGGY_NEXT;
    t.end[0] = 2;
    t.owned = "0";
    dial(&t);
    UNTIL(&t.f, t.ends == 1);
    fake_hang_up(t.f.conns[0]);
    UNTIL(&t.f, t.ends == 2);
    /* nothing was stored, so all of it comes again, after the owner was told to forget it */
    assert_string_equal(t.told.p, "+0 0[0-1/2] 0[/2] -0 +0 0[0-1/2] 0[/2] ");
    assert_true(t.joins == 2 && t.downs == 1);
    down(&t);
}

static void test_classic_group(void **state)
{
    (void)state;
    test_t t;
    up(&t, true);
    t.f.classic = true;
    t.o.protocol = HG_IGGY_CLASSIC;
    t.missing_group = true;
    t.end[0] = 5;
    dial(&t);
    UNTIL(&t.f, t.polls > 3);
    /* the server repeats what is not stored; it is delivered once */
    assert_string_equal(t.told.p, "+0 0[0-2/5] 0[/5] ");
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_iggy_consumer_commit(t.c, 0, 2, NULL, NULL, &err), 0);
    UNTIL(&t.f, t.batches == 2);
    assert_true(strstr(t.told.p, "0[3-4/5] "));
    assert_int_equal(t.syncs, 0);
    t.o.protocol = HG_IGGY_VSR;
    down(&t);
}

static void close_then(void *arg, const hg_iggy_delivered_t *d)
{
    test_t *t = arg;
    (void)d;
    hg_iggy_consumer_close(t->c, fake_note, &t->closed);
}

/* Late by an eighth of the pause at most; an idle consumer asks five times a second, one of many partitions no more
 * than twenty times that. */
static void test_how_long_nothing_comes(void **state)
{
    (void)state;
    assert_int_equal(iggy_idle_ms(5, 0, 1), 5);
    assert_int_equal(iggy_idle_ms(5, 40, 1), 5);
    assert_int_equal(iggy_idle_ms(5, 800, 1), 100);
    assert_int_equal(iggy_idle_ms(5, UINT64_MAX, 1), 200);
    assert_int_equal(iggy_idle_ms(5, UINT64_MAX, 4), 200);
    assert_int_equal(iggy_idle_ms(5, UINT64_MAX, 10), 500);
    assert_int_equal(iggy_idle_ms(5, UINT64_MAX, UINT32_MAX), 1000);
    assert_int_equal(iggy_idle_ms(3000, 0, 1), 3000);
    assert_int_equal(iggy_idle_ms(3000, UINT64_MAX, 100), 3000);
}

static void test_closed_within_a_batch(void **state)
{
    (void)state;
    for (int group = 0; group < 2; group++) {
        test_t t;
        up(&t, group);
        t.end[0] = 9;
        t.then = close_then;
        dial(&t);
        UNTIL(&t.f, t.closed);
        assert_int_equal(t.batches + t.ends, 1);
        fake_down(&t.f);
        hg_iggy_opts_release(&t.o);
        hg_buf_release(&t.told);
        hg_buf_release(&t.log);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_partitions_to_their_ends),
        cmocka_unit_test(test_chosen_partition_and_next),
        cmocka_unit_test(test_start_of_each),
        cmocka_unit_test(test_end_of_an_empty_partition),
        cmocka_unit_test(test_goes_on_where_it_was),
        cmocka_unit_test(test_pause_and_seek),
        cmocka_unit_test(test_withheld_messages),
        cmocka_unit_test(test_new_partitions),
        cmocka_unit_test(test_missing_topic),
        cmocka_unit_test(test_group_creates_joins_stores_leaves),
        cmocka_unit_test(test_start_of_a_member),
        cmocka_unit_test(test_owner_says_where_a_member_starts),
        cmocka_unit_test(test_many_at_once),
        cmocka_unit_test(test_polls_apart),
        cmocka_unit_test(test_rebalance),
        cmocka_unit_test(test_not_a_member_any_more),
        cmocka_unit_test(test_member_whose_connection_goes),
        cmocka_unit_test(test_classic_group),
        cmocka_unit_test(test_how_long_nothing_comes),
        cmocka_unit_test(test_closed_within_a_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
