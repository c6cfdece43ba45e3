/* Stores under stress: allocations that fail anywhere, hashes that all collide, merges between steps, readers on other
 * threads. test-labels: threads */
#include "base/hg.h"
#include "base/loop.h"
#include <pthread.h>
#include "tests/unit/engine/circuit_fixture.h"

typedef struct {
    prog_t p;
    hg_circuit_t *c;
    hg_delta_t deltas[2];
    hg_step_output_t out;
    hg_err_t err;
} one_t;

static void one_open(one_t *o, const char *key, bool view)
{
    *o = (one_t){ 0 };
    prog_init(&o->p, view ? 2 : 1);
    prog_table(&o->p, 0, "t", key, true);
    if (view) prog_view(&o->p, 1, "v", prog_union(&o->p, prog_scan(&o->p, 0), prog_scan(&o->p, 0)), true);
    o->c = prog_circuit(&o->p);
    o->out.deltas = o->deltas;
}
static void one_close(one_t *o)
{
    hg_circuit_free(o->c);
    prog_release(&o->p);
}
static int one_run(one_t *o, hg_change_t *change, uint32_t origin)
{
    hg_step_input_t in = { .relation = 0, .origin = origin, .change = change };
    int rc = step_now(o->c, &o->p, &in, 1, &o->out, &o->err);
    for (uint32_t i = 0; i < o->p.plan.n_relations; i++) {
        if (rc < 0) assert_int_equal(o->deltas[i].n, 0);
        hg_delta_release(&o->deltas[i]);
    }
    return rc;
}
static zset_t contents(one_t *o, uint32_t relation)
{
    hg_snap_t *s = hg_circuit_snap(o->c, relation);
    zset_t z = snap_zset(s);
    hg_snap_drop(s);
    return z;
}
static hg_change_t *rnd_change(const prog_t *p, rnd_t *r, uint32_t n, uint32_t keys, bool updates)
{
    hg_changeb_t b;
    hg_changeb_init(&b, &p->rels[0].schema);
    for (uint32_t i = 0; i < n; i++) {
        row_t row = rnd_row(r, keys, 3);
        uint32_t dice = rnd_below(r, 10);
        uint64_t present = 1u << COL_K | 1u << COL_S;
        hg_op_t op = dice < 6 ? HG_OP_INSERT : dice < 8 || !updates ? HG_OP_DELETE : HG_OP_UPDATE;
        if (i == n / 2 && rnd_below(r, 4) == 0) op = HG_OP_TRUNCATE;
        put_row(&b, &row);
        assert_int_equal(hg_changeb_row(&b, op, op == HG_OP_UPDATE ? &present : NULL), 0);
    }
    hg_change_t *c = hg_changeb_seal(&b);
    hg_changeb_release(&b);
    return c;
}

/* --- allocations that fail --- */

static void failed_steps_of(const char *key, uint64_t seed)
{
    one_t o;
    rnd_t r = { seed };
    uint64_t failures = 0;
    one_open(&o, key, true);
    for (int round = 0; round < 14; round++) {
        hg_change_t *change = rnd_change(&o.p, &r, round < 8 ? 20 : 150, 400, *key != 0);
        zset_t t = contents(&o, 0), v = contents(&o, 1);
        for (uint64_t n = 1;; n++) {
            hg_fault_arm(HG_FAULT_ALLOC, n);
            int rc = one_run(&o, change, (uint32_t)round % 2);
            bool fired = hg_fault_fired();
            hg_fault_arm(HG_FAULT_ALLOC, 0);
            if (!fired) {
                assert_int_equal(rc, 0);
                break;
            }
            if (rc == 0) break; /* a failure that costs nothing but speed; the step is done */
            assert_int_equal(rc, HG_ENOMEM);
            failures++;
            zset_t t2 = contents(&o, 0), v2 = contents(&o, 1);
            zset_check(&t, &t2);
            zset_check(&v, &v2);
            zset_release(&t2);
            zset_release(&v2);
        }
        zset_release(&t);
        zset_release(&v);
        t = contents(&o, 0);
        v = contents(&o, 1);
        for (size_t i = 0; i < t.n; i++) t.v[i].w *= 2;
        zset_check(&t, &v);
        for (size_t i = 0; i < t.n; i++) t.v[i].w /= 2;
        for (uint64_t n = 1; n < 12; n++) {
            hg_fault_arm(HG_FAULT_ALLOC, n);
            for (int k = 0; k < 6; k++) hg_circuit_merge(o.c, 0);
            hg_fault_arm(HG_FAULT_ALLOC, 0);
            zset_t t2 = contents(&o, 0);
            zset_check(&t, &t2);
            zset_release(&t2);
        }
        zset_release(&t);
        zset_release(&v);
        hg_change_drop(change);
    }
    assert_true(failures > 100);
    one_close(&o);
}

