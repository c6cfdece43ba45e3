/* xml.c: answers of ListObjectsV2, of uploads in parts and of STS, and their errors, out of expat's events, in any
 * pieces.
 *
 * Known elements are told by their parent and name, without a namespace; everything else is skipped. A document type is
 * refused: no S3 server sends one, and entities of its own are what XML bombs are made of. Keys come percent-encoded
 * when the answer says so (EncodingType, which may stand behind them): they are decoded at the end.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/s3.h"
#include <expat.h>
#include <openssl/crypto.h>

#define DEPTH_MAX 16u
#define TEXT_MAX  ((size_t)8192) /* of one element that counts */
#define ENTRIES   100000u        /* in one page; S3 sends 1000 */

typedef enum {
    AT_OTHER,
    AT_LIST,
    AT_CONTENTS,
    AT_ERROR,
    AT_STS,
    AT_STS_RESULT,
    AT_STS_ERROR,
    AT_CREDS,
    AT_UPLOAD,
    AT_LEAF
} where_t;

typedef enum { OF_LIST, OF_STS, OF_UPLOAD } kind_t;

struct hg_s3_xml {
    XML_Parser parser;
    hg_s3_answer_t answer;
    where_t at[DEPTH_MAX];
    unsigned depth;
    char leaf[24]; /* the longest: NextContinuationToken */
    hg_buf_t text;
    hg_s3_entry_t entry; /* the <Contents> under way */
    kind_t kind;
    bool has_size, url_encoded, known;
    hg_err_t err; /* the first complaint */
};

static void entry_release(hg_s3_entry_t *e)
{
    hg_free(e->key);
    hg_free(e->etag);
    memset(e, 0, sizeof *e);
}

void hg_s3_answer_release(hg_s3_answer_t *a)
{
    for (uint32_t i = 0; i < a->n; i++) entry_release(&a->entries[i]);
    hg_free(a->entries);
    hg_free(a->next_token);
    hg_free(a->code);
    hg_free(a->message);
    hg_free(a->region);
    hg_free(a->upload_id);
    char *const secrets[] = { a->id, a->secret, a->token };
    for (size_t i = 0; i < HG_COUNT(secrets); i++) {
        if (secrets[i]) OPENSSL_cleanse(secrets[i], strlen(secrets[i]));
        hg_free(secrets[i]);
    }
    hg_free(a->expires);
    memset(a, 0, sizeof *a);
}

static void refuse(hg_s3_xml_t *x, const char *fmt, ...) HG_PRINTF(2, 3);
static void refuse(hg_s3_xml_t *x, const char *fmt, ...)
{
    char why[200];
    va_list ap;
    if (x->err.code) return;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    hg_err_set(&x->err, HG_EPROTO, "line %lu of the answer: %s", XML_GetCurrentLineNumber(x->parser), why);
    XML_StopParser(x->parser, XML_FALSE);
}

/* --- what an element is worth --- */

/* AT_LEAF or AT_OTHER. */
static where_t is_leaf(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return AT_LEAF;
    return AT_OTHER;
}

static where_t child_of_sts(const hg_s3_xml_t *x, where_t parent, const char *name)
{
    static const char *const of_creds[] = { "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", NULL };
    static const char *const of_error[] = { "Code", "Message", NULL };
    static const char *const answers[] = { "AssumeRoleResponse", "AssumeRoleWithWebIdentityResponse", NULL };
    static const char *const results[] = { "AssumeRoleResult", "AssumeRoleWithWebIdentityResult", NULL };
    if (x->depth == 0 && is_leaf(name, answers) == AT_LEAF) return AT_STS;
    if (x->depth == 0 && strcmp(name, "ErrorResponse") == 0) return AT_STS_ERROR;
    if (parent == AT_STS && is_leaf(name, results) == AT_LEAF) return AT_STS_RESULT;
    if (parent == AT_STS_RESULT && strcmp(name, "Credentials") == 0) return AT_CREDS;
    if (parent == AT_STS_ERROR && strcmp(name, "Error") == 0) return AT_ERROR;
    if (parent == AT_CREDS) return is_leaf(name, of_creds);
    if (parent == AT_ERROR) return is_leaf(name, of_error);
    return AT_OTHER;
}

