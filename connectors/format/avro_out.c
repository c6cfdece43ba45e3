/* avro_out.c: deltas → Avro messages, key and value, each behind five bytes that name its schema.
 *
 *   raw             value = the row (of a delete: as it was), the operation in the header `op`; with an index its
 * columns as key, and one message per key confluent_jdbc  key = the index's columns, or the whole row; a delete has no
 * value
 *
 * The schemas are the user's or made from the view, and registered when the output starts: nothing is encoded before
 * the registry has given their ids (hg_format_type_t.encoder_ask). One encoder serves one output, whose steps come in
 * order. */
#include "base/hg.h"
#include "connectors/format/avro_int.h"
#include "connectors/format/encode_int.h"
#include "connectors/format/keyed_int.h"

typedef hg_avro_out_cfg_t cfg_t;
enum { UPDATE_RAW, UPDATE_JDBC, UPDATE_DEBEZIUM };
enum { KEY_NONE, KEY_FIELDS };
enum { BY_TOPIC, BY_RECORD, BY_TOPIC_RECORD };

const hg_opt_t hg_avro_out_opts[] = {
    { .key = "update_format",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, update),
      .names = "raw|confluent_jdbc|debezium",
      .def = "raw",
      .doc =
          "`raw`: the row, with the operation in the message header `op`. `confluent_jdbc`: key and value as the JDBC "
          "sink of Kafka Connect takes them; a delete has no value. `debezium` exists for input only." },
    { .key = "schema",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, schema),
      .doc = "Schema of the values, as JSON text. Default: made from the view." },
    { .key = "key_mode",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, key_mode),
      .set_at = offsetof(cfg_t, key_mode_set),
      .names = "none|key_fields",
      .doc =
          "With `raw`: what is the key of a message: `key_fields`, the columns of the connector's `index`, or `none`. "
          "Default: `key_fields` with an index, else `none`." },
    { .key = "cdc_field",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, cdc_field),
      .doc = "With `raw` and an index: name of a string field behind the columns that says what happened: `I`, `U` or "
             "`D`." },
    { .key = "namespace",
      .type = HG_OPT_STR,
      .at = offsetof(cfg_t, space),
      .doc = "Namespace of the schemas that are made." },
    { .key = "subject_name_strategy",
      .type = HG_OPT_ENUM,
      .at = offsetof(cfg_t, subject),
      .set_at = offsetof(cfg_t, subject_set),
      .names = "topic_name|record_name|topic_record_name",
      .doc =
          "Under which name schemas are registered. Default: `record_name`, with `confluent_jdbc` `topic_name`. With a "
          "key `topic_name` is `<topic>-key` and `<topic>-value`, else the topic." },
    { .key = "skip_schema_id",
      .type = HG_OPT_BOOL,
      .at = offsetof(cfg_t, skip_schema_id),
      .def = "false",
      .doc = "Write no five bytes in front of each record." },
    { .key = "threads",
      .type = HG_OPT_U32,
      .at = offsetof(cfg_t, threads),
      .def = "4",
      .min = 1,
      .flags = HG_OPT_IGNORED,
      .doc = "Outputs are encoded on the pipeline's pool." },
    HG_AVRO_REGISTRY_OPTS(cfg_t),
    { .key = NULL },
};

/* One of the two schemas. */
typedef struct side {
    bool used, registered;
    hg_aput_t row;
    hg_str_t text; /* of the schema */
    const char *subject;
    char header[5];
} side_t;

typedef struct avro_encoder {
    hg_encoder_t base;
    const hg_schema_t *schema;
    bool jdbc, skip_header, by_key;
    const char *cdc_field;
    size_t max_message;
    side_t key, value;
    hg_keyed_t keyed;
    uint32_t *all; /* every column */
    hg_avro_link_t link;
    hg_arena_t *arena;
    side_t *asked;
} avro_encoder_t;

/* --- configuration --- */

