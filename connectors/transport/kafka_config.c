/* kafka_config.c: options of the Kafka input and what they mean. Any thread. */
#include "base/hg.h"
#include "connectors/transport/kafka_input_int.h"

#define AT(f) .at = offsetof(kafka_cfg_t, f)
const hg_opt_t hg_kin_opts[] = {
    { .key = "topic", .type = HG_OPT_STR, AT(topic), .doc = "Topic to read." },
    { .key = "topics", .type = HG_OPT_STRLIST, AT(topics), .doc = "Legacy form of topic: a list of exactly one." },
    { .key = "start_from",
      .type = HG_OPT_JSON,
      AT(start_from),
      .doc = "Where to begin when there is no saved position: \"earliest\", \"latest\" (default), {\"offsets\": [one "
             "per partition]} or "
             "{\"timestamp\": milliseconds}. With the legacy topics, auto.offset.reset decides when it is absent." },
    { .key = "partitions",
      .type = HG_OPT_JSON,
      AT(partitions),
      .doc = "Read only these partitions; a list of numbers. Default: all." },
    HG_KAFKA_OPT_LOG_LEVEL(AT(log_level)),
    { .key = "group_join_timeout_secs",
      .type = HG_OPT_U32,
      AT(group_join_timeout),
      .def = "10",
      .flags = HG_OPT_IGNORED,
      .unit = "s",
      .doc = "Consumer groups are not used." },
    { .key = "poller_threads",
      .type = HG_OPT_U32,
      AT(pollers),
      .def = "3",
      .flags = HG_OPT_IGNORED,
      .doc = "The connector's loop polls." },
    { .key = "resume_earliest_if_data_expires",
      .type = HG_OPT_BOOL,
      AT(resume_earliest),
      .def = "false",
      .doc = "If the topic no longer holds the position to go on from, begin at its earliest message instead of "
             "failing." },
    { .key = "synchronize_partitions",
      .type = HG_OPT_BOOL,
      AT(synchronize),
      .def = "false",
      .doc = "Deliver in order of the messages' timestamps across partitions: a message waits until every other "
             "partition has one too (or, with enable.partition.eof, is at its end). Not with exactly_once." },
    { .key = "header_filter",
      .type = HG_OPT_JSON,
      AT(header_filter),
      .doc =
          "Take only messages with these headers: {\"header\": {\"name\": text, \"pattern\": POSIX extended regular "
          "expression that the whole value matches}}, {\"and\": [filters]}, {\"or\": [filters]}, {\"not\": filter}." },
    { .key = "include_headers",
      .type = HG_OPT_BOOL,
      AT(headers),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['kafka_headers'] is a map of the message's headers: name to bytes, of equal names "
             "the last." },
    { .key = "include_topic",
      .type = HG_OPT_BOOL,
      AT(include_topic),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['kafka_topic'] is the topic." },
    { .key = "include_partition",
      .type = HG_OPT_BOOL,
      AT(partition),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['kafka_partition'] is the partition's number." },
    { .key = "include_offset",
      .type = HG_OPT_BOOL,
      AT(offset),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['kafka_offset'] is the message's offset." },
    { .key = "include_timestamp",
      .type = HG_OPT_BOOL,
      AT(timestamp),
      .def = "false",
      .flags = HG_OPT_METADATA,
      .doc = "CONNECTOR_METADATA()['kafka_timestamp'] is the message's time as a TIMESTAMP, where it has one." },
    HG_KAFKA_OPT_REGION(AT(region)),
    { .key = NULL },
};

/* --- configuration --- */

bool hg_kin_wants_eof(const kafka_cfg_t *c)
{
    const char *v = hg_kafka_option(&c->extra, "enable.partition.eof");
    return v && strcmp(v, "true") == 0;
}

bool hg_kin_is_finite(const void *cfg)
{
    return hg_kin_wants_eof(cfg);
}

/* Where merged partitions meet, and where a partition's end was, depends on when it was looked at. */
const char *hg_kin_no_replay(const void *cfg)
{
    const kafka_cfg_t *c = cfg;
    return c->synchronize ? "synchronize_partitions" : hg_kin_wants_eof(c) ? "enable.partition.eof" : NULL;
}

static from_t from_reset(const kafka_cfg_t *c)
{
    const char *v = c->topics.n ? hg_kafka_option(&c->extra, "auto.offset.reset") : NULL;
    if (!v) return FROM_LATEST;
    if (!strcmp(v, "smallest") || !strcmp(v, "earliest") || !strcmp(v, "beginning")) return FROM_EARLIEST;
    if (!strcmp(v, "largest") || !strcmp(v, "latest") || !strcmp(v, "end")) return FROM_LATEST;
    return FROM_BAD;
}

from_t hg_kin_from(const kafka_cfg_t *c)
{
    const hg_json_t *f = c->start_from;
    uint64_t u;
    if (!f || f->kind == HG_J_NULL) return from_reset(c);
    if (f->kind == HG_J_STRING)
        return hg_str_eqz(f->str, "earliest") ? FROM_EARLIEST : hg_str_eqz(f->str, "latest") ? FROM_LATEST : FROM_BAD;
    if (f->kind != HG_J_OBJECT || f->n != 1) return FROM_BAD;
    const hg_json_t *list = hg_json_get(f, "offsets");
    if (list && list->kind == HG_J_ARRAY) {
        for (const hg_json_t *o = list->child; o; o = o->next)
            if (hg_json_u64(o, &u) < 0 || u > INT64_MAX) return FROM_BAD;
        return FROM_OFFSETS;
    }
    return hg_json_u64(hg_json_get(f, "timestamp"), &u) == 0 && u <= INT64_MAX ? FROM_TIMESTAMP : FROM_BAD;
}

bool hg_kin_wants_mark(const void *cfg)
{
    return hg_kin_from(cfg) == FROM_LATEST;
}

const char *hg_kin_topic(const kafka_cfg_t *c)
{
    return c->topic ? c->topic : c->topics.n == 1 ? c->topics.v[0] : NULL;
}

static void check_partitions(const kafka_cfg_t *c, hg_diag_t *d)
{
    const hg_json_t *p = c->partitions;
    uint64_t u;
    if (!p || p->kind == HG_J_NULL) return;
    bool ok = p->kind == HG_J_ARRAY && p->n > 0;
    for (const hg_json_t *o = ok ? p->child : NULL; o && ok; o = o->next)
        ok = hg_json_u64(o, &u) == 0 && u <= INT32_MAX;
    if (!ok) hg_diag(d, false, p, false, "option 'partitions': expected a list of partition numbers");
    const hg_json_t *offsets = hg_json_get(c->start_from, "offsets");
    if (ok && offsets && offsets->n != p->n)
        hg_diag(d, false, offsets, false, "%u offsets are given for %u partitions", offsets->n, p->n);
}

void hg_kin_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const kafka_cfg_t *c = cfg;
    if (c->topic && c->topics.n)
        hg_diag(d, false, hg_json_get(obj, "topics"), true, "'topic' and 'topics' exclude each other; use 'topic'");
    else if (!hg_kin_topic(c) && c->topics.n > 1)
        hg_diag(d, false, hg_json_get(obj, "topics"), false, "'topics' must name exactly one topic");
    else if (!hg_kin_topic(c))
        hg_diag(d, false, obj, false, "Kafka input adapter is missing required `topic` setting.");
    if (hg_kin_from(c) == FROM_BAD && c->start_from && c->start_from->kind != HG_J_NULL)
        hg_diag(d, false, c->start_from, false,
                "option 'start_from': expected \"earliest\", \"latest\", {\"offsets\": [numbers]} or {\"timestamp\": "
                "milliseconds}");
    else if (hg_kin_from(c) == FROM_BAD)
        hg_diag(d, false, hg_json_get(obj, "auto.offset.reset"), false,
                "option 'auto.offset.reset': unknown value; use start_from");
    if (c->header_filter && c->header_filter->kind != HG_J_NULL) hg_kfilter_check(c->header_filter, d);
    check_partitions(c, d);
    hg_kafka_check(&c->extra, "input", d);
}
