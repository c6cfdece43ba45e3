/* Checkpoints where writes, syncs, opens and allocations fail, files whose bytes are wrong or missing: a cut is written
 * or leaves nothing behind; a damaged file is named, never believed. */
#include "base/hg.h"
#include "base/durable.h"
#include "tests/unit/engine/state_fixture.h"

enum { KEYED, BAG, N_RELS };

typedef struct {
    prog_t p;
    disk_t d;
    hg_circuit_t *c;
    rnd_t r;
} one_t;

static void one_open(one_t *o, uint64_t seed)
{
    *o = (one_t){ .r = { seed } };
    prog_init(&o->p, N_RELS);
    prog_table(&o->p, KEYED, "keyed", "0", true);
    prog_table(&o->p, BAG, "bag", "", true);
    disk_open(&o->d);
    o->c = prog_circuit(&o->p);
}

static void one_close(one_t *o)
{
    hg_circuit_free(o->c);
    disk_close(&o->d);
    prog_release(&o->p);
}

/* long_text: bytes of each row's text, so that a piece gets large */
static void fill(one_t *o, uint32_t rows, uint32_t keys, size_t long_text)
{
    char *text = hg_xzero(long_text + 64);
    hg_change_t *change[N_RELS];
    hg_step_input_t in[N_RELS];
    hg_delta_t deltas[N_RELS];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    for (uint32_t t = 0; t < N_RELS; t++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &o->p.rels[t].schema);
        for (uint32_t i = 0; i < rows; i++) {
            row_t row = rnd_row(&o->r, keys, 4);
            if (long_text) {
                memset(text, 'a' + (int)rnd_below(&o->r, 26), long_text);
                assert_int_equal(hg_colb_i64(&b.cols[COL_K], row.k), 0);
                assert_int_equal(hg_colb_var(&b.cols[COL_S], text, long_text), 0);
                for (uint32_t c = COL_D; c < N_COLS; c++) assert_int_equal(hg_colb_null(&b.cols[c]), 0);
            } else {
                put_row(&b, &row);
            }
            assert_int_equal(hg_changeb_row(&b, t == KEYED ? HG_OP_UPSERT : HG_OP_INSERT, NULL), 0);
        }
        change[t] = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        in[t] = (hg_step_input_t){ .relation = t, .origin = rnd_below(&o->r, 2), .change = change[t] };
    }
    if (step_now(o->c, &o->p, in, N_RELS, &out, &err) < 0) fail_msg("%s", err.msg);
    for (uint32_t t = 0; t < N_RELS; t++) {
        hg_delta_release(&deltas[t]);
        hg_change_drop(change[t]);
    }
    hg_free(text);
}

/* --- faults --- */

static void restored_equals(one_t *o)
{
    hg_err_t err = HG_ERR_INIT;
    hg_circuit_t *b = prog_circuit(&o->p);
    if (restore(&o->d, b, NULL, &err) < 0) fail_msg("%s", err.msg);
    for (uint32_t i = 0; i < N_RELS; i++) same_contents(o->c, b, i);
    hg_circuit_free(b);
}

static uint32_t fail_each(one_t *o, hg_fault_t kind)
{
    uint32_t failures = 0;
    for (uint64_t n = 1;; n++) {
        hg_err_t err = HG_ERR_INIT;
        uint32_t before = disk_each(&o->d, NULL, NULL);
        hg_cut_t *k = hg_circuit_cut(o->c);
        hg_fault_arm(kind, n);
        int rc = write_cut(&o->d, k, &err);
        bool fired = hg_fault_fired();
        hg_fault_arm(kind, 0);
        assert_int_equal(fired, rc < 0);
        if (rc < 0) {
            assert_true(rc == HG_ENOMEM || rc == HG_EIO);
            assert_true(err.msg[0]);
            assert_int_equal(disk_each(&o->d, NULL, NULL), before);
            failures++;
        }
        hg_cut_done(o->c, k, rc == 0);
        if (rc == 0) break;
    }
    disk_sweep(&o->d);
    return failures;
}

static void faults(void **state)
{
    static const hg_fault_t kinds[] = { HG_FAULT_WRITE, HG_FAULT_FSYNC, HG_FAULT_OPEN, HG_FAULT_ALLOC };
    one_t o;
    (void)state;
    one_open(&o, 7);
    for (uint32_t round = 0; round < 2; round++) {
        for (size_t k = 0; k < HG_COUNT(kinds); k++) {
            fill(&o, 300, 200, 0);
            fill(&o, 6000, 300, 250); /* files of their own */
            assert_true(fail_each(&o, kinds[k]) > 0);
            restored_equals(&o);
        }
    }
    one_close(&o);
}

static void faults_of_a_restore(void **state)
{
    one_t o;
    (void)state;
    one_open(&o, 8);
    for (uint32_t i = 0; i < 6; i++) {
        fill(&o, 200, 400, 0);
        checkpoint(&o.d, o.c);
    }
    for (uint64_t n = 1;; n++) {
        hg_err_t err = HG_ERR_INIT;
        hg_restore_opts_t opts = { .threads = 1 };
        const hg_json_t *j = disk_json(&o.d);
        opts.dir = o.d.dir;
        hg_circuit_t *b = prog_circuit(&o.p);
        hg_fault_arm(HG_FAULT_ALLOC, n);
        int rc = hg_circuit_restore(b, j, &opts, &err);
        bool fired = hg_fault_fired();
        hg_fault_arm(HG_FAULT_ALLOC, 0);
        assert_int_equal(rc, fired ? HG_ENOMEM : 0);
        hg_circuit_free(b);
        if (!fired) break;
    }
    restored_equals(&o);
    one_close(&o);
}

