/* kafka_meta.c: what CONNECTOR_METADATA() is of a Kafka message: a JSON object of what the options ask for. */
#include "base/hg.h"
#include "connectors/transport/kafka_input_int.h"
#include "data/text.h"

static void put_bytes(hg_jw_t *w, const void *p, size_t n)
{
    const unsigned char *b = p;
    if (!b) {
        hg_jw_null(w);
        return;
    }
    hg_jw_arr(w);
    for (size_t i = 0; i < n; i++) hg_jw_u64(w, b[i]);
    hg_jw_end_arr(w);
}

/* A name that is no UTF-8 has no place in a VARCHAR. Of equal names the reader takes the last. */
static void put_headers(hg_jw_t *w, const rd_kafka_message_t *m)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t n;
    hg_jw_key(w, "kafka_headers");
    hg_jw_obj(w);
    if (rd_kafka_message_headers(m, &headers)) headers = NULL;
    for (size_t i = 0; headers && !rd_kafka_header_get_all(headers, i, &name, &value, &n); i++) {
        if (!hg_utf8_valid(name, strlen(name))) continue;
        hg_jw_key(w, name);
        put_bytes(w, value, n);
    }
    hg_jw_end_obj(w);
}

int hg_kmeta(const kafka_cfg_t *c, const char *topic, const rd_kafka_message_t *m, hg_buf_t *buf)
{
    rd_kafka_timestamp_type_t type;
    hg_jw_t w;
    hg_buf_clear(buf);
    hg_jw_init(&w, buf);
    hg_jw_obj(&w);
    if (c->headers) put_headers(&w, m);
    if (c->offset) hg_jw_ki64(&w, "kafka_offset", m->offset);
    if (c->partition) hg_jw_ki64(&w, "kafka_partition", m->partition);
    int64_t ms = c->timestamp ? rd_kafka_message_timestamp(m, &type) : -1;
    if (ms >= 0) {
        char text[HG_TIME_TEXT + 1];
        text[hg_ts_print(text, ms * 1000, ' ', "")] = 0;
        hg_jw_kstr(&w, "kafka_timestamp", text);
    }
    if (c->include_topic) hg_jw_kstr(&w, "kafka_topic", topic);
    hg_jw_end_obj(&w);
    return w.rc;
}
