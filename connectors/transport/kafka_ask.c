/* kafka_ask.c: questions of the Kafka input to its broker: which partitions, where to begin, what to mark, what is left
 * of a position. They block, so they run on the client's thread, in slices, one at a time per instance; the loop reads
 * the answer afterwards. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_input_int.h"

#define ASK_MS    5000 /* one blocking question to the broker, */
#define ASK_SLICE 250  /* in pieces of this, so that a close need not wait for a broker that is gone */

/* --- questions: the client's thread --- */

bool hg_kin_may_pass(rd_kafka_resp_err_t e)
{
    return hg_kafka_transient(e) || e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
           e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

int hg_kin_refused(hg_err_t *err, const char *what, rd_kafka_resp_err_t e)
{
    if (hg_kin_may_pass(e)) return hg_err_retry(err, HG_ENET, "%s: %s", what, rd_kafka_err2str(e));
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
    hg_kafka_use_breathe(k->use);
    return hg_kin_may_pass(e) && *left > 0 && !atomic_load(&k->leaving);
}

/* The partitions to read: configured ones, else what the topic has. A topic that does not exist yet is worth another
 * try. */
static int ask_partitions(kafka_t *k, const kafka_cfg_t *c)
{
    const rd_kafka_metadata_t *md;
    rd_kafka_topic_t *t = rd_kafka_topic_new(hg_kafka_use_asker(k->use), k->topic, NULL);
    int left = ASK_MS;
    rd_kafka_resp_err_t e;
    do e = t ? rd_kafka_metadata(hg_kafka_use_asker(k->use), 0, t, &md, ASK_SLICE) : rd_kafka_last_error();
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
        e = rd_kafka_offsets_for_times(hg_kafka_use_asker(k->use), l, ASK_SLICE);
        for (int i = 0; !e && i < l->cnt; i++) e = l->elems[i].err;
    } while (ask_on(k, e, &left));
    return e;
}

/* The oldest and the next offset of every partition of the answer, with two requests. Not by
 * rd_kafka_query_watermark_offsets: it asks for one partition, and with the broker gone it does not keep its time
 * limit. */
static int ask_watermarks(kafka_t *k)
{
    static const int64_t ends[] = { RD_KAFKA_OFFSET_BEGINNING, RD_KAFKA_OFFSET_END };
    rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_topic_partition_list_t *l = rd_kafka_topic_partition_list_new((int)k->n_answer);
    for (uint32_t i = 0; i < k->n_answer; i++) rd_kafka_topic_partition_list_add(l, k->topic, k->answer[i].id);
    for (size_t end = 0; end < HG_COUNT(ends) && !e; end++) {
        e = ask_offsets(k, l, ends[end]);
        for (uint32_t i = 0; i < k->n_answer && !e; i++)
            *(end ? &k->answer[i].high : &k->answer[i].low) = l->elems[i].offset;
    }
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

/* Never a silent jump: what was not read and is no longer there is told, and a person decides. */
static int gone(kafka_t *k, const part_t *p, int64_t at)
{
    if (at < p->low)
        return hg_kin_broken(&k->err,
                             "position %" PRId64 " of %s[%d] is gone, oldest is %" PRId64
                             ": the topic's retention has deleted what lies between; reset the position, or set "
                             "resume_earliest_if_data_expires to go on from the oldest",
                             at, k->topic, p->id, p->low);
    return hg_kin_broken(&k->err,
                         "position %" PRId64 " of %s[%d] is gone, newest is %" PRId64
                         ": the topic was created again or cut off; reset the position",
                         at, k->topic, p->id, p->high);
}

/* Where partition i begins, in numbers; and the offset must be there. */
static int resolve(kafka_t *k, const kafka_cfg_t *c, uint32_t i)
{
    part_t *p = &k->answer[i];
    const part_t *known = i < k->n_parts ? &k->parts[i] : NULL;
    uint64_t u = 0;
    from_t from = hg_kin_from(c);
    int64_t at = known && known->saved >= 0 ? known->saved : known && known->mark >= 0 ? known->mark : -1;
    if (at < 0 && k->n_parts) { /* younger than the position, so unread from its beginning */
        hg_log(HG_LOG_WARN, "kafka", k->topic, "new_partition", "partition=%d from=%" PRId64, p->id, p->low);
        at = p->low;
    }
    if (at < 0 && from == FROM_OFFSETS) {
        hg_json_u64(hg_json_at(hg_json_get(c->start_from, "offsets"), i), &u);
        at = (int64_t)u;
        if (at < p->low || at > p->high)
            return hg_kin_broken(&k->err,
                                 "configuration error: provided offset '%" PRId64 "' not currently in partition '%d'",
                                 at, p->id);
    }
    if (at < 0) at = from == FROM_TIMESTAMP && p->start >= 0 ? p->start : from == FROM_EARLIEST ? p->low : p->high;
    if (at < p->low || at > p->high) {
        if (!c->resume_earliest) return gone(k, p, at);
        hg_log(HG_LOG_WARN, "kafka", k->topic, "data_expired", "partition=%d wanted=%" PRId64 " earliest=%" PRId64,
               p->id, at, p->low);
        at = p->low;
    }
    p->start = p->next = p->base = at;
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
    int rc = ask_watermarks(k);
    if (rc == 0 && hg_kin_from(c) == FROM_TIMESTAMP && hg_json_u64(hg_json_get(c->start_from, "timestamp"), &ms) == 0)
        rc = ask_timestamp(k, ms);
    for (uint32_t i = 0; i < k->n_answer && rc == 0; i++) rc = resolve(k, c, i);
    return rc;
}

static int ask_mark(kafka_t *k)
{
    int rc = ask_watermarks(k);
    for (uint32_t i = 0; i < k->n_answer && rc == 0; i++) k->answer[i].mark = k->answer[i].high;
    return rc;
}

/* The broker has refused an offset in the middle of reading: which, and what is there instead? Always an error. */
static int ask_lost(kafka_t *k)
{
    int rc = ask_watermarks(k);
    for (uint32_t i = 0; i < k->n_answer && rc == 0; i++) {
        const part_t *p = &k->answer[i];
        if (p->id != k->lost_id) continue;
        int64_t at = k->parts[i].next;
        if (at < p->low || at > p->high) return gone(k, p, at);
        return hg_kin_broken(&k->err,
                             "position %" PRId64 " of %s[%d] was refused by the broker, which holds %" PRId64
                             " to %" PRId64 "; start the connector again",
                             at, k->topic, p->id, p->low, p->high);
    }
    return rc < 0 ? rc : hg_kin_broken(&k->err, "partition %d of topic '%s' is gone", k->lost_id, k->topic);
}

void hg_kin_ask(void *arg)
{
    hg_input_t *in = arg;
    kafka_t *k = hg_in_inst(in);
    const kafka_cfg_t *c = hg_in_cfg(in);
    k->err = HG_ERR_INIT;
    k->answer = NULL;
    k->n_answer = 0;
    if (ask_partitions(k, c) < 0) return;
    switch (k->ask) {
    case ASK_MARK:
        (void)ask_mark(k);
        return;
    case ASK_START:
        (void)ask_start(k, c);
        return;
    case ASK_LOST:
        (void)ask_lost(k);
        return;
    case ASK_LAG:
        (void)ask_watermarks(k);
        return;
    }
}
