/* A small registry for the compiler's tests: transports and a format whose options are known here, so that what the
 * real ones grow later changes no expectation. Defining the registry's functions keeps the real one out of the link. */
#ifndef TESTS_UNIT_COMPILE_FAKE_REGISTRY_H
#define TESTS_UNIT_COMPILE_FAKE_REGISTRY_H

#include "connectors/connector.h"
#include "connectors/format.h"

typedef struct fake_cfg {
    hg_kvlist_t extra; /* first: kafka takes what it does not know */
    const char *path, *topic;
    int start_from;
    bool follow;
    uint64_t limit;
    bool limit_set;
    const hg_json_t *plan;
} fake_cfg_t;

#define AT(f) offsetof(fake_cfg_t, f)
static const hg_opt_t fake_url_opts[] = {
    { .key = "path", .type = HG_OPT_STR, .at = AT(path), .flags = HG_OPT_REQUIRED, .doc = "URL." },
    { .key = NULL },
};
static const hg_opt_t fake_file_opts[] = {
    { .key = "path", .type = HG_OPT_STR, .at = AT(path), .flags = HG_OPT_REQUIRED, .doc = "Path." },
    { .key = "follow", .type = HG_OPT_BOOL, .at = AT(follow), .doc = "Never ends." },
    { .key = NULL },
};
static const hg_opt_t fake_kafka_opts[] = {
    { .key = "topic", .type = HG_OPT_STR, .at = AT(topic), .flags = HG_OPT_REQUIRED, .doc = "Topic." },
    { .key = "start_from",
      .type = HG_OPT_ENUM,
      .at = AT(start_from),
      .names = "latest|earliest",
      .def = "latest",
      .doc = "Where." },
    { .key = "include_topic", .type = HG_OPT_BOOL, .at = AT(follow), .flags = HG_OPT_METADATA, .doc = "Metadata." },
    { .key = NULL },
};
static const hg_opt_t fake_datagen_opts[] = {
    { .key = "limit", .type = HG_OPT_U64, .at = AT(limit), .set_at = AT(limit_set), .doc = "Rows." },
    { .key = NULL },
};
static const hg_opt_t fake_no_opts[] = { { .key = NULL } };

static bool fake_file_finite(const void *cfg)
{
    return !((const fake_cfg_t *)cfg)->follow;
}
static bool fake_datagen_finite(const void *cfg)
{
    return ((const fake_cfg_t *)cfg)->limit_set;
}
static bool fake_kafka_wants_mark(const void *cfg)
{
    return ((const fake_cfg_t *)cfg)->start_from == 0;
}
static void fake_datagen_check(const void *cfg, const hg_json_t *obj, hg_diag_t *d)
{
    const fake_cfg_t *c = cfg;
    if (c->limit_set && c->limit == 13) hg_diag(d, false, hg_json_get(obj, "limit"), false, "13 rows are never enough");
}

static const char *fake_file_no_mark(const void *cfg)
{
    const char *path = ((const fake_cfg_t *)cfg)->path;
    return path && strstr(path, ".gz") ? "path" : NULL;
}
static const char *fake_key_separator(const void *cfg)
{
    (void)cfg;
    return ":";
}

static const hg_input_type_t fake_inputs[] = {
    { .abi = 1, .name = "url_input", .opts = fake_url_opts, .cfg_size = sizeof(fake_cfg_t), .caps = HG_CAP_FINITE },
    { .abi = 1,
      .name = "file_input",
      .opts = fake_file_opts,
      .cfg_size = sizeof(fake_cfg_t),
      .caps = HG_CAP_FINITE | HG_CAP_MARK,
      .is_finite = fake_file_finite,
      .no_mark = fake_file_no_mark },
    { .abi = 1,
      .name = "kafka_input",
      .opts = fake_kafka_opts,
      .extra = HG_EXTRA_TAKE,
      .cfg_size = sizeof(fake_cfg_t),
      .caps = HG_CAP_MARK | HG_CAP_MESSAGES,
      .wants_mark = fake_kafka_wants_mark },
    { .abi = 1,
      .name = "datagen",
      .opts = fake_datagen_opts,
      .extra = HG_EXTRA_REFUSE,
      .cfg_size = sizeof(fake_cfg_t),
      .caps = HG_CAP_FINITE | HG_CAP_BATCHES,
      .is_finite = fake_datagen_finite,
      .check = fake_datagen_check },
    { .abi = 1, .name = "empty_input", .opts = fake_no_opts, .caps = HG_CAP_FINITE },
    { .abi = 1,
      .name = "iggy_input",
      .opts = fake_kafka_opts,
      .cfg_size = sizeof(fake_cfg_t),
      .caps = HG_CAP_MESSAGES },
    { .abi = 1, .name = "http_input", .opts = fake_no_opts, .caps = HG_CAP_INTERNAL },
};
static const hg_output_type_t fake_outputs[] = {
    { .abi = 1, .name = "file_output", .opts = fake_url_opts, .cfg_size = sizeof(fake_cfg_t) },
    { .abi = 1,
      .name = "kafka_output",
      .opts = fake_kafka_opts,
      .extra = HG_EXTRA_TAKE,
      .cfg_size = sizeof(fake_cfg_t),
      .messages = true },
    { .abi = 1,
      .name = "redis_output",
      .opts = fake_url_opts,
      .cfg_size = sizeof(fake_cfg_t),
      .messages = true,
      .key_separator = fake_key_separator },
    { .abi = 1, .name = "null_output", .opts = fake_no_opts, .no_format = true },
};

