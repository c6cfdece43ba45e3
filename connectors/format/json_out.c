/* json_out.c: deltas → JSON: insert_delete, debezium, snowflake; keys and values for sinks that store by key (redis).
 *
 * A delta is walked twice, deletes first, in the order of its parts. Records collect in the sink's buffer; for message
 * transports it is handed over when it holds buffer_size_records or would grow past the transport's limit. All constant
 * text (member names, envelopes, Connect schemas) is made once, by encoder_new. One encoder serves one output, whose
 * steps come in order: the counters need no lock. */
#include "base/hg.h"
#include "base/log.h"
#include "connectors/format/encode_int.h"
#include "connectors/format/json_int.h"

typedef hg_json_out_cfg_t cfg_t;

const hg_opt_t hg_json_out_opts[] = {
    { .key = "update_format",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, update),
      .names = HG_JSON_UPDATE_NAMES,
      .def = "insert_delete",
      .doc = "Shape of a record: `insert_delete`, `debezium` (key and value messages) or `snowflake` (the row with "
             "action, stream id "
             "and sequence number). With redis_output it is `redis`, whatever stands here: the row." },
    { .key = "json_flavor",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, flavor),
      .set_at = offsetof(cfg_t, flavor_set),
      .names = HG_JSON_FLAVOR_NAMES,
      .doc = "How dates, times, decimals, variants and binary values are spelled. Default: `default`; with `debezium` "
             "`kafka_connect_json_converter`, with `snowflake` `snowflake`." },
    { .key = "buffer_size_records",
      .type = HG_OPT_U32,
      .at = offsetof(cfg_t, buffer_size_records),
      .def = "10000",
      .min = 1,
      .unit = "records",
      .doc = "Records per message or array. Always 1 with `debezium`, `snowflake` and `redis`." },
    { .key = "array",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, array),
      .def = "false",
      .doc = "Write each buffer as one JSON array." },
    { .key = "key_fields",
      .type = HG_OPT_STRLIST,
      .at = offsetof(cfg_t, key_fields),
      .doc = "With `debezium`: the columns of the message key. Default: all columns. With redis_output: the columns of "
             "the key, required." },
    { .key = NULL },
};

typedef struct json_encoder {
    hg_encoder_t base;
    const hg_schema_t *schema;
    const hg_json_flavor_t *flavor;
    hg_jupdate_t update;
    hg_packer_t pack;
    hg_buf_t names; /* `{"a":` `,"b":` … one after another */
    uint32_t *name_end;
    uint32_t *key;
    uint32_t n_key;
    hg_buf_t key_head, value_head; /* `{"schema":…,"payload":` */
    uint64_t stream_id, seq;
    hg_str_t separator; /* redis; borrowed */
} json_encoder_t;

void hg_json_encoder_free(hg_encoder_t *base)
{
    json_encoder_t *e = (json_encoder_t *)(void *)base;
    hg_buf_release(&e->names);
    hg_buf_release(&e->key_head);
    hg_buf_release(&e->value_head);
    hg_packer_release(&e->pack);
    hg_free(e->name_end);
    hg_free(e->key);
    hg_free(e);
}

static void make_names(json_encoder_t *e)
{
    e->name_end = HG_NEWN(uint32_t, e->schema->n_cols + 1);
    for (uint32_t i = 0; i < e->schema->n_cols; i++) {
        hg_buf_addc(&e->names, i ? ',' : '{');
        hg_json_quote(&e->names, e->schema->cols[i].name);
        hg_buf_addc(&e->names, ':');
        e->name_end[i + 1] = (uint32_t)e->names.len;
    }
}

static void make_heads(json_encoder_t *e)
{
    hg_buf_addc(&e->key_head, '{');
    hg_buf_addc(&e->value_head, '{');
    if (e->flavor->connect_schema) {
        hg_jw_t w;
        hg_buf_adds(&e->key_head, "\"schema\":");
        hg_jw_init(&w, &e->key_head);
        hg_connect_struct(&w, e->schema->cols, e->key, e->n_key, NULL, false);
        hg_buf_addc(&e->key_head, ',');
        hg_buf_adds(&e->value_head, "\"schema\":");
        hg_jw_init(&w, &e->value_head);
        hg_connect_envelope(&w, e->schema->cols, e->schema->n_cols);
        hg_buf_addc(&e->value_head, ',');
    }
    hg_buf_adds(&e->key_head, "\"payload\":");
    hg_buf_adds(&e->value_head, "\"payload\":{\"op\":\"");
}