static int check_index(const cfg_t *c, const hg_encode_env_t *env, hg_err_t *err)
{
    if (c->key_mode_set && c->update != UPDATE_RAW)
        return hg_err_option(err, HG_EINVALENCODER, "key_mode", "'key_mode' is only for the update format 'raw'");
    if (c->key_mode_set && c->key_mode == KEY_FIELDS && !env->n_key)
        return hg_err_option(
            err, HG_EINVALENCODER, "key_mode",
            "key mode 'key_fields' needs the connector's 'index': \"index\": \"i\" beside CREATE INDEX "
            "i ON " HG_SF "(…)",
            HG_SA(env->schema->name));
    if (!c->cdc_field) return 0;
    if (c->update != UPDATE_RAW || !env->n_key)
        return hg_err_option(err, HG_EINVALENCODER, "cdc_field",
                             "'cdc_field' needs the update format 'raw' and the connector's 'index'");
    if (!hg_avro_is_name(hg_strz(c->cdc_field)))
        return hg_err_option(err, HG_EINVALENCODER, "cdc_field",
                             "'%s' is no name in Avro: letters, digits and _, no digit first", c->cdc_field);
    for (uint32_t i = 0; i < env->schema->n_cols; i++)
        if (hg_str_ieq(env->schema->cols[i].name, hg_strz(c->cdc_field)))
            return hg_err_option(err, HG_EINVALENCODER, "cdc_field", "the view has a column '%s' already",
                                 c->cdc_field);
    return 0;
}

static int strategy(const cfg_t *c)
{
    if (c->subject_set) return c->subject;
    return c->update == UPDATE_JDBC ? BY_TOPIC : BY_RECORD;
}

static int check_config(const cfg_t *c, const hg_encode_env_t *env, hg_err_t *err)
{
    if (c->update == UPDATE_DEBEZIUM)
        return hg_err_option(err, HG_EINVALENCODER, "update_format",
                             "'debezium' update format is not supported for output Avro streams");
    if (!env->want_messages)
        return hg_err_set(err, HG_EINVALENCODER,
                          "this output transport does not support key-value pairs, which the format 'avro' needs");
    int rc = check_index(c, env, err);
    if (rc == 0) rc = hg_avro_registry_check(&c->registry, HG_EINVALENCODER, err);
    if (rc < 0) return rc;
    if (c->registry.urls.n && strategy(c) != BY_RECORD && !env->topic)
        return hg_err_option(err, HG_EINVALENCODER, "subject_name_strategy",
                             "this output transport has no topic to name a subject after: use 'record_name'");
    return 0;
}

/* --- schemas --- */

static const char *subject(const avro_encoder_t *e, const cfg_t *c, const hg_encode_env_t *env, const side_t *s)
{
    hg_str_t record = s->row.to->name;
    const char *suffix = !e->key.used ? "" : s == &e->key ? "-key" : "-value";
    if (strategy(c) == BY_RECORD) return hg_arena_printf(e->arena, HG_SF, HG_SA(record));
    if (strategy(c) == BY_TOPIC) return hg_arena_printf(e->arena, "%s%s", env->topic, suffix);
    return hg_arena_printf(e->arena, "%s-" HG_SF "%s", env->topic, HG_SA(record), suffix);
}

static int take_schema(avro_encoder_t *e, side_t *s, const uint32_t *pick, uint32_t n, hg_err_t *err)
{
    hg_avro_names_t names = { .arena = e->arena };
    const hg_avro_t *t = NULL;
    int rc = hg_avro_parse(&names, s->text, &t, err);
    if (rc < 0) return rc;
    return hg_aput_record(&s->row, e->schema->cols, pick, n, s == &e->value ? e->cdc_field : NULL, t, err);
}

static int make_schema(avro_encoder_t *e, side_t *s, const hg_avro_made_t *m, hg_err_t *err)
{
    hg_buf_t text;
    hg_buf_init(&text, HG_AVRO_MAX_SCHEMA);
    int rc = hg_avro_make(m, &text, err);
    s->text = hg_arena_str(e->arena, hg_buf_str(&text));
    hg_buf_release(&text);
    return rc < 0 ? rc : take_schema(e, s, m->pick, m->n, err);
}

