/* profile.c: credentials by the shared files: AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials, and AWS_CONFIG_FILE
 * or ~/.aws/config, where the first one counts.
 *
 * A profile has keys; or a role, which is assumed with the credentials of another profile (source_profile), of the
 * surroundings (credential_source), or by web identity; or a command that writes them (credential_process). Where it
 * has several: the role, then the keys; but the keys first where it is the source of another. Single sign-on and codes
 * of MFA devices need somebody who can be asked: such a profile is refused with what would help.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include <openssl/crypto.h>

typedef struct chain { /* who led here */
    const struct chain *from;
    const char *name;
} chain_t;

static int read_one(const char *variable, const char *in_home, const char *name, bool in_config, hg_s3_profile_t *p,
                    hg_err_t *err)
{
    const char *named = hg_s3_env(variable), *home = hg_s3_env("HOME");
    hg_buf_t text;
    bool there;
    if (!named && !home) return 0;
    char *path = named ? hg_xstrdup(named) : hg_xprintf("%s/%s", home, in_home);
    hg_buf_init(&text, HG_S3_FILE_MAX);
    int rc = hg_s3_read_file(path, &text, &there, err);
    if (rc == 0) {
        rc = hg_s3_profile_parse(hg_buf_str(&text), name, in_config, p, err);
        if (rc < 0) hg_err_wrap(err, "'%s'", path);
    }
    OPENSSL_cleanse(text.p, text.len);
    hg_buf_release(&text);
    hg_free(path);
    return rc;
}

static int read_profile(const char *name, hg_s3_profile_t *p, hg_err_t *err)
{
    memset(p, 0, sizeof *p);
    int rc = read_one("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials", name, false, p, err);
    return rc < 0 ? rc : read_one("AWS_CONFIG_FILE", ".aws/config", name, true, p, err);
}

static char *copy(const char *v)
{
    return v ? hg_xstrdup(v) : NULL;
}

static void take_keys(const hg_s3_profile_t *p, hg_s3_creds_t *ret)
{
    *ret =
        (hg_s3_creds_t){ .id = copy(p->v[HG_S3P_ID]),
                         .secret = copy(p->v[HG_S3P_SECRET]),
                         .token = copy(p->v[HG_S3P_TOKEN]),
                         .from = p->keys_in_config ? "the shared configuration file" : "the shared credentials file" };
}

static int resolve(const hg_s3_ask_t *ask, const chain_t *chain, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err);

static int by_profile(const hg_s3_ask_t *ask, const chain_t *chain, const hg_s3_profile_t *p, hg_s3_creds_t *ret,
                      hg_err_t *err)
{
    const chain_t next = { chain, p->v[HG_S3P_SOURCE_PROFILE] };
    hg_buf_t why;
    if (strcmp(next.name, chain->name) == 0 && p->v[HG_S3P_ID]) {
        take_keys(p, ret);
        return 0;
    }
    for (const chain_t *c = chain; c; c = c->from)
        if (strcmp(c->name, next.name) == 0)
            return hg_err_set(err, HG_EPARSE, "profile '%s' is its own source_profile in the end", next.name);
    hg_buf_init(&why, HG_BUF_NOMAX);
    int rc = resolve(ask, &next, ret, &why, err);
    if (rc == 0 && !ret->id)
        rc =
            hg_err_set(err, HG_EPERM, "source_profile '%s' of profile '%s' has no credentials", next.name, chain->name);
    hg_buf_release(&why);
    return rc;
}

