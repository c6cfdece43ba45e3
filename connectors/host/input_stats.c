/* input_stats.c: what stats say of an input. Any thread; each call is a consistent copy. With 10,000 connectors every
 * byte that is copied here counts: one stats request asks each of them twice.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"

/* [m] Member by member: the texts are most of the structure, and nearly always empty. */
static void put_counts(const hg_input_t *in, hg_input_stats_t *ret)
{
    ret->total_bytes = in->total_bytes;
    ret->total_records = in->total_records;
    ret->buffered_records = in->buffered_records;
    ret->buffered_bytes = in->buffered_bytes;
    ret->num_transport_errors = in->n_transport_errors;
    ret->num_parse_errors = in->n_parse_errors;
    ret->processed_records = in->processed_records;
    ret->processed_bytes = in->processed_bytes;
    ret->end_of_input = in->end_of_input;
    ret->failed = in->failed;
    ret->barrier = in->barrier;
    ret->p99_micros = 0;
    memset(&ret->latency, 0, sizeof ret->latency);
    ret->done = in->done;
    ret->total = in->total;
    ret->unhealthy = in->health.unhealthy;
    ret->fatal[0] = ret->health[0] = ret->mark[0] = 0;
}

static void put_text(char *to, const char *from)
{
    memcpy(to, from, strlen(from) + 1);
}

void hg_input_get_counts(const hg_input_t *cin, hg_input_stats_t *ret)
{
    hg_input_t *in = (hg_input_t *)(uintptr_t)cin; /* the lock is not part of what const promises */
    pthread_mutex_lock(&in->mu);
    put_counts(in, ret);
    pthread_mutex_unlock(&in->mu);
}

void hg_input_get_stats(const hg_input_t *cin, hg_input_stats_t *ret)
{
    hg_input_t *in = (hg_input_t *)(uintptr_t)cin;
    pthread_mutex_lock(&in->mu);
    put_counts(in, ret);
    ret->p99_micros = hg_latency_p99(&in->latency);
    ret->latency = in->latency.ever;
    put_text(ret->fatal, in->fatal);
    hg_health_text(&in->health, ret->health, sizeof ret->health);
    put_text(ret->mark, in->mark);
    pthread_mutex_unlock(&in->mu);
}

void hg_input_errors_json(const hg_input_t *cin, int which, hg_jw_t *w)
{
    hg_input_t *in = (hg_input_t *)(uintptr_t)cin;
    pthread_mutex_lock(&in->mu);
    hg_errlist_json(which ? &in->parse_errors : &in->transport_errors, w);
    pthread_mutex_unlock(&in->mu);
}
