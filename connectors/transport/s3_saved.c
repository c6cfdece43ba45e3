/* s3_saved.c: reads positions, which users may write by hand; apart from what runs, so that it is fuzzed by itself. */
#include "base/hg.h"
#include "connectors/transport/position.h"
#include "connectors/transport/s3_int.h"

#define OBJECTS_MAX 100000u

hg_compression_t hg_s3_compression(const s3_cfg_t *c, const char *key)
{
    return hg_compression_of((hg_compression_t)c->compression, hg_strz(key));
}

static const char g_what[] = "a position of s3_input";

static int read_key(const s3_cfg_t *c, const hg_json_t *v, const char *name, bool in_scope, const char **ret,
                    hg_err_t *err)
{
    const char *key = hg_json_str(v, NULL);
    if (!key || !key[0] || v->str.n > HG_S3_KEY_MAX || strlen(key) != v->str.n)
        return hg_err_set(err, HG_EPARSE, "%s: '%s' is not the key of an object (a text of 1 to %d bytes)", g_what,
                          name, HG_S3_KEY_MAX);
    if (in_scope && c->key && strcmp(c->key, key) != 0)
        return hg_err_set(err, HG_EPARSE, "%s: object '%.100s' is not '%.100s', the 'key' of the connector", g_what,
                          key, c->key);
    if (in_scope && c->prefix && strncmp(key, c->prefix, strlen(c->prefix)) != 0)
        return hg_err_set(err, HG_EPARSE, "%s: object '%.100s' does not begin with '%.100s', the connector's 'prefix'",
                          g_what, key, c->prefix);
    *ret = key;
    return 0;
}

static int read_object(const s3_cfg_t *c, const hg_json_t *v, s3_saved_t *ret, hg_err_t *err)
{
    static const char *const names[] = { "key", "offset", "size", "etag", HG_MEMBER_NAMES, NULL };
    static const char what[] = "an object of a position of s3_input";
    const char *key = "";
    int rc = hg_position_members(v, what, names, err);
    if (rc == 0) rc = read_key(c, hg_json_get(v, "key"), "key", true, &key, err);
    if (rc == 0) rc = hg_position_u64(v, what, "offset", true, &ret->offset, err);
    if (rc == 0) rc = hg_position_u64(v, what, "size", true, &ret->size, err);
    if (rc == 0) rc = hg_member_read(v, what, ret->offset, &ret->from, err);
    if (rc < 0) return rc;
    const hg_json_t *etag = hg_json_get(v, "etag");
    bool packed = hg_s3_compression(c, key) != HG_COMPRESSION_NONE;
    if (etag && etag->kind != HG_J_STRING) return hg_err_set(err, HG_EPARSE, "%s: 'etag' is not a text", what);
    if (ret->from.packed && !packed)
        return hg_err_set(err, HG_EPARSE, "%s: 'member_at' is for compressed objects, '%.100s' is none", what, key);
    if (!ret->size || (packed ? ret->from.packed : ret->offset) > ret->size)
        return hg_err_set(err, HG_EPARSE, "%s: '%s' is behind the end of '%.100s' ('size')", what,
                          packed ? "member_at" : "offset", key);
    ret->key = hg_xstrdup(key);
    ret->etag = hg_xstrdup(hg_json_str(etag, ""));
    return 0;
}

void hg_s3_saved_free(s3_t *s)
{
    for (uint32_t i = 0; i < s->n_saved; i++) {
        hg_free(s->saved[i].key);
        hg_free(s->saved[i].etag);
    }
    hg_free(s->saved);
    hg_free(s->after);
    s->saved = NULL;
    s->after = NULL;
    s->n_saved = 0;
}

static int array_of(const hg_json_t *v, const char *name, const hg_json_t **ret, uint32_t *n, hg_err_t *err)
{
    const hg_json_t *a = hg_json_get(v, name);
    *ret = NULL;
    if (!a) return 0;
    if (a->kind != HG_J_ARRAY || a->n > OBJECTS_MAX)
        return hg_err_set(err, HG_EPARSE, "%s: '%s' is not an array of at most %u", g_what, name, OBJECTS_MAX);
    *ret = a->child;
    *n += a->n;
    return 0;
}

int hg_s3_read_position(const s3_cfg_t *c, const hg_json_t *v, s3_t *s, hg_err_t *err)
{
    static const char *const names[] = { "after", "objects", "done", NULL };
    const hg_json_t *objects = NULL, *done = NULL, *after = hg_json_get(v, "after");
    const char *key = "";
    uint32_t n = 0;
    int rc = hg_position_members(v, g_what, names, err);
    if (rc == 0) rc = array_of(v, "objects", &objects, &n, err);
    if (rc == 0) rc = array_of(v, "done", &done, &n, err);
    if (rc == 0 && after) rc = read_key(c, after, "after", false, &key, err);
    if (rc < 0) return rc;
    if (after) s->after = hg_xstrdup(key);
    s->saved = HG_NEWN(s3_saved_t, n + 1);
    for (; objects && rc == 0; objects = objects->next) {
        rc = read_object(c, objects, &s->saved[s->n_saved], err);
        if (rc == 0) s->n_saved++;
    }
    for (; done && rc == 0; done = done->next) {
        rc = read_key(c, done, "done", true, &key, err);
        if (rc == 0)
            s->saved[s->n_saved++] = (s3_saved_t){ .key = hg_xstrdup(key), .etag = hg_xstrdup(""), .done = true };
    }
    if (rc < 0) hg_s3_saved_free(s);
    return rc;
}

int hg_s3_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    s3_t tmp = { 0 };
    int rc = hg_s3_read_position(cfg, position, &tmp, err);
    hg_s3_saved_free(&tmp);
    return rc;
}
