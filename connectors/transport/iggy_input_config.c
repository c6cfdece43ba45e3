/* iggy_input_config.c: the Iggy input's options, and what is checked about them. Any thread. */
#include "base/hg.h"
#include "connectors/transport/iggy_input_int.h"
#include "iggy/client/consumer.h"

#define AT(f) .at = offsetof(iin_cfg_t, f)
const hg_opt_t hg_iin_opts[] = {
    HG_IGGY_CONN_OPTS,
    { .key = "start_from",
      .type = HG_OPT_JSON,
      AT(start_from),
      .doc = "Where to begin when there is no saved position: \"earliest\", \"latest\" (default), {\"offsets\": [one "
             "per partition]} or {\"timestamp\": milliseconds}." },
    { .key = "partitions",
      .type = HG_OPT_JSON,
      AT(partitions),
      .doc = "Read only these partitions; a list of numbers, from 0. Default: all." },
    { .key = "resume_earliest_if_data_expires",
      .type = HG_OPT_BOOL,
      AT(resume_earliest),
      .def = "false",
      .doc = "If the topic no longer holds the position to go on from, go on at its oldest message instead of "
             "failing." },
    { .key = "until_end",
      .type = HG_OPT_BOOL,
      AT(until_end),
      .def = "false",
      .doc = "The input ends when it has read every partition to its end. Not with exactly_once." },
    { .key = "consumer",
      .type = HG_OPT_STR,
      AT(consumer),
      .doc = "Store what the pipeline's checkpoints hold as this consumer's offsets at the server, for tools that show "
             "them. The connector itself goes by its own position. Default: nothing is stored." },
    { .key = "batch_size",
      .type = HG_OPT_U32,
      AT(batch),
      .def = "1000",
      .min = 1,
      .max = 100000,
      .doc = "Messages asked for at a time." },
    { .key = "poll_interval",
      .type = HG_OPT_DURATION,
      AT(poll_ms),
      .def = "5",
      .min = 1,
      .unit = "ms",
      .doc = "Pause before the next question when no partition had anything new; longer while nothing comes." },
    { .key = "include_headers",
      .type = HG_OPT_BOOL,
      AT(meta.headers),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_headers'] is a map of the message's user headers: texts and whole numbers as "
             "such, others as bytes." },
    { .key = "include_stream",
      .type = HG_OPT_BOOL,
      AT(meta.stream),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_stream'] is the stream." },
    { .key = "include_topic",
      .type = HG_OPT_BOOL,
      AT(meta.topic),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_topic'] is the topic." },
    { .key = "include_partition",
      .type = HG_OPT_BOOL,
      AT(meta.partition),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_partition'] is the partition's number." },
    { .key = "include_offset",
      .type = HG_OPT_BOOL,
      AT(meta.offset),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_offset'] is the message's offset." },
    { .key = "include_timestamp",
      .type = HG_OPT_BOOL,
      AT(meta.timestamp),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['iggy_timestamp'] is when the server stored the message, a TIMESTAMP." },
    { .key = NULL },
};

const hg_json_t *hg_iin_only(const iin_cfg_t *c)
{
    return c->partitions && c->partitions->kind == HG_J_ARRAY ? c->partitions : NULL;
}

iin_from_t hg_iin_from(const iin_cfg_t *c, uint64_t *ret_us)
{
    const hg_json_t *f = c->start_from;
    uint64_t u;
    *ret_us = HG_IGGY_NONE;
    if (!f || f->kind == HG_J_NULL) return FROM_LATEST;
    if (f->kind == HG_J_STRING)
        return hg_str_eqz(f->str, "earliest") ? FROM_EARLIEST : hg_str_eqz(f->str, "latest") ? FROM_LATEST : FROM_BAD;
    if (f->kind != HG_J_OBJECT || f->n != 1) return FROM_BAD;
    const hg_json_t *list = hg_json_get(f, "offsets");
    if (list && list->kind == HG_J_ARRAY) {
        for (const hg_json_t *o = list->child; o; o = o->next)
            if (hg_json_u64(o, &u) < 0 || u > INT64_MAX) return FROM_BAD;
        return FROM_OFFSETS;
    }
    if (hg_json_u64(hg_json_get(f, "timestamp"), &u) < 0 || u > INT64_MAX / 1000) return FROM_BAD;
    *ret_us = u * 1000;
    return FROM_TIMESTAMP;
}

bool hg_iin_is_finite(const void *cfg)
{
    return ((const iin_cfg_t *)cfg)->until_end;
}

bool hg_iin_wants_mark(const void *cfg)
{
    uint64_t us;
    return hg_iin_from(cfg, &us) == FROM_LATEST;
}

/* Where a partition's end was depends on when it was looked at. */
const char *hg_iin_no_replay(const void *cfg)
{
    return ((const iin_cfg_t *)cfg)->until_end ? "until_end" : NULL;
}

static void check_partitions(const iin_cfg_t *c, hg_diag_t *d)
{
    const hg_json_t *p = c->partitions, *offsets = hg_json_get(c->start_from, "offsets");
    uint64_t u, other;
    if (!p || p->kind == HG_J_NULL) return;
    bool ok = p->kind == HG_J_ARRAY && p->n > 0;
    for (const hg_json_t *o = ok ? p->child : NULL; o && ok; o = o->next)
        ok = hg_json_u64(o, &u) == 0 && u < UINT32_MAX;
    if (!ok) {
        hg_diag(d, false, p, false, "option 'partitions': expected a list of partition numbers");
        return;
    }
    for (const hg_json_t *o = p->child; o; o = o->next)
        for (const hg_json_t *e = p->child; e != o; e = e->next)
            if (hg_json_u64(o, &u) == 0 && hg_json_u64(e, &other) == 0 && u == other)
                hg_diag(d, false, o, false, "option 'partitions': %" PRIu64 " is there twice", u);
    if (offsets && offsets->n != p->n)
        hg_diag(d, false, offsets, false, "%u offsets are given for %u partitions", offsets->n, p->n);
}

void hg_iin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const iin_cfg_t *c = cfg;
    uint64_t us;
    hg_iggy_conn_check(&c->conn, obj, d);
    if (hg_iin_from(c, &us) == FROM_BAD)
        hg_diag(d, false, c->start_from, false,
                "option 'start_from': expected \"earliest\", \"latest\", {\"offsets\": [numbers]} or {\"timestamp\": "
                "milliseconds}");
    check_partitions(c, d);
    if (c->consumer && (!c->consumer[0] || strlen(c->consumer) > HG_IGGY_MAX_NAME))
        hg_diag(d, false, hg_json_get(obj, "consumer"), false, "option 'consumer': a name has 1 to %d bytes",
                HG_IGGY_MAX_NAME);
}
