/* refusal.c: error answers with the details that Feldera's clients find beside the message (rest-api §1.4). What is
 * wrong with a connector's configuration stands one level down, under `config_error`. */
#include "base/hg.h"
#include "pipeline/server_int.h"

typedef struct {
    hg_code_t code;
    const char *subject; /* the member that names what was asked for; NULL: none */
    bool endpoint, error, config;
} form_t;

static const form_t g_forms[] = {
    { .code = HG_EINVAL, .error = true },
    { .code = HG_ERESTARTED, .error = true },
    { .code = HG_EREMOTE, .error = true },
    { .code = HG_EUNKNOWNINPUT, .subject = "endpoint_name" },
    { .code = HG_EUNKNOWNOUTPUT, .subject = "endpoint_name" },
    { .code = HG_EUNKNOWNTABLE, .subject = "stream_name", .endpoint = true, .config = true },
    { .code = HG_EUNKNOWNVIEW, .subject = "stream_name", .endpoint = true, .config = true },
    { .code = HG_EUNKNOWNFORMAT, .subject = "format_name", .endpoint = true, .config = true },
    { .code = HG_EUNKNOWNOUTFORMAT, .subject = "format_name", .endpoint = true, .config = true },
    { .code = HG_EINVALPARSER, .subject = "config", .endpoint = true, .error = true, .config = true },
    { .code = HG_EINVALENCODER, .subject = "config", .endpoint = true, .error = true, .config = true },
    { .code = HG_EINVALTRANSPORT, .endpoint = true, .error = true, .config = true },
};

static const form_t *form_of(hg_code_t code)
{
    static const form_t none = { 0 };
    for (size_t i = 0; i < HG_COUNT(g_forms); i++)
        if (g_forms[i].code == code) return &g_forms[i];
    return &none;
}

/* "json {…}" → "{…}" */
static hg_str_t after_name(hg_str_t format)
{
    const char *at = format.n ? memchr(format.p, ' ', format.n) : NULL;
    return at ? (hg_str_t){ at + 1, format.n - (size_t)(at + 1 - format.p) } : format;
}

void hg_refuse(hg_req_t *r, const hg_err_t *err, const char *endpoint, hg_str_t subject)
{
    const form_t *f = form_of(err->code);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    if (f->config) {
        hg_jw_key(&w, "config_error");
        hg_jw_obj(&w);
    }
    if (f->endpoint) hg_jw_kstr(&w, "endpoint_name", endpoint);
    if (f->error) hg_jw_kstr(&w, "error", err->msg);
    if (f->subject) {
        hg_jw_key(&w, f->subject);
        hg_jw_str(&w, f->error ? after_name(subject) : subject);
    }
    if (f->config) hg_jw_end_obj(&w);
    hg_jw_end_obj(&w);
    hg_resp_error(r, hg_code_http(err->code), hg_code_name(err->code), err->msg, b.p);
    hg_buf_release(&b);
}
