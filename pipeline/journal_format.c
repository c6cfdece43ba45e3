/* journal_format.c: steps as bytes; see journal.h and docs/storage-format.md. Numbers are LEB128, hashes and lane keys
 * eight bytes little endian. */
#include "base/hg.h"
#include "base/arena.h"
#include "base/json.h"
#include "pipeline/journal.h"

#define START 0x80 /* in the byte of the kind: an entry with a position before it */

static int put_num(hg_buf_t *b, uint64_t v)
{
    int rc = 0;
    while (v >= 0x80) {
        rc |= hg_buf_addc(b, (char)(0x80 | (v & 0x7f)));
        v >>= 7;
    }
    return rc | hg_buf_addc(b, (char)v);
}

static int put_fix(hg_buf_t *b, uint64_t v)
{
    int rc = 0;
    for (int i = 0; i < 8; i++) rc |= hg_buf_addc(b, (char)(v >> (8 * i) & 0xff));
    return rc;
}

static bool get_num(hg_str_t *in, uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && in->n; shift += 7) {
        unsigned char c = (unsigned char)*in->p;
        in->p++, in->n--;
        if (shift == 63 && c > 1) return false;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80) {
            *ret = v;
            return true;
        }
    }
    return false;
}

static bool get_fix(hg_str_t *in, uint64_t *ret)
{
    uint64_t v = 0;
    if (in->n < 8) return false;
    for (int i = 0; i < 8; i++) v |= (uint64_t)(unsigned char)in->p[i] << (8 * i);
    in->p += 8, in->n -= 8;
    *ret = v;
    return true;
}

static bool get_bytes(hg_str_t *in, hg_str_t *ret)
{
    uint64_t len;
    if (!get_num(in, &len) || len > in->n) return false;
    *ret = (hg_str_t){ in->p, (size_t)len };
    in->p += len, in->n -= len;
    return true;
}

int hg_jstep_write_head(hg_buf_t *b, const hg_jstep_t *s)
{
    int rc = put_num(b, s->number) | put_num(b, (uint64_t)s->now_us) | put_num(b, s->n);
    return rc < 0 ? HG_ENOMEM : 0;
}

static bool has_hash(const hg_jentry_t *e)
{
    return e->kind == HG_JE_CUT || e->kind == HG_JE_PAYLOAD || e->kind == HG_JE_RAW;
}

static bool has_data(const hg_jentry_t *e)
{
    return e->has_start || e->kind == HG_JE_PAYLOAD || e->kind == HG_JE_INSERT || e->kind == HG_JE_RAW;
}

int hg_jstep_write_entry(hg_buf_t *b, const hg_jentry_t *e)
{
    int rc = hg_buf_addc(b, (char)((int)e->kind | (e->has_start ? START : 0)));
    rc |= put_num(b, e->endpoint) | put_num(b, e->records);
    if (e->kind == HG_JE_CUT) rc |= put_fix(b, e->lane_key) | put_num(b, e->begin) | put_num(b, e->end - e->begin);
    if (has_hash(e)) rc |= put_fix(b, e->hash);
    if (has_data(e)) rc |= put_num(b, e->data.n) | hg_buf_addstr(b, e->data);
    if (e->kind == HG_JE_RAW) rc |= put_num(b, e->after.n) | hg_buf_addstr(b, e->after);
    return rc < 0 ? HG_ENOMEM : 0;
}

int hg_jstep_read_head(hg_str_t *in, hg_jstep_t *ret, hg_err_t *err)
{
    uint64_t now;
    if (!get_num(in, &ret->number) || !get_num(in, &now) || now > INT64_MAX || !get_num(in, &ret->n))
        return hg_err_set(err, HG_EDAMAGED, "a step without a sound head");
    ret->now_us = (int64_t)now;
    if (ret->n > in->n) return hg_err_set(err, HG_EDAMAGED, "step %" PRIu64 " has too many entries", ret->number);
    return 0;
}

int hg_jstep_read_entry(hg_str_t *in, hg_jentry_t *ret, hg_err_t *err)
{
    uint64_t endpoint, len;
    *ret = (hg_jentry_t){ 0 };
    if (in->n == 0) return hg_err_set(err, HG_EDAMAGED, "an entry is missing");
    unsigned char c = (unsigned char)*in->p;
    in->p++, in->n--;
    if ((c & ~START) >= HG_JE_N) return hg_err_set(err, HG_EDAMAGED, "an entry of unknown kind %u", c & ~START);
    ret->kind = (hg_jentry_kind_t)(c & ~START);
    ret->has_start = c & START;
    bool ok = get_num(in, &endpoint) && endpoint < UINT32_MAX && get_num(in, &ret->records);
    if (ok && ret->kind == HG_JE_CUT) {
        ok = get_fix(in, &ret->lane_key) && get_num(in, &ret->begin) && get_num(in, &len) &&
             len <= UINT64_MAX - ret->begin;
        if (ok) ret->end = ret->begin + len;
    }
    if (ok && has_hash(ret)) ok = get_fix(in, &ret->hash);
    if (ok && has_data(ret)) ok = get_bytes(in, &ret->data);
    if (ok && ret->kind == HG_JE_RAW) ok = get_bytes(in, &ret->after);
    if (!ok) return hg_err_set(err, HG_EDAMAGED, "an entry that is cut off or too large");
    ret->endpoint = (uint32_t)endpoint;
    return 0;
}

static const char *const g_marks[HG_JMARK_N] = { "begin", "leave", "commit" };

int hg_jmark_write(hg_buf_t *out, const hg_jmark_t *m)
{
    hg_jw_t w;
    hg_jw_init(&w, out);
    hg_jw_obj(&w);
    hg_jw_kstr(&w, "transaction", g_marks[m->kind]);
    hg_jw_ku64(&w, "id", m->id);
    hg_jw_ku64(&w, "step", m->step);
    if (m->api) hg_jw_kbool(&w, "api", true);
    hg_jw_end_obj(&w);
    return w.rc;
}

static int read_mark(const hg_json_t *v, hg_jmark_t *ret, hg_err_t *err)
{
    const char *name = hg_json_str(hg_json_get(v, "transaction"), "");
    unsigned k = 0;
    while (k < HG_JMARK_N && strcmp(name, g_marks[k]) != 0) k++;
    if (k == HG_JMARK_N) return hg_err_set(err, HG_EDAMAGED, "a mark of a transaction that is of no known kind");
    ret->kind = (hg_jmark_kind_t)k;
    ret->api = hg_json_get(v, "api");
    if (hg_json_u64(hg_json_get(v, "id"), &ret->id) < 0 || ret->id == 0 || ret->id > INT64_MAX ||
        hg_json_u64(hg_json_get(v, "step"), &ret->step) < 0)
        return hg_err_set(err, HG_EDAMAGED, "a mark of a transaction without its number or step");
    return 0;
}

int hg_jmark_read(hg_str_t payload, hg_jmark_t *ret, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    int rc = hg_json_parse(a, payload, &v, err);
    if (rc == 0) rc = read_mark(v, ret, err);
    hg_arena_free(a);
    return rc;
}
