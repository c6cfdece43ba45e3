/* creds_int.h: where credentials may come from: what creds.c (environment, the order), profile.c (shared
 * files), process.c (a command that a profile names) and role.c (services that are asked over HTTP) share. Not on
 * a loop: all of it blocks, but for what is said to parse. */
#ifndef HG_S3_CREDS_INT_H
#define HG_S3_CREDS_INT_H

#include "s3/s3.h"

#define HG_S3_FILE_MAX ((size_t)1 << 20)

/* A source: 0 with ret->id set: found; 0 without: it is not set up, and why says so ("AWS_ROLE_ARN is not set");
 * negative: it is set up and fails, nothing else is asked. err->retry where another attempt may help. */
typedef int hg_s3_source_fn(const hg_s3_ask_t *ask, hg_s3_creds_t *ret, hg_buf_t *why, hg_err_t *err);
hg_s3_source_fn hg_s3_from_environment, hg_s3_from_web_identity, hg_s3_from_files, hg_s3_from_container,
    hg_s3_from_machine;

const char *hg_s3_env(const char *name); /* NULL: not set, or empty */
/* Appends a file's bytes. *ret_there (may be NULL): does it exist? Without one, a file that does not is an error. */
int hg_s3_read_file(const char *path, hg_buf_t *out, bool *ret_there, hg_err_t *err);

/* --- profile_parse.c: what the shared files say about a profile; no I/O --- */

typedef enum {
    HG_S3P_ID,
    HG_S3P_SECRET,
    HG_S3P_TOKEN,
    HG_S3P_ROLE,
    HG_S3P_SOURCE_PROFILE,
    HG_S3P_CREDENTIAL_SOURCE,
    HG_S3P_TOKEN_FILE,
    HG_S3P_EXTERNAL_ID,
    HG_S3P_SESSION_NAME,
    HG_S3P_DURATION,
    HG_S3P_MFA,
    HG_S3P_PROCESS,
    HG_S3P_SSO,
    HG_S3P_REGION,
    HG_S3P_COUNT
} hg_s3_setting_t;

typedef struct hg_s3_profile {
    char *v[HG_S3P_COUNT]; /* NULL = not given; all of hg_free() */
    bool there;            /* its section was found */
    bool keys_in_config;   /* where HG_S3P_ID stands */
} hg_s3_profile_t;
/* Adds one file's text to p: what p has stays, so the credentials file comes first. in_config: sections are [profile
 * NAME], but for [default]. HG_EPARSE with err->pos.line. */
int hg_s3_profile_parse(hg_str_t text, const char *name, bool in_config, hg_s3_profile_t *p, hg_err_t *err);
void hg_s3_profile_release(hg_s3_profile_t *p);

/* --- process.c --- */

/* Runs `command` by the shell and takes the credentials that it writes. HG_EPERM under any limit of what programs may
 * reach. */
int hg_s3_from_process(const hg_s3_ask_t *ask, const char *command, hg_s3_creds_t *ret, hg_err_t *err);

/* --- role.c --- */

/* The role of a profile: with source's keys, or by web identity where source is NULL. */
int hg_s3_assume_role(const hg_s3_ask_t *ask, const hg_s3_profile_t *p, const hg_s3_creds_t *source, hg_s3_creds_t *ret,
                      hg_err_t *err);

/* --- role_parse.c --- */

/* What a credential_process writes. HG_EPROTO as hg_s3_role_parse. */
int hg_s3_process_parse(hg_str_t json, hg_s3_creds_t *ret, hg_err_t *err);
/* Bytes that can stand in a header, and in a key; at least one. */
bool hg_s3_plain(hg_str_t v);
/* From its parts; token and expires may be empty. HG_EPROTO: they are none. */
int hg_s3_role_take(hg_str_t id, hg_str_t secret, hg_str_t token, hg_str_t expires, hg_s3_creds_t *ret, hg_err_t *err);

#endif
