/* input_ask.c: chunks that wait for an answer to their format's question.
 *
 * A parked job is still counted in its lane and its input, so what comes behind it waits too, in order and within the
 * input's limits. The asker lives on the input's loop; once nothing is open any more all parked jobs are parsed again.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"

static void resubmit(hg_input_t *in)
{
    hg_list_t jobs;
    hg_list_init(&jobs);
    pthread_mutex_lock(&in->mu);
    for (hg_list_t *it; (it = hg_list_pop(&in->parked)) != NULL;) hg_list_add_tail(&jobs, it);
    pthread_mutex_unlock(&in->mu);
    for (hg_list_t *it; (it = hg_list_pop(&jobs)) != NULL;)
        hg_pool_submit(in->host->pool, hg_job_parse, NULL, NULL, HG_ENTRY(it, hg_job_t, park));
}

static void quiet(void *arg)
{
    resubmit(arg);
}

static void trouble(void *arg, const hg_err_t *err, uint64_t ms)
{
    hg_input_t *in = arg;
    hg_in_error(in, "schema_registry", err);
    hg_in_retries_in(in, ms);
}

static void failed(void *arg, const hg_err_t *err)
{
    hg_input_fail(arg, "schema_registry", err);
}

static void healthy(void *arg)
{
    hg_in_healthy(arg);
}

static void ask_on_loop(void *arg)
{
    hg_input_t *in = arg;
    if (atomic_load(&in->dead)) {
        resubmit(in);
        hg_input_drop(in);
        return;
    }
    if (!in->asker) {
        const hg_asker_ops_t ops = { .ask = in->format->parser_ask,
                                     .answer = in->format->parser_answer,
                                     .obj = in->parser,
                                     .quiet = quiet,
                                     .trouble = trouble,
                                     .failed = failed,
                                     .healthy = healthy,
                                     .arg = in };
        in->asker = hg_asker_new(in->loop, &ops);
    }
    hg_asker_pump(in->asker);
    hg_input_drop(in);
}

void hg_job_park(hg_job_t *j)
{
    hg_input_t *in = hg_input_retain(j->pub.in);
    pthread_mutex_lock(&in->mu);
    hg_list_add_tail(&in->parked, &j->park);
    hg_loop_post(in->loop, ask_on_loop, in); /* inside the lock: once taken from the list the loop may be gone */
    pthread_mutex_unlock(&in->mu);
}

void hg_input_unpark(hg_input_t *in)
{
    hg_asker_free(in->asker);
    in->asker = NULL;
    resubmit(in);
}
