/* kafka_txn.c: exactly once into Kafka: a transaction per group of steps, and the group's last step inside it.
 *
 *   starting ─► idle ─message─► open ─due, between two steps─► sealed ─all acknowledged─► committing ─► idle
 *
 * The step is stored as a committed offset: consumer group headgate.<pipeline>.<endpoint>.<life>, partition 0 of the
 * topic written, offset = step. An output that starts afresh (after a clear, or changed) is another life, and does not
 * take the step of the one before it for its own. Offsets belong to the transaction as messages do, so both are there
 * or neither is. No topic of our own is needed; nobody reads with that group. At the start the producer takes over its
 * transactional id, which ends or undoes what an earlier instance left, and only then reads the step. The broker
 * forgets the offset after offsets.retention.minutes (7 days) without a commit; the checkpoint then says alone where to
 * go on.
 *
 * A group is a number of whole steps: it is sealed between two steps, 20 ms after its first message at the earliest.
 * Messages that come meanwhile wait (`stuck`). Steps without messages are no reason for a transaction.
 *
 * Whatever blocks runs on a thread of its own, one at a time (`busy`), in slices so that a close need not wait. A
 * transaction that fails is not repeated here, because its messages are gone: the connector fails, and goes on from
 * the stored step when it is started again.
 *
 * Fenced, or too late? The broker ends a transaction that is older than transaction.timeout.ms (its link was cut, this
 * process stood still, the journal could not be written) by raising the producer's epoch, which librdkafka cannot tell
 * from another producer that took the id over. The transaction's age can: it counts from before the broker has heard of
 * it, so one that the broker has timed out is never younger. Old enough, whatever went wrong with it: it could not have
 * been committed anyway, and a new instance of the output takes the id over without being asked. If something else is
 * wrong as well, that one will hear of it in a young transaction. Younger: fenced, for good, until the user says which
 * one is right.
 *
 * So two producers that live do not fight for one id. Who is fenced goes on by itself only if it was held up for a
 * whole transaction.timeout.ms; the other one is then fenced in turn, in a transaction of some 20 ms, and stays down.
 * Were both held up again and again, each turn would take that long, and the host gives up after ten without a step.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_output_int.h"
#include <time.h>

#define GROUP_US   20000
#define SLICE_MS   250
#define ASK_MS     5000
#define RETRY_BASE 250
#define RETRY_CAP  10000

/* Takes the error. what was attempted goes before librdkafka's words. */
static void refused(hg_err_t *err, const char *what, rd_kafka_error_t *e, bool retry)
{
    if (retry) {
        hg_err_retry(err, HG_ENET, "%s: %s", what, rd_kafka_error_string(e));
    } else {
        hg_err_set(err, HG_ENET, "%s: %s", what, rd_kafka_error_string(e));
        err->fatal = 1;
    }
    rd_kafka_error_destroy(e);
}

static bool waits(const rd_kafka_error_t *e)
{
    return rd_kafka_error_is_retriable(e) || hg_kafka_transient(rd_kafka_error_code(e));
}

/* A machine that was asleep has not stopped the broker's clock. */
static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Also on the thread that commits: nobody begins another transaction meanwhile. */
void hg_ktxn_judge(const kout_t *k, bool may_pass, hg_err_t *err)
{
    int64_t age = now_us() - k->txn.begun_us;
    err->retry = may_pass;
    if (k->txn.state < TXN_OPEN || age < k->txn.timeout_us) return;
    hg_err_wrap(err, "after %" PRId64 " ms, with transaction.timeout.ms %" PRId64, age / 1000,
                k->txn.timeout_us / 1000);
    err->retry = 1;
}

void hg_ktxn_why(kout_t *k, hg_err_t *err)
{
    rd_kafka_error_t *e = rd_kafka_begin_transaction(k->rk); /* there is one: the answer says what is wrong with it */
    if (HG_NEVER(!e)) e = rd_kafka_error_new(RD_KAFKA_RESP_ERR__STATE, "it was not open");
    bool may_pass = hg_kafka_transient(rd_kafka_error_code(e));
    refused(err, "the transaction cannot be committed", e, false);
    hg_ktxn_judge(k, may_pass, err);
}

static bool fenced(rd_kafka_resp_err_t e)
{
    return e == RD_KAFKA_RESP_ERR__FENCED || e == RD_KAFKA_RESP_ERR_PRODUCER_FENCED ||
           e == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH;
}

/* --- starting: thread --- */

