/* Steps of the journal as bytes. (The writer and the replay are tested with whole pipelines:
 * tests/e2e/test_exactly_once.py.) */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/journal.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static const hg_jentry_t g_entries[] = {
    { .kind = HG_JE_CUT, .endpoint = 1, .lane_key = UINT64_MAX, .begin = 5, .end = 262149, .records = 3000, .hash = 7 },
    { .kind = HG_JE_CUT,
      .endpoint = 300,
      .begin = UINT64_MAX - 1,
      .end = UINT64_MAX,
      .hash = UINT64_MAX,
      .has_start = true,
      .data = { "{\"offset\":5}", 12 } },
    { .kind = HG_JE_PAYLOAD, .endpoint = 2, .records = 1, .hash = 9, .data = { "{\"a\":1}\nF", 9 } },
    { .kind = HG_JE_INSERT, .endpoint = 3, .records = UINT64_MAX, .data = { "\0\1\2", 3 } },
    { .kind = HG_JE_FILL, .endpoint = 4, .records = 65536 },
    { .kind = HG_JE_RAW, .endpoint = 5, .records = 2, .hash = 3, .data = { "1\n2\nL", 5 } },
    { .kind = HG_JE_RAW,
      .endpoint = 5,
      .records = 1,
      .hash = 4,
      .data = { "3\nL", 3 },
      .after = { "{\"offset\":6}", 12 } },
};

static void write_all(hg_buf_t *b)
{
    hg_jstep_t s = { .number = UINT64_MAX, .now_us = INT64_MAX, .n = HG_COUNT(g_entries) };
    hg_buf_init(b, HG_BUF_NOMAX);
    assert_int_equal(hg_jstep_write_head(b, &s), 0);
    for (size_t i = 0; i < HG_COUNT(g_entries); i++) assert_int_equal(hg_jstep_write_entry(b, &g_entries[i]), 0);
}

static void what_is_written_is_read(void **st)
{
    (void)st;
    hg_buf_t b;
    hg_jstep_t s;
    hg_err_t err = HG_ERR_INIT;
    write_all(&b);
    hg_str_t in = hg_buf_str(&b);
    assert_int_equal(hg_jstep_read_head(&in, &s, &err), 0);
    assert_true(s.number == UINT64_MAX && s.now_us == INT64_MAX && s.n == HG_COUNT(g_entries));
    for (size_t i = 0; i < HG_COUNT(g_entries); i++) {
        const hg_jentry_t *want = &g_entries[i];
        hg_jentry_t e;
        assert_int_equal(hg_jstep_read_entry(&in, &e, &err), 0);
        assert_true(e.kind == want->kind && e.endpoint == want->endpoint && e.records == want->records);
        assert_true(e.lane_key == want->lane_key && e.begin == want->begin && e.end == want->end);
        assert_true(e.hash == want->hash && e.has_start == want->has_start && hg_str_eq(e.data, want->data));
        assert_true(hg_str_eq(e.after, want->after));
    }
    assert_int_equal(in.n, 0);
    hg_buf_release(&b);
}

static void a_chunk_takes_some_thirty_bytes(void **st)
{
    (void)st;
    hg_buf_t b;
    hg_jentry_t e = g_entries[0];
    hg_buf_init(&b, HG_BUF_NOMAX);
    e.begin += (uint64_t)1 << 40;
    e.end += (uint64_t)1 << 40;
    assert_int_equal(hg_jstep_write_entry(&b, &e), 0);
    assert_true(b.len <= 32);
    hg_buf_release(&b);
}

static void what_is_cut_off_is_refused(void **st)
{
    (void)st;
    hg_buf_t b;
    write_all(&b);
    for (size_t len = 0; len < b.len; len++) {
        hg_str_t in = { b.p, len };
        hg_jstep_t s;
        hg_err_t err = HG_ERR_INIT;
        int rc = hg_jstep_read_head(&in, &s, &err);
        for (uint64_t i = 0; rc == 0 && i < s.n; i++) {
            hg_jentry_t e;
            rc = hg_jstep_read_entry(&in, &e, &err);
        }
        assert_int_equal(rc, HG_EDAMAGED);
        assert_true(err.msg[0] != 0);
    }
    hg_buf_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_chunk_takes_some_thirty_bytes),
        cmocka_unit_test(what_is_cut_off_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
