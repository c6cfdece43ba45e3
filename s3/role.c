/* role.c: temporary credentials of a role, from services that are asked over HTTP.
 *
 *   web identity   POST to STS: AssumeRoleWithWebIdentity, with the token that stands in a file (Kubernetes: IRSA)
 *   a profile's    POST to STS, signed: AssumeRole, with the keys of another profile or service; or by web identity
 *   container      GET AWS_CONTAINER_CREDENTIALS_FULL_URI, or …_RELATIVE_URI at 169.254.170.2, with a token if one is
 *                  given (ECS, EKS Pod Identity)
 *   EC2 metadata   PUT /latest/api/token, then GET the role's name and its credentials with that token (IMDSv2; the
 *                  first version, which gives secrets to whoever can have a GET made, is not spoken)
 *
 * What may be asked is judged as for every connection (base/access.h): these addresses are private, so
 * --deny-private-hosts alone refuses them. Metadata services are asked past any proxy and answer within a second or
 * not at all. No secret is in a URL or in a message.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include "net/client.h"
#include <openssl/crypto.h>

#define ECS_HOST      "http://169.254.170.2"
#define IMDS_HOST     "http://169.254.169.254"
#define IMDS_HOST_V6  "http://[fd00:ec2::254]"
#define TOKEN_PATH    "/latest/api/token"
#define ROLE_PATH     "/latest/meta-data/iam/security-credentials/"
#define NEAR_MS       1000u  /* until a metadata service has answered */
#define FAR_MS        10000u /* and STS */
#define ANSWER_MAX    ((size_t)256 << 10)
#define TOKEN_MAX     ((size_t)64 << 10)
#define ROLE_NAME_MAX 256u

typedef struct call {
    const hg_s3_ask_t *ask;
    hg_session_t *session;
    int status;
    hg_buf_t body; /* of the answer */
} call_t;

static int call_init(call_t *c, const hg_s3_ask_t *ask, hg_err_t *err)
{
    *c = (call_t){ .ask = ask };
    hg_buf_init(&c->body, ANSWER_MAX);
    return hg_session_new(&c->session, err);
}

static void wipe(hg_buf_t *b)
{
    OPENSSL_cleanse(b->p, b->len);
    hg_buf_release(b);
}

static void call_release(call_t *c)
{
    hg_session_free(c->session);
    wipe(&c->body);
}

/* headers: NULL-ended. body.p NULL: none. */
static int call_with(call_t *c, const char *method, const char *url, const char *const *headers, hg_str_t body,
                     bool near, hg_err_t *err)
{
    hg_fetch_t f = { .method = method,
                     .url = url,
                     .headers = headers,
                     .body = body,
                     .timeout_ms = near ? NEAR_MS : FAR_MS,
                     .ca_file = c->ask->ca_file,
                     .judged = true,
                     .no_proxy = near,
                     .cancelled = c->ask->cancelled,
                     .cancel_arg = c->ask->cancel_arg };
    OPENSSL_cleanse(c->body.p, c->body.len);
    hg_buf_clear(&c->body);
    return hg_session_fetch(c->session, &f, &c->status, NULL, &c->body, err);
}

/* A service near by. header: one, or NULL. */
static int call(call_t *c, const char *method, const char *url, const char *header, hg_err_t *err)
{
    const char *const headers[] = { header, NULL };
    return call_with(c, method, url, headers, (hg_str_t){ NULL, 0 }, true, err);
}

static bool is_transient(int status)
{
    return status == 429 || status >= 500;
}

/* --- what services answer --- */

static int not_expired(const hg_s3_creds_t *c, hg_err_t *err)
{
    if (!c->expires_s || c->expires_s > (int64_t)time(NULL)) return 0;
    return hg_err_retry(err, HG_EPERM, "the service gave credentials that have expired already");
}

/* --- STS: web identity, and roles of profiles --- */