static int take_over(kout_t *k)
{
    for (int left = ASK_MS; !k->txn.taken; left -= SLICE_MS) {
        rd_kafka_error_t *e = rd_kafka_init_transactions(k->rk, SLICE_MS);
        k->txn.taken = !e;
        if (!e) break;
        bool again = waits(e);
        if (again && left > 0 && !atomic_load(&k->txn.leaving)) {
            rd_kafka_error_destroy(e);
            continue;
        }
        refused(&k->txn.err, "cannot take over the transactional id", e, again);
        return k->txn.err.code;
    }
    return 0;
}

static void no_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
    (void)rk, (void)level, (void)fac, (void)buf;
}

/* A consumer for one question, with the producer's options; it joins no group. Its log stays quiet: the producer beside
 * it tells of brokers that are gone, and that some options are a producer's is no news. Not the admin interface: in
 * librdkafka 2.0.2 a request of it may be built with the broker's pointer still NULL, and takes the process along. */
static rd_kafka_t *asker_open(kout_t *k)
{
    char why[256] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(k->rk));
    rd_kafka_conf_set_events(conf, 0);
    rd_kafka_conf_set_log_cb(conf, no_log);
    rd_kafka_t *rk = NULL;
    if (rd_kafka_conf_set(conf, "group.id", k->txn.group, why, sizeof why) == RD_KAFKA_CONF_OK &&
        rd_kafka_conf_set(conf, "isolation.level", "read_committed", why, sizeof why) == RD_KAFKA_CONF_OK)
        rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (rk) return rk;
    rd_kafka_conf_destroy(conf);
    hg_err_retry(&k->txn.err, HG_ENET, "cannot ask for the last step: %s", why);
    return NULL;
}