static int find_key(json_encoder_t *e, const cfg_t *c, hg_err_t *err)
{
    uint32_t n = c->key_fields.n ? c->key_fields.n : e->schema->n_cols;
    e->key = HG_NEWN(uint32_t, HG_MAX(n, 1u));
    e->n_key = n;
    for (uint32_t i = 0; i < n; i++) {
        if (c->key_fields.n == 0) {
            e->key[i] = i;
            continue;
        }
        int col = hg_schema_find(e->schema, hg_strz(c->key_fields.v[i]), false);
        if (col < 0)
            return hg_err_option(err, HG_EINVALENCODER, "key_fields",
                                 "'key_fields' names column '%s', which '" HG_SF "' does not have", c->key_fields.v[i],
                                 HG_SA(e->schema->name));
        e->key[i] = (uint32_t)col;
    }
    return 0;
}

static int check_config(const cfg_t *c, const hg_encode_env_t *env, hg_err_t *err)
{
    if (env->key) return hg_err_option(err, HG_EINVALENCODER, "index", "JSON encoder cannot be attached to an index");
    if (env->key_separator) {
        if (!c->key_fields.n)
            return hg_err_option(err, HG_EINVALENCODER, "key_fields",
                                 "'key_fields' is required: the columns whose values make the key, for example "
                                 "[\"id\"]");
        if (c->array)
            return hg_err_option(err, HG_EINVALENCODER, "array", "'array' is not possible where each row is a value");
        return 0;
    }
    if (c->update == HG_JU_RAW || c->update == HG_JU_WEIGHTED || c->update == HG_JU_REDIS) {
        static const char *const names[] = {
            [HG_JU_RAW] = "raw", [HG_JU_WEIGHTED] = "weighted", [HG_JU_REDIS] = "redis"
        };
        return hg_err_option(err, HG_EINVALENCODER, "update_format",
                             "'%s' update format is not supported for output JSON streams", names[c->update]);
    }
    if (c->key_fields.n && c->update != HG_JU_DEBEZIUM)
        return hg_err_option(err, HG_EINVALENCODER, "key_fields",
                             "'key_fields' is only for the update formats 'debezium' and 'redis'");
    if (c->update == HG_JU_DEBEZIUM && !env->want_messages)
        return hg_err_option(
            err, HG_EINVALENCODER, "update_format",
            "this output transport does not support key-value pairs, which the update format 'debezium' needs");
    return 0;
}

int hg_json_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    const cfg_t *c = cfg;
    int rc = check_config(c, env, err);
    if (rc == 0) rc = hg_json_writable(env->schema, "JSON", err);
    if (rc < 0) return rc;
    int flavor = HG_JF_DEFAULT;
    if (c->update == HG_JU_DEBEZIUM && !env->key_separator) flavor = HG_JF_CONNECT;
    if (c->update == HG_JU_SNOWFLAKE && !env->key_separator) flavor = HG_JF_SNOWFLAKE;
    json_encoder_t *e = HG_NEW(json_encoder_t);
    e->schema = env->schema;
    e->flavor = &hg_json_flavors[c->flavor_set ? c->flavor : flavor];
    e->update = env->key_separator ? HG_JU_REDIS : (hg_jupdate_t)c->update;
    if (env->key_separator) e->separator = hg_strz(env->key_separator);
    hg_packer_init(&e->pack, "JSON", env, e->update == HG_JU_INSERT_DELETE ? c->buffer_size_records : 1, c->array);
    hg_buf_init(&e->names, HG_BUF_NOMAX);
    hg_buf_init(&e->key_head, HG_BUF_NOMAX);
    hg_buf_init(&e->value_head, HG_BUF_NOMAX);
    make_names(e);
    rc = find_key(e, c, err);
    if (rc < 0) {
        hg_json_encoder_free(&e->base);
        return rc;
    }
    make_heads(e);
    hg_random(&e->stream_id, sizeof e->stream_id);
    e->stream_id >>= 1;
    *ret = &e->base;
    return 0;
}

/* --- records --- */

/* The row without its closing brace. */
static int open_row(const json_encoder_t *e, hg_buf_t *out, const hg_batch_t *b, uint32_t row)
{
    int rc = e->schema->n_cols ? 0 : hg_buf_addc(out, '{');
    for (uint32_t i = 0; i < e->schema->n_cols && rc == 0; i++) {
        rc = hg_buf_add(out, e->names.p + e->name_end[i], e->name_end[i + 1] - e->name_end[i]);
        if (rc == 0) rc = hg_json_cell_print(out, b->cols[i], row, e->flavor);
    }
    return rc;
}