/* A cut whose manifest never became durable: the next one writes all of it again, under another number. */
static void not_durable(void **state)
{
    one_t o;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    one_open(&o, 9);
    fill(&o, 500, 100, 0);
    hg_cut_t *k = hg_circuit_cut(o.c);
    assert_int_equal(write_cut(&o.d, k, &err), 0);
    uint64_t bytes = o.d.stats.bytes_written;
    hg_cut_done(o.c, k, false);
    disk_each(&o.d, disk_unlink, NULL);
    checkpoint(&o.d, o.c);
    assert_int_equal(o.d.stats.bytes_written, bytes);
    restored_equals(&o);

    fill(&o, 500, 100, 0); /* never written at all */
    hg_cut_done(o.c, hg_circuit_cut(o.c), false);
    checkpoint(&o.d, o.c);
    restored_equals(&o);
    one_close(&o);
}

static void canceled(void **state)
{
    one_t o;
    hg_err_t err = HG_ERR_INIT;
    atomic_bool cancel = true;
    hg_buf_t text;
    hg_jw_t w;
    (void)state;
    one_open(&o, 10);
    fill(&o, 500, 100, 0);
    hg_cut_t *k = hg_circuit_cut(o.c);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    assert_int_equal(hg_cut_write(k, o.d.dir, 1, &cancel, &w, &err), HG_ECANCELED);
    hg_buf_release(&text);
    hg_cut_done(o.c, k, false);
    assert_int_equal(disk_each(&o.d, NULL, NULL), 0);
    checkpoint(&o.d, o.c);
    restored_equals(&o);
    one_close(&o);
}

/* --- damage --- */

typedef struct {
    one_t *o;
    uint32_t refused, tried;
} damage_t;

/* Refused, naming the file, or of equal content. */
static void try_restore(damage_t *x, const char *path)
{
    hg_err_t err = HG_ERR_INIT;
    hg_circuit_t *b = prog_circuit(&x->o->p);
    int rc = restore(&x->o->d, b, NULL, &err);
    x->tried++;
    if (rc == 0) {
        for (uint32_t i = 0; i < N_RELS; i++) same_contents(x->o->c, b, i);
    } else {
        assert_int_equal(rc, HG_EDAMAGED);
        if (!strstr(err.msg, path)) fail_msg("'%s' does not name %s", err.msg, path);
        x->refused++;
    }
    hg_circuit_free(b);
}

static void rewrite(const char *path, const char *p, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static void read_all(const char *path, hg_buf_t *out)
{
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(out, HG_BUF_NOMAX);
    if (hg_file_read(path, out, &err) < 0) fail_msg("%s", err.msg);
}

static void damage_file(void *arg, const char *path)
{
    damage_t *x = arg;
    hg_buf_t b;
    read_all(path, &b);
    size_t step = b.len / 50 + 1;
    for (size_t i = 0; i < b.len; i += i < 48 ? 1 : step) {
        char was = b.p[i];
        b.p[i] = (char)(was ^ 1 << rnd_below(&x->o->r, 8));
        rewrite(path, b.p, b.len);
        try_restore(x, path);
        b.p[i] = was;
        rewrite(path, b.p, i); /* cut off */
        try_restore(x, path);
    }
    assert_int_equal(hg_buf_add(&b, "x", 1), 0);
    rewrite(path, b.p, b.len);
    try_restore(x, path);
    unlink(path);
    try_restore(x, path);
    assert_int_equal(x->refused, x->tried); /* no byte of a file goes unchecked */
    rewrite(path, b.p, b.len - 1);
    hg_buf_release(&b);
}

static void damaged_files(void **state)
{
    one_t o;
    damage_t x = { .o = &o };
    (void)state;
    one_open(&o, 11);
    fill(&o, 6000, 10000, 250); /* two files of their own */
    checkpoint(&o.d, o.c);
    fill(&o, 60, 60, 0); /* a pack with pieces, and bitmaps of dead rows */
    checkpoint(&o.d, o.c);
    assert_true(disk_each(&o.d, NULL, NULL) == 3);
    restored_equals(&o);
    disk_each(&o.d, damage_file, &x);
    restored_equals(&o);
    one_close(&o);
}

/* The description stands in a manifest with a checksum; what it says is checked nevertheless. */
static void damaged_descriptions(void **state)
{
    one_t o;
    uint32_t refused = 0;
    (void)state;
    one_open(&o, 12);
    fill(&o, 60, 60, 0);
    checkpoint(&o.d, o.c);
    fill(&o, 30, 60, 0);
    checkpoint(&o.d, o.c);
    hg_buf_t text = o.d.text;
    for (size_t i = 0; i < text.len; i++) {
        static const char put[] = "019x,:]}\"";
        for (size_t k = 0; put[k]; k++) {
            hg_json_t *j;
            hg_err_t err = HG_ERR_INIT;
            char was = text.p[i];
            text.p[i] = put[k];
            hg_arena_t *a = hg_arena_new();
            if (hg_json_parse(a, hg_buf_str(&text), &j, &err) == 0) {
                hg_circuit_t *b = prog_circuit(&o.p);
                hg_restore_opts_t opts = { .dir = o.d.dir, .threads = 1 };
                err = HG_ERR_INIT;
                int rc = hg_circuit_restore(b, j, &opts, &err);
                assert_true(rc == 0 || rc == HG_EDAMAGED);
                refused += rc < 0;
                hg_circuit_free(b);
            }
            hg_arena_free(a);
            text.p[i] = was;
        }
    }
    assert_true(refused > 100);
    restored_equals(&o);
    one_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults),   cmocka_unit_test(faults_of_a_restore), cmocka_unit_test(not_durable),
        cmocka_unit_test(canceled), cmocka_unit_test(damaged_files),       cmocka_unit_test(damaged_descriptions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