static void failed_steps_change_nothing(void **state)
{
    (void)state;
    failed_steps_of("0", 1);
    failed_steps_of("01", 2);
    failed_steps_of("", 3);
}

/* --- hashes that collide --- */

static void collide(uint32_t keys, uint32_t hashes, int steps)
{
    one_t o;
    rnd_t r = { keys };
    zset_t want = { 0 };
    row_t *model = HG_NEWN(row_t, keys);
    char text[512];
    one_open(&o, "0", false);
    for (uint32_t k = 0; k < keys; k++) model[k].k = -1;
    for (int s = 0; s < steps; s++) {
        hg_changeb_t b;
        uint32_t n = 1 + rnd_below(&r, 300);
        hg_changeb_init(&b, &o.p.rels[0].schema);
        for (uint32_t i = 0; i < n; i++) {
            row_t row = { .k = rnd_below(&r, keys), .s = (int)rnd_below(&r, 9) };
            bool del = rnd_below(&r, 3) == 0;
            put_row(&b, &row);
            hg_changeb_row(&b, del ? HG_OP_DELETE : HG_OP_UPSERT, NULL);
            if (del)
                model[row.k].k = -1;
            else
                model[row.k] = row;
        }
        hg_change_t *c = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        c->hash = hg_trynew(sizeof *c->hash * n);
        for (uint32_t i = 0; i < n; i++) {
            uint64_t k = (uint64_t)HG_COL(c->rows->cols[COL_K], int64_t)[i];
            c->hash[i] = k % hashes; /* equal top bits, and few tags */
        }
        assert_int_equal(one_run(&o, c, 0), 0);
        hg_change_drop(c);
        while (hg_circuit_merge(o.c, 0) && rnd_below(&r, 5)) {
        }
        if (s % 10) continue;
        for (uint32_t k = 0; k < keys; k++) {
            if (model[k].k < 0) continue;
            row_want(&model[k], text, sizeof text);
            zset_add(&want, text, 1);
        }
        zset_t got = contents(&o, 0);
        zset_check(&want, &got);
        zset_release(&want);
        zset_release(&got);
    }
    hg_free(model);
    one_close(&o);
}

static void colliding_hashes_cost_speed_only(void **state)
{
    (void)state;
    collide(1500, 1, 60);
    collide(2000, 7, 60);
    collide(8000, 8000, 60);
}

/* --- many keys: sub-tables grow and split --- */

