/* test_source.c: a source's thread and a host: results one by one, ahead of results, and what comes again after a
 * refusal. test-labels: threads */
#include "tests/lib/test.h"

#include "plugins/sdk/source.h"

#define AHEAD 4

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static pthread_cond_t g_changed = PTHREAD_COND_INITIALIZER;
static struct {
    uint64_t id, value;
} g_sent[256];
static uint32_t g_n, g_refuse, g_ended, g_commits; /* refuse: so many sends */
static uint32_t g_id;

/* What it produces are the numbers from its place on, up to `end`; a batch has one. */
static uint64_t g_at, g_end;

static int poll_next(hgp_instance_t *i, hgp_out_t *out, hg_buf_t *state, hg_err_t *err)
{
    (void)i, (void)err;
    char text[32];
    int n = snprintf(text, sizeof text, "%" PRIu64, g_at);
    int rc = hgp_out_message(out, 0, NULL, 0, (hg_str_t){ text, (size_t)n });
    g_at++;
    if (rc == 0) rc = hg_buf_addf(state, "%" PRIu64, g_at);
    return rc < 0 ? rc : g_at >= g_end ? HGP_POLL_END : HGP_POLL_AGAIN;
}

static void rewind_to(hgp_instance_t *i, hg_str_t state)
{
    (void)i;
    char text[32] = "0";
    if (state.n) memcpy(text, state.p, HG_MIN(state.n, sizeof text - 1));
    g_at = strtoull(text, NULL, 10);
}

static int commit(hgp_instance_t *i, hg_err_t *err)
{
    (void)i, (void)err;
    pthread_mutex_lock(&g_lock);
    g_commits++;
    pthread_mutex_unlock(&g_lock);
    return 0;
}

static const hg_opt_t NONE[] = { { .key = NULL } };
static const hgp_source_t CURSOR = {
    .name = "cursor", .options = NONE, .cfg_size = 1, .poll = poll_next, .rewind = rewind_to
};
static const hgp_source_t COMMITS = {
    .name = "commits", .options = NONE, .cfg_size = 1, .poll = poll_next, .commit = commit
};

static void no_log(uint8_t level, const uint8_t *target, size_t tn, const uint8_t *text, size_t n)
{
    (void)level, (void)target, (void)tn, (void)text, (void)n;
}

static int32_t on_send(uint32_t id, uint64_t batch_id, const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_pc_batch_t b;
    hg_pc_produced_t m;
    char text[32] = "";
    assert_int_equal(id, g_id);
    assert_int_equal(hg_pc_read_produced(p, n, &b, &err), 0);
    assert_int_equal(hg_pc_get_produced(&b.messages, &m, &err), 0);
    memcpy(text, m.payload.p, HG_MIN(m.payload.n, sizeof text - 1));
    pthread_mutex_lock(&g_lock);
    bool refused = g_refuse > 0;
    g_refuse -= refused;
    g_sent[g_n].id = batch_id;
    g_sent[g_n++].value = strtoull(text, NULL, 10);
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_lock);
    return refused ? IGGY_INVALID : IGGY_OK;
}

static void on_end(uint32_t id)
{
    (void)id;
    pthread_mutex_lock(&g_lock);
    g_ended++;
    pthread_cond_broadcast(&g_changed);
    pthread_mutex_unlock(&g_lock);
}

#define WAIT(cond)                                                                                                     \
    do {                                                                                                               \
        pthread_mutex_lock(&g_lock);                                                                                   \
        while (!(cond)) pthread_cond_wait(&g_changed, &g_lock);                                                        \
        pthread_mutex_unlock(&g_lock);                                                                                 \
    } while (0)

static void begin(const hgp_source_t *s, const char *state, uint32_t ahead, uint64_t bytes)
{
    g_n = g_refuse = g_ended = g_commits = 0;
    g_end = UINT64_MAX;
    g_id++;
    rewind_to(NULL, hg_strz(state));
    assert_int_equal(hgp_source_open(s, g_id, HG_S("null"), hg_strz(state), no_log), IGGY_OK);
    assert_int_equal(hgp_source_on_end(g_id, on_end), IGGY_OK);
    if (ahead) assert_int_equal(hgp_source_ahead(g_id, ahead, bytes), s->rewind ? IGGY_OK : IGGY_ERR);
}

static void expect(uint32_t at, uint64_t id, uint64_t value)
{
    WAIT(g_n > at);
    pthread_mutex_lock(&g_lock);
    if (g_sent[at].id != id || g_sent[at].value != value)
        fail_msg("send %u: id %" PRIu64 " with %" PRIu64, at, g_sent[at].id, g_sent[at].value);
    pthread_mutex_unlock(&g_lock);
}