static bool ask_again(rd_kafka_resp_err_t e)
{
    return hg_kafka_transient(e) || e == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT ||
           e == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || e == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           e == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* The offset that the group has committed; none = 0. */
static int read_step(kout_t *k, const char *topic)
{
    rd_kafka_t *asker = asker_open(k);
    if (!asker) return k->txn.err.code;
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(l, topic, 0);
    rd_kafka_resp_err_t e;
    int left = ASK_MS;
    do {
        e = rd_kafka_committed(asker, l, SLICE_MS);
        if (!e) e = at->err;
        rd_kafka_poll(asker, 0);
        left -= SLICE_MS;
    } while (ask_again(e) && left > 0 && !atomic_load(&k->txn.leaving));
    if (e == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND || e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
        k->txn.step = 0;
    } else if (e) {
        hg_err_retry(&k->txn.err, HG_ENET, "cannot read the last step from group '%s': %s", k->txn.group,
                     rd_kafka_err2str(e));
        k->txn.err.retry = ask_again(e);
        k->txn.err.fatal = !k->txn.err.retry;
    } else {
        k->txn.step = at->offset > 0 ? (uint64_t)at->offset : 0;
    }
    rd_kafka_topic_partition_list_destroy(l);
    rd_kafka_destroy_flags(asker, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    return k->txn.err.code;
}

static void do_start(void *arg)
{
    kout_t *k = hg_out_inst(arg);
    k->txn.err = HG_ERR_INIT;
    if (take_over(k) == 0) (void)read_step(k, ((const kout_cfg_t *)hg_out_cfg(arg))->topic);
}

/* --- committing: thread --- */

static rd_kafka_error_t *store_step(kout_t *k, const char *topic)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_consumer_group_metadata_t *group = rd_kafka_consumer_group_metadata_new(k->txn.group);
    rd_kafka_topic_partition_list_add(l, topic, 0)->offset = (int64_t)k->txn.step;
    rd_kafka_error_t *e = rd_kafka_send_offsets_to_transaction(k->rk, l, group, SLICE_MS);
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(l);
    return e;
}

static void do_commit(void *arg)
{
    kout_t *k = hg_out_inst(arg);
    const char *topic = ((const kout_cfg_t *)hg_out_cfg(arg))->topic;
    k->txn.err = HG_ERR_INIT;
    for (bool stored = false;;) { /* both calls may be repeated, and go on where they were */
        rd_kafka_error_t *e = stored ? rd_kafka_commit_transaction(k->rk, SLICE_MS) : store_step(k, topic);
        if (!e && stored) return;
        stored |= !e;
        if (!e) continue;
        if (waits(e) && !rd_kafka_error_txn_requires_abort(e) && !rd_kafka_error_is_fatal(e) &&
            !atomic_load(&k->txn.leaving)) {
            rd_kafka_error_destroy(e);
            continue;
        }
        /* Its messages are gone with it; what undoes it is a producer that takes the id over, unless another one has.
         */
        bool renew =
            rd_kafka_error_txn_requires_abort(e) && !rd_kafka_error_is_fatal(e) && !fenced(rd_kafka_error_code(e));
        refused(&k->txn.err, "the transaction was not committed", e, false);
        hg_ktxn_judge(k, renew, &k->txn.err);
        return;
    }
}

/* --- loop --- */

static void on_timer(uv_timer_t *t)
{
    kout_t *k = hg_out_inst(t->data);
    if (k->txn.state == TXN_STARTING)
        hg_ktxn_start(t->data);
    else
        hg_kout_delivered(t->data);
}

static void wake_in(hg_output_t *out, uint64_t ms)
{
    kout_t *k = hg_out_inst(out);
    if (!k->txn.timer) {
        k->txn.timer = HG_NEW(uv_timer_t);
        uv_timer_init(hg_loop_uv(hg_out_loop(out)), k->txn.timer);
        k->txn.timer->data = out;
    }
    uv_timer_start(k->txn.timer, on_timer, ms, 0);
}

static void started(void *arg)
{
    hg_output_t *out = arg;
    kout_t *k = hg_out_inst(out);
    k->txn.busy = false;
    if (k->closing) {
        hg_kout_finish_close(out);
    } else if (k->txn.err.code == HG_OK) {
        k->txn.state = TXN_IDLE;
        hg_out_resume(out, k->txn.step);
        hg_out_ready(out);
    } else {
        bool again = k->txn.err.retry;
        hg_out_error(out, "kafka-transaction", &k->txn.err);
        if (!again) return;
        uint64_t ms = hg_backoff_ms(k->txn.attempts++, RETRY_BASE, RETRY_CAP);
        hg_out_retries_in(out, ms);
        wake_in(out, ms);
    }
}

void hg_ktxn_start(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    k->txn.busy = true;
    hg_kafka_block(hg_out_loop(out), do_start, started, out);
}

bool hg_ktxn_open(hg_output_t *out, hg_err_t *err)
{
    kout_t *k = hg_out_inst(out);
    if (k->txn.state == TXN_OFF || k->txn.state == TXN_OPEN) return true;
    if (k->txn.state != TXN_IDLE) return false;
    k->txn.begun_us = now_us();
    rd_kafka_error_t *e = rd_kafka_begin_transaction(k->rk);
    if (e) { /* none is open that the broker could have timed out */
        refused(err, "cannot begin a transaction", e, false);
        return false;
    }
    k->txn.state = TXN_OPEN;
    return true;
}

static void committed(void *arg)
{
    hg_output_t *out = arg;
    kout_t *k = hg_out_inst(out);
    k->txn.busy = false;
    if (k->closing) {
        hg_kout_finish_close(out);
    } else if (k->txn.err.code) {
        hg_out_error(out, "kafka-transaction", &k->txn.err);
    } else {
        k->txn.state = TXN_IDLE;
        hg_kout_delivered(out);
        hg_kout_retry(out);
    }
}

/* Every message of the group is acknowledged? What waits for the next group is not in it. */
static bool acknowledged(const kout_t *k)
{
    for (hg_list_t *it = k->batches.next; it != &k->batches; it = it->next) {
        const batch_t *b = HG_ENTRY(it, batch_t, link);
        if (b->open && b->step <= k->txn.step) return false;
    }
    return true;
}

bool hg_ktxn_check(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    if (k->txn.state == TXN_OPEN) {
        const batch_t *last = HG_ENTRY(k->batches.prev, batch_t, link); /* there is one: it has messages */
        int64_t due = k->txn.begun_us + GROUP_US - now_us();
        if (!last->ended || !hg_list_empty(&k->stuck)) return false;
        if (due > 0 && !k->stopping) {
            wake_in(out, (uint64_t)(due + 999) / 1000);
            return false;
        }
        k->txn.state = TXN_SEALED;
        k->txn.step = last->step;
    }
    if (k->txn.state == TXN_SEALED && acknowledged(k)) {
        k->txn.state = TXN_COMMITTING;
        k->txn.busy = true;
        hg_kafka_block(hg_out_loop(out), do_commit, committed, out);
    }
    return k->txn.state < TXN_OPEN;
}

static void free_timer(uv_handle_t *t)
{
    hg_free(t);
}

void hg_ktxn_close(hg_output_t *out)
{
    kout_t *k = hg_out_inst(out);
    atomic_store(&k->txn.leaving, true);
    if (k->txn.timer) uv_close((uv_handle_t *)k->txn.timer, free_timer);
    k->txn.timer = NULL;
}