static where_t child(const hg_s3_xml_t *x, where_t parent, const char *name)
{
    static const char *const of_list[] = { "IsTruncated", "NextContinuationToken", "EncodingType", NULL };
    static const char *const of_contents[] = { "Key", "ETag", "Size", NULL };
    static const char *const of_error[] = { "Code", "Message", "Region", NULL };
    static const char *const of_upload[] = { "UploadId", NULL };
    static const char *const uploads[] = { "InitiateMultipartUploadResult", "CompleteMultipartUploadResult", NULL };
    if (x->kind == OF_STS) return child_of_sts(x, parent, name);
    if (x->depth == 0 && x->kind == OF_LIST && strcmp(name, "ListBucketResult") == 0) return AT_LIST;
    if (x->depth == 0 && x->kind == OF_UPLOAD && is_leaf(name, uploads) == AT_LEAF) return AT_UPLOAD;
    if (x->depth == 0 && strcmp(name, "Error") == 0) return AT_ERROR;
    if (parent == AT_LIST && strcmp(name, "Contents") == 0) return AT_CONTENTS;
    if (parent == AT_LIST) return is_leaf(name, of_list);
    if (parent == AT_UPLOAD) return is_leaf(name, of_upload);
    if (parent == AT_CONTENTS) return is_leaf(name, of_contents);
    if (parent == AT_ERROR) return is_leaf(name, of_error);
    return AT_OTHER;
}

static const char *const g_expected[] = { [OF_LIST] = "ListBucketResult> or <Error",
                                          [OF_STS] = "AssumeRole…Response> or <ErrorResponse",
                                          [OF_UPLOAD] = "…MultipartUploadResult> or <Error" };

static void XMLCALL on_start(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    hg_s3_xml_t *x = arg;
    (void)attributes;
    if (x->depth == DEPTH_MAX) {
        refuse(x, "elements are nested more than %u deep", DEPTH_MAX);
        return;
    }
    where_t parent = x->depth ? x->at[x->depth - 1] : AT_OTHER, at = child(x, parent, name);
    if (x->depth == 0) {
        x->known = at != AT_OTHER;
        x->answer.is_error = at == AT_ERROR || at == AT_STS_ERROR;
        if (!x->known) refuse(x, "expected <%s>, found <%.60s>", g_expected[x->kind], name);
    }
    x->at[x->depth++] = at;
    hg_buf_clear(&x->text);
    if (at == AT_LEAF) snprintf(x->leaf, sizeof x->leaf, "%s", name);
}

static void XMLCALL on_text(void *arg, const XML_Char *p, int n)
{
    hg_s3_xml_t *x = arg;
    if (!x->depth || x->at[x->depth - 1] != AT_LEAF || hg_buf_add(&x->text, p, (size_t)n) == 0) return;
    refuse(x, "<%s> is longer than %zu bytes", x->leaf, TEXT_MAX);
}

static void set(hg_s3_xml_t *x, char **to)
{
    hg_free(*to);
    *to = hg_xstrndup(x->text.p, x->text.len);
}

static void take_leaf(hg_s3_xml_t *x, where_t parent)
{
    hg_s3_answer_t *a = &x->answer;
    const char *leaf = x->leaf;
    hg_str_t v = hg_buf_str(&x->text);
    if (parent == AT_ERROR) {
        set(x, strcmp(leaf, "Code") == 0 ? &a->code : strcmp(leaf, "Message") == 0 ? &a->message : &a->region);
    } else if (parent == AT_CREDS) {
        set(x, strcmp(leaf, "AccessKeyId") == 0       ? &a->id
               : strcmp(leaf, "SecretAccessKey") == 0 ? &a->secret
               : strcmp(leaf, "SessionToken") == 0    ? &a->token
                                                      : &a->expires);
    } else if (parent == AT_UPLOAD) {
        set(x, &a->upload_id);
    } else if (strcmp(leaf, "Key") == 0) {
        set(x, &x->entry.key);
    } else if (strcmp(leaf, "ETag") == 0) {
        set(x, &x->entry.etag);
    } else if (strcmp(leaf, "Size") == 0) {
        x->has_size = hg_str_u64(hg_str_trim(v), &x->entry.size) == 0;
        if (!x->has_size) refuse(x, "<Size> is '%.40s', expected a number of bytes", x->text.p);
    } else if (strcmp(leaf, "IsTruncated") == 0) {
        a->truncated = hg_str_eqz(v, "true");
        if (!a->truncated && !hg_str_eqz(v, "false"))
            refuse(x, "<IsTruncated> is '%.40s', expected true or false", x->text.p);
    } else if (strcmp(leaf, "NextContinuationToken") == 0) {
        set(x, &a->next_token);
    } else {
        x->url_encoded = hg_str_eqz(v, "url");
        if (!x->url_encoded) refuse(x, "<EncodingType> is '%.40s', expected url", x->text.p);
    }
}

static void take_entry(hg_s3_xml_t *x)
{
    hg_s3_answer_t *a = &x->answer;
    if (!x->entry.key || !x->entry.key[0] || !x->has_size) {
        refuse(x, "<Contents> without <Key> and <Size>");
        return;
    }
    if (a->n == ENTRIES) {
        refuse(x, "more than %u objects in one page", ENTRIES);
        return;
    }
    if (a->n == a->cap) {
        a->cap = a->cap ? a->cap * 2 : 64;
        a->entries = hg_xgrow(a->entries, a->cap * sizeof *a->entries);
    }
    if (!x->entry.etag) x->entry.etag = hg_xstrdup("");
    a->entries[a->n++] = x->entry;
    memset(&x->entry, 0, sizeof x->entry);
    x->has_size = false;
}