static int sts_init(hg_s3_bucket_t *sts, const hg_s3_ask_t *ask, const char *of_profile, hg_err_t *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    static const char variable[] = "AWS_ENDPOINT_URL_STS";
    const char *named = hg_s3_env(variable), *region = hg_s3_env("AWS_REGION");
    if (!region) region = hg_s3_env("AWS_DEFAULT_REGION");
    if (!region) region = of_profile ? of_profile : ask->region;
    if (named) return hg_s3_service_init(sts, "sts", region, named, variable, err);
    if (region[strspn(region, letters)])
        return hg_err_set(err, HG_EINVALTRANSPORT, "'%.60s' is no region whose STS could be asked; set AWS_REGION",
                          region);
    char *url = hg_xprintf("https://sts.%s.amazonaws.com%s/", region, strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    int rc = hg_s3_service_init(sts, "sts", region, url, variable, err);
    hg_free(url);
    return rc;
}

static void add_field(hg_buf_t *b, const char *name, hg_str_t value)
{
    (void)hg_buf_addf(b, "&%s=", name);
    (void)hg_pct_encode(b, value);
}

static int sts_answer(const call_t *c, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_s3_answer_t a = { 0 };
    hg_err_t no = HG_ERR_INIT;
    hg_s3_xml_t *x = hg_s3_xml_new_sts();
    int rc = hg_s3_xml_feed(x, c->body.p, c->body.len, &no);
    if (rc == 0) rc = hg_s3_xml_end(x, &a, &no);
    hg_s3_xml_free(x);
    if (c->status != 200 || a.is_error) {
        rc = hg_err_set(err, HG_EPERM, "STS answered status %d%s%.60s%s%.200s", c->status, a.code ? " " : "",
                        a.code ? a.code : "", a.message ? ": " : "", a.message ? a.message : "");
        err->retry = is_transient(c->status) || (a.code && (strstr(a.code, "Throttl") || strstr(a.code, "IDPComm")));
    } else if (rc < 0) {
        *err = no;
        rc = hg_err_wrap(err, "the answer of STS");
    } else {
        rc = hg_s3_role_take(hg_strz(a.id), hg_strz(a.secret), hg_strz(a.token), hg_strz(a.expires), ret, err);
    }
    hg_s3_answer_release(&a);
    return rc;
}

/* creds NULL: the form says who asks. */
static int ask_sts(const hg_s3_ask_t *ask, const char *region, hg_str_t form, const hg_s3_creds_t *creds,
                   hg_s3_creds_t *ret, hg_err_t *err)
{
    static const char *const plain[] = { "Content-Type: application/x-www-form-urlencoded", NULL };
    hg_s3_bucket_t sts = { 0 };
    hg_s3_get_t r = { 0 };
    call_t c;
    int rc = call_init(&c, ask, err);
    if (rc == 0) rc = sts_init(&sts, ask, region, err);
    if (rc == 0) {
        hg_s3_form_init(&r, &sts, creds, form, (int64_t)time(NULL));
        rc = call_with(&c, "POST", r.url.p, creds ? r.headers : plain, form, false, err);
        OPENSSL_cleanse(r.text.p, r.text.len);
        hg_s3_get_release(&r);
    }
    if (rc == 0) rc = sts_answer(&c, ret, err);
    if (rc == 0) rc = not_expired(ret, err);
    call_release(&c);
    hg_s3_bucket_release(&sts);
    return rc;
}

static void begin_form(hg_buf_t *form, const char *action, const char *role, const char *session)
{
    if (!session) session = hg_s3_env("AWS_ROLE_SESSION_NAME");
    hg_buf_init(form, HG_BUF_NOMAX);
    (void)hg_buf_addf(form, "Action=%s&Version=2011-06-15", action);
    add_field(form, "RoleArn", hg_strz(role));
    add_field(form, "RoleSessionName", hg_strz(session ? session : "headgate"));
}

static int by_token_file(const hg_s3_ask_t *ask, const char *role, const char *session, const char *region,
                         const char *file, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_buf_t text, form;
    hg_buf_init(&text, TOKEN_MAX);
    int rc = hg_s3_read_file(file, &text, NULL, err);
    hg_str_t token = hg_str_trim(hg_buf_str(&text));
    if (rc == 0 && !token.n) rc = hg_err_set(err, HG_EPERM, "'%s' is empty", file);
    if (rc == 0) {
        begin_form(&form, "AssumeRoleWithWebIdentity", role, session);
        add_field(&form, "WebIdentityToken", token);
        rc = ask_sts(ask, region, hg_buf_str(&form), NULL, ret, err);
        wipe(&form);
    }
    ret->from = "the answer of STS (web identity)";
    wipe(&text);
    return rc;
}

int hg_s3_from_web_identity(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    const char *role = hg_s3_env("AWS_ROLE_ARN"), *file = hg_s3_env("AWS_WEB_IDENTITY_TOKEN_FILE");
    if (!role || !file) return hg_buf_addf(why, "%s not set", file ? "AWS_ROLE_ARN" : "AWS_WEB_IDENTITY_TOKEN_FILE");
    return by_token_file(ask, role, NULL, NULL, file, ret, err);
}

int hg_s3_assume_role(const hg_s3_ask_t *ask, const hg_s3_profile_t *p, const hg_s3_creds_t *source, hg_s3_creds_t *ret,
                      hg_err_t *err)
{
    const char *role = p->v[HG_S3P_ROLE], *session = p->v[HG_S3P_SESSION_NAME], *region = p->v[HG_S3P_REGION];
    hg_buf_t form;
    if (!source) return by_token_file(ask, role, session, region, p->v[HG_S3P_TOKEN_FILE], ret, err);
    begin_form(&form, "AssumeRole", role, session);
    if (p->v[HG_S3P_EXTERNAL_ID]) add_field(&form, "ExternalId", hg_strz(p->v[HG_S3P_EXTERNAL_ID]));
    if (p->v[HG_S3P_DURATION]) add_field(&form, "DurationSeconds", hg_strz(p->v[HG_S3P_DURATION]));
    int rc = ask_sts(ask, region, hg_buf_str(&form), source, ret, err);
    ret->from = "the answer of STS (role of a profile)";
    wipe(&form);
    return rc;
}

/* --- container --- */

/* "Authorization: …" into out, if there is one to send. */
static int container_token(hg_buf_t *out, hg_err_t *err)
{
    const char *file = hg_s3_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
               *text = hg_s3_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    static const char name[] = "Authorization: ";
    int rc = hg_buf_adds(out, name);
    if (rc == 0 && file)
        rc = hg_s3_read_file(file, out, NULL, err);
    else if (rc == 0 && text)
        rc = hg_buf_adds(out, text);
    while (out->len && strchr(" \t\r\n", out->p[out->len - 1])) out->p[--out->len] = 0;
    if (rc < 0) return rc;
    if (!file && !text) {
        hg_buf_clear(out);
        return 0;
    }
    for (const char *p = out->p; *p; p++)
        if ((unsigned char)*p < 32 || *p == 127)
            return hg_err_set(err, HG_EPERM, "%s has a control character",
                              file ? "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" : "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    return 0;
}

static int ask_container(const hg_s3_ask_t *ask, const char *url, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_buf_t token;
    call_t c;
    hg_buf_init(&token, TOKEN_MAX);
    int rc = call_init(&c, ask, err);
    if (rc == 0) rc = container_token(&token, err);
    if (rc == 0) rc = call(&c, "GET", url, token.len ? token.p : NULL, err);
    if (rc == 0 && c.status != 200) {
        rc = hg_err_set(err, HG_EPERM, "'%s' answered status %d", url, c.status);
        err->retry = is_transient(c.status);
    }
    if (rc == 0) rc = hg_s3_role_parse(hg_buf_str(&c.body), ret, err);
    if (rc == 0) rc = not_expired(ret, err);
    ret->from = "the container's credentials service";
    call_release(&c);
    wipe(&token);
    return rc;
}

int hg_s3_from_container(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    const char *relative = hg_s3_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
               *full = hg_s3_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    if (!relative && !full) return hg_buf_adds(why, "AWS_CONTAINER_CREDENTIALS_…_URI not set");
    if (relative && relative[0] != '/')
        return hg_err_set(err, HG_EPERM, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI does not begin with '/'");
    const char *bad = relative ? NULL : hg_s3_container_bad(full);
    if (bad) return hg_err_set(err, HG_EPERM, "AWS_CONTAINER_CREDENTIALS_FULL_URI: %s", bad);
    char *url = relative ? hg_xprintf("%s%s", ECS_HOST, relative) : hg_xstrdup(full);
    int rc = ask_container(ask, url, ret, err);
    hg_free(url);
    return rc;
}

/* --- EC2 metadata --- */

static const char *metadata_host(void)
{
    const char *named = hg_s3_env("AWS_EC2_METADATA_SERVICE_ENDPOINT"),
               *mode = hg_s3_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (named) return named;
    return mode && hg_str_ieq(hg_strz(mode), HG_S("ipv6")) ? IMDS_HOST_V6 : IMDS_HOST;
}

static int metadata(call_t *c, const char *method, hg_str_t host, const char *path, const char *header, hg_err_t *err)
{
    char *url = hg_xprintf(HG_SF "%s", HG_SA(host), path);
    int rc = call(c, method, url, header, err);
    if (rc == 0 && c->status != 200) {
        if (c->status == 404 && strcmp(path, ROLE_PATH) == 0)
            rc = hg_err_set(err, HG_EPERM, "the machine has no role: status 404");
        else
            rc = hg_err_set(err, HG_EPERM, "%s %.100s: status %d", method, path, c->status);
        err->retry = is_transient(c->status);
    }
    hg_free(url);
    return rc;
}

static int ask_machine(call_t *c, hg_str_t host, hg_s3_creds_t *ret, hg_err_t *err)
{
    hg_buf_t token, path;
    hg_buf_init(&token, TOKEN_MAX);
    hg_buf_init(&path, HG_BUF_NOMAX);
    int rc = metadata(c, "PUT", host, TOKEN_PATH, "X-aws-ec2-metadata-token-ttl-seconds: 60", err);
    hg_str_t text = hg_str_trim(hg_buf_str(&c->body));
    if (rc == 0 && !hg_s3_plain(text)) rc = hg_err_set(err, HG_EPROTO, "expected a token, found something else");
    if (rc == 0) rc = hg_buf_addf(&token, "X-aws-ec2-metadata-token: " HG_SF, HG_SA(text));
    if (rc == 0) rc = metadata(c, "GET", host, ROLE_PATH, token.p, err);
    if (rc == 0) {
        hg_str_t name = hg_buf_str(&c->body);
        name.n = strcspn(name.p, "\r\n");
        if (!hg_s3_plain(name) || name.n > ROLE_NAME_MAX)
            rc = hg_err_set(err, HG_EPROTO, "expected the name of a role, found something else");
        (void)hg_buf_adds(&path, ROLE_PATH);
        (void)hg_pct_encode(&path, name);
    }
    if (rc == 0) rc = metadata(c, "GET", host, path.p, token.p, err);
    if (rc == 0) rc = hg_s3_role_parse(hg_buf_str(&c->body), ret, err);
    if (rc == 0) rc = not_expired(ret, err);
    hg_buf_release(&path);
    wipe(&token);
    return rc;
}

/* The last source, and asked unbidden: what it does not give is a reason, not an error of its own. */
int hg_s3_from_machine(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    const char *off = hg_s3_env("AWS_EC2_METADATA_DISABLED");
    hg_str_t host = hg_strz(metadata_host());
    hg_err_t no = HG_ERR_INIT;
    call_t c;
    if (off && hg_str_ieq(hg_strz(off), HG_S("true"))) return hg_buf_adds(why, "AWS_EC2_METADATA_DISABLED set");
    while (host.n && host.p[host.n - 1] == '/') host.n--;
    int rc = call_init(&c, ask, &no);
    if (rc == 0) rc = ask_machine(&c, host, ret, &no);
    call_release(&c);
    ret->from = "EC2 metadata";
    if (rc == 0) return 0;
    if (no.code == HG_ECANCELED) {
        *err = no;
        return rc;
    }
    return hg_buf_addf(why, "%.110s", no.msg);
}
