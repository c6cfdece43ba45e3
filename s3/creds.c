/* creds.c: credentials of the surroundings, in the order of most of Amazon's SDKs.
 *
 *   environment    AWS_ACCESS_KEY_ID + AWS_SECRET_ACCESS_KEY (+ AWS_SESSION_TOKEN)
 *   web identity   AWS_ROLE_ARN + AWS_WEB_IDENTITY_TOKEN_FILE: role.c
 *   shared files   the profile AWS_PROFILE, or "default", of the credentials and the configuration file: profile.c
 *   container      AWS_CONTAINER_CREDENTIALS_…: role.c
 *   EC2 metadata   the machine's own service, unless AWS_EC2_METADATA_DISABLED: role.c
 *
 * A source that is set up and fails is an error, never a reason to act as somebody else.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include <errno.h>
#include <openssl/crypto.h>

#define RENEW_S 300 /* before they expire, at most */

const char *hg_s3_env(const char *name)
{
    const char *v = getenv(name);
    return v && v[0] ? v : NULL;
}

const char *hg_s3_ca_file(void)
{
    return hg_s3_env("AWS_CA_BUNDLE");
}

int hg_s3_read_file(const char *path, hg_buf_t *out, bool *ret_there, hg_err_t *err)
{
    char buf[4096];
    FILE *f = fopen(path, "re");
    if (ret_there) *ret_there = f != NULL;
    if (!f && ret_there && errno == ENOENT) return 0;
    if (!f) return hg_err_errno(err, errno, "cannot read '%s'", path);
    int rc = 0;
    for (size_t n; rc == 0 && (n = fread(buf, 1, sizeof buf, f)) > 0;) rc = hg_buf_add(out, buf, n);
    if (ferror(f)) rc = hg_err_errno(err, errno, "cannot read '%s'", path);
    fclose(f);
    OPENSSL_cleanse(buf, sizeof buf);
    if (rc == HG_ETOOBIG) hg_err_set(err, HG_ETOOBIG, "'%s' is larger than %zu bytes", path, out->max);
    return rc;
}

int hg_s3_from_environment(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    const char *id = hg_s3_env("AWS_ACCESS_KEY_ID"), *secret = hg_s3_env("AWS_SECRET_ACCESS_KEY"),
               *token = hg_s3_env("AWS_SESSION_TOKEN");
    (void)ask, (void)err;
    if (!id || !secret) return hg_buf_addf(why, "%s not set", id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    *ret = (hg_s3_creds_t){ .id = hg_xstrdup(id),
                            .secret = hg_xstrdup(secret),
                            .token = token ? hg_xstrdup(token) : NULL,
                            .from = "the environment" };
    return 0;
}

int hg_s3_creds_find(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_err_t *err)
{
    static const struct {
        const char *name;
        hg_s3_source_fn *find;
    } sources[] = { { "environment", hg_s3_from_environment },
                    { "web identity", hg_s3_from_web_identity },
                    { "shared files", hg_s3_from_files },
                    { "container", hg_s3_from_container },
                    { "EC2 metadata", hg_s3_from_machine } };
    hg_buf_t tried;
    int rc = 0;
    hg_buf_init(&tried, HG_BUF_NOMAX);
    memset(ret, 0, sizeof *ret);
    for (size_t i = 0; i < HG_COUNT(sources) && rc == 0 && !ret->id; i++) {
        hg_s3_creds_release(ret);
        (void)hg_buf_addf(&tried, ", %s (", sources[i].name);
        rc = sources[i].find(ask, ret, &tried, err);
        (void)hg_buf_addc(&tried, ')');
        if (rc < 0) hg_err_wrap(err, "AWS credentials by %s", sources[i].name);
    }
    if (rc == 0 && !ret->id)
        rc = hg_err_set(err, HG_EPERM,
                        "there are no AWS credentials (no_sign_request reads public buckets): options "
                        "(aws_access_key_id not given)%s",
                        tried.p);
    if (rc < 0) hg_s3_creds_release(ret);
    hg_buf_release(&tried);
    return rc;
}

int64_t hg_s3_creds_renew_at(const hg_s3_creds_t *c, int64_t now_s)
{
    if (!c->expires_s) return 0;
    int64_t left = HG_MAX(c->expires_s - now_s, (int64_t)0);
    return c->expires_s - HG_MIN((int64_t)RENEW_S, left / 4);
}
