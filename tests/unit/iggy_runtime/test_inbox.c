/* test_inbox.c: what a source's plugin has sent and nobody has taken up yet: order, bounds, and what a refusal drops.
 */
#include "tests/lib/test.h"

#include "iggy/runtime/source_int.h"

static hg_str_t batch(uint8_t *room, size_t cap, size_t payload)
{
    static char letters[4096];
    memset(letters, 'x', sizeof letters);
    hg_pc_out_t o = { room, room + cap };
    hg_pc_put_produced_begin(&o, HG_PC_RAW, 1);
    hg_pc_put_produced(&o, &(hg_pc_produced_t){ .payload = { letters, payload } });
    hg_pc_put_produced_end(&o, NULL);
    return (hg_str_t){ (const char *)room, (size_t)(o.p - room) };
}

static int put(hg_inbox_t *in, uint64_t id)
{
    uint8_t room[256];
    hg_err_t err = HG_ERR_INIT;
    return hg_inbox_put(in, id, batch(room, sizeof room, 10), &err);
}

static void begin(hg_inbox_t *in, hg_batch_t work[HG_PLUGIN_AHEAD], bool ahead)
{
    hg_inbox_init(in, ahead);
    for (uint32_t i = 0; i < HG_PLUGIN_AHEAD; i++) hg_buf_init(&work[i].bytes, HG_BUF_NOMAX);
}

static void end(hg_inbox_t *in, hg_batch_t work[HG_PLUGIN_AHEAD])
{
    hg_inbox_release(in);
    for (uint32_t i = 0; i < HG_PLUGIN_AHEAD; i++) hg_buf_release(&work[i].bytes);
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    hg_inbox_t in;
    hg_batch_t work[HG_PLUGIN_AHEAD];
    begin(&in, work, false);
    assert_int_equal(put(&in, 1), 0);
    assert_int_equal(put(&in, 2), 0); /* it has given up the first */
    assert_int_equal(hg_inbox_take(&in, work, HG_PLUGIN_AHEAD, SIZE_MAX), 1);
    assert_int_equal(work[0].id, 2);
    uint64_t turn = in.turn;
    assert_int_equal(put(&in, 3), 0); /* and the second */
    assert_false(hg_inbox_refuse(&in, turn));
    assert_int_equal(hg_inbox_take(&in, work, HG_PLUGIN_AHEAD, SIZE_MAX), 1);
    assert_int_equal(work[0].id, 3);
    assert_true(hg_inbox_refuse(&in, in.turn));
    assert_int_equal(put(&in, 4), 0);
    end(&in, work);
}

static void test_in_order(void **state)
{
    (void)state;
    hg_inbox_t in;
    hg_batch_t work[HG_PLUGIN_AHEAD];
    begin(&in, work, true);
    uint64_t sent = 0, taken = 0;
    for (uint32_t round = 0; round < 3 * HG_PLUGIN_AHEAD; round++) {
        while (sent - taken < HG_PLUGIN_AHEAD) assert_int_equal(put(&in, ++sent), 0);
        assert_int_equal(put(&in, sent + 1), HG_ETOOBIG);
        uint32_t n = hg_inbox_take(&in, work, 3, SIZE_MAX);
        assert_int_equal(n, 3);
        for (uint32_t k = 0; k < n; k++) {
            hg_pc_in_t m = work[k].b.messages;
            hg_pc_produced_t p;
            hg_err_t err = HG_ERR_INIT;
            assert_int_equal(work[k].id, ++taken);
            assert_int_equal(hg_pc_get_produced(&m, &p, &err), 0);
            assert_true(p.payload.n == 10 && p.payload.p[9] == 'x');
        }
    }
    end(&in, work);
}

static void test_bytes_are_bounded(void **state)
{
    (void)state;
    static uint8_t room[8192];
    hg_inbox_t in;
    hg_batch_t work[HG_PLUGIN_AHEAD];
    hg_err_t err = HG_ERR_INIT;
    begin(&in, work, true);
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(hg_inbox_put(&in, id, batch(room, sizeof room, 1000), &err), 0);
    assert_int_equal(hg_inbox_take(&in, work, HG_PLUGIN_AHEAD, 2500), 2);
    assert_int_equal(hg_inbox_take(&in, work, HG_PLUGIN_AHEAD, 1), 1); /* the first one always */
    in.bytes = HG_PLUGIN_AHEAD_BYTES;                                  /* as if the one that is there were so large */
    assert_int_equal(hg_inbox_put(&in, 5, batch(room, sizeof room, 1000), &err), HG_ETOOBIG);
    end(&in, work);
}

static void test_refused(void **state)
{
    (void)state;
    hg_inbox_t in;
    hg_batch_t work[HG_PLUGIN_AHEAD];
    begin(&in, work, true);
    for (uint64_t id = 1; id <= 4; id++) assert_int_equal(put(&in, id), 0);
    assert_int_equal(hg_inbox_take(&in, work, 2, SIZE_MAX), 2);
    uint64_t turn = in.turn;
    assert_true(hg_inbox_refuse(&in, turn));
    assert_int_equal(hg_inbox_take(&in, work, 2, SIZE_MAX), 0);
    assert_int_equal(put(&in, 5), HG_ECANCELED); /* sent before it heard */
    assert_int_equal(put(&in, 6), 0);            /* 5 is left out: from the begin */
    assert_int_equal(put(&in, 7), 0);
    assert_int_equal(hg_inbox_take(&in, work, 4, SIZE_MAX), 2);
    assert_int_equal(work[0].id, 6);
    assert_false(hg_inbox_refuse(&in, turn)); /* what fails now is of before */
    assert_int_equal(put(&in, 8), 0);
    assert_int_equal(put(&in, 10), 0); /* it waited too long for 6 to 8 */
    assert_int_equal(hg_inbox_take(&in, work, 4, SIZE_MAX), 1);
    assert_int_equal(work[0].id, 10);
    end(&in, work);
}

static void test_no_batch(void **state)
{
    (void)state;
    hg_inbox_t in;
    hg_batch_t work[HG_PLUGIN_AHEAD];
    hg_err_t err = HG_ERR_INIT;
    begin(&in, work, true);
    assert_int_equal(put(&in, 1), 0);
    assert_int_equal(hg_inbox_put(&in, 2, HG_S("\x63"), &err), HG_EPROTO);
    assert_int_equal(put(&in, 2), 0); /* the first one is still wanted */
    assert_int_equal(hg_inbox_take(&in, work, 4, SIZE_MAX), 2);
    end(&in, work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_in_order), cmocka_unit_test(test_bytes_are_bounded),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_no_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
