/* One parser, several pool threads that meet unknown schemas, and a loop that answers. test-labels: threads */
#include "tests/unit/connectors_format/kit.h"
#include <pthread.h>
#include <sched.h>

#define THREADS 4
#define IDS     50

static const col_spec_t one[] = { { "id", HG_T_BIGINT, false, 0, 0, NULL } };

static atomic_uint done;     /* threads that have read everything */
static atomic_uint round_no; /* of answers */

typedef struct worker {
    pthread_t thread;
    kit_t *k;
    unsigned first;
    uint64_t rows;
} worker_t;

static void no_error(hg_parse_out_t *out, const hg_parse_error_t *e)
{
    (void)out;
    fail_msg("%s", e->description);
}

/* What the host does with a job that is parked: nothing, until there was an answer. */
static void wait_for_answer(void)
{
    unsigned seen = atomic_load(&round_no);
    while (atomic_load(&round_no) == seen) sched_yield();
}

static void *work(void *arg)
{
    worker_t *w = arg;
    hg_parse_out_t out = { .error = no_error };
    hg_err_t err = HG_ERR_INIT;
    void *scratch = w->k->f->scratch_new(w->k->parser);
    hg_changeb_init(&out.changes, &w->k->schema);
    for (unsigned i = 0; i < 20 * IDS; i++) {
        char m[64 + 6] = { 0, 0, 0, 0, (char)((i + w->first) % IDS), 14 };
        while (w->k->f->parse(w->k->parser, scratch, m, 6, true, &out, &err) == HG_EAGAIN) wait_for_answer();
    }
    w->rows = out.changes.len;
    atomic_fetch_add(&done, 1);
    hg_changeb_release(&out.changes);
    w->k->f->scratch_free(scratch);
    return NULL;
}

static void test_threads(void **state)
{
    const hg_str_t schema = HG_S("{\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"t\\\",\\\"fields\\\":["
                                 "{\\\"name\\\":\\\"id\\\",\\\"type\\\":\\\"long\\\"}]}\"}");
    kit_t k;
    worker_t w[THREADS] = { 0 };
    unsigned answers = 0;
    (void)state;
    kit_init(&k, &hg_format_avro, one, 1, NULL, 0);
    assert_int_equal(kit_parser(&k, "{\"registry_urls\":[\"http://r\"]}"), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        w[i].k = &k;
        w[i].first = i * IDS / THREADS;
        pthread_create(&w[i].thread, NULL, work, &w[i]);
    }
    while (atomic_load(&done) < THREADS) {
        hg_ask_t q;
        hg_err_t err = HG_ERR_INIT;
        while (k.f->parser_ask(k.parser, &q)) {
            assert_int_equal(k.f->parser_answer(k.parser, 200, schema, &err), 0);
            answers++;
        }
        atomic_fetch_add(&round_no, 1);
        sched_yield();
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].rows, 20 * IDS);
    }
    assert_int_equal(answers, IDS); /* each schema was asked for once */
    kit_free(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_threads) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