typedef struct fake_format_cfg {
    int update_format;
    bool array;
} fake_format_cfg_t;
static const hg_opt_t fake_json_opts[] = {
    { .key = "update_format",
      .type = HG_OPT_ENUM,
      .at = offsetof(fake_format_cfg_t, update_format),
      .names = "insert_delete|raw|debezium",
      .def = "insert_delete",
      .doc = "Envelope." },
    { .key = "array", .type = HG_OPT_BOOL, .at = offsetof(fake_format_cfg_t, array), .doc = "Arrays." },
    { .key = NULL },
};
static int fake_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err);
static int fake_encoder_new(const void *cfg, const hg_encode_env_t *env, hg_encoder_t **ret, hg_err_t *err)
{
    static hg_encoder_t e;
    const fake_format_cfg_t *c = cfg;
    if (c->update_format == 2 && !env->want_messages)
        return hg_err_set(err, HG_EINVALENCODER, "debezium needs a transport with messages");
    *ret = &e;
    return 0;
}
static void fake_parser_free(hg_parser_t *p)
{
    (void)p;
}
static void fake_encoder_free(hg_encoder_t *e)
{
    (void)e;
}
static const hg_format_type_t fake_formats[] = {
    { .abi = 1,
      .name = "json",
      .in_opts = fake_json_opts,
      .out_opts = fake_json_opts,
      .in_cfg = sizeof(fake_format_cfg_t),
      .out_cfg = sizeof(fake_format_cfg_t),
      .parser_new = fake_parser_new,
      .parser_free = fake_parser_free,
      .encoder_new = fake_encoder_new,
      .encoder_free = fake_encoder_free },
    { .abi = 1,
      .name = "raw",
      .in_opts = fake_no_opts,
      .in_cfg = sizeof(fake_format_cfg_t),
      .parser_new = fake_parser_new,
      .parser_free = fake_parser_free },
};
/* raw is the second: it takes tables of one column only */
static int fake_parser_new(const void *cfg, const hg_parse_env_t *env, hg_parser_t **ret, hg_err_t *err)
{
    static hg_parser_t p;
    const fake_format_cfg_t *c = cfg;
    if (c->update_format == 2 && !env->schema->n_key)
        return hg_err_set(err, HG_EINVALPARSER, "debezium needs a PRIMARY KEY");
    *ret = &p;
    return 0;
}

#define FIND(list, name)                                                                                               \
    for (size_t i = 0; i < HG_COUNT(list); i++)                                                                        \
        if (hg_str_eqz(name, (list)[i].name)) return &(list)[i];                                                       \
    return NULL

const hg_input_type_t *hg_input_type_find(hg_str_t name)
{
    FIND(fake_inputs, name);
}
const hg_output_type_t *hg_output_type_find(hg_str_t name)
{
    FIND(fake_outputs, name);
}
const hg_format_type_t *hg_format_find(hg_str_t name)
{
    FIND(fake_formats, name);
}
#define ALL(kind, list)                                                                                                \
    static const kind *all[HG_COUNT(list)];                                                                            \
    for (size_t i = 0; i < HG_COUNT(list); i++) all[i] = &(list)[i];                                                   \
    *ret_n = HG_COUNT(list);                                                                                           \
    return all
const hg_input_type_t *const *hg_input_types(uint32_t *ret_n)
{
    ALL(hg_input_type_t, fake_inputs);
}
const hg_output_type_t *const *hg_output_types(uint32_t *ret_n)
{
    ALL(hg_output_type_t, fake_outputs);
}
const hg_format_type_t *const *hg_formats(uint32_t *ret_n)
{
    ALL(hg_format_type_t, fake_formats);
}
#undef AT
#undef FIND
#undef ALL

#endif