static void index_grows_by_splitting(void **state)
{
    enum { KEYS = 200000, CHUNK = 20000 };
    (void)state;
    one_t o;
    hg_store_stats_t st;
    one_open(&o, "0", false);
    for (int round = 0; round < 3; round++) { /* insert, replace, delete every other */
        for (int64_t k = 0; k < KEYS; k += CHUNK) {
            hg_changeb_t b;
            hg_changeb_init(&b, &o.p.rels[0].schema);
            for (int64_t i = k; i < k + CHUNK; i++) {
                row_t row = { .k = i * 7, .s = round, .d = -1, .n = -1, .l = -1 };
                if (round == 2 && i % 2) continue;
                put_row(&b, &row);
                hg_changeb_row(&b, round < 2 ? HG_OP_UPSERT : HG_OP_DELETE, NULL);
            }
            hg_change_t *c = hg_changeb_seal(&b);
            hg_changeb_release(&b);
            assert_int_equal(one_run(&o, c, 0), 0);
            assert_int_equal(o.out.deletes_missing, 0);
            hg_change_drop(c);
            hg_circuit_merge(o.c, 200);
        }
        hg_circuit_stats(o.c, 0, &st);
        assert_int_equal(st.rows, round < 2 ? KEYS : KEYS / 2);
        assert_true(st.index_bytes / KEYS <= 24);
    }
    while (hg_circuit_merge(o.c, 10000)) {
    }
    hg_circuit_stats(o.c, 0, &st);
    assert_true(st.dead_rows <= (st.rows + st.dead_rows) / 2);
    hg_snap_t *snap = hg_circuit_snap(o.c, 0);
    uint64_t cursor = 0;
    int64_t sum = 0;
    hg_part_t *part;
    while (hg_snap_scan(snap, &cursor, (uint32_t[]){ COL_K }, 1, &part, &o.err) == 0 && part) {
        assert_int_equal(part->batch->n_cols, 1);
        for (uint32_t i = 0; i < part->n; i++) sum += HG_COL(part->batch->cols[0], int64_t)[i];
        hg_part_drop(part);
    }
    assert_int_equal(sum, (int64_t)KEYS / 2 * (KEYS / 2) * 7); /* 7 * (1 + 3 + 5 + …) */
    assert_int_equal(hg_snap_rows(snap), KEYS / 2);
    hg_snap_drop(snap);
    one_close(&o);
}

/* Sub-tables that are due at the same time take turns: a step of few rows makes one split at most. */
static void a_step_splits_no_more_than_its_share(void **state)
{
    enum { KEYS = 600000, CHUNK = 2000 };
    const uint64_t sub = sizeof(uint64_t) * 16384;
    (void)state;
    one_t o;
    hg_store_stats_t st;
    uint64_t before = 0, splits = 0;
    one_open(&o, "0", false);
    for (int64_t k = 0; k < KEYS; k += CHUNK) {
        hg_changeb_t b;
        hg_changeb_init(&b, &o.p.rels[0].schema);
        for (int64_t i = k; i < k + CHUNK; i++) {
            row_t row = { .k = i, .s = -1, .d = -1, .n = -1, .l = -1 };
            put_row(&b, &row);
            hg_changeb_row(&b, HG_OP_INSERT, NULL);
        }
        hg_change_t *c = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        assert_int_equal(one_run(&o, c, 0), 0);
        hg_change_drop(c);
        hg_circuit_stats(o.c, 0, &st);
        /* without a pool the index takes memory for one sub-table at a time; a split gives one back and takes two */
        if (before > 4 * sub) {
            assert_true(st.index_bytes - before < 2 * sub);
            splits += st.index_bytes - before > sub;
        }
        before = st.index_bytes;
    }
    assert_int_equal(st.rows, KEYS);
    assert_true(splits > 32);
    one_close(&o);
}

/* --- merge --- */

static void merge_bounds_the_dead(void **state)
{
    (void)state;
    one_t o;
    rnd_t r = { 5 };
    hg_store_stats_t st;
    one_open(&o, "0", false);
    for (int s = 0; s < 151; s++) {
        hg_change_t *c = rnd_change(&o.p, &r, 400, 2000, true);
        zset_t before, after;
        assert_int_equal(one_run(&o, c, 0), 0);
        hg_change_drop(c);
        if (s % 50 == 0) before = contents(&o, 0);
        while (hg_circuit_merge(o.c, 1000)) {
        }
        hg_circuit_stats(o.c, 0, &st);
        /* a third, the tail, and what is not worth a victim */
        assert_true(st.dead_rows <= (st.rows + st.dead_rows) / 2 + 2048);
        if (s % 50) continue;
        after = contents(&o, 0);
        zset_check(&before, &after);
        zset_release(&before);
        zset_release(&after);
    }
    assert_true(st.segments < 40);
    one_close(&o);
}

