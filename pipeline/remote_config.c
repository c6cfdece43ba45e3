/* remote_config.c: storage.backend.config.sync: what of Feldera's options has an effect here. */
#include "base/hg.h"
#include "base/hide.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/client.h"
#include "pipeline/remote.h"
#include "pipeline/remote_format.h"
#include "pipeline/secrets.h"
#include "s3/s3.h"

/* The struct of the table: what is only known has a place as well. */
typedef struct {
    hg_remote_cfg_t c;
    const hg_json_t *ignored;
} parsed_t;

#define MEMBER(m) .at = offsetof(parsed_t, c.m)
#define IGNORED   .at = offsetof(parsed_t, ignored), .type = HG_OPT_JSON, .flags = HG_OPT_IGNORED

static const hg_opt_t g_opts[] = {
    { .key = "bucket",
      .type = HG_OPT_STR,
      MEMBER(bucket),
      .flags = HG_OPT_REQUIRED,
      .doc = "Name of the bucket, with the folder in it that belongs to this pipeline: `bucket/folder`." },
    { .key = "endpoint",
      .type = HG_OPT_STR,
      MEMBER(endpoint),
      .doc = "URL of another S3 server than Amazon's. The bucket then stands in the path." },
    { .key = "region", .type = HG_OPT_STR, MEMBER(region), .def = "us-east-1", .doc = "Region of the bucket." },
    { .key = "access_key",
      .type = HG_OPT_STR,
      MEMBER(id),
      .flags = HG_OPT_SECRET,
      .doc = "Access key; without one, the credentials of the surroundings." },
    { .key = "secret_key", .type = HG_OPT_STR, MEMBER(secret), .flags = HG_OPT_SECRET, .doc = "Its secret." },
    { .key = "start_from_checkpoint",
      .type = HG_OPT_STR,
      MEMBER(start_from),
      .doc = "Checkpoint to start from: `latest`, or its UUID." },
    { .key = "fail_if_no_checkpoint",
      .type = HG_OPT_BOOL,
      MEMBER(fail_if_none),
      .def = "false",
      .doc = "A start fails where there is no such checkpoint." },
    { .key = "read_bucket",
      .type = HG_OPT_STR,
      MEMBER(read_bucket),
      .doc = "Another bucket, which is only read: where to start from if neither the disk nor `bucket` has a "
             "checkpoint." },
    { .key = "push_interval",
      .type = HG_OPT_U64,
      MEMBER(push_interval_secs),
      .max = 365u * 24 * 3600,
      .unit = "s",
      .doc = "How often the newest checkpoint is sent." },
    { .key = "pull_interval",
      .type = HG_OPT_U64,
      MEMBER(pull_interval_secs),
      .def = "10",
      .min = 1,
      .max = 365u * 24 * 3600,
      .unit = "s",
      .doc = "How often a pipeline in standby looks for a newer checkpoint." },
    { .key = "retention_min_count",
      .type = HG_OPT_U32,
      MEMBER(keep_count),
      .def = "10",
      .doc = "So many checkpoints stay." },
    { .key = "retention_min_age",
      .type = HG_OPT_U32,
      MEMBER(keep_days),
      .def = "30",
      .max = 36500,
      .unit = "days",
      .doc = "Younger ones stay." },
    { .key = "standby",
      .type = HG_OPT_BOOL,
      MEMBER(standby),
      .def = "false",
      .doc = "Feldera's former word for a pipeline that waits, now `start?initial=standby`: refused." },
    { .key = "provider", IGNORED, .doc = "Every S3 server is spoken to in the same way." },
    { .key = "transfers", IGNORED, .doc = "Files are sent one after the other." },
    { .key = "checkers", IGNORED, .doc = "What is there is known from one listing." },
    { .key = "ignore_checksum", IGNORED, .doc = "Checksums are always verified." },
    { .key = "multi_thread_streams", IGNORED, .doc = "A file comes in one stream." },
    { .key = "multi_thread_cutoff", IGNORED, .doc = "A file comes in one stream." },
    { .key = "optimize_download_resources", IGNORED, .doc = "A file comes in one stream." },
    { .key = "upload_concurrency", IGNORED, .doc = "The parts of a file are sent one after the other." },
    { .key = "flags", IGNORED, .doc = "They are for rclone, which is not used." },
    { .key = NULL },
};

static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    hg_err_t *err = arg;
    (void)node, (void)at_key;
    if (warning) hg_log(HG_LOG_WARN, "storage", "sync", "option", "message=\"%s\"", msg);
    if (!warning && err->code == HG_OK)
        hg_err_set(err, HG_EINVAL, "runtime_config.storage.backend.config.sync: %s", msg);
}

static bool is_reference(const char *v)
{
    hg_str_t name, key;
    return v && hg_reference(hg_strz(v), &name, &key) != HG_REF_NONE;
}

