/* kafka_output_config.c: options of the Kafka output and what they mean. Any thread. */
#include "base/hg.h"
#include "connectors/transport/kafka_output_int.h"

#define AT(f) .at = offsetof(kout_cfg_t, f)
const hg_opt_t hg_kout_opts[] = {
    { .key = "topic", .type = HG_OPT_STR, AT(topic), .flags = HG_OPT_REQUIRED, .doc = "Topic to write." },
    { .key = "headers",
      .type = HG_OPT_JSON,
      AT(headers),
      .doc = "Headers of every message: a list of {\"key\": text, \"value\": text, list of bytes, or null}." },
    HG_KAFKA_OPT_LOG_LEVEL(AT(log_level)),
    { .key = "initialization_timeout_secs",
      .type = HG_OPT_U32,
      AT(init_timeout),
      .def = "60",
      .unit = "s",
      .flags = HG_OPT_IGNORED,
      .doc = "The connector starts without the broker and retries until it is there." },
    { .key = "fault_tolerance",
      .type = HG_OPT_JSON,
      AT(fault_tolerance),
      .doc = "{\"producer_options\": {librdkafka's options}}: these go before the others where the pipeline is "
             "exactly_once. transactional.id is headgate.<pipeline>.<endpoint>.<id of the pipeline> and "
             "transaction.timeout.ms 300000 unless they are given; a transaction that gets older, and is ended by the "
             "broker, is done again. "
             "\"consumer_options\" are checked and have no effect: no consumer is used." },
    { .key = "kafka_service", .type = HG_OPT_STR, AT(kafka_service), .flags = HG_OPT_IGNORED, .doc = "Obsolete." },
    HG_KAFKA_OPT_REGION(AT(region)),
    { .key = NULL },
};

static bool bytes_ok(const hg_json_t *v)
{
    uint64_t u;
    for (const hg_json_t *b = v->child; b; b = b->next)
        if (hg_json_u64(b, &u) < 0 || u > 255) return false;
    return true;
}

/* The flat options in one member of fault_tolerance. */
static hg_kvlist_t member_options(const kout_cfg_t *c, const char *name, hg_arena_t *a, hg_diag_t *d)
{
    static const hg_opt_t none[] = { { .key = NULL } };
    const hg_json_t *m = hg_json_get(c->fault_tolerance, name);
    hg_kvlist_t list = { 0 };
    if (!m || m->kind == HG_J_NULL) return list;
    if (m->kind != HG_J_OBJECT)
        hg_diag(d, false, m, false, "option 'fault_tolerance.%s': expected an object of librdkafka's options", name);
    else
        (void)hg_opts_parse(none, m, m, HG_EXTRA_TAKE, &list, a, NULL, d);
    return list;
}

hg_kvlist_t hg_kout_options(const kout_cfg_t *c, bool exactly_once, hg_arena_t *a)
{
    hg_diag_t d = { 0 }; /* hg_kout_check has found what there is to complain about */
    hg_kvlist_t more = { 0 }, all = { 0 };
    if (exactly_once) more = member_options(c, "producer_options", a, &d);
    all.v = HG_ANEWN(a, hg_kv_t, c->extra.n + more.n + 1);
    for (uint32_t i = 0; i < c->extra.n; i++) all.v[all.n++] = c->extra.v[i];
    for (uint32_t i = 0; i < more.n; i++) all.v[all.n++] = more.v[i]; /* the later one counts */
    return all;
}

size_t hg_kout_max_message(const void *cfg, bool exactly_once)
{
    hg_arena_t *a = hg_arena_new();
    hg_kvlist_t options = hg_kout_options(cfg, exactly_once, a);
    size_t max = 1000000; /* librdkafka's default */
    for (uint32_t i = 0; i < options.n; i++)
        if (strcmp(options.v[i].key, "message.max.bytes") == 0) max = strtoull(options.v[i].value, NULL, 10);
    hg_arena_free(a);
    return max - HG_MIN(max / 2, 64u); /* key, headers and what the client adds */
}

