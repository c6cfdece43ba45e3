/* Producers: batches by size, count and time; order through lost answers; what is refused; the buffer's room. */
#include "iggy/client/producer.h"
#include "tests/unit/iggy_client/fake.h"

typedef struct {
    fake_t f;
    hg_iggy_opts_t o;
    hg_iggy_producer_opts_t po;
    hg_iggy_producer_t *p;
    unsigned ready, downs, fatal, rooms, batches, refusals;
    uint64_t messages, done, twice;
    hg_iggy_delivery_t last;
    hg_err_t err;
    bool closed, go_on;
    /* the peer's */
    uint32_t partitions;
    bool missing_stream, missing_topic, hold;
    const char *option; /* that the server has for topics */
    char made_with[256];
    unsigned created, sends, fail_at;
    uint32_t fail_code; /* 0: hangs up instead of answering */
    hg_buf_t log;       /* "partition:payloads;" per batch that was stored */
    fake_req_t held;
    uint8_t held_id[16];
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

static void on_delivered(void *arg, const hg_iggy_delivery_t *d)
{
    test_t *t = arg;
    t->batches++;
    t->messages += d->count;
    t->twice += d->twice;
    t->done = d->done;
    t->last = *d;
}

static bool on_refused(void *arg, const hg_iggy_delivery_t *d, const hg_err_t *err)
{
    test_t *t = arg;
    t->refusals++;
    t->last = *d;
    t->err = *err;
    return t->go_on;
}

static void on_room(void *arg)
{
    ((test_t *)arg)->rooms++;
}

/* --- the peer: one topic --- */

static void store(test_t *t, const fake_req_t *r)
{
    const uint8_t *p = r->body + 4 + iggy_get32(r->body), *end = r->body + r->n;
    assert_int_equal(r->body[4 + iggy_get32(r->body) - 4 - 6], 2); /* resolved by the client */
    uint32_t partition = iggy_get32(p - 8);
    assert_int_equal(iggy_get64(p + 32), end - p);
    hg_buf_addf(&t->log, "%u:", (unsigned)partition);
    for (p += IGGY_BATCH; p < end;) {
        uint32_t headers = iggy_get32(p + 32), payload = iggy_get32(p + 36);
        hg_buf_add(&t->log, p + IGGY_FRAME, payload);
        p += IGGY_FRAME + headers + payload;
    }
    hg_buf_addc(&t->log, ';');
}

static void topic(test_t *t, const fake_req_t *r)
{
    uint8_t b[59 + 40] = { 0 };
    if (t->missing_stream || t->missing_topic) {
        fake_answer(r, 0, "", 0);
        return;
    }
    iggy_put32(b + 12, t->partitions);
    b[49] = 1; /* a name of one byte */
    b[50] = 't';
    fake_answer(r, 0, b, 59);
}

static void sent(test_t *t, const fake_req_t *r)
{
    unsigned n = ++t->sends;
    if (n != t->fail_at) store(t, r);
    if (n == t->fail_at && !t->fail_code) {
        store(t, r); /* done, but nobody hears of it */
        fake_hang_up(r->conn);
    } else if (n == t->fail_at) {
        fake_answer(r, t->fail_code, "", 0);
    } else if (t->hold) {
        t->held = *r;
        memcpy(t->held_id, r->id, 16);
        t->held.id = t->held_id;
    } else {
        uint8_t b[24] = { 1 };
        iggy_put64(b + 16, 100 + n);
        fake_answer(r, 0, b, sizeof b);
    }
}

static void script(fake_t *f, const fake_req_t *r)
{
    test_t *t = f->arg;
    if (fake_usual(r)) return;
    if (r->operation == 2 && r->code == 300) {
        topic(t, r);
    } else if (r->operation == 2 && r->code == 200) {
        static const uint8_t stream[38] = { [32] = 1, [33] = 's' };
        fake_answer(r, 0, stream, t->missing_stream ? 0 : sizeof stream);
    } else if (r->operation == 128 || r->operation == 132) {
        t->created++;
        for (size_t i = 0; i < r->n && i < sizeof t->made_with - 1; i++)
            t->made_with[i] = (char)(r->body[i] < ' ' ? '.' : r->body[i]);
        if (r->operation == 128)
            t->missing_stream = false;
        else
            t->missing_topic = false;
        fake_result(r, "", 0);
    } else if (r->operation == 2 && r->code == 13) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        iggy_out_t o = { .b = &b };
        iggy_w32(&o, 1);
        iggy_wname(&o, hg_strz(t->option));
        iggy_wzero(&o, 9);
        fake_answer(r, 0, b.p, b.len);
        hg_buf_release(&b);
    } else if (r->operation == 160) {
        sent(t, r);
    } else {
        fail_msg("unexpected request: operation %u, code %u", r->operation, (unsigned)r->code);
    }
}

