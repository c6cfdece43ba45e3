/* refusal.c: an answer that is no success, as S3 says it. */
#include "base/hg.h"
#include "net/client.h"
#include "s3/s3.h"

static bool is_one_of(const char *v, const char *const *names)
{
    for (; v && *names; names++)
        if (strcmp(v, *names) == 0) return true;
    return false;
}

static void no_controls(char *s)
{
    for (; s && *s; s++)
        if ((unsigned char)*s < 32 || *s == 127) *s = ' ';
}

bool hg_s3_refusal(const char *what, const char *bucket, const char *key, const char *region, int status, hg_str_t body,
                   hg_err_t *err)
{
    static const char *const transient[] = {
        "RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "Throttling", "503 Slow Down", NULL
    };
    static const char *const expired[] = { "ExpiredToken", "TokenRefreshRequired", NULL };
    static const char *const elsewhere[] = { "PermanentRedirect", "AuthorizationHeaderMalformed", NULL };
    hg_s3_answer_t a = { 0 };
    hg_err_t no = HG_ERR_INIT;
    hg_s3_xml_t *x = hg_s3_xml_new();
    if (hg_s3_xml_feed(x, body.p, body.n, &no) < 0 || hg_s3_xml_end(x, &a, &no) < 0 || !a.is_error)
        hg_s3_answer_release(&a); /* a proxy's page, or nothing */
    hg_s3_xml_free(x);
    no_controls(a.code);
    no_controls(a.message);
    const char *phrase = hg_http_status_text(status);
    hg_err_set(err, status == 404 && (!a.code || strcmp(a.code, "NoSuchKey") == 0) ? HG_ENOTFOUND : HG_ENET,
               "%s of s3://%s%s%.150s: status %d%s%s%s%.180s", what, bucket, key ? "/" : "", key ? key : "", status,
               a.code || phrase[0] ? " " : "", a.code ? a.code : phrase, a.message && a.message[0] ? ": " : "",
               a.message ? a.message : "");
    if (is_one_of(a.code, elsewhere) && a.region && strcmp(a.region, region) != 0)
        hg_err_wrap(err, "the bucket is in region '%.40s', option 'region' says '%s'", a.region, region);
    err->retry = hg_http_is_transient(status) || status == 500 || status == 408 || is_one_of(a.code, transient);
    bool is_expired = is_one_of(a.code, expired);
    hg_s3_answer_release(&a);
    return is_expired;
}
