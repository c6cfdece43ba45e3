/* remote_place.c: what is in the bucket: the list of checkpoints, and the description of one. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/remote_int.h"

int hg_remote_place_open(hg_remote_place_t *p, const hg_remote_cfg_t *cfg, const char *where,
                         bool (*cancelled)(void *arg), void *arg, hg_err_t *err)
{
    *p = (hg_remote_place_t){ .client = NULL };
    hg_remote_place(where, &p->bucket, &p->prefix);
    const hg_s3_client_opts_t o = { .bucket = p->bucket,
                                    .region = cfg->region,
                                    .endpoint = cfg->endpoint,
                                    .id = cfg->id,
                                    .secret = cfg->secret,
                                    .cancelled = cancelled,
                                    .cancel_arg = arg };
    int rc = hg_s3_client_new(&o, &p->client, err);
    if (rc < 0) hg_remote_place_close(p);
    return rc;
}

void hg_remote_place_close(hg_remote_place_t *p)
{
    hg_s3_client_free(p->client);
    hg_free(p->bucket);
    hg_free(p->prefix);
    *p = (hg_remote_place_t){ .client = NULL };
}

/* --- the list --- */

typedef struct {
    const char *prefix;
    hg_remote_uuids_t *u;
} take_t;

static int take_key(void *arg, const hg_s3_entry_t *e, hg_err_t *err)
{
    take_t *x = arg;
    hg_remote_uuids_t *u = x->u;
    char uuid[37];
    (void)err;
    if (!hg_remote_key_uuid(x->prefix, e->key, uuid)) return 0;
    if (u->n == u->cap) {
        u->cap = u->cap ? u->cap * 2 : 64;
        u->v = hg_xgrow(u->v, u->cap * sizeof *u->v);
    }
    memcpy(u->v[u->n++], uuid, sizeof uuid);
    return 0;
}

static int by_text(const void *a, const void *b)
{
    return memcmp(a, b, 36);
}

int hg_remote_uuids_read(hg_remote_place_t *p, hg_remote_uuids_t *ret, hg_err_t *err)
{
    char *folder = hg_remote_desc_key(p->prefix, "");
    take_t x = { p->prefix, ret };
    *ret = (hg_remote_uuids_t){ .n = 0 };
    folder[strlen(folder) - strlen(".json")] = 0;
    int rc = hg_s3_client_list(p->client, folder, take_key, &x, err);
    hg_free(folder);
    if (rc < 0) hg_remote_uuids_release(ret);
    if (rc == 0 && ret->n) qsort(ret->v, ret->n, sizeof *ret->v, by_text);
    return rc;
}

void hg_remote_uuids_release(hg_remote_uuids_t *u)
{
    hg_free(u->v);
    *u = (hg_remote_uuids_t){ .n = 0 };
}

int hg_remote_desc_read(hg_remote_place_t *p, hg_arena_t *a, const char *uuid, hg_remote_desc_t *ret, hg_err_t *err)
{
    char *key = hg_remote_desc_key(p->prefix, uuid);
    hg_buf_t text;
    hg_buf_init(&text, HG_REMOTE_DESC_MAX);
    int rc = hg_s3_client_read(p->client, key, &text, err);
    if (rc == 0 && hg_remote_desc_parse(a, hg_buf_str(&text), uuid, ret, err) < 0)
        rc = hg_err_wrap(err, "s3://%s/%s", p->bucket, key);
    hg_buf_release(&text);
    hg_free(key);
    return rc;
}

int hg_remote_list_json(const hg_remote_cfg_t *c, bool (*cancelled)(void *arg), void *arg, hg_jw_t *w, hg_err_t *err)
{
    hg_remote_place_t p;
    hg_remote_uuids_t u = { .n = 0 };
    int rc = hg_remote_place_open(&p, c, c->bucket, cancelled, arg, err);
    if (rc < 0) return rc;
    rc = hg_remote_uuids_read(&p, &u, err);
    hg_jw_arr(w);
    for (uint32_t i = u.n; i-- > 0;) {
        hg_jw_obj(w);
        hg_jw_kstr(w, "uuid", u.v[i]);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_remote_uuids_release(&u);
    hg_remote_place_close(&p);
    return rc;
}