static int refuse(hg_err_t *err, const char *member, const char *why)
{
    return hg_err_set(err, HG_EINVAL, "runtime_config.storage.backend.config.sync.%s: %s", member, why);
}

static int check_place(const hg_remote_cfg_t *c, const char *member, const char *where, hg_err_t *err)
{
    hg_s3_bucket_t b;
    char *bucket = NULL, *prefix = NULL;
    int rc = 0;
    if (is_reference(where)) return 0;
    hg_remote_place(where, &bucket, &prefix);
    const char *bad = hg_s3_bucket_name_bad(bucket);
    if (bad) {
        rc = refuse(err, member, bad);
    } else if (strlen(prefix) > HG_S3_KEY_MAX / 2) {
        rc = refuse(err, member, "the folder has more than 512 bytes");
    } else if (!is_reference(c->endpoint) && !is_reference(c->region)) {
        rc = hg_s3_bucket_init(&b, bucket, c->region, c->endpoint, err);
        if (rc < 0) rc = err->code = HG_EINVAL;
        if (rc == 0) rc = hg_url_access(b.scheme_host, err);
        if (rc < 0) hg_err_wrap(err, "runtime_config.storage.backend.config.sync");
        hg_s3_bucket_release(&b);
    }
    hg_free(bucket);
    hg_free(prefix);
    return rc;
}

static int check(const hg_remote_cfg_t *c, hg_err_t *err)
{
    if (c->standby)
        return refuse(err, "standby", "true is not supported: start the pipeline with initial=standby instead");
    if (!c->id != !c->secret)
        return refuse(err, c->id ? "access_key" : "secret_key",
                      "give both access_key and secret_key, or none for the credentials of the surroundings");
    if (c->start_from && !is_reference(c->start_from) && strcmp(c->start_from, "latest") != 0 &&
        !hg_remote_is_uuid(hg_strz(c->start_from)))
        return refuse(err, "start_from_checkpoint", "expected latest, or the UUID of a checkpoint");
    if (c->read_bucket && strcmp(c->read_bucket, c->bucket) == 0)
        return refuse(err, "read_bucket", "it must be another one than bucket");
    int rc = check_place(c, "bucket", c->bucket, err);
    if (rc == 0 && c->read_bucket) rc = check_place(c, "read_bucket", c->read_bucket, err);
    return rc;
}

int hg_remote_config(const hg_json_t *storage, hg_arena_t *a, const hg_remote_cfg_t **ret, hg_err_t *err)
{
    const hg_json_t *backend = hg_json_get(storage, "backend");
    const hg_json_t *sync = hg_json_get(hg_json_get(backend, "config"), "sync");
    parsed_t *x = HG_ANEW(a, parsed_t);
    hg_err_t first = HG_ERR_INIT;
    hg_diag_t d = { .fn = on_diag, .arg = &first };
    hg_kvlist_t extra = { 0 };
    *ret = NULL;
    if (!sync || sync->kind == HG_J_NULL || strcmp(hg_json_str(hg_json_get(backend, "name"), ""), "file") != 0)
        return 0;
    hg_opts_parse(g_opts, sync, sync, HG_EXTRA_WARN, &extra, a, x, &d);
    if (first.code) {
        *err = first;
        return err->code;
    }
    int rc = check(&x->c, err);
    if (rc == 0) *ret = &x->c;
    return rc;
}

/* One that is given literally is hidden as well: it stands in the configuration all the same. */
static int resolve(const hg_json_t *env, hg_arena_t *a, const char **v, bool secret, hg_err_t *err)
{
    hg_str_t text;
    const char *was = *v;
    if (!was) return 0;
    if (is_reference(was)) {
        int rc = hg_secret_resolve(&env, hg_strz(was), a, &text, err);
        if (rc < 0) return rc;
        *v = text.p;
    } else if (secret) {
        hg_hide_learn(hg_strz(was), HG_S("***"));
    }
    return 0;
}

int hg_remote_config_resolve(const hg_remote_cfg_t *c, const hg_json_t *env, hg_arena_t *a, const hg_remote_cfg_t **ret,
                             hg_err_t *err)
{
    hg_remote_cfg_t *r = HG_ANEW(a, hg_remote_cfg_t);
    *r = *c;
    const struct {
        const char **at;
        bool secret;
    } members[] = { { &r->bucket, false }, { &r->read_bucket, false }, { &r->endpoint, false },  { &r->region, false },
                    { &r->id, true },      { &r->secret, true },       { &r->start_from, false } };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < HG_COUNT(members); i++)
        rc = resolve(env, a, members[i].at, members[i].secret, err);
    if (rc == 0) rc = check(r, err);
    if (rc == 0) *ret = r;
    return rc;
}
