/* kafka_ask.c: questions of the Kafka input to its broker: which partitions, where to begin, what to mark. They block,
 * so they run on the pool, in slices, one at a time per instance; the loop reads the answer afterwards. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_input_int.h"

#define ASK_MS    5000 /* one blocking question to the broker, */
#define ASK_SLICE 250  /* in pieces of this, so that a close need not wait for a broker that is gone */

/* --- questions: pool --- */

int hg_kin_refused(hg_err_t *err, const char *what, rd_kafka_resp_err_t e)
{
    bool again = hg_kafka_transient(e);
    if (again) return hg_err_retry(err, HG_ENET, "%s: %s", what, rd_kafka_err2str(e));
    hg_err_set(err, HG_ENET, "%s: %s", what, rd_kafka_err2str(e));
    err->fatal = 1;
    return err->code;
}

int hg_kin_broken(hg_err_t *err, const char *fmt, ...)
{
    char msg[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    hg_err_set(err, HG_EINVALTRANSPORT, "%s", msg);
    err->fatal = 1;
    return err->code;
}

/* Was this no answer yet, and is there time for another slice? */
static bool ask_on(kafka_t *k, rd_kafka_resp_err_t e, int *left)
{
    *left -= ASK_SLICE;
    return hg_kafka_transient(e) && *left > 0 && !atomic_load(&k->leaving);
}

/* The partitions to read: configured ones, else what the topic has. A topic that does not exist yet is worth another
 * try. */
static int ask_partitions(kafka_t *k, const kafka_cfg_t *c)
{
    const rd_kafka_metadata_t *md;
    rd_kafka_topic_t *t = rd_kafka_topic_new(k->rk, k->topic, NULL);
    int left = ASK_MS;
    rd_kafka_resp_err_t e;
    do e = t ? rd_kafka_metadata(k->rk, 0, t, &md, ASK_SLICE) : rd_kafka_last_error();
    while (t && ask_on(k, e, &left));
    if (t) rd_kafka_topic_destroy(t);
    if (e) return hg_kin_refused(&k->err, "error retrieving metadata", e);
    int rc = 0;
    const rd_kafka_metadata_topic_t *mt = md->topic_cnt == 1 ? &md->topics[0] : NULL;
    uint32_t n = mt && !mt->err ? (uint32_t)mt->partition_cnt : 0;
    if (n == 0) {
        rc = hg_err_retry(&k->err, HG_ENOTFOUND, "topic '%s' does not exist or has no partitions: %s", k->topic,
                          rd_kafka_err2str(mt && mt->err ? mt->err : RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART));
        goto out;
    }
    uint32_t want = c->partitions && c->partitions->kind == HG_J_ARRAY ? c->partitions->n : n;
    k->answer = HG_NEWN(part_t, want);
    k->n_answer = want;
    const hg_json_t *o = want && c->partitions && c->partitions->kind == HG_J_ARRAY ? c->partitions->child : NULL;
    for (uint32_t i = 0; i < want; i++, o = o ? o->next : NULL) {
        uint64_t id = i;
        if (o) hg_json_u64(o, &id);
        k->answer[i] = (part_t){ .id = (int32_t)id, .start = -1, .mark = -1, .saved = -1 };
        if (id >= n) {
            rc = hg_kin_broken(&k->err, "topic '%s' has %u partitions; partition %" PRIu64 " does not exist", k->topic,
                               n, id);
            break;
        }
    }
out:
    rd_kafka_metadata_destroy(md);
    return rc;
}

/* Fills the offsets of l at a time (or RD_KAFKA_OFFSET_BEGINNING, _END, which brokers take as times). */
static rd_kafka_resp_err_t ask_offsets(kafka_t *k, rd_kafka_topic_partition_list_t *l, int64_t at)
{
    int left = ASK_MS;
    rd_kafka_resp_err_t e;
    do {
        for (int i = 0; i < l->cnt; i++) l->elems[i].offset = at;
        e = rd_kafka_offsets_for_times(k->rk, l, ASK_SLICE);
        for (int i = 0; !e && i < l->cnt; i++) e = l->elems[i].err;
    } while (ask_on(k, e, &left));
    return e;
}

/* Not by rd_kafka_query_watermark_offsets: with the broker gone it does not keep its time limit. */
static int ask_watermarks(kafka_t *k, const part_t *p, int64_t *low, int64_t *high)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(l, k->topic, p->id);
    rd_kafka_resp_err_t e = ask_offsets(k, l, RD_KAFKA_OFFSET_BEGINNING);
    *low = l->elems[0].offset;
    if (!e) e = ask_offsets(k, l, RD_KAFKA_OFFSET_END);
    *high = l->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(l);
    return e ? hg_kin_refused(&k->err, "error fetching watermarks", e) : 0;
}

