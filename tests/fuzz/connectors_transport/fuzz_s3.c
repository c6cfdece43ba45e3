/* What s3_input reads from elsewhere, from bytes. The first byte says what: 'x' an answer of a server, in pieces of the
 * size that the second byte gives and whole, with the same result, 's' the same of STS, 'm' of uploads in parts; 'c'
 * two files of credentials, 'j' what a service of credentials answers, 'u' where one is, and 'p' a position: they are
 * refused with a reason or read.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include "connectors/transport/s3_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int answer(hg_str_t in, size_t step, char of, hg_s3_answer_t *a)
{
    hg_err_t err = HG_ERR_INIT;
    hg_s3_xml_t *x = of == 's' ? hg_s3_xml_new_sts() : of == 'm' ? hg_s3_xml_new_upload() : hg_s3_xml_new();
    int rc = 0;
    for (size_t at = 0; at < in.n && rc == 0; at += step)
        rc = hg_s3_xml_feed(x, in.p + at, HG_MIN(step, in.n - at), &err);
    if (rc == 0) rc = hg_s3_xml_end(x, a, &err);
    HG_ASSERT(rc == 0 || (rc == HG_EPROTO && err.msg[0]));
    hg_s3_xml_free(x);
    return rc;
}

static bool same(const char *a, const char *b)
{
    return (!a && !b) || (a && b && strcmp(a, b) == 0);
}

static void xml(hg_str_t in, size_t step, char of)
{
    hg_s3_answer_t a = { 0 }, b = { 0 };
    int rc = answer(in, step, of, &a), rc2 = answer(in, in.n + 1, of, &b);
    HG_ASSERT(rc == rc2 && a.n == b.n && a.truncated == b.truncated && a.is_error == b.is_error);
    HG_ASSERT(same(a.code, b.code) && same(a.message, b.message) && same(a.next_token, b.next_token));
    HG_ASSERT(same(a.upload_id, b.upload_id));
    HG_ASSERT(same(a.id, b.id) && same(a.secret, b.secret) && same(a.token, b.token) && same(a.expires, b.expires));
    HG_ASSERT(!a.truncated || a.next_token);
    for (uint32_t i = 0; i < a.n; i++) {
        HG_ASSERT(same(a.entries[i].key, b.entries[i].key) && a.entries[i].key[0]);
        HG_ASSERT(strlen(a.entries[i].key) <= HG_S3_KEY_MAX && a.entries[i].size == b.entries[i].size);
    }
    hg_s3_answer_release(&a);
    hg_s3_answer_release(&b);
}

/* Two files, with a NUL between them. */
static void credentials(hg_str_t in)
{
    const char *nul = memchr(in.p, 0, in.n);
    size_t first = nul ? (size_t)(nul - in.p) : in.n, second = nul ? first + 1 : first;
    for (int i = 0; i < 4; i++) {
        hg_s3_profile_t p = { 0 };
        hg_err_t err = HG_ERR_INIT;
        const char *name = i & 1 ? "default" : "p";
        int rc = hg_s3_profile_parse((hg_str_t){ in.p, first }, name, i & 2, &p, &err);
        if (rc == 0) rc = hg_s3_profile_parse((hg_str_t){ in.p + second, in.n - second }, name, true, &p, &err);
        HG_ASSERT(rc == 0 ? !p.v[HG_S3P_ID] == !p.v[HG_S3P_SECRET] : rc == HG_EPARSE && err.msg[0]);
        hg_s3_profile_release(&p);
    }
}

static void role(hg_str_t in)
{
    for (int i = 0; i < 2; i++) {
        hg_s3_creds_t c;
        hg_err_t err = HG_ERR_INIT;
        int rc = i ? hg_s3_process_parse(in, &c, &err) : hg_s3_role_parse(in, &c, &err);
        HG_ASSERT(rc == 0 ? c.id && c.secret : rc == HG_EPROTO && err.msg[0]);
        hg_s3_creds_release(&c);
    }
}

static void place(hg_str_t in)
{
    char *url = hg_xstrndup(in.p, in.n);
    (void)hg_s3_container_bad(url);
    hg_free(url);
}

static void position(hg_str_t in)
{
    static const s3_cfg_t cfgs[] = { { .key = "k", .has_key = true }, { .prefix = "p/", .has_prefix = true } };
    hg_arena_t *arena = hg_arena_new();
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *v;
    if (hg_json_parse(arena, in, &v, &err) == 0) {
        for (size_t i = 0; i < HG_COUNT(cfgs); i++) {
            err = HG_ERR_INIT;
            int rc = hg_s3_check_position(&cfgs[i], v, &err);
            HG_ASSERT(rc == 0 || (rc == HG_EPARSE && err.msg[0]));
        }
    }
    hg_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    hg_str_t in = { (const char *)data + 2, size - 2 };
    if (data[0] == 'x' || data[0] == 's' || data[0] == 'm') xml(in, 1 + data[1] % 64, (char)data[0]);
    if (data[0] == 'j') role(in);
    if (data[0] == 'u') place(in);
    if (data[0] == 'c') credentials(in);
    if (data[0] == 'p') position(in);
    return 0;
}