/* --- the test's side --- */

static void up(test_t *t)
{
    memset(t, 0, sizeof *t);
    fake_up(&t->f, script);
    t->f.arg = t;
    fake_opts(&t->f, &t->o);
    hg_buf_init(&t->log, HG_BUF_NOMAX);
    t->partitions = 3;
    t->po = (hg_iggy_producer_opts_t){ .stream = hg_iggy_named(HG_S("s")), .topic = hg_iggy_named(HG_S("t")) };
}

static void dial(test_t *t)
{
    static const hg_iggy_producer_ops_t ops = { on_ready, on_down, on_fatal, on_delivered, on_refused, on_room };
    t->p = hg_iggy_producer_open(t->f.loop, &t->o, &t->po, &ops, t);
}

static void down(test_t *t)
{
    hg_iggy_producer_close(t->p, fake_note, &t->closed);
    UNTIL(&t->f, t->closed);
    fake_down(&t->f);
    hg_iggy_opts_release(&t->o);
    hg_buf_release(&t->log);
}

static int add(test_t *t, const char *text, const char *key, uint64_t tag)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_message_t m = { .payload = hg_strz(text) };
    return hg_iggy_producer_add(t->p, &m, hg_strz(key), tag, &err);
}

static void add_all(test_t *t, const char *letters)
{
    for (uint64_t i = 0; letters[i]; i++) assert_int_equal(add(t, (char[]){ letters[i], 0 }, "", i), 0);
}

/* --- batches --- */

static void test_count_and_flush(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.batch_count = 2;
    t.po.linger_ms = 1000000;
    dial(&t);
    assert_int_equal(add(&t, "early", "", 0), HG_EAGAIN);
    UNTIL(&t.f, t.ready);
    assert_int_equal(hg_iggy_producer_partitions(t.p), 3);
    add_all(&t, "abcde");
    assert_int_equal(t.batches, 0); /* never from within */
    UNTIL(&t.f, t.batches == 2);
    assert_int_equal(t.done, 4); /* `e` waits */
    assert_int_equal(hg_iggy_producer_open_messages(t.p), 1);
    hg_iggy_producer_flush(t.p);
    UNTIL(&t.f, t.batches == 3);
    assert_string_equal(t.log.p, "0:ab;1:cd;2:e;"); /* in turn */
    assert_true(t.done == UINT64_MAX && t.last.has_offset && t.last.base_offset == 103 && t.last.partition == 2);
    assert_int_equal(hg_iggy_producer_open_bytes(t.p), 0);
    down(&t);
}

static void test_size_and_linger(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.batch_bytes = 2 * 49 + 10;
    t.po.linger_ms = 1;
    t.po.partitioning = HG_IGGY_FIXED;
    t.po.partition = 1;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "abc");
    UNTIL(&t.f, t.messages == 3);
    assert_string_equal(t.log.p, "1:ab;1:c;");
    down(&t);
}