static void snapshot_pins_memory_until_dropped(void **state)
{
    (void)state;
    one_t o;
    rnd_t r = { 6 };
    hg_store_stats_t first, pinned, last;
    one_open(&o, "0", false);
    hg_change_t *c = rnd_change(&o.p, &r, 5000, 100000, false);
    assert_int_equal(one_run(&o, c, 0), 0);
    hg_change_drop(c);
    hg_circuit_stats(o.c, 0, &first);
    hg_snap_t *s = hg_circuit_snap(o.c, 0);
    zset_t want = snap_zset(s);
    for (int i = 0; i < 30; i++) {
        c = rnd_change(&o.p, &r, 2000, 3000, false);
        assert_int_equal(one_run(&o, c, 0), 0);
        hg_change_drop(c);
        while (hg_circuit_merge(o.c, 1000)) {
        }
    }
    hg_circuit_stats(o.c, 0, &pinned);
    zset_t got = snap_zset(s);
    zset_check(&want, &got);
    hg_snap_drop(s);
    hg_circuit_stats(o.c, 0, &last);
    assert_true(last.bytes <= pinned.bytes);
    zset_release(&want);
    zset_release(&got);
    one_close(&o);
}

/* --- readers on other threads --- */

enum { ACCOUNTS = 500, TRANSFERS = 600, READERS = 2 };

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t ready;
    hg_snap_t *snap; /* for whoever comes first */
    bool done;
    unsigned read;
} desk_t;

/* Money is only moved: whatever snapshot one looks at, there are ACCOUNTS rows and the same sum. */
static void *reader(void *arg)
{
    desk_t *d = arg;
    for (;;) {
        pthread_mutex_lock(&d->lock);
        while (!d->snap && !d->done) pthread_cond_wait(&d->ready, &d->lock);
        hg_snap_t *s = d->snap;
        d->snap = NULL;
        pthread_mutex_unlock(&d->lock);
        if (!s) return NULL;
        for (int pass = 0; pass < 2; pass++) {
            uint64_t cursor = 0, rows = 0;
            hg_i128 sum = 0;
            hg_part_t *p;
            hg_err_t err = HG_ERR_INIT;
            while (hg_snap_scan(s, &cursor, NULL, 0, &p, &err) == 0 && p) {
                for (uint32_t i = 0; i < p->n; i++) {
                    char text[512];
                    sum += HG_COL(p->batch->cols[COL_D], hg_i128)[i];
                    row_text(p->batch, i, text, sizeof text); /* touches every cell */
                    HG_ASSERT(strlen(text) > 4);
                }
                rows += p->n;
                hg_part_drop(p);
            }
            HG_ASSERT(err.code == 0 && rows == ACCOUNTS && sum == (hg_i128)ACCOUNTS * 1000);
        }
        hg_snap_drop(s);
        pthread_mutex_lock(&d->lock);
        d->read++;
        pthread_mutex_unlock(&d->lock);
    }
}

static void put_account(hg_changeb_t *b, rnd_t *r, int64_t k, int64_t money)
{
    row_t row = {
        .k = k, .s = (int)rnd_below(r, 6) - 1, .d = -1, .n = (int)rnd_below(r, 3) - 1, .l = (int)rnd_below(r, 5) - 1
    };
    put_row(b, &row);
    hg_colb_truncate(&b->cols[COL_D], b->len);
    hg_colb_i128(&b->cols[COL_D], money);
    hg_changeb_row(b, HG_OP_UPSERT, NULL);
}