static int init_value(avro_encoder_t *e, const cfg_t *c, const hg_encode_env_t *env, hg_err_t *err)
{
    uint32_t n = env->schema->n_cols;
    e->value.used = true;
    if (c->schema) {
        hg_err_t why = HG_ERR_INIT;
        e->value.text = hg_strz(c->schema);
        if (take_schema(e, &e->value, e->all, n, &why) < 0)
            return hg_err_option(err, HG_EINVALENCODER, "schema", "error validating Avro schema: %s", why.msg);
        return 0;
    }
    hg_avro_made_t m = { .name = env->schema->name,
                         .space = c->space,
                         .cols = env->schema->cols,
                         .pick = e->all,
                         .n = n,
                         .keep = env->n_key ? env->key : NULL,
                         .n_keep = env->n_key,
                         .cdc_field = c->cdc_field };
    return make_schema(e, &e->value, &m, err);
}

static int init_key(avro_encoder_t *e, const cfg_t *c, const hg_encode_env_t *env, hg_err_t *err)
{
    bool raw = c->update == UPDATE_RAW, whole = !env->n_key;
    e->key.used = !raw || (env->n_key && !(c->key_mode_set && c->key_mode == KEY_NONE));
    if (!e->key.used) return 0;
    hg_avro_made_t m = { .name = whole || !env->index ? env->schema->name : hg_strz(env->index),
                         .space = c->space,
                         .cols = env->schema->cols,
                         .pick = whole ? e->all : env->key,
                         .n = whole ? env->schema->n_cols : env->n_key };
    return make_schema(e, &e->key, &m, err);
}

/* --- the encoder object --- */

void hg_avro_encoder_free(hg_encoder_t *base)
{
    avro_encoder_t *e = (avro_encoder_t *)(void *)base;
    hg_aput_release(&e->key.row);
    hg_aput_release(&e->value.row);
    hg_keyed_release(&e->keyed);
    hg_free(e->all);
    hg_arena_free(e->arena);
    hg_free(e);
}

int hg_avro_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    const cfg_t *c = cfg;
    int rc = check_config(c, env, err);
    if (rc < 0) return rc;
    avro_encoder_t *e = HG_NEW(avro_encoder_t);
    e->schema = env->schema;
    e->jdbc = c->update == UPDATE_JDBC;
    e->skip_header = c->skip_schema_id;
    e->by_key = env->n_key > 0;
    e->cdc_field = c->cdc_field;
    e->max_message = env->max_message;
    e->arena = hg_arena_new();
    e->all = HG_NEWN(uint32_t, HG_MAX(env->schema->n_cols, 1u));
    for (uint32_t i = 0; i < env->schema->n_cols; i++) e->all[i] = i;
    hg_keyed_init(&e->keyed, env);
    hg_avro_link_init(&e->link, &c->registry, e->arena);
    rc = init_value(e, c, env, err);
    if (rc == 0) rc = init_key(e, c, env, err);
    if (rc < 0) {
        hg_avro_encoder_free(&e->base);
        return rc;
    }
    side_t *sides[] = { &e->key, &e->value };
    for (size_t i = 0; i < HG_COUNT(sides); i++) {
        sides[i]->registered = !sides[i]->used || !c->registry.urls.n; /* without a registry: id 0 */
        if (!sides[i]->registered) sides[i]->subject = subject(e, c, env, sides[i]);
    }
    *ret = &e->base;
    return 0;
}

/* --- registering --- */

bool hg_avro_encoder_ask(void *encoder, hg_ask_t *ret)
{
    avro_encoder_t *e = encoder;
    e->asked = !e->key.registered ? &e->key : !e->value.registered ? &e->value : NULL;
    if (!e->asked) return false;
    hg_buf_t path, body;
    hg_buf_init(&path, 1 << 16);
    hg_buf_init(&body, 2 * HG_AVRO_MAX_SCHEMA);
    (void)hg_buf_adds(&path, "/subjects/");
    (void)hg_pct_encode(&path, hg_strz(e->asked->subject));
    (void)hg_buf_adds(&path, "/versions");
    hg_jw_t w;
    hg_jw_init(&w, &body);
    hg_jw_obj(&w);
    hg_jw_key(&w, "schema");
    hg_jw_str(&w, e->asked->text);
    hg_jw_end_obj(&w);
    hg_avro_link_ask(&e->link, ret);
    ret->method = "POST";
    ret->path = hg_arena_str(e->arena, hg_buf_str(&path)).p;
    ret->body = hg_arena_str(e->arena, hg_buf_str(&body));
    hg_buf_release(&path);
    hg_buf_release(&body);
    return true;
}

