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
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_output_int.h"

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

/* The offset that the group has committed, from the answer; 0 = none. */
static int stored_step(kout_t *k, const rd_kafka_event_t *ev)
{
    size_t n = 0;
    const rd_kafka_ListConsumerGroupOffsets_result_t *r =
        rd_kafka_event_ListConsumerGroupOffsets_result((rd_kafka_event_t *)(uintptr_t)ev);
    const rd_kafka_group_result_t **groups = rd_kafka_ListConsumerGroupOffsets_result_groups(r, &n);
    const rd_kafka_error_t *e = n == 1 ? rd_kafka_group_result_error(groups[0]) : NULL;
    const rd_kafka_topic_partition_list_t *l = n == 1 && !e ? rd_kafka_group_result_partitions(groups[0]) : NULL;
    rd_kafka_resp_err_t code = e                   ? rd_kafka_error_code(e)
                               : !l || l->cnt != 1 ? RD_KAFKA_RESP_ERR__BAD_MSG
                                                   : l->elems[0].err;
    if (code == RD_KAFKA_RESP_ERR_GROUP_ID_NOT_FOUND || code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) return 0;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR) {
        k->txn.step = l->elems[0].offset > 0 ? (uint64_t)l->elems[0].offset : 0;
        return 0;
    }
    bool again = hg_kafka_transient(code) || code == RD_KAFKA_RESP_ERR_UNSTABLE_OFFSET_COMMIT ||
                 code == RD_KAFKA_RESP_ERR_NOT_COORDINATOR || code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
                 code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS;
    hg_err_retry(&k->txn.err, HG_ENET, "cannot read the last step from group '%s': %s", k->txn.group,
                 rd_kafka_err2str(code));
    k->txn.err.retry = again;
    k->txn.err.fatal = !again;
    return k->txn.err.code;
}

static int read_step(kout_t *k, const char *topic)
{
    char why[256];
    int rc = 0;
    rd_kafka_queue_t *q = rd_kafka_queue_new(k->rk);
    rd_kafka_AdminOptions_t *o = rd_kafka_AdminOptions_new(k->rk, RD_KAFKA_ADMIN_OP_LISTCONSUMERGROUPOFFSETS);
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, topic, 0);
    rd_kafka_ListConsumerGroupOffsets_t *ask = rd_kafka_ListConsumerGroupOffsets_new(k->txn.group, l);
    rd_kafka_AdminOptions_set_request_timeout(o, ASK_MS, why, sizeof why);
    rd_kafka_error_t *e = rd_kafka_AdminOptions_set_require_stable_offsets(o, 1);
    if (e) rd_kafka_error_destroy(e);
    rd_kafka_ListConsumerGroupOffsets(k->rk, &ask, 1, o, q);
    rd_kafka_event_t *ev = NULL;
    while (!ev && !atomic_load(&k->txn.leaving)) ev = rd_kafka_queue_poll(q, SLICE_MS); /* ASK_MS ends it */
    if (!ev) {
        rc = hg_err_retry(&k->txn.err, HG_ENET, "given up");
    } else if (rd_kafka_event_error(ev)) {
        rc = hg_err_retry(&k->txn.err, HG_ENET, "cannot read the last step from group '%s': %s", k->txn.group,
                          rd_kafka_event_error_string(ev));
    } else {
        rc = stored_step(k, ev);
    }
    if (ev) rd_kafka_event_destroy(ev);
    rd_kafka_ListConsumerGroupOffsets_destroy(ask);
    rd_kafka_topic_partition_list_destroy(l);
    rd_kafka_AdminOptions_destroy(o);
    rd_kafka_queue_destroy(q);
    return rc;
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
        /* Its messages are gone with it; what undoes it is a producer that takes the id over, if this one may yet live.
         */
        bool renew = rd_kafka_error_txn_requires_abort(e) && !rd_kafka_error_is_fatal(e);
        refused(&k->txn.err, "the transaction was not committed", e, false);
        k->txn.err.retry = renew;
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
    rd_kafka_error_t *e = rd_kafka_begin_transaction(k->rk);
    if (e) {
        refused(err, "cannot begin a transaction", e, false);
        return false;
    }
    k->txn.state = TXN_OPEN;
    k->txn.begun_us = hg_mono_us();
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
        int64_t due = k->txn.begun_us + GROUP_US - hg_mono_us();
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