static void test_by_key(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.partitioning = HG_IGGY_BY_KEY;
    t.partitions = 2;
    dial(&t);
    UNTIL(&t.f, t.ready);
    assert_int_equal(hg_iggy_key_partition(HG_S("key-1"), 2), 1);
    assert_int_equal(hg_iggy_key_partition(HG_S("key-2"), 2), 0);
    assert_int_equal(add(&t, "a", "key-1", 1), 0);
    assert_int_equal(add(&t, "b", "key-2", 2), 0);
    assert_int_equal(add(&t, "c", "key-1", 3), 0);
    assert_int_equal(add(&t, "d", "", 4), 0);
    UNTIL(&t.f, t.messages == 4);
    assert_string_equal(t.log.p, "0:b;1:ac;0:d;");
    down(&t);
}

static void test_done_is_the_first_open_tag(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.partitioning = HG_IGGY_BY_KEY;
    t.po.batch_count = 2;
    t.po.linger_ms = 1000000;
    t.partitions = 2;
    dial(&t);
    UNTIL(&t.f, t.ready);
    assert_int_equal(add(&t, "a", "key-1", 1), 0);
    assert_int_equal(add(&t, "b", "key-2", 2), 0);
    assert_int_equal(add(&t, "c", "key-2", 3), 0);
    UNTIL(&t.f, t.batches == 1);
    assert_int_equal(t.done, 1); /* `a` is still open though those behind it are done */
    hg_iggy_producer_flush(t.p);
    UNTIL(&t.f, t.batches == 2);
    assert_int_equal(t.done, UINT64_MAX);
    down(&t);
}

/* --- trouble --- */

static void test_lost_answer(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.batch_count = 1;
    t.po.partitioning = HG_IGGY_FIXED;
    t.fail_at = 2;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "abc");
    UNTIL(&t.f, t.messages == 3);
    assert_string_equal(t.log.p, "0:a;0:b;0:b;0:c;"); /* again, and before what is behind it */
    assert_true(t.downs == 1 && t.twice == 1 && t.ready == 2);
    down(&t);
}

static void test_not_accepted_is_not_twice(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.batch_count = 1;
    t.po.partitioning = HG_IGGY_FIXED;
    t.fail_at = 1;
    t.fail_code = 58;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "ab");
    UNTIL(&t.f, t.messages == 2);
    assert_string_equal(t.log.p, "0:a;0:b;");
    assert_true(t.downs == 0 && t.twice == 0);
    down(&t);
}

static void test_refused_batch(void **state)
{
    (void)state;
    for (int go_on = 0; go_on < 2; go_on++) {
        test_t t;
        up(&t);
        t.po.batch_count = 1;
        t.po.partitioning = HG_IGGY_FIXED;
        t.fail_at = 2;
        t.fail_code = 41;
        t.go_on = go_on;
        dial(&t);
        UNTIL(&t.f, t.ready);
        add_all(&t, "abc");
        UNTIL(&t.f, go_on ? t.messages == 2 : t.fatal == 1);
        assert_int_equal(t.refusals, 1);
        assert_int_equal(t.fatal, !go_on);
        assert_true(strstr(t.err.msg, "Unauthorized (41)"));
        assert_string_equal(t.log.p, go_on ? "0:a;0:c;" : "0:a;");
        if (!go_on) assert_int_equal(add(&t, "d", "", 9), HG_ECLOSED);
        down(&t);
    }
}

static void test_full_buffer(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.buffer_bytes = 4 * 49;
    t.po.linger_ms = 1000000;
    t.hold = true;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "abcd");
    assert_int_equal(add(&t, "e", "", 5), HG_EAGAIN); /* what is there is sent now, or there would never be room */
    UNTIL(&t.f, t.sends == 1);
    assert_int_equal(t.rooms, 0);
    t.hold = false;
    fake_answer(&t.held, 0, "", 0);
    UNTIL(&t.f, t.rooms == 1);
    assert_int_equal(add(&t, "e", "", 5), 0);
    assert_false(t.last.has_offset);
    hg_iggy_producer_flush(t.p);
    UNTIL(&t.f, t.messages == 5);
    assert_string_equal(t.log.p, "0:abcd;1:e;");
    down(&t);
}

