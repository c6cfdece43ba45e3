/* request_format.c: a data format and its options from the query parameters of an HTTP request. */
#include "base/hg.h"
#include "pipeline/server_int.h"

typedef struct {
    hg_err_t *err;
    int code;
} diag_arg_t;

static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    diag_arg_t *d = arg;
    (void)node, (void)at_key;
    if (!warning && d->err->code == HG_OK) hg_err_set(d->err, (hg_code_t)d->code, "%s", msg);
}

/* A parameter becomes a JSON value of the type that the option has. */
static void put_param(hg_jw_t *w, const hg_opt_t *o, hg_str_t v)
{
    bool word = hg_str_eqz(v, "true") || hg_str_eqz(v, "false");
    bool number = v.n > 0;
    for (size_t i = 0; i < v.n; i++) number &= v.p[i] >= '0' && v.p[i] <= '9';
    hg_jw_key(w, o->key);
    if ((o->type == HG_OPT_BOOL && word) || ((o->type == HG_OPT_U32 || o->type == HG_OPT_U64) && number))
        hg_jw_raw(w, v);
    else
        hg_jw_str(w, v);
}

int hg_format_config(const hg_format_type_t *type, hg_arena_t *a, bool input, hg_str_t options, const void **ret_cfg,
                     hg_err_t *err)
{
    hg_json_t *obj;
    diag_arg_t da = { err, input ? HG_EINVALPARSER : HG_EINVALENCODER };
    hg_diag_t d = { .fn = on_diag, .arg = &da };
    void *cfg = hg_arena_alloc(a, HG_MAX(input ? type->in_cfg : type->out_cfg, (size_t)1));
    hg_kvlist_t extra = { 0 };
    err->code = HG_OK;
    int rc = hg_json_parse(a, options, &obj, err);
    if (rc == 0) rc = hg_opts_parse(input ? type->in_opts : type->out_opts, obj, obj, type->extra, &extra, a, cfg, &d);
    if (rc < 0) return err->code;
    *ret_cfg = cfg;
    return 0;
}

static bool is_usable(const hg_format_type_t *type, bool input)
{
    return input ? type->parser_new != NULL : type->encoder_new && !type->binary;
}

static int unknown_format(hg_str_t name, bool input, hg_err_t *err)
{
    uint32_t n = 0;
    const hg_format_type_t *const *all = hg_formats(&n);
    char known[256] = "";
    for (uint32_t i = 0; i < n; i++) {
        if (!is_usable(all[i], input)) continue;
        size_t used = strlen(known);
        snprintf(known + used, sizeof known - used, "%s%s", used ? ", " : "", all[i]->name);
    }
    return hg_err_set(err, input ? HG_EUNKNOWNFORMAT : HG_EUNKNOWNOUTFORMAT,
                      "unknown %s format '" HG_SF "'; known here: %s", input ? "input" : "output", HG_SA(name), known);
}

int hg_request_format(hg_req_t *r, hg_arena_t *a, bool input, const char *dflt, const char *force,
                      const hg_format_type_t **ret_type, const void **ret_cfg, const char **ret_text, hg_err_t *err)
{
    hg_str_t name = hg_req_param(r, "format");
    if (!name.p) name = hg_strz(dflt);
    const hg_format_type_t *type = hg_format_find(name);
    const hg_opt_t *opts = !type ? NULL : input ? type->in_opts : type->out_opts;
    *ret_text = hg_arena_strndup(a, name.p, name.n);
    if (!type || !is_usable(type, input)) return unknown_format(name, input, err);

    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, 1u << 20);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    for (const hg_opt_t *o = opts; o && o->key; o++) {
        hg_str_t v = hg_req_param(r, o->key);
        if (v.p && (o->flags & HG_OPT_PROGRAM_ONLY)) {
            hg_buf_release(&b);
            return hg_err_set(err, input ? HG_EINVALPARSER : HG_EINVALENCODER,
                              "option '%s' cannot be given with a request: what is connected to stands in a program",
                              o->key);
        }
        if (v.p) put_param(&w, o, v);
    }
    if (force) {
        hg_json_t *f;
        hg_err_t ignored;
        HG_ASSERT(hg_json_parse(a, hg_strz(force), &f, &ignored) == 0);
        for (const hg_json_t *m = f->child; m; m = m->next) {
            hg_jw_key(&w, m->key.p);
            hg_jw_node(&w, m);
        }
    }
    hg_jw_end_obj(&w);
    *ret_text = hg_arena_printf(a, HG_SF " " HG_SF, HG_SA(name), HG_SA(hg_buf_str(&b)));

    int rc = hg_format_config(type, a, input, hg_buf_str(&b), ret_cfg, err);
    hg_buf_release(&b);
    *ret_type = type;
    return rc;
}
