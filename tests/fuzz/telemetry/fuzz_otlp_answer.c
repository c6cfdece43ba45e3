/* Any bytes as a collector's answer: the transport ("g" or "h"), HTTP's status, content type, grpc-status, grpc-message
 * and grpc-status-details-bin, a line each; the rest is the body. Every answer has a verdict; what is not simply taken
 * has a sentence, in UTF-8 and on one line. */
#include "base/hg.h"
#include "telemetry/otlp_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static hg_str_t take_line(hg_str_t *s)
{
    const char *end = memchr(s->p, '\n', s->n);
    hg_str_t line = { s->p, end ? (size_t)(end - s->p) : s->n };
    size_t used = line.n + (end != NULL);
    *s = (hg_str_t){ s->p + used, s->n - used };
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hg_str_t s = { (const char *)data, size };
    uint64_t status = 0;
    if (!size) return 0;
    bool grpc = hg_str_eqz(take_line(&s), "g");
    (void)hg_str_u64(take_line(&s), &status);
    otlp_reply_t r = { .status = (int)(status % 1000) };
    r.content_type = take_line(&s);
    r.grpc_status = take_line(&s);
    r.grpc_message = take_line(&s);
    r.grpc_details = take_line(&s);
    r.body = s;
    otlp_answer_t a;
    otlp_judge(grpc ? HG_OTLP_GRPC : HG_OTLP_HTTP, &r, &a);
    HG_ASSERT(a.verdict == OTLP_TAKEN || (a.why.code && a.why.msg[0] && !a.rejected));
    HG_ASSERT(!a.rejected || a.why.code);
    HG_ASSERT(!a.why.code || (!strchr(a.why.msg, '\n') && hg_utf8_valid(a.why.msg, strlen(a.why.msg))));
    return 0;
}
