/* opts_print.c: option tables as documentation, and configurations without their secrets (opts.h). */
#include "base/hg.h"
#include "base/opts.h"

bool hg_secret_name(hg_str_t key)
{
    static const char *const parts[] = { "password",    "passwd",      "secret",        "token",
                                         "private_key", "ssl.key.pem", "access_key",    "credential",
                                         "sasl.jaas",   "passphrase",  "authorization", "cookie",
                                         "api_key",     "apikey",      "api-key",       "oauthbearer.config" };
    char low[128];
    size_t n = HG_MIN(key.n, sizeof low - 1);
    for (size_t i = 0; i < n; i++) low[i] = (char)(key.p[i] >= 'A' && key.p[i] <= 'Z' ? key.p[i] + 32 : key.p[i]);
    low[n] = 0;
    for (size_t i = 0; i < HG_COUNT(parts); i++)
        if (strstr(low, parts[i])) return true;
    return false;
}

static void redact(const hg_opt_t *table, const hg_json_t *v, hg_jw_t *w)
{
    if (v->kind == HG_J_ARRAY) {
        hg_jw_arr(w);
        for (const hg_json_t *c = v->child; c; c = c->next) redact(NULL, c, w);
        hg_jw_end_arr(w);
        return;
    }
    if (v->kind != HG_J_OBJECT) {
        hg_jw_node(w, v);
        return;
    }
    hg_jw_obj(w);
    for (const hg_json_t *c = v->child; c; c = c->next) {
        bool secret = hg_secret_name(c->key);
        for (const hg_opt_t *o = table; o && o->key; o++)
            if (hg_str_eqz(c->key, o->key)) secret = (o->flags & HG_OPT_SECRET) != 0;
        hg_jw_key(w, c->key.p);
        if (secret)
            hg_jw_strz(w, "***");
        else
            redact(NULL, c, w);
    }
    hg_jw_end_obj(w);
}

void hg_opts_redact(const hg_opt_t *table, const hg_json_t *obj, hg_buf_t *out)
{
    hg_jw_t w;
    hg_jw_init(&w, out);
    redact(table, obj, &w);
}

static const char *type_word(const hg_opt_t *o)
{
    switch (o->type) {
    case HG_OPT_STR:
        return "string";
    case HG_OPT_BOOL:
        return "boolean";
    case HG_OPT_U32:
    case HG_OPT_U64:
    case HG_OPT_I64:
        return "integer";
    case HG_OPT_F64:
        return "number";
    case HG_OPT_ENUM:
        return "enum";
    case HG_OPT_STRLIST:
        return o->flags & HG_OPT_ONE_OR_MANY ? "string or list" : "list of strings";
    case HG_OPT_JSON:
        return "JSON";
    case HG_OPT_DURATION:
        return "duration";
    default:
        return "?";
    }
}

void hg_opts_doc(const hg_opt_t *table, hg_buf_t *out)
{
    hg_buf_adds(out, "| option | type | default | meaning |\n|---|---|---|---|\n");
    for (const hg_opt_t *o = table; o && o->key; o++) {
        hg_buf_addf(out, "| `%s` | %s", o->key, type_word(o));
        if (o->unit) hg_buf_addf(out, ", %s", o->unit);
        if (o->flags & HG_OPT_REQUIRED)
            hg_buf_adds(out, " | required | ");
        else if (o->def)
            hg_buf_addf(out, " | `%s` | ", o->def);
        else
            hg_buf_adds(out, " | | ");
        if (o->flags & HG_OPT_DEPRECATED) hg_buf_adds(out, "Deprecated. ");
        if (o->flags & HG_OPT_IGNORED) hg_buf_adds(out, "Without effect. ");
        if (o->doc) hg_buf_adds(out, o->doc);
        if (o->type == HG_OPT_ENUM) {
            hg_buf_adds(out, " One of: ");
            for (const char *p = o->names; *p; p++) {
                if (*p == '|')
                    hg_buf_adds(out, ", ");
                else
                    hg_buf_addc(out, *p);
            }
            hg_buf_addc(out, '.');
        }
        if (o->flags & HG_OPT_SECRET) hg_buf_adds(out, " Never printed.");
        hg_buf_adds(out, " |\n");
    }
}