static void readers_see_whole_steps_while_the_circuit_goes_on(void **state)
{
    (void)state;
    one_t o;
    rnd_t r = { 8 };
    int64_t money[ACCOUNTS];
    desk_t d = { .lock = PTHREAD_MUTEX_INITIALIZER, .ready = PTHREAD_COND_INITIALIZER };
    pthread_t th[READERS];
    one_open(&o, "0", false);
    for (int i = 0; i < READERS; i++) pthread_create(&th[i], NULL, reader, &d);
    for (int s = 0; s <= TRANSFERS; s++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &o.p.rels[0].schema);
        if (s == 0) {
            for (int i = 0; i < ACCOUNTS; i++) put_account(&b, &r, i, money[i] = 1000);
        } else {
            for (int i = 0; i < 7; i++) {
                uint32_t x = rnd_below(&r, ACCOUNTS), y = rnd_below(&r, ACCOUNTS);
                int64_t m = rnd_below(&r, 100);
                money[x] -= m;
                money[y] += m;
                put_account(&b, &r, x, money[x]);
                put_account(&b, &r, y, money[y]);
            }
        }
        hg_change_t *c = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        assert_int_equal(one_run(&o, c, 0), 0);
        hg_change_drop(c);
        hg_circuit_merge(o.c, 0);
        hg_snap_t *snap = hg_circuit_snap(o.c, 0), *stale;
        pthread_mutex_lock(&d.lock);
        stale = d.snap;
        d.snap = snap;
        pthread_cond_signal(&d.ready);
        pthread_mutex_unlock(&d.lock);
        if (stale) hg_snap_drop(stale);
    }
    hg_circuit_free(o.c); /* readers go on without it; the plan stays */
    pthread_mutex_lock(&d.lock);
    d.done = true;
    pthread_cond_broadcast(&d.ready);
    pthread_mutex_unlock(&d.lock);
    for (int i = 0; i < READERS; i++) pthread_join(th[i], NULL);
    assert_true(d.read > 0);
    prog_release(&o.p);
}

/* --- segments made ahead --- */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool open;
    unsigned woken;
} gate_t;

static void gate_hold(void *arg, unsigned worker)
{
    gate_t *g = arg;
    (void)worker;
    pthread_mutex_lock(&g->lock);
    while (!g->open) pthread_cond_wait(&g->cond, &g->lock);
    pthread_mutex_unlock(&g->lock);
}

