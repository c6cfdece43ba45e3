/* codec.c: see codec.h. Which schema is which codec, and what all have in common. */
#include "base/hg.h"
#include "base/access.h"
#include "iggy/codec/codec_int.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* In the order of hg_plkind_t. */
static const hg_codec_type_t *const types[] = { &hg_codec_json,  &hg_codec_raw,         &hg_codec_text,
                                                &hg_codec_proto, &hg_codec_flat_buffer, &hg_codec_avro };

struct hg_codec {
    const hg_codec_type_t *type;
    hg_arena_t *arena;
    void *made;
};

int hg_codec_nomem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "out of memory while writing a message");
}

int hg_codec_refuse(hg_plkind_t schema, const char *takes, const hg_payload_t *p, hg_err_t *err)
{
    return hg_err_set(err, HG_EINVAL, "schema '%s' takes %s messages, this one is %s", hg_plkind_name(schema), takes,
                      hg_plkind_name(p->kind));
}

int hg_codec_option(hg_err_t *err, const char *option)
{
    snprintf(err->path, sizeof err->path, "%s", option);
    return err->code;
}

int hg_codec_file(hg_arena_t *a, const char *option, const char *path, size_t max, hg_str_t *ret, hg_err_t *err)
{
    struct stat st;
    if (hg_access_path(path, err) < 0) return hg_codec_option(err, option);
    int fd = hg_access_open(path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0) {
        hg_err_errno(err, errno, "cannot read '%s'", path);
        return hg_codec_option(err, option);
    }
    hg_buf_t b;
    hg_buf_init(&b, max);
    int rc = fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ? HG_EIO : 0;
    while (rc == 0) {
        if (hg_buf_reserve(&b, 4096) < 0) {
            rc = HG_ETOOBIG;
            break;
        }
        ssize_t n = read(fd, b.p + b.len, 4096);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = HG_EIO;
        if (n <= 0) break;
        b.len += (size_t)n;
        b.p[b.len] = 0;
    }
    close(fd);
    if (rc == 0)
        *ret = hg_arena_str(a, hg_buf_str(&b));
    else
        hg_err_option(err, rc, option,
                      rc == HG_ETOOBIG ? "'%s' is larger than %zu bytes" : "'%s' is no file that can be read", path,
                      max);
    hg_buf_release(&b);
    return rc;
}

/* --- making --- */

typedef struct {
    hg_err_t *err;
    const hg_json_t *root, *copy;
} complaint_t;

static void first_error(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    complaint_t *c = arg;
    (void)at_key;
    if (warning || c->err->code) return;
    hg_err_set(c->err, HG_EINVAL, "%s", msg);
    if (node && node != c->copy) hg_json_path(node, c->root, c->err->path, sizeof c->err->path);
}

/* The members of `all` that the table names, so that nobody else's are judged here. */
static const hg_json_t *own(hg_arena_t *a, const hg_opt_t *table, const hg_json_t *all)
{
    hg_json_t *obj = HG_ANEW(a, hg_json_t), **tail = &obj->child;
    *obj = all ? *all : (hg_json_t){ .kind = HG_J_OBJECT };
    obj->child = NULL;
    obj->n = 0;
    for (const hg_json_t *m = all ? all->child : NULL; m; m = m->next)
        for (const hg_opt_t *o = table; o->key; o++) {
            if (!hg_str_eqz(m->key, o->key) || m->kind == HG_J_NULL) continue;
            hg_json_t *copy = HG_ANEW(a, hg_json_t);
            *copy = *m;
            copy->next = NULL;
            *tail = copy;
            tail = &copy->next;
            obj->n++;
        }
    return obj;
}

static int configure(hg_codec_t *c, const hg_json_t *options, hg_err_t *err)
{
    const hg_codec_type_t *t = c->type;
    void *cfg = hg_arena_alloc(c->arena, HG_MAX(t->cfg_size, (size_t)1));
    if (t->opts) {
        complaint_t first = { err, options, own(c->arena, t->opts, options) };
        hg_diag_t d = { .fn = first_error, .arg = &first };
        int rc = hg_opts_parse(t->opts, first.copy, options, HG_EXTRA_WARN, NULL, c->arena, cfg, &d);
        if (rc < 0) return rc;
    }
    return t->make ? t->make(c->arena, cfg, &c->made, err) : 0;
}

int hg_codec_new(hg_str_t schema, const hg_json_t *options, hg_codec_t **ret, hg_err_t *err)
{
    hg_plkind_t kind;
    *err = HG_ERR_INIT;
    int rc = hg_plkind_find(schema, &kind, err);
    if (rc < 0) {
        snprintf(err->path, sizeof err->path, "schema");
        return rc;
    }
    hg_codec_t *c = HG_NEW(hg_codec_t);
    c->type = types[kind];
    c->arena = hg_arena_new();
    rc = configure(c, options, err);
    if (rc < 0) {
        hg_codec_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void hg_codec_free(hg_codec_t *c)
{
    if (!c) return;
    if (c->made && c->type->free) c->type->free(c->made);
    hg_arena_free(c->arena);
    hg_free(c);
}

hg_plkind_t hg_codec_kind(const hg_codec_t *c)
{
    return c->type->kind;
}

const hg_opt_t *hg_codec_options(hg_plkind_t k)
{
    return types[k]->opts;
}

bool hg_codec_knows(hg_str_t option)
{
    for (size_t i = 0; i < HG_COUNT(types); i++)
        for (const hg_opt_t *o = types[i]->opts; o && o->key; o++)
            if (hg_str_eqz(option, o->key)) return true;
    return false;
}

/* --- messages --- */

int hg_codec_decode(const hg_codec_t *c, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err)
{
    return c->type->decode(c->made, s, bytes, ret, err);
}

int hg_codec_encode(const hg_codec_t *c, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err)
{
    hg_str_t bytes;
    int rc = c->type->encode(c->made, s, p, &bytes, err);
    if (rc < 0) return rc;
    if (bytes.n == 0) return hg_err_set(err, HG_EINVAL, "an empty message: Iggy has none");
    if (bytes.n > HG_PAYLOAD_MAX)
        return hg_err_set(err, HG_EINVAL, "a message of %zu bytes: Iggy takes %u at most", bytes.n, HG_PAYLOAD_MAX);
    *ret = bytes;
    return 0;
}