static void check_fault_tolerance(const kout_cfg_t *c, hg_diag_t *d)
{
    static const char *const members[] = { "producer_options", "consumer_options" };
    const hg_json_t *f = c->fault_tolerance;
    if (!f || f->kind == HG_J_NULL) return;
    if (f->kind != HG_J_OBJECT) {
        hg_diag(d, false, f, false, "option 'fault_tolerance': expected an object, found %s",
                hg_json_kind_name(f->kind));
        return;
    }
    for (const hg_json_t *m = f->child; m; m = m->next)
        if (!hg_str_eqz(m->key, members[0]) && !hg_str_eqz(m->key, members[1]))
            hg_diag(d, false, m, true, "unknown field \"%s\" in 'fault_tolerance'; it has %s and %s", m->key.p,
                    members[0], members[1]);
    hg_arena_t *a = hg_arena_new();
    for (size_t i = 0; i < HG_COUNT(members); i++) {
        hg_kvlist_t list = member_options(c, members[i], a, d);
        hg_kafka_check(&list, "output", d);
        if (i == 1 && list.n)
            hg_diag(
                d, true, hg_json_get(f, members[1]), true,
                "option 'fault_tolerance.consumer_options' has no effect: the last step is read with the producer's "
                "client");
    }
    hg_arena_free(a);
}

/* A key as it may stand in a message for people; of a long one the end, where its values are. */
static const char *printable(char *out, size_t cap, hg_str_t key)
{
    size_t n = HG_MIN(key.n, cap - 1);
    const char *from = key.p + key.n - n;
    for (size_t i = 0; i < n; i++) out[i] = from[i] >= ' ' && from[i] < 0x7f ? from[i] : '?';
    if (n < key.n) memset(out, '.', HG_MIN(n, 3u));
    out[n] = 0;
    return out;
}

void hg_kout_refusal(rd_kafka_resp_err_t e, const char *topic, hg_str_t key, size_t bytes, bool may_skip, hg_err_t *err)
{
    char text[100];
    const char *why = rd_kafka_err2str(e);
    switch ((int)e) {
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
        if (!key.p) { /* what is wrong with this one is wrong with all */
            hg_err_set(err, HG_ENET,
                       "topic '%s' refuses a message without a key: %s. A compacted topic needs keys, which the update "
                       "format debezium gives",
                       topic, why);
            break;
        }
        hg_err_set(err, HG_ENET, "topic '%s' refuses the message with key '%s': %s%s", topic,
                   printable(text, sizeof text, key), why, may_skip ? "; it is left out" : "");
        if (may_skip) return;
        break;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        hg_err_set(err, HG_ENET,
                   "topic '%s' refuses a message of %zu bytes: %s. Raise max.message.bytes of the topic, and "
                   "message.max.bytes where the connector sets it",
                   topic, bytes, why);
        break;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        hg_err_set(err, HG_ENET, "topic '%s' is not there: %s. Create it", topic, why);
        break;
    default:
        hg_err_set(err, HG_ENET, "topic '%s' refuses a message: %s", topic, why);
        break;
    }
    err->fatal = 1;
}

void hg_kout_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const kout_cfg_t *c = cfg;
    (void)obj;
    if (c->headers && c->headers->kind != HG_J_ARRAY && c->headers->kind != HG_J_NULL)
        hg_diag(d, false, c->headers, false, "option 'headers': expected a list");
    for (const hg_json_t *h = c->headers && c->headers->kind == HG_J_ARRAY ? c->headers->child : NULL; h; h = h->next) {
        const hg_json_t *v = hg_json_get(h, "value");
        bool ok = hg_json_str(hg_json_get(h, "key"), NULL) != NULL &&
                  (!v || v->kind == HG_J_NULL || v->kind == HG_J_STRING || (v->kind == HG_J_ARRAY && bytes_ok(v)));
        if (!ok) hg_diag(d, false, h, false, "a header is {\"key\": text, \"value\": text, list of bytes, or null}");
    }
    check_fault_tolerance(c, d);
    hg_kafka_check(&c->extra, "output", d);
}