static int insert_delete(const json_encoder_t *e, hg_buf_t *out, const hg_batch_t *b, uint32_t row, bool del)
{
    int rc = hg_buf_add(out, del ? "{\"delete\":" : "{\"insert\":", 10);
    if (rc == 0) rc = open_row(e, out, b, row);
    return rc == 0 ? hg_buf_add(out, "}}", 2) : rc;
}

static int snowflake(json_encoder_t *e, hg_buf_t *out, const hg_batch_t *b, uint32_t row, bool del)
{
    int rc = open_row(e, out, b, row);
    if (rc == 0)
        rc = hg_buf_addf(out, "%s\"__action\":\"%s\",\"__stream_id\":%" PRIu64 ",\"__seq_number\":%" PRIu64 "}",
                         e->schema->n_cols ? "," : "", del ? "delete" : "insert", e->stream_id, e->seq);
    if (rc == 0) e->seq++;
    return rc;
}

static int debezium_key(const json_encoder_t *e, hg_buf_t *out, const hg_batch_t *b, uint32_t row)
{
    int rc = hg_buf_addstr(out, hg_buf_str(&e->key_head));
    for (uint32_t i = 0; i < e->n_key && rc == 0; i++) {
        uint32_t col = e->key[i];
        rc = hg_buf_addc(out, i ? ',' : '{');
        if (rc == 0)
            rc = hg_buf_add(out, e->names.p + e->name_end[col] + 1, e->name_end[col + 1] - e->name_end[col] - 1);
        if (rc == 0) rc = hg_json_cell_print(out, b->cols[col], row, e->flavor);
    }
    return rc == 0 ? hg_buf_add(out, "}}", 2) : rc;
}

static int debezium(const json_encoder_t *e, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, bool del)
{
    int rc = debezium_key(e, s->key, b, row);
    if (rc == 0) rc = hg_buf_addstr(s->buf, hg_buf_str(&e->value_head));
    if (rc == 0) rc = hg_buf_adds(s->buf, del ? "d\",\"before\":" : "c\",\"after\":");
    if (rc == 0) rc = open_row(e, s->buf, b, row);
    return rc == 0 ? hg_buf_add(s->buf, "}}}", 3) : rc;
}

/* Strings as they are, whatever else as JSON, without the quotes that dates and the like have there. */
static int key_part(hg_buf_t *out, const hg_col_t *c, uint32_t row, const hg_json_flavor_t *f)
{
    hg_kind_t kind = c->type->kind;
    size_t at = out->len;
    if ((kind == HG_T_VARCHAR || kind == HG_T_CHAR) && !hg_col_null(c, row))
        return hg_buf_addstr(out, hg_col_var(c, row));
    int rc = hg_json_cell_print(out, c, row, f);
    if (rc < 0 || out->p[at] != '"' || kind == HG_T_VARIANT) return rc;
    out->len -= 2;
    memmove(out->p + at, out->p + at + 1, out->len - at);
    out->p[out->len] = 0;
    return 0;
}

static int by_key(const json_encoder_t *e, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, bool del)
{
    int rc = 0;
    for (uint32_t i = 0; i < e->n_key && rc == 0; i++) {
        if (i) rc = hg_buf_addstr(s->key, e->separator);
        if (rc == 0) rc = key_part(s->key, b->cols[e->key[i]], row, e->flavor);
    }
    if (rc < 0 || del) return rc;
    rc = open_row(e, s->buf, b, row);
    return rc == 0 ? hg_buf_adds(s->buf, "}\n") : rc;
}

static int record(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, int64_t weight, hg_err_t *err)
{
    json_encoder_t *e = arg;
    bool del = weight < 0;
    int rc = hg_pack_open(&e->pack, s);
    if (rc == 0) {
        if (e->update == HG_JU_REDIS)
            rc = by_key(e, s, b, row, del);
        else if (e->update == HG_JU_DEBEZIUM)
            rc = debezium(e, s, b, row, del);
        else if (e->update == HG_JU_SNOWFLAKE)
            rc = snowflake(e, s->buf, b, row, del);
        else
            rc = insert_delete(e, s->buf, b, row, del);
    }
    if (rc == 0 && !e->pack.array && e->update != HG_JU_REDIS) rc = hg_buf_addc(s->buf, '\n');
    if (rc == HG_ERANGE)
        hg_err_set(err, rc, "a binary value of more than %d bytes cannot be written in base58", HG_BASE58_MAX);
    return hg_pack_close(&e->pack, s, rc, err);
}

int hg_json_encode(hg_encoder_t *base, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err)
{
    json_encoder_t *e = (json_encoder_t *)(void *)base;
    hg_pack_reset(&e->pack);
    int rc = hg_encode_each(delta, true, record, e, sink, err);
    return rc < 0 ? rc : hg_pack_flush(&e->pack, sink, true, err);
}