static int ask_timestamp(kafka_t *k, uint64_t ms)
{
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)k->n_answer);
    for (uint32_t i = 0; i < k->n_answer; i++) rd_kafka_topic_partition_list_add(l, k->topic, k->answer[i].id);
    rd_kafka_resp_err_t e = ask_offsets(k, l, (int64_t)ms);
    for (uint32_t i = 0; !e && i < k->n_answer; i++) {
        e = l->elems[i].err;
        k->answer[i].start =
            l->elems[i].offset >= 0 ? l->elems[i].offset : -1; /* -1: behind the last message, asked for below */
    }
    rd_kafka_topic_partition_list_destroy(l);
    return e ? hg_kin_refused(&k->err, "error looking up offsets for a timestamp", e) : 0;
}

/* Where partition i begins, in numbers; and the offset must be there. */
static int resolve(kafka_t *k, const kafka_cfg_t *c, uint32_t i)
{
    part_t *p = &k->answer[i];
    const part_t *known = i < k->n_parts ? &k->parts[i] : NULL;
    int64_t low, high;
    uint64_t u = 0;
    from_t from = hg_kin_from(c);
    const hg_json_t *offsets = hg_json_get(c->start_from, "offsets");
    int rc = ask_watermarks(k, p, &low, &high);
    if (rc < 0) return rc;
    int64_t at = known && known->saved >= 0 ? known->saved : known && known->mark >= 0 ? known->mark : -1;
    bool kept = at >= 0;
    if (!kept && from == FROM_OFFSETS) {
        hg_json_u64(hg_json_at(offsets, i), &u);
        at = (int64_t)u;
        if (at < low || at > high)
            return hg_kin_broken(&k->err,
                                 "configuration error: provided offset '%" PRId64 "' not currently in partition '%d'",
                                 at, p->id);
    }
    if (at < 0) at = from == FROM_TIMESTAMP && p->start >= 0 ? p->start : from == FROM_EARLIEST ? low : high;
    if (at < low || at > high) {
        if (!c->resume_earliest)
            return hg_kin_broken(&k->err,
                                 "partition %d of topic '%s' holds offsets %" PRId64 " to %" PRId64
                                 "; the position to go on from, %" PRId64 ", has been %s",
                                 p->id, k->topic, low, high, at,
                                 at < low ? "deleted by its retention" : "lost: the topic was recreated");
        hg_log(HG_LOG_WARN, "kafka", k->topic, "data_expired", "partition=%d wanted=%" PRId64 " earliest=%" PRId64,
               p->id, at, low);
        at = low;
    }
    p->start = p->next = at;
    if (known) p->mark = known->mark;
    return 0;
}

static int ask_start(kafka_t *k, const kafka_cfg_t *c)
{
    uint64_t ms;
    const hg_json_t *offsets = hg_json_get(c->start_from, "offsets");
    if (k->n_parts > k->n_answer)
        return hg_kin_broken(
            &k->err,
            "topic '%s' has %u partitions, fewer than the %u of the saved position: it was deleted and created again",
            k->topic, k->n_answer, k->n_parts);
    if (offsets && offsets->n != k->n_answer)
        return hg_kin_broken(&k->err, "Topic %s has %u partitions but configuration specifies %u offsets.", k->topic,
                             k->n_answer, offsets->n);
    int rc = 0;
    if (hg_kin_from(c) == FROM_TIMESTAMP && hg_json_u64(hg_json_get(c->start_from, "timestamp"), &ms) == 0)
        rc = ask_timestamp(k, ms);
    for (uint32_t i = 0; i < k->n_answer && rc == 0; i++) rc = resolve(k, c, i);
    return rc;
}

static int ask_mark(kafka_t *k)
{
    int rc = 0;
    int64_t low, high;
    for (uint32_t i = 0; i < k->n_answer && rc == 0; i++) {
        rc = ask_watermarks(k, &k->answer[i], &low, &high);
        if (rc == 0) k->answer[i].mark = high;
    }
    return rc;
}

void hg_kin_ask(void *arg, unsigned worker)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    const kafka_cfg_t *c = hg_in_cfg(in);
    (void)worker;
    k->err = HG_ERR_INIT;
    k->answer = NULL;
    k->n_answer = 0;
    if (ask_partitions(k, c) == 0) (void)(k->ask == ASK_MARK ? ask_mark(k) : ask_start(k, c));
}