static int by_source(const hg_s3_ask_t *ask, const char *name, const char *source, hg_s3_creds_t *ret, hg_err_t *err)
{
    static const struct {
        const char *name;
        hg_s3_source_fn *find;
    } all[] = { { "Environment", hg_s3_from_environment },
                { "Ec2InstanceMetadata", hg_s3_from_machine },
                { "EcsContainer", hg_s3_from_container } };
    hg_buf_t why;
    size_t i = 0;
    while (i < HG_COUNT(all) && strcmp(all[i].name, source) != 0) i++;
    if (i == HG_COUNT(all))
        return hg_err_set(err, HG_EPARSE,
                          "credential_source of profile '%s' is none of Environment, Ec2InstanceMetadata, EcsContainer",
                          name);
    hg_buf_init(&why, HG_BUF_NOMAX);
    int rc = all[i].find(ask, ret, &why, err);
    if (rc == 0 && !ret->id)
        rc = hg_err_set(err, HG_EPERM, "credential_source %s of profile '%s' has none: %s", source, name, why.p);
    hg_buf_release(&why);
    return rc;
}

static int by_role(const hg_s3_ask_t *ask, const chain_t *chain, const hg_s3_profile_t *p, hg_s3_creds_t *ret,
                   hg_err_t *err)
{
    const char *profile = p->v[HG_S3P_SOURCE_PROFILE], *source = p->v[HG_S3P_CREDENTIAL_SOURCE],
               *file = p->v[HG_S3P_TOKEN_FILE];
    hg_s3_creds_t keys = { 0 };
    uint64_t seconds;
    int rc = 0;
    if (p->v[HG_S3P_MFA])
        return hg_err_set(err, HG_EPERM,
                          "profile '%s' wants the code of an MFA device (mfa_serial), for which nobody "
                          "can be asked",
                          chain->name);
    if (!!profile + !!source + !!file != 1)
        return hg_err_set(err, HG_EPARSE,
                          "profile '%s' has a role_arn: one of source_profile, credential_source and "
                          "web_identity_token_file belongs to it",
                          chain->name);
    if (p->v[HG_S3P_DURATION] && hg_str_u64(hg_strz(p->v[HG_S3P_DURATION]), &seconds) < 0)
        return hg_err_set(err, HG_EPARSE, "duration_seconds of profile '%s' is no number", chain->name);
    if (profile)
        rc = by_profile(ask, chain, p, &keys, err);
    else if (source)
        rc = by_source(ask, chain->name, source, &keys, err);
    if (rc == 0) rc = hg_s3_assume_role(ask, p, file ? NULL : &keys, ret, err);
    hg_s3_creds_release(&keys);
    return rc < 0 ? hg_err_wrap(err, "role of profile '%s'", chain->name) : 0;
}

static int resolve(const hg_s3_ask_t *ask, const chain_t *chain, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    hg_s3_profile_t p;
    int rc = read_profile(chain->name, &p, err);
    if (rc < 0) {
        /* told as it is */
    } else if (chain->from && !p.there) {
        rc = hg_err_set(err, HG_EPARSE, "there is no profile '%s', the source_profile of '%s'", chain->name,
                        chain->from->name);
    } else if (p.v[HG_S3P_ROLE] && !(chain->from && p.v[HG_S3P_ID])) {
        rc = by_role(ask, chain, &p, ret, err);
    } else if (p.v[HG_S3P_ID]) {
        take_keys(&p, ret);
    } else if (p.v[HG_S3P_PROCESS]) {
        rc = hg_s3_from_process(ask, p.v[HG_S3P_PROCESS], ret, err);
        if (rc < 0) hg_err_wrap(err, "credential_process of profile '%s'", chain->name);
    } else if (p.v[HG_S3P_SSO]) {
        rc = hg_err_set(err, HG_EPERM,
                        "profile '%s' logs in by single sign-on, which is not offered; a profile with "
                        "credential_process = aws configure export-credentials --profile %s does it",
                        chain->name, chain->name);
    } else {
        (void)hg_buf_addf(why, "no keys for profile '%.40s' in credentials and config", chain->name);
    }
    hg_s3_profile_release(&p);
    return rc;
}

int hg_s3_from_files(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err)
{
    const char *profile = hg_s3_env("AWS_PROFILE");
    const chain_t first = { NULL, profile ? profile : "default" };
    return resolve(ask, &first, ret, why, err);
}