static void test_bad_message_alone(void **state)
{
    (void)state;
    test_t t;
    hg_err_t err = HG_ERR_INIT;
    up(&t);
    dial(&t);
    UNTIL(&t.f, t.ready);
    hg_iggy_message_t bad = { .payload = HG_S("x"), .headers = HG_S("no headers") };
    assert_int_equal(hg_iggy_producer_add(t.p, &bad, HG_S(""), 1, &err), HG_EINVAL);
    static char key[256];
    memset(key, 'k', sizeof key);
    bad.headers = HG_S("");
    assert_int_equal(hg_iggy_producer_add(t.p, &bad, (hg_str_t){ key, 256 }, 1, &err), HG_EINVAL);
    assert_int_equal(hg_iggy_producer_open_messages(t.p), 0);
    add_all(&t, "a");
    UNTIL(&t.f, t.messages == 1);
    assert_string_equal(t.log.p, "0:a;");
    down(&t);
}

/* --- the topic --- */

static void test_creates_what_is_missing(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.missing_stream = t.missing_topic = true;
    t.po.create = true;
    dial(&t);
    UNTIL(&t.f, t.ready);
    assert_int_equal(t.created, 2);
    down(&t);
    up(&t);
    t.missing_topic = true;
    dial(&t);
    UNTIL(&t.f, t.fatal);
    assert_string_equal(t.err.msg, "there is no topic 't' in stream 's' of the Iggy server");
    assert_int_equal(t.created, 0);
    down(&t);
}

static void test_durable_topic(void **state)
{
    (void)state;
    static const struct {
        const char *has, *made_with; /* NULL: refused */
    } rows[] = { { "durability", "durability.....persisted" },
                 { "enforce_fsync", "messages_required_to_save" },
                 { "segment_size", NULL } };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        test_t t;
        up(&t);
        t.missing_topic = true;
        t.po.create = t.po.durable = true;
        t.option = rows[i].has;
        dial(&t);
        UNTIL(&t.f, t.ready || t.fatal);
        assert_int_equal(t.fatal, rows[i].made_with == NULL);
        if (t.ready && !strstr(t.made_with, rows[i].made_with)) fail_msg("%s", t.made_with);
        if (t.fatal) assert_true(strstr(t.err.msg, "no option for a durable topic"));
        down(&t);
    }
}

static void test_topic_goes_away(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.create = true;
    t.po.batch_count = 1;
    t.fail_at = 2;
    t.fail_code = 2010;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "a");
    UNTIL(&t.f, t.messages == 1);
    t.missing_topic = true;
    add_all(&t, "b");
    UNTIL(&t.f, t.messages == 2);
    assert_true(t.created == 1 && t.ready == 2 && t.refusals == 0);
    down(&t);
}

static void test_partition_that_is_not_there(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.po.partitioning = HG_IGGY_FIXED;
    t.po.partition = 3;
    dial(&t);
    UNTIL(&t.f, t.fatal);
    assert_string_equal(t.err.msg, "the topic has 3 partitions, there is no partition 3");
    down(&t);
}

static void test_closed_with_messages(void **state)
{
    (void)state;
    test_t t;
    up(&t);
    t.hold = true;
    t.po.batch_count = 1;
    dial(&t);
    UNTIL(&t.f, t.ready);
    add_all(&t, "abc");
    UNTIL(&t.f, t.sends == 1);
    down(&t);
    assert_int_equal(t.batches, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_and_flush),
        cmocka_unit_test(test_size_and_linger),
        cmocka_unit_test(test_by_key),
        cmocka_unit_test(test_done_is_the_first_open_tag),
        cmocka_unit_test(test_lost_answer),
        cmocka_unit_test(test_not_accepted_is_not_twice),
        cmocka_unit_test(test_refused_batch),
        cmocka_unit_test(test_full_buffer),
        cmocka_unit_test(test_bad_message_alone),
        cmocka_unit_test(test_creates_what_is_missing),
        cmocka_unit_test(test_durable_topic),
        cmocka_unit_test(test_topic_goes_away),
        cmocka_unit_test(test_partition_that_is_not_there),
        cmocka_unit_test(test_closed_with_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
