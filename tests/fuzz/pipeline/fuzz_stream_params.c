/* What a push or a change stream is asked for. The first byte says what: 'i' query parameters of a push, 'e' those of a
 * change stream of a materialized relation, 'v' of another one, 'b' a change stream's with a body, which follows on the
 * next line. They are refused with a sentence, or give a format with its configuration and options that go together;
 * and the text that the format is known by gives the same text again. */
#include "base/hg.h"
#include "net/net_int.h"
#include "pipeline/server_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void refused(const hg_err_t *err)
{
    HG_ASSERT(err->msg[0]);
    HG_ASSERT(hg_code_http(err->code) >= 400 && hg_code_http(err->code) < 500);
}

/* As a lasting endpoint is found, and made again after a restart. */
static void lasts(hg_arena_t *a, const hg_format_type_t *type, const char *text, bool input)
{
    const char *space = strchr(text, ' ');
    const void *cfg = NULL;
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(space && hg_format_find((hg_str_t){ text, (size_t)(space - text) }) == type);
    HG_ASSERT(hg_format_config(type, a, input, hg_strz(space + 1), &cfg, &err) == 0 && cfg);
}

static void push(hg_req_t *r, hg_arena_t *a)
{
    const hg_format_type_t *type = NULL;
    const void *cfg = NULL;
    const char *text = NULL;
    bool force = false;
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_req_param_bool(r, "force", false, &force, &err);
    if (rc == 0) rc = hg_request_format(r, a, true, "csv", NULL, &type, &cfg, &text, &err);
    if (rc < 0) {
        refused(&err);
        return;
    }
    HG_ASSERT(type->parser_new && cfg && text);
    lasts(a, type, text, true);
}

static void stream(hg_req_t *r, hg_arena_t *a, bool materialized)
{
    hg_egress_ask_t k;
    hg_err_t err = HG_ERR_INIT;
    if (hg_egress_ask(r, a, HG_S("v"), materialized, &k, &err) < 0) {
        refused(&err);
        return;
    }
    HG_ASSERT(k.type->encoder_new && !k.type->binary && k.cfg && k.json == (strcmp(k.type->name, "json") == 0));
    HG_ASSERT((!k.snapshot || materialized) && !(k.snapshot && k.resumes));
    HG_ASSERT((!k.resumes || k.resumable) && (!k.resumable || k.backpressure) && (k.stream.p != NULL) == k.resumes);
    lasts(a, k.type, k.text, false);
}

static void body(hg_req_t *r, hg_arena_t *a, hg_str_t text)
{
    hg_buf_t query;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&query, HG_BUF_NOMAX);
    if (hg_egress_body_query(r, text, &query, &err) < 0) {
        refused(&err);
    } else {
        hg_req_add_query(r, hg_buf_str(&query));
        stream(r, a, true);
    }
    hg_buf_release(&query);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n == 0) return 0;
    hg_h1_msg_t msg = { .arena = hg_arena_new() };
    hg_str_t text = { (const char *)p + 1, n - 1 };
    const char *nl = text.n ? memchr(text.p, '\n', text.n) : NULL;
    size_t line = nl ? (size_t)(nl - text.p) : text.n;
    hg_req_t r = { .msg = &msg, .query = { text.p, line } };
    hg_arena_t *a = hg_arena_new();
    if (p[0] == 'i')
        push(&r, a);
    else if (p[0] == 'b' && nl)
        body(&r, a, (hg_str_t){ nl + 1, text.n - line - 1 });
    else
        stream(&r, a, p[0] != 'v');
    hg_arena_free(a);
    hg_arena_free(msg.arena);
    return 0;
}
