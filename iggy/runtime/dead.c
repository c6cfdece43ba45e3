/* dead.c: dead letters. A message goes to its connector's dead letter topic with the payload and headers it came with,
 * and the reason in further headers: in the stream that is configured for them, else in that of its entry of
 * [[streams]]. A topic's producer is opened with its first letter. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"

#define VALUE_MAX 255 /* of a header */

static int add(hg_buf_t *out, const char *key, const char *value, hg_err_t *err)
{
    hg_str_t v = hg_strz(value);
    if (v.n > VALUE_MAX) v.n = VALUE_MAX;
    while (v.n && !hg_utf8_valid(v.p, v.n)) v.n--; /* cut between characters */
    if (v.n == 0) return 0;
    return hg_iggy_header_add(out, &(hg_iggy_header_t){ HG_IGGY_H_STRING, HG_IGGY_H_STRING, hg_strz(key), v }, err);
}

static int add_number(hg_buf_t *out, const char *key, uint64_t value, hg_err_t *err)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++) bytes[i] = (uint8_t)(value >> 8 * i);
    return hg_iggy_header_add(
        out, &(hg_iggy_header_t){ HG_IGGY_H_STRING, HG_IGGY_H_UINT64, hg_strz(key), { (const char *)bytes, 8 } }, err);
}

static int reasons(const hg_run_t *r, const hg_dead_t *d, hg_buf_t *out, hg_err_t *err)
{
    int rc = add(out, "headgate-connector", r->config->key, err);
    if (rc == 0) rc = add(out, "headgate-stage", d->stage, err);
    if (rc == 0) rc = add(out, "headgate-error", d->reason, err);
    if (rc == 0) rc = add_number(out, "headgate-attempts", d->attempts, err);
    if (!d->topic) return rc;
    if (rc == 0) rc = add(out, "headgate-stream", d->stream, err);
    if (rc == 0) rc = add(out, "headgate-topic", d->topic, err);
    if (rc == 0) rc = add_number(out, "headgate-partition", d->partition, err);
    return rc == 0 ? add_number(out, "headgate-offset", d->offset, err) : rc;
}

/* Whose producer takes an entry's: the first entry of the same stream. */
static uint32_t place_of(const hg_run_t *r, uint32_t entry)
{
    const hg_iggy_connector_config_t *c = r->config;
    uint32_t k = 0;
    if (c->errors.dead_letter_stream) return 0;
    while (strcmp(c->streams[k].stream, c->streams[entry].stream) != 0) k++;
    return k;
}

/* Under dead_lock. */
static hg_rt_out_t *topic_of(hg_run_t *r, uint32_t place)
{
    const hg_iggy_errors_config_t *e = &r->config->errors;
    const char *stream = e->dead_letter_stream ? e->dead_letter_stream : r->config->streams[place].stream;
    if (!r->dead) r->dead = HG_NEWN(hg_rt_out_t *, r->config->n_streams);
    if (!r->dead[place]) r->dead[place] = hg_rt_out_open(r, stream, e->dead_letter_topic, 0);
    return r->dead[place];
}

/* m: of d, one for one. Under dead_lock. */
static int send_to_places(hg_run_t *r, const hg_dead_t *d, const hg_iggy_message_t *m, uint32_t n, hg_err_t *err)
{
    int rc = 0;
    hg_iggy_message_t *part = HG_NEWN(hg_iggy_message_t, n);
    for (uint32_t place = 0; rc == 0 && place < r->config->n_streams; place++) {
        uint32_t of_it = 0;
        for (uint32_t i = 0; i < n; i++)
            if (place_of(r, d[i].entry) == place) part[of_it++] = m[i];
        if (of_it) rc = hg_rt_out_send(topic_of(r, place), part, of_it, err);
    }
    hg_free(part);
    return rc;
}

int hg_rt_dead_send(hg_run_t *r, const hg_dead_t *d, uint32_t n, hg_err_t *err)
{
    int rc = 0;
    hg_buf_t headers;
    hg_iggy_message_t *m = HG_NEWN(hg_iggy_message_t, n);
    size_t *from = HG_NEWN(size_t, n + 1);
    hg_buf_init(&headers, HG_BUF_NOMAX);
    for (uint32_t i = 0; rc == 0 && i < n; i++) {
        from[i] = headers.len;
        rc = reasons(r, &d[i], &headers, err);
        /* A message whose own headers leave no room for the reason goes with the reason alone. */
        if (rc == 0 && headers.len - from[i] + d[i].message.headers.n <= HG_IGGY_MAX_HEADERS)
            rc = hg_buf_addstr(&headers, d[i].message.headers);
        from[i + 1] = headers.len;
    }
    for (uint32_t i = 0; rc == 0 && i < n; i++)
        m[i] = (hg_iggy_message_t){ .payload = d[i].message.payload.n ? d[i].message.payload : HG_S(" "),
                                    .headers = { headers.p + from[i], from[i + 1] - from[i] } };
    if (rc == 0) {
        pthread_mutex_lock(&r->dead_lock); /* lanes take turns */
        rc = send_to_places(r, d, m, n, err);
        pthread_mutex_unlock(&r->dead_lock);
    } else {
        hg_err_set(err, rc, "no memory for dead letters");
    }
    if (rc == 0) hg_rt_count_add(r->spec.stats, HG_RT_DEAD_LETTERS, n);
    hg_buf_release(&headers);
    hg_free(from);
    hg_free(m);
    return rc;
}

void hg_rt_dead_close(hg_run_t *r)
{
    for (uint32_t k = 0; r->dead && k < r->config->n_streams; k++) hg_rt_out_close(r->dead[k]);
    hg_free(r->dead);
    r->dead = NULL;
}
