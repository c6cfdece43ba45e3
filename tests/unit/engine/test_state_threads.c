/* Checkpoints written on one thread while the circuit appends, kills and merges on another. Each cut is compared with
 * what the tables held at its moment. test-labels: threads */
#include "base/hg.h"
#include <pthread.h>
#include "base/loop.h"
#include "tests/unit/engine/state_fixture.h"

enum { KEYED, BAG, N_RELS };

typedef struct {
    disk_t *d;
    hg_cut_t *cut;
    int rc;
    hg_err_t err;
    atomic_bool done;
} job_t;

static void *write_it(void *arg)
{
    job_t *j = arg;
    j->rc = write_cut(j->d, j->cut, &j->err);
    atomic_store(&j->done, true);
    return NULL;
}

static void step(hg_circuit_t *c, const prog_t *p, rnd_t *r, uint32_t rows)
{
    hg_change_t *change[N_RELS];
    hg_step_input_t in[N_RELS];
    hg_delta_t deltas[N_RELS];
    hg_step_output_t out = { .deltas = deltas };
    hg_err_t err = HG_ERR_INIT;
    for (uint32_t t = 0; t < N_RELS; t++) {
        hg_changeb_t b;
        hg_changeb_init(&b, &p->rels[t].schema);
        for (uint32_t i = 0; i < rows; i++) {
            row_t row = rnd_row(r, 5000, 2);
            uint32_t dice = rnd_below(r, 3);
            put_row(&b, &row);
            assert_int_equal(hg_changeb_row(&b,
                                            dice == 0    ? HG_OP_DELETE
                                            : t == KEYED ? HG_OP_UPSERT
                                                         : HG_OP_INSERT,
                                            NULL),
                             0);
        }
        change[t] = hg_changeb_seal(&b);
        hg_changeb_release(&b);
        /* now and then another connector: the tail gets origins per row while it is being written */
        in[t] = (hg_step_input_t){ .relation = t, .origin = rnd_below(r, 20) == 0, .change = change[t] };
    }
    if (step_now(c, p, in, N_RELS, &out, &err) < 0) fail_msg("%s", err.msg);
    for (uint32_t t = 0; t < N_RELS; t++) {
        hg_delta_release(&deltas[t]);
        hg_change_drop(change[t]);
    }
}

static void ignore(void *arg)
{
    (void)arg; /* the next round comes at once */
}

static void while_it_goes_on(void **state)
{
    prog_t p;
    disk_t d;
    rnd_t r = { 4 };
    uint32_t meanwhile = 0;
    (void)state;
    prog_init(&p, N_RELS);
    prog_table(&p, KEYED, "keyed", "0", true);
    prog_table(&p, BAG, "bag", "", true);
    disk_open(&d);
    hg_circuit_t *c = prog_circuit(&p);
    hg_pool_t *pool = hg_pool_new(1);
    hg_circuit_pool(c, pool, ignore, NULL);
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 6; i++) step(c, &p, &r, 400);
        zset_t want[N_RELS];
        for (uint32_t t = 0; t < N_RELS; t++) want[t] = circuit_zset(c, t);
        job_t job = { .d = &d, .cut = hg_circuit_cut(c), .err = HG_ERR_INIT };
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, write_it, &job), 0);
        do {
            step(c, &p, &r, 50);
            hg_circuit_merge(c, 500);
            meanwhile++;
        } while (!atomic_load(&job.done));
        pthread_join(thread, NULL);
        if (job.rc < 0) fail_msg("%s", job.err.msg);
        hg_cut_done(c, job.cut, true);
        disk_sweep(&d);

        hg_circuit_t *b = prog_circuit(&p);
        hg_restore_opts_t o = { .threads = 3 };
        hg_err_t err = HG_ERR_INIT;
        if (restore(&d, b, &o, &err) < 0) fail_msg("%s", err.msg);
        for (uint32_t t = 0; t < N_RELS; t++) {
            zset_t got = circuit_zset(b, t);
            zset_check(&want[t], &got);
            zset_release(&got);
            zset_release(&want[t]);
        }
        if (round % 3 == 2) { /* go on from there */
            hg_circuit_free(c);
            c = b;
            hg_circuit_pool(c, pool, ignore, NULL);
        } else {
            hg_circuit_free(b);
        }
    }
    assert_true(meanwhile >= 10);
    hg_circuit_free(c);
    hg_pool_free(pool);
    disk_close(&d);
    prog_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(while_it_goes_on) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
