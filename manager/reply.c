/* reply.c: answers of the manager. CORS: any origin is allowed and echoed, as Feldera does by default. */
#include "base/hg.h"

#include "manager/manager_int.h"

char *hg_reply_cors(hg_req_t *r, const char *more)
{
    hg_arena_t *a = hg_req_arena(r);
    hg_str_t origin = hg_req_header(r, "Origin");
    if (!more) more = "";
    if (!origin.p) return hg_arena_printf(a, "%s", more);
    return hg_arena_printf(
        a, "Access-Control-Allow-Origin: " HG_SF "\r\nAccess-Control-Allow-Credentials: true\r\nVary: Origin\r\n%s",
        HG_SA(origin), more);
}

/* From here on the request has its answer: whoever waited for the peer to leave is no longer concerned. */
static void answer(hg_req_t *r, int status, const char *content_type, hg_str_t body, const char *headers)
{
    hg_req_on_abort(r, NULL, NULL);
    hg_resp_send(r, status, content_type, body, hg_reply_cors(r, headers));
}

void hg_reply_raw(hg_req_t *r, int status, const char *content_type, hg_str_t body)
{
    answer(r, status, content_type, body, NULL);
}

void hg_reply_json(hg_req_t *r, int status, const hg_buf_t *json)
{
    answer(r, status, "application/json", hg_buf_str(json), "Cache-Control: no-cache\r\n");
}

void hg_reply_string(hg_req_t *r, int status, const char *text)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_json_quote(&b, hg_strz(text));
    hg_reply_raw(r, status, "application/json", hg_buf_str(&b));
    hg_buf_release(&b);
}

void hg_reply_empty(hg_req_t *r, int status)
{
    answer(r, status, NULL, HG_S(""), NULL);
}

static void reply_error(hg_req_t *r, int status, const char *code, const char *details, const char *message,
                        const char *headers)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "message", message);
    hg_jw_kstr(&w, "error_code", code);
    hg_jw_kraw(&w, "details", details ? details : "{}");
    hg_jw_end_obj(&w);
    answer(r, status, "application/json", hg_buf_str(&b), status == 503 ? "Retry-After: 5\r\n" : headers);
    hg_buf_release(&b);
}

void hg_reply_error(hg_req_t *r, int status, const char *code, const char *details, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    reply_error(r, status, code, details, msg, NULL);
}

void hg_reply_error_with(hg_req_t *r, int status, const char *code, const char *details, const char *headers,
                         const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    reply_error(r, status, code, details, msg, headers);
}

void hg_reply_verdict(hg_req_t *r, const hg_verdict_t *v)
{
    reply_error(r, v->status, v->code, v->details, v->msg, NULL);
}

void hg_reply_err(hg_req_t *r, const hg_err_t *err)
{
    reply_error(r, hg_code_http(err->code), hg_code_name(err->code), NULL, err->msg, NULL);
}

void hg_reply_preflight(hg_req_t *r)
{
    answer(r, 200, NULL, HG_S(""),
           "Access-Control-Allow-Methods: GET, POST, PATCH, PUT, DELETE\r\n"
           "Access-Control-Allow-Headers: authorization, accept, content-type, feldera-tenant\r\n"
           "Access-Control-Max-Age: 3600\r\n");
}