static void gate_open(gate_t *g)
{
    pthread_mutex_lock(&g->lock);
    g->open = true;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

static void gate_woken(void *arg)
{
    gate_t *g = arg;
    pthread_mutex_lock(&g->lock);
    g->woken++;
    pthread_cond_broadcast(&g->cond);
    pthread_mutex_unlock(&g->lock);
}

/* Keys first, first + stride … below end. */
static void upsert_some(one_t *o, int64_t first, int64_t stride, int64_t end, int value)
{
    enum { CHUNK = 10000 };
    for (int64_t k = first; k < end; k += CHUNK * stride) {
        hg_changeb_t b;
        hg_changeb_init(&b, &o->p.rels[0].schema);
        for (int64_t i = k; i < HG_MIN(k + CHUNK * stride, end); i += stride) {
            row_t row = { .k = i, .s = value, .d = -1, .n = -1, .l = -1 };
            put_row(&b, &row);
            hg_changeb_row(&b, HG_OP_UPSERT, NULL);
        }
        hg_change_t *c = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        assert_int_equal(one_run(o, c, 0), 0);
        hg_change_drop(c);
        hg_circuit_merge(o->c, 200);
    }
}

static int64_t sum_of_keys(one_t *o)
{
    hg_snap_t *snap = hg_circuit_snap(o->c, 0);
    uint64_t cursor = 0;
    int64_t sum = 0;
    hg_part_t *part;
    while (hg_snap_scan(snap, &cursor, (uint32_t[]){ COL_K }, 1, &part, &o->err) == 0 && part) {
        for (uint32_t i = 0; i < part->n; i++) sum += HG_COL(part->batch->cols[0], int64_t)[i];
        hg_part_drop(part);
    }
    hg_snap_drop(snap);
    return sum;
}

/* A pool that is busy holds up neither steps nor the end; one that answers lets the merge go on. */
static void segments_are_made_ahead_on_the_pool(void **state)
{
    enum { KEYS = 150000 };
    (void)state;
    for (int early = 0; early < 2; early++) {
        one_t o;
        hg_store_stats_t st;
        gate_t g = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
        hg_pool_t *pool = hg_pool_new(1);
        one_open(&o, "0", false);
        hg_circuit_pool(o.c, pool, gate_woken, &g);
        hg_pool_submit(pool, gate_hold, NULL, NULL, &g);
        upsert_some(&o, 0, 1, KEYS, 1);
        upsert_some(&o, 0, 3, KEYS, 2);
        upsert_some(&o, 1, 3, KEYS, 3);
        assert_int_equal(sum_of_keys(&o), (int64_t)KEYS * (KEYS - 1) / 2);
        hg_circuit_stats(o.c, 0, &st);
        assert_true(st.dead_rows == KEYS / 3 * 2); /* a merge waits for its segment */
        assert_false(hg_circuit_merge(o.c, 1000));
        gate_open(&g);
        if (!early) {
            unsigned seen = 0;
            while (st.dead_rows > (st.rows + st.dead_rows) / 3) {
                pthread_mutex_lock(&g.lock);
                while (g.woken == seen) pthread_cond_wait(&g.cond, &g.lock);
                seen = g.woken;
                pthread_mutex_unlock(&g.lock);
                while (hg_circuit_merge(o.c, 1000)) {
                }
                hg_circuit_stats(o.c, 0, &st);
            }
            upsert_some(&o, 0, 1, KEYS, 4); /* with the spare that is there by now */
            assert_int_equal(sum_of_keys(&o), (int64_t)KEYS * (KEYS - 1) / 2);
        }
        one_close(&o);
        hg_pool_free(pool);
    }
}

/* --- allocations --- */

static void upserts_allocate_per_chunk_not_per_row(void **state)
{
    enum { ROWS = 1000000, CHUNK = 20000, KEYS = 50000 };
    (void)state;
    one_t o;
    rnd_t r = { 9 };
    hg_change_t *chunks[ROWS / CHUNK];
    one_open(&o, "0", false);
    for (int k = 0; k < ROWS / CHUNK; k++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &o.p.rels[0].schema);
        for (int i = 0; i < CHUNK; i++) {
            row_t row = rnd_row(&r, KEYS, 3);
            put_row(&b, &row);
            hg_changeb_row(&b, HG_OP_UPSERT, NULL);
        }
        chunks[k] = hg_changeb_seal(&b);
        hg_changeb_release(&b);
    }
    uint64_t before = hg_mem_allocs();
    for (int k = 0; k < ROWS / CHUNK; k++) {
        assert_int_equal(one_run(&o, chunks[k], 0), 0);
        hg_circuit_merge(o.c, 500);
        hg_change_drop(chunks[k]);
    }
    uint64_t n = hg_mem_allocs() - before;
    print_message("%" PRIu64 " allocations for %d upserts in %d chunks\n", n, ROWS, ROWS / CHUNK);
    assert_true(n < ROWS / CHUNK * 150);
    one_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_steps_change_nothing),
        cmocka_unit_test(colliding_hashes_cost_speed_only),
        cmocka_unit_test(index_grows_by_splitting),
        cmocka_unit_test(a_step_splits_no_more_than_its_share),
        cmocka_unit_test(merge_bounds_the_dead),
        cmocka_unit_test(snapshot_pins_memory_until_dropped),
        cmocka_unit_test(readers_see_whole_steps_while_the_circuit_goes_on),
        cmocka_unit_test(segments_are_made_ahead_on_the_pool),
        cmocka_unit_test(upserts_allocate_per_chunk_not_per_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
