/* kafka_take.c: messages out of librdkafka's queues, as they come or merged by timestamp. Loop thread.
 *
 * Usually all partitions of a connector share one queue and messages are taken in batches. With synchronize_partitions
 * each has a queue of its own, so that one that is ahead cannot fill the room of the one that everybody waits for. The
 * message with the smallest timestamp goes next, once every partition shows one; equal ones go in the order of the
 * partitions, so that the order depends on nothing but the topic. A partition at its end (enable.partition.eof) is not
 * waited for.
 *
 * The merged order is one lane. The ring in merge_t turns its positions back into offsets: it holds the messages that
 * the circuit has not taken, which the limits of the input's queue bound. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/kafka_input_int.h"

#define BATCH        1000 /* messages taken from the client at a time */
#define BATCH_MERGED 64   /* the same, per partition */

void hg_kin_take_open(kafka_t *k, bool synchronize)
{
    rd_kafka_t *rk = hg_kafka_use_rk(k->use);
    k->n_src = synchronize ? k->n_parts : 1;
    k->batch = synchronize ? BATCH_MERGED : BATCH;
    k->src = HG_NEWN(src_t, k->n_src);
    for (uint32_t i = 0; i < k->n_src; i++) {
        k->src[i].queue = rd_kafka_queue_new(rk);
        k->src[i].batch = HG_NEWN(rd_kafka_message_t *, k->batch);
    }
}

static void refill(src_t *s, uint32_t batch)
{
    if (s->i < s->n) return;
    ssize_t n = rd_kafka_consume_batch_queue(s->queue, 0, s->batch, batch);
    s->i = 0;
    s->n = n > 0 ? (uint32_t)n : 0;
}

/* Messages without a timestamp come first. */
static int64_t stamp(const rd_kafka_message_t *m)
{
    rd_kafka_timestamp_type_t type;
    int64_t t = rd_kafka_message_timestamp(m, &type);
    return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? INT64_MIN : t;
}

static src_t *earliest(kafka_t *k, bool more)
{
    src_t *best = NULL;
    int64_t best_t = 0;
    bool waits = false;
    for (uint32_t i = 0; i < k->n_src; i++) {
        src_t *s = &k->src[i];
        if (more) refill(s, k->batch);
        if (s->i == s->n) {
            waits |= !k->parts[i].eof;
            continue;
        }
        const rd_kafka_message_t *m = s->batch[s->i];
        if (m->err) return s; /* the caller notes an end, or tells */
        int64_t t = stamp(m);
        if (best && best_t <= t) continue;
        best = s;
        best_t = t;
    }
    return waits ? NULL : best;
}

rd_kafka_message_t *hg_kin_take(kafka_t *k, bool more)
{
    src_t *s = k->src;
    if (k->n_src > 1)
        s = earliest(k, more);
    else if (more)
        refill(s, k->batch);
    return s && s->i < s->n ? s->batch[s->i++] : NULL;
}

void hg_kin_take_drop(kafka_t *k)
{
    for (uint32_t i = 0; i < k->n_src; i++)
        while (k->src[i].i < k->src[i].n) rd_kafka_message_destroy(k->src[i].batch[k->src[i].i++]);
}

bool hg_kin_take_idle(const kafka_t *k)
{
    for (uint32_t i = 0; i < k->n_src; i++)
        if (k->src[i].i < k->src[i].n) return false;
    return true;
}

void hg_kin_merge_add(kafka_t *k, uint32_t part)
{
    merge_t *m = &k->merge;
    if (m->next - m->first == m->cap) {
        uint64_t cap = m->cap ? m->cap * 2 : 1024;
        merged_t *ring = HG_NEWN(merged_t, cap);
        for (uint64_t c = m->first; c < m->next; c++) ring[c & (cap - 1)] = m->ring[c & (m->cap - 1)];
        hg_free(m->ring);
        m->ring = ring;
        m->cap = cap;
    }
    m->ring[m->next++ & (m->cap - 1)] = (merged_t){ .next = k->parts[part].next, .part = part };
}

void hg_kin_merge_prune(kafka_t *k, uint64_t taken)
{
    merge_t *m = &k->merge;
    for (; m->first < m->next && m->first < taken; m->first++) {
        const merged_t *e = &m->ring[m->first & (m->cap - 1)];
        k->parts[e->part].base = e->next;
    }
}

void hg_kin_merge_offsets(const kafka_t *k, uint64_t taken, int64_t *ret_offsets)
{
    const merge_t *m = &k->merge;
    for (uint32_t i = 0; i < k->n_parts; i++) ret_offsets[i] = k->parts[i].base;
    for (uint64_t c = m->first; c < m->next && c < taken; c++) {
        const merged_t *e = &m->ring[c & (m->cap - 1)];
        ret_offsets[e->part] = e->next;
    }
}

part_t *hg_kin_part(kafka_t *k, int32_t id)
{
    if (id >= 0 && (uint32_t)id < k->n_parts && k->parts[id].id == id) return &k->parts[id];
    for (uint32_t i = 0; i < k->n_parts; i++)
        if (k->parts[i].id == id) return &k->parts[i];
    return NULL;
}