int hg_avro_encoder_answer(void *encoder, int status, hg_str_t body, hg_err_t *err)
{
    avro_encoder_t *e = encoder;
    char what[280];
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v = NULL;
    uint64_t id = 0;
    snprintf(what, sizeof what, "schema of subject '%.200s'", e->asked->subject);
    int rc = status == 200 ? hg_avro_answer(a, body, what, &v, err) : hg_avro_refusal(status, body, what, err);
    const hg_json_t *number = rc == 0 ? hg_json_get(v, "id") : NULL;
    if (rc == 0 && (!number || hg_json_u64(number, &id) < 0 || id > UINT32_MAX))
        rc = hg_err_set(err, HG_EPROTO, "%s: the answer of the schema registry has no \"id\"", what);
    if (rc == 0) {
        uint32_t be = htobe32((uint32_t)id);
        memcpy(e->asked->header + 1, &be, 4);
        e->asked->registered = true;
    }
    hg_arena_free(a);
    return rc;
}

/* --- messages --- */

static int put_side(const avro_encoder_t *e, const side_t *s, hg_buf_t *out, const hg_batch_t *b, uint32_t row,
                    const char *word, hg_err_t *err)
{
    int rc = e->skip_header ? 0 : hg_buf_add(out, s->header, sizeof s->header);
    return rc == 0 ? hg_aput_row(&s->row, out, b->cols, row, word, err) : rc;
}

static int refuse(hg_encode_sink_t *s, int rc, hg_err_t *err)
{
    hg_buf_clear(s->buf);
    hg_buf_clear(s->key);
    return err->code ? rc : hg_err_set(err, HG_ENOMEM, "out of memory while encoding Avro records");
}

static int message(const avro_encoder_t *e, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, char op,
                   hg_err_t *err)
{
    const char *word = op == HG_KEYED_DELETE ? "D" : op == HG_KEYED_UPDATE ? "U" : "I";
    bool tombstone = e->jdbc && op == HG_KEYED_DELETE;
    int rc = e->key.used ? put_side(e, &e->key, s->key, b, row, NULL, err) : 0;
    if (rc == 0 && !tombstone) rc = put_side(e, &e->value, s->buf, b, row, word, err);
    if (rc < 0) return refuse(s, rc, err);
    size_t n = s->buf->len + s->key->len;
    if (e->max_message && n > e->max_message) {
        hg_err_set(err, HG_ETOOBIG,
                   "Avro record exceeds maximum buffer size supported by the output transport: %zu bytes, at most %zu",
                   n, e->max_message);
        return refuse(s, HG_ETOOBIG, err);
    }
    if (!e->jdbc) s->op = op == HG_KEYED_DELETE ? "delete" : op == HG_KEYED_UPDATE ? "update" : "insert";
    s->records++;
    return s->message ? s->message(s, 1, err) : 0;
}

static int keyed_row(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, char op, hg_err_t *err)
{
    return message(arg, s, b, row, op, err);
}

static int plain_row(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, int64_t weight, hg_err_t *err)
{
    return message(arg, s, b, row, weight < 0 ? HG_KEYED_DELETE : HG_KEYED_INSERT, err);
}

int hg_avro_encode(hg_encoder_t *base, const hg_delta_t *delta, hg_encode_sink_t *sink, hg_err_t *err)
{
    avro_encoder_t *e = (avro_encoder_t *)(void *)base;
    if (e->by_key) return hg_keyed_each(&e->keyed, delta, keyed_row, e, sink, err);
    return hg_encode_each(delta, true, plain_row, e, sink, err);
}
