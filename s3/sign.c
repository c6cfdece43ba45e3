/* sign.c: AWS signature version 4 of a request, by header.
 *
 * The canonical request (method, path, query, headers, their names, the body's hash) is hashed; that hash, the time and
 * the scope (day/region/service/aws4_request) are signed with a key that is derived from the secret and the scope.
 * libcurl signs as well, but neither sorts nor encodes what it signs, and differs from version to version.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/s3.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define SHA ((size_t)32)

const char hg_s3_empty_sha256[65] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

static void free_secret(char *s)
{
    if (s) OPENSSL_cleanse(s, strlen(s));
    hg_free(s);
}

void hg_s3_creds_release(hg_s3_creds_t *c)
{
    free_secret(c->id);
    free_secret(c->secret);
    free_secret(c->token);
    memset(c, 0, sizeof *c);
}

hg_s3_creds_t hg_s3_creds_copy(const hg_s3_creds_t *c)
{
    hg_s3_creds_t r = *c;
    r.id = hg_xstrdup(c->id);
    r.secret = hg_xstrdup(c->secret);
    r.token = c->token ? hg_xstrdup(c->token) : NULL;
    return r;
}

static void hex(const unsigned char *p, hg_buf_t *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA; i++) {
        hg_buf_addc(out, digits[p[i] >> 4]);
        hg_buf_addc(out, digits[p[i] & 15]);
    }
}

static void hex_text(const unsigned char *sha, char out[65])
{
    hg_buf_t b;
    hg_buf_init(&b, 65);
    hex(sha, &b);
    memcpy(out, b.p, 65);
    hg_buf_release(&b);
}

void hg_s3_sha256(hg_str_t body, char out[65])
{
    unsigned char sha[SHA];
    unsigned n = 0;
    HG_ASSERT(EVP_Digest(body.p, body.n, sha, &n, EVP_sha256(), NULL) == 1 && n == SHA);
    hex_text(sha, out);
}

struct hg_s3_sha {
    EVP_MD_CTX *ctx;
};

hg_s3_sha_t *hg_s3_sha_new(void)
{
    hg_s3_sha_t *s = HG_NEW(hg_s3_sha_t);
    s->ctx = EVP_MD_CTX_new();
    HG_ASSERT(s->ctx && EVP_DigestInit_ex(s->ctx, EVP_sha256(), NULL) == 1);
    return s;
}

void hg_s3_sha_add(hg_s3_sha_t *s, const void *p, size_t n)
{
    HG_ASSERT(EVP_DigestUpdate(s->ctx, p, n) == 1);
}

void hg_s3_sha_end(hg_s3_sha_t *s, char out[65])
{
    unsigned char sha[SHA];
    unsigned n = 0;
    HG_ASSERT(EVP_DigestFinal_ex(s->ctx, sha, &n) == 1 && n == SHA);
    EVP_MD_CTX_free(s->ctx);
    hex_text(sha, out);
    hg_free(s);
}

static void mac(const void *key, size_t n_key, hg_str_t text, unsigned char out[SHA])
{
    unsigned n = 0;
    HG_ASSERT(HMAC(EVP_sha256(), key, (int)n_key, (const unsigned char *)text.p, text.n, out, &n) && n == SHA);
}

static void derive_key(const char *secret, hg_str_t day, const char *region, const char *service,
                       unsigned char key[SHA])
{
    hg_buf_t first;
    hg_buf_init(&first, HG_BUF_NOMAX);
    hg_buf_addf(&first, "AWS4%s", secret);
    mac(first.p, first.len, day, key);
    OPENSSL_cleanse(first.p, first.len);
    hg_buf_release(&first);
    mac(key, SHA, hg_strz(region), key);
    mac(key, SHA, hg_strz(service), key);
    mac(key, SHA, HG_S("aws4_request"), key);
}

static const char *header(const hg_s3_header_t *h, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(h[i].name, name) == 0) return h[i].value;
    hg_panic(__FILE__, __LINE__, "a header that has to be signed is missing");
}

static void add_names(hg_buf_t *b, const hg_s3_header_t *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++) hg_buf_addf(b, "%s%s", i ? ";" : "", h[i].name);
}

void hg_s3_sign(const hg_s3_creds_t *c, const char *region, const char *service, const char *method, hg_str_t path,
                hg_str_t query, const hg_s3_header_t *headers, unsigned n_headers, hg_buf_t *out)
{
    const char *date = header(headers, n_headers, "x-amz-date");
    hg_str_t day = { date, 8 };
    unsigned char sha[SHA], key[SHA];
    hg_buf_t text, scope;
    unsigned n = 0;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_buf_init(&scope, HG_BUF_NOMAX);
    hg_buf_addf(&scope, HG_SF "/%s/%s/aws4_request", HG_SA(day), region, service);

    hg_buf_addf(&text, "%s\n" HG_SF "\n" HG_SF "\n", method, HG_SA(path), HG_SA(query));
    for (unsigned i = 0; i < n_headers; i++) hg_buf_addf(&text, "%s:%s\n", headers[i].name, headers[i].value);
    hg_buf_addc(&text, '\n');
    add_names(&text, headers, n_headers);
    hg_buf_addf(&text, "\n%s", header(headers, n_headers, "x-amz-content-sha256"));
    HG_ASSERT(EVP_Digest(text.p, text.len, sha, &n, EVP_sha256(), NULL) == 1 && n == SHA);

    hg_buf_clear(&text);
    hg_buf_addf(&text, "AWS4-HMAC-SHA256\n%s\n%s\n", date, scope.p);
    hex(sha, &text);
    derive_key(c->secret, day, region, service, key);
    mac(key, SHA, hg_buf_str(&text), sha);
    OPENSSL_cleanse(key, sizeof key);

    hg_buf_addf(out, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", c->id, scope.p);
    add_names(out, headers, n_headers);
    hg_buf_adds(out, ",Signature=");
    hex(sha, out);
    hg_buf_release(&text);
    hg_buf_release(&scope);
}
