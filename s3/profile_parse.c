/* profile_parse.c: the shared files of Amazon's tools, as far as a profile's credentials go. No I/O.
 *
 *   ~/.aws/credentials   [NAME]
 *   ~/.aws/config        [profile NAME], the default one also [default]
 *
 * Lines are NAME = VALUE; what is indented belongs to a setting of another kind. Names are read without regard to case.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "s3/creds_int.h"
#include <openssl/crypto.h>

static const struct {
    const char *name;
    hg_s3_setting_t is;
} names[] = { { "aws_access_key_id", HG_S3P_ID },
              { "aws_secret_access_key", HG_S3P_SECRET },
              { "aws_session_token", HG_S3P_TOKEN },
              { "role_arn", HG_S3P_ROLE },
              { "source_profile", HG_S3P_SOURCE_PROFILE },
              { "credential_source", HG_S3P_CREDENTIAL_SOURCE },
              { "web_identity_token_file", HG_S3P_TOKEN_FILE },
              { "external_id", HG_S3P_EXTERNAL_ID },
              { "role_session_name", HG_S3P_SESSION_NAME },
              { "duration_seconds", HG_S3P_DURATION },
              { "mfa_serial", HG_S3P_MFA },
              { "credential_process", HG_S3P_PROCESS },
              { "sso_session", HG_S3P_SSO },
              { "sso_start_url", HG_S3P_SSO },
              { "region", HG_S3P_REGION } };

/* "[name]", "[profile name]" */
static bool is_section(hg_str_t line, const char *profile, bool in_config)
{
    hg_str_t name = hg_str_trim((hg_str_t){ line.p + 1, line.n - 2 });
    if (!in_config || hg_str_eqz(name, "default")) return hg_str_eqz(name, profile);
    if (!hg_str_starts(name, HG_S("profile"))) return false;
    return hg_str_eqz(hg_str_trim((hg_str_t){ name.p + 7, name.n - 7 }), profile);
}

static int bad_line(hg_err_t *err, uint32_t line, const char *what)
{
    hg_pos_t pos = { .line = line };
    return hg_err_at(err, HG_EPARSE, pos, "line %u: %s", line, what);
}

static void take(hg_s3_profile_t *p, hg_str_t name, hg_str_t value)
{
    for (size_t i = 0; i < HG_COUNT(names) && value.n; i++) {
        if (!hg_str_ieq(name, hg_strz(names[i].name))) continue;
        hg_free(p->v[names[i].is]);
        p->v[names[i].is] = hg_xstrndup(value.p, value.n);
    }
}

static int read_section(hg_str_t text, const char *name, bool in_config, hg_s3_profile_t *p, hg_err_t *err)
{
    bool inside = false;
    for (uint32_t line = 1; text.n; line++) {
        const char *nl = memchr(text.p, '\n', text.n);
        hg_str_t raw = { text.p, nl ? (size_t)(nl - text.p) : text.n }, l = hg_str_trim(raw);
        text.n -= raw.n + (nl ? 1 : 0);
        text.p += raw.n + (nl ? 1 : 0);
        if (!l.n || l.p[0] == '#' || l.p[0] == ';') continue;
        if (l.p[0] == '[') {
            if (l.p[l.n - 1] != ']') return bad_line(err, line, "expected ']' at the end of a section's name");
            inside = is_section(l, name, in_config);
            p->there |= inside;
            continue;
        }
        if (!inside || raw.p[0] == ' ' || raw.p[0] == '\t') continue;
        const char *eq = memchr(l.p, '=', l.n);
        if (!eq) return bad_line(err, line, "expected NAME = VALUE or [SECTION]");
        take(p, hg_str_trim((hg_str_t){ l.p, (size_t)(eq - l.p) }),
             hg_str_trim((hg_str_t){ eq + 1, (size_t)(l.p + l.n - eq - 1) }));
    }
    return 0;
}

void hg_s3_profile_release(hg_s3_profile_t *p)
{
    for (size_t i = 0; i < HG_S3P_COUNT; i++) {
        if (p->v[i]) OPENSSL_cleanse(p->v[i], strlen(p->v[i]));
        hg_free(p->v[i]);
    }
    memset(p, 0, sizeof *p);
}

int hg_s3_profile_parse(hg_str_t text, const char *name, bool in_config, hg_s3_profile_t *p, hg_err_t *err)
{
    hg_s3_profile_t more = { 0 };
    bool has_keys = p->v[HG_S3P_ID] != NULL;
    int rc = read_section(text, name, in_config, &more, err);
    if (rc == 0 && !more.v[HG_S3P_ID] != !more.v[HG_S3P_SECRET])
        rc = hg_err_set(err, HG_EPARSE, "profile '%s' has only one of aws_access_key_id and aws_secret_access_key",
                        name);
    for (size_t i = 0; i < HG_S3P_COUNT && rc == 0; i++) {
        if (p->v[i] || !more.v[i] || (has_keys && i <= HG_S3P_TOKEN)) continue; /* keys of one file belong together */
        p->v[i] = more.v[i];
        more.v[i] = NULL;
    }
    p->there |= more.there;
    if (!has_keys && p->v[HG_S3P_ID]) p->keys_in_config = in_config;
    hg_s3_profile_release(&more);
    return rc;
}