static void XMLCALL on_end(void *arg, const XML_Char *name)
{
    hg_s3_xml_t *x = arg;
    (void)name;
    if (x->err.code) return;
    where_t at = x->at[--x->depth];
    if (at == AT_LEAF) take_leaf(x, x->at[x->depth - 1]);
    if (at == AT_CONTENTS) take_entry(x);
}

static void XMLCALL on_doctype(void *arg, const XML_Char *name, const XML_Char *sys, const XML_Char *pub, int internal)
{
    (void)name, (void)sys, (void)pub, (void)internal;
    refuse(arg, "a document type is not accepted");
}

/* --- the caller's side --- */

hg_s3_xml_t *hg_s3_xml_new(void)
{
    hg_s3_xml_t *x = HG_NEW(hg_s3_xml_t);
    x->parser = XML_ParserCreate(NULL);
    HG_ASSERT(x->parser);
    hg_buf_init(&x->text, TEXT_MAX);
    XML_SetUserData(x->parser, x);
    XML_SetElementHandler(x->parser, on_start, on_end);
    XML_SetCharacterDataHandler(x->parser, on_text);
    XML_SetStartDoctypeDeclHandler(x->parser, on_doctype);
    return x;
}

hg_s3_xml_t *hg_s3_xml_new_sts(void)
{
    hg_s3_xml_t *x = hg_s3_xml_new();
    x->kind = OF_STS;
    return x;
}

hg_s3_xml_t *hg_s3_xml_new_upload(void)
{
    hg_s3_xml_t *x = hg_s3_xml_new();
    x->kind = OF_UPLOAD;
    return x;
}

static int parse(hg_s3_xml_t *x, const char *p, size_t n, bool last, hg_err_t *err)
{
    if (!x->err.code && XML_Parse(x->parser, p, (int)n, last) != XML_STATUS_OK)
        refuse(x, "not well-formed XML: %s", XML_ErrorString(XML_GetErrorCode(x->parser)));
    if (!x->err.code) return 0;
    *err = x->err;
    return err->code;
}

int hg_s3_xml_feed(hg_s3_xml_t *x, const char *p, size_t n, hg_err_t *err)
{
    for (size_t k; n; p += k, n -= k) {
        k = HG_MIN(n, (size_t)1 << 20);
        int rc = parse(x, p, k, false, err);
        if (rc < 0) return rc;
    }
    return 0;
}

static int decode_keys(hg_s3_xml_t *x, hg_err_t *err)
{
    hg_buf_t key;
    int rc = 0;
    hg_buf_init(&key, TEXT_MAX);
    for (uint32_t i = 0; i < x->answer.n && rc == 0; i++) {
        hg_s3_entry_t *e = &x->answer.entries[i];
        hg_buf_clear(&key);
        if (x->url_encoded && hg_pct_decode(&key, hg_strz(e->key), true) < 0) {
            rc = hg_err_set(err, HG_EPROTO, "key '%.100s' in the answer is not percent-encoded as it says", e->key);
        } else if (x->url_encoded) {
            hg_free(e->key);
            e->key = hg_xstrndup(key.p, key.len);
        }
        size_t n = x->url_encoded ? key.len : strlen(e->key);
        if (rc == 0 && (n > HG_S3_KEY_MAX || strlen(e->key) != n))
            rc = hg_err_set(err, HG_EPROTO, "key '%.60s…' in the answer has %zu bytes or a NUL; at most %d are a key",
                            e->key, n, HG_S3_KEY_MAX);
    }
    hg_buf_release(&key);
    return rc;
}

int hg_s3_xml_end(hg_s3_xml_t *x, hg_s3_answer_t *ret, hg_err_t *err)
{
    int rc = parse(x, "", 0, true, err);
    if (rc == 0) rc = decode_keys(x, err);
    if (rc == 0 && x->answer.truncated && !(x->answer.next_token && x->answer.next_token[0]))
        rc = hg_err_set(err, HG_EPROTO, "the answer says that more follows, but has no <NextContinuationToken>");
    if (rc < 0) return rc;
    *ret = x->answer;
    memset(&x->answer, 0, sizeof x->answer);
    return 0;
}

void hg_s3_xml_free(hg_s3_xml_t *x)
{
    if (!x) return;
    XML_ParserFree(x->parser);
    OPENSSL_cleanse(x->text.p, x->text.len); /* may be a secret */
    hg_buf_release(&x->text);
    entry_release(&x->entry);
    hg_s3_answer_release(&x->answer);
    hg_free(x);
}
