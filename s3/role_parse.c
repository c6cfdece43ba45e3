/* role_parse.c: what services that give credentials answer, and where one may be asked. No I/O. No message has a
 * part of a secret: an answer that is not understood is not quoted. */
#include "base/hg.h"
#include "base/json.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include "data/text.h"
#include <arpa/inet.h>

bool hg_s3_plain(hg_str_t v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= 32 || (unsigned char)v.p[i] > 126) return false;
    return v.n > 0;
}

int hg_s3_role_take(hg_str_t id, hg_str_t secret, hg_str_t token, hg_str_t expires, hg_s3_creds_t *ret, hg_err_t *err)
{
    int64_t us = 0;
    if (!hg_s3_plain(id) || !hg_s3_plain(secret) || (token.n && !hg_s3_plain(token)))
        return hg_err_set(err, HG_EPROTO,
                          "expected an answer with AccessKeyId, SecretAccessKey and a token, of letters, digits and "
                          "signs");
    if (expires.n && hg_ts_parse(expires, false, &us, NULL) < 0)
        return hg_err_set(err, HG_EPROTO, "Expiration in the answer is no time, as 2024-01-31T12:00:00Z");
    *ret = (hg_s3_creds_t){ .id = hg_xstrndup(id.p, id.n),
                            .secret = hg_xstrndup(secret.p, secret.n),
                            .token = token.n ? hg_xstrndup(token.p, token.n) : NULL,
                            .expires_s = expires.n ? us / 1000000 : 0 };
    return 0;
}

static hg_str_t text_of(const hg_json_t *obj, const char *name)
{
    const hg_json_t *v = hg_json_get(obj, name);
    return v && v->kind == HG_J_STRING ? v->str : (hg_str_t){ NULL, 0 };
}

static int of_object(const hg_json_t *v, const char *token, hg_s3_creds_t *ret, hg_err_t *err)
{
    return hg_s3_role_take(text_of(v, "AccessKeyId"), text_of(v, "SecretAccessKey"), text_of(v, token),
                           text_of(v, "Expiration"), ret, err);
}

typedef int take_fn(const hg_json_t *v, hg_s3_creds_t *ret, hg_err_t *err);

static int parse_object(hg_str_t json, const char *expected, take_fn *take, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_err_t no = HG_ERR_INIT;
    hg_json_t *v;
    memset(ret, 0, sizeof *ret);
    bool is_object = hg_json_parse(a, json, &v, &no) == 0 && v->kind == HG_J_OBJECT;
    int rc = is_object ? take(v, ret, err) : hg_err_set(err, HG_EPROTO, "expected %s", expected);
    hg_arena_free(a);
    return rc;
}

static int take_answer(const hg_json_t *v, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_str_t code = text_of(v, "Code"), message = text_of(v, "Message");
    if (code.n && !hg_str_eqz(code, "Success"))
        return hg_err_set(err, HG_EPROTO, "%.60s%s%.160s", code.p, message.n ? ": " : "", message.n ? message.p : "");
    return of_object(v, "Token", ret, err);
}

static int take_output(const hg_json_t *v, hg_s3_creds_t *ret, hg_err_t *err)
{
    const hg_json_t *version = hg_json_get(v, "Version");
    uint64_t n = 0;
    if (!version || hg_json_u64(version, &n) < 0 || n != 1)
        return hg_err_set(err, HG_EPROTO, "expected \"Version\": 1 in what it writes");
    return of_object(v, "SessionToken", ret, err);
}

int hg_s3_role_parse(hg_str_t json, hg_s3_creds_t *ret, hg_err_t *err)
{
    return parse_object(json, "an answer that is a JSON object", take_answer, ret, err);
}

int hg_s3_process_parse(hg_str_t json, hg_s3_creds_t *ret, hg_err_t *err)
{
    return parse_object(json, "a JSON object on its standard output", take_output, ret, err);
}

static bool is_local(hg_str_t host)
{
    static const char *const fixed[] = { "localhost", "169.254.170.2", "169.254.170.23", "[fd00:ec2::23]", "[::1]" };
    char text[INET_ADDRSTRLEN] = "";
    struct in_addr a;
    for (size_t i = 0; i < HG_COUNT(fixed); i++)
        if (hg_str_ieq(host, hg_strz(fixed[i]))) return true;
    if (host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    return inet_pton(AF_INET, text, &a) == 1 && ntohl(a.s_addr) >> 24 == 127;
}

const char *hg_s3_container_bad(const char *url)
{
    static const char plain[] = "http://";
    if (strncmp(url, "https://", 8) == 0) return NULL;
    if (strncmp(url, plain, strlen(plain)) != 0) return "expected a URL that begins with http:// or https://";
    const char *at = url + strlen(plain);
    size_t n = at[0] == '[' ? strcspn(at, "]") + 1 : strcspn(at, ":/?#");
    if (n > strlen(at) || !strchr(":/?#", at[n]) || !is_local((hg_str_t){ at, n }))
        return "over http only loopback, 169.254.170.2, 169.254.170.23 and [fd00:ec2::23] are asked; others need https";
    return NULL;
}