static void test_one_by_one(void **state)
{
    (void)state;
    begin(&CURSOR, "5", 0, 0);
    assert_int_equal(hgp_source_handle(&CURSOR, g_id, on_send), IGGY_OK);
    expect(0, 1, 5);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 2, IGGY_ACK), IGGY_INVALID);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 1, IGGY_ACK), IGGY_OK);
    expect(1, 2, 6);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 2, IGGY_NACK), IGGY_OK);
    expect(2, 3, 6);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 3, 7), IGGY_INVALID); /* counts as a refusal */
    expect(3, 4, 6);
    assert_int_equal(hgp_source_close(&CURSOR, g_id), IGGY_OK);
}

static void test_commits_wait(void **state)
{
    (void)state;
    begin(&COMMITS, "", AHEAD, 1 << 20);
    g_end = 2;
    assert_int_equal(hgp_source_handle(&COMMITS, g_id, on_send), IGGY_OK);
    expect(0, 1, 0);
    assert_int_equal(hgp_source_result(&COMMITS, g_id, 1, IGGY_ACK), IGGY_OK);
    expect(1, 2, 1);
    assert_int_equal(g_commits, 1);
    assert_int_equal(hgp_source_result(&COMMITS, g_id, 2, IGGY_ACK), IGGY_OK);
    WAIT(g_ended);
    assert_int_equal(g_commits, 2);
    assert_int_equal(hgp_source_close(&COMMITS, g_id), IGGY_OK);
}

static void test_ahead(void **state)
{
    (void)state;
    begin(&CURSOR, "", AHEAD, 1 << 20);
    g_end = 10;
    assert_int_equal(hgp_source_handle(&CURSOR, g_id, on_send), IGGY_OK);
    for (uint32_t k = 0; k < AHEAD; k++) expect(k, k + 1, k);
    assert_int_equal(g_n, AHEAD);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 2, IGGY_ACK), IGGY_OK); /* 1 as well */
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 1, IGGY_ACK), IGGY_INVALID);
    expect(4, 5, 4);
    expect(5, 6, 5);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 3, IGGY_NACK), IGGY_OK); /* and 4 to 6 */
    for (uint32_t k = 0; k < AHEAD; k++) expect(6 + k, 8 + k, 2 + k);          /* 7 is left out */
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 4, IGGY_ACK), IGGY_INVALID);
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 11, IGGY_ACK), IGGY_OK);
    for (uint32_t k = 0; k < AHEAD; k++) expect(10 + k, 12 + k, 6 + k);
    assert_int_equal(g_ended, 0); /* not before the last result */
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 15, IGGY_ACK), IGGY_OK);
    WAIT(g_ended);
    assert_int_equal(hgp_source_ahead(g_id, AHEAD, 1), IGGY_ERR); /* too late */
    assert_int_equal(hgp_source_close(&CURSOR, g_id), IGGY_OK);
}

/* A batch that the host does not take comes again when there are results of those before it. */
static void test_not_taken(void **state)
{
    (void)state;
    begin(&CURSOR, "", AHEAD, 1 << 20);
    assert_int_equal(hgp_source_handle(&CURSOR, g_id, on_send), IGGY_OK);
    expect(3, 4, 3);
    g_refuse = 1;
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 3, IGGY_ACK), IGGY_OK);
    expect(4, 5, 4); /* is not taken */
    assert_int_equal(hgp_source_result(&CURSOR, g_id, 4, IGGY_ACK), IGGY_OK);
    expect(5, 5, 4);
    assert_int_equal(hgp_source_close(&CURSOR, g_id), IGGY_OK);
}

/* Bytes bound it as well: with none to spare it is one at a time. */
static void test_bytes(void **state)
{
    (void)state;
    begin(&CURSOR, "", AHEAD, 1);
    assert_int_equal(hgp_source_handle(&CURSOR, g_id, on_send), IGGY_OK);
    for (uint32_t k = 0; k < 20; k++) {
        expect(k, k + 1, k);
        assert_int_equal(hgp_source_result(&CURSOR, g_id, k + 1, IGGY_ACK), IGGY_OK);
    }
    assert_int_equal(hgp_source_close(&CURSOR, g_id), IGGY_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_by_one), cmocka_unit_test(test_commits_wait), cmocka_unit_test(test_ahead),
        cmocka_unit_test(test_not_taken),  cmocka_unit_test(test_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
