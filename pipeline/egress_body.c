/* egress_body.c: a change stream that is asked for with a connector's configuration in the body: another way to write
 * the query parameters, so it becomes them. Request's loop.
 *
 *   {"format": {"name": "json", "config": {"array": true, …}},
 *    "transport": {"name": "http_output", "config": {"backpressure": true}}, "send_snapshot": true}
 */
#include "base/hg.h"
#include "pipeline/server_int.h"

#define CONFIG_MAX 65536

typedef struct {
    hg_pipeline_server_t *s;
    hg_str_t relation;
} ask_t;

static int bad(hg_err_t *err, const char *what)
{
    return hg_err_set(err, HG_EINVAL, "the body is a connector's configuration: %s", what);
}

static const hg_json_t *member(const hg_json_t *obj, const char *key)
{
    const hg_json_t *v = hg_json_get(obj, key);
    return v && v->kind != HG_J_NULL ? v : NULL;
}

static int put(hg_buf_t *query, hg_str_t key, const hg_json_t *v, hg_err_t *err)
{
    hg_str_t text = v->str;
    if (v->kind == HG_J_TRUE || v->kind == HG_J_FALSE)
        text = v->kind == HG_J_TRUE ? HG_S("true") : HG_S("false");
    else if (v->kind != HG_J_STRING && v->kind != HG_J_NUMBER)
        return hg_err_set(err, HG_EINVAL,
                          "the body is a connector's configuration: '" HG_SF "' is %s, which a change "
                          "stream has no option for",
                          HG_SA(key), hg_json_kind_name(v->kind));
    if (query->len) hg_buf_addc(query, '&');
    hg_pct_encode(query, key);
    hg_buf_addc(query, '=');
    hg_pct_encode(query, text);
    return 0;
}

static int put_format(const hg_json_t *doc, hg_buf_t *query, hg_err_t *err)
{
    const hg_json_t *format = member(doc, "format"), *config = member(format, "config");
    const char *name = hg_json_str(member(format, "name"), NULL);
    if (!name) return bad(err, "expected {\"format\": {\"name\": \"json\" or \"csv\", \"config\": {…}}}");
    if (config && config->kind != HG_J_OBJECT) return bad(err, "'format.config' must be an object");
    if (strcmp(name, "json") == 0 && !hg_json_bool(hg_json_get(config, "array"), false))
        return bad(err, "the format 'json' needs \"config\": {\"array\": true}: a chunk of the stream is an array");
    int rc = put(query, HG_S("format"), member(format, "name"), err);
    for (const hg_json_t *m = config ? config->child : NULL; m && rc == 0; m = m->next)
        if (m->kind != HG_J_NULL) rc = put(query, m->key, m, err);
    return rc;
}

static int put_transport(const hg_json_t *doc, hg_buf_t *query, hg_err_t *err)
{
    const hg_json_t *transport = member(doc, "transport");
    const hg_json_t *pressure = member(member(transport, "config"), "backpressure");
    if (!transport) return 0;
    if (strcmp(hg_json_str(member(transport, "name"), ""), "http_output") != 0)
        return bad(err, "the transport of a change stream is 'http_output'");
    return pressure ? put(query, HG_S("backpressure"), pressure, err) : 0;
}

int hg_egress_body_query(hg_req_t *r, hg_str_t body, hg_buf_t *query, hg_err_t *err)
{
    hg_json_t *doc;
    if (hg_req_param(r, "format").p || hg_req_param(r, "backpressure").p)
        return hg_err_set(err, HG_EINVAL, "Can't mix configuration between JSON body and query parameters");
    if (hg_json_parse(hg_req_arena(r), body, &doc, err) < 0) {
        hg_err_wrap(err, "the body is a connector's configuration");
        return err->code = HG_EINVAL;
    }
    if (doc->kind != HG_J_OBJECT) return bad(err, "expected an object");
    int rc = put_format(doc, query, err);
    if (rc == 0) rc = put_transport(doc, query, err);
    if (rc == 0 && member(doc, "send_snapshot"))
        rc = put(query, HG_S("send_snapshot"), member(doc, "send_snapshot"), err);
    return rc;
}

static void on_body(void *arg, hg_req_t *r, hg_str_t body)
{
    ask_t *k = arg;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t query;
    hg_buf_init(&query, 4 * CONFIG_MAX);
    if (hg_str_trim(body).n && hg_egress_body_query(r, body, &query, &err) < 0) {
        hg_refuse(r, &err, NULL, k->relation);
    } else {
        hg_req_add_query(r, hg_buf_str(&query));
        hg_serve_egress(k->s, r, k->relation);
    }
    hg_buf_release(&query);
}

void hg_serve_egress_request(hg_pipeline_server_t *s, hg_req_t *r, hg_str_t relation)
{
    if (!hg_req_has_body(r)) {
        hg_serve_egress(s, r, relation);
        return;
    }
    ask_t *k = HG_ANEW(hg_req_arena(r), ask_t);
    *k = (ask_t){ s, hg_arena_str(hg_req_arena(r), relation) };
    hg_req_read_all(r, CONFIG_MAX, on_body, k);
}
