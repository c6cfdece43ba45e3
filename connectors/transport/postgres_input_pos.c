/* postgres_input_pos.c: where a range is: its last row by number, which lanes count, and by key, which the server
 * understands. A lane's cuts fall between any two rows, so the key of every row is kept until the circuit has taken it
 * (a few bytes each; the rows that wait are bounded by the byte budget). */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/transport/position.h"
#include "connectors/transport/postgres_input_int.h"

#define COMPACT ((size_t)64 << 10)

void hg_pgin_ranges_new(hg_input_t *in, uint32_t n)
{
    pgin_t *p = hg_in_inst(in);
    hg_pgin_ranges_free(p);
    p->ranges = HG_NEWN(range_t, n);
    p->n_ranges = n;
    for (uint32_t i = 0; i < n; i++) {
        p->ranges[i].in = in;
        p->ranges[i].nr = i;
        hg_buf_init(&p->ranges[i].key, HG_BUF_NOMAX);
        hg_buf_init(&p->ranges[i].keys.buf, HG_BUF_NOMAX);
    }
}

void hg_pgin_ranges_free(pgin_t *p)
{
    for (uint32_t i = 0; i < p->n_ranges; i++) {
        range_t *r = &p->ranges[i];
        hg_free(r->from);
        hg_free(r->to);
        hg_free(r->start_key);
        hg_buf_release(&r->key);
        hg_buf_release(&r->keys.buf);
    }
    hg_free(p->ranges);
    p->ranges = NULL;
    p->n_ranges = 0;
}

int hg_pgin_key_add(pgin_keys_t *k, uint64_t row, hg_str_t key)
{
    uint32_t n = (uint32_t)key.n;
    size_t before = k->buf.len;
    if (k->head == before) k->first = row;
    int rc = hg_buf_add(&k->buf, &n, sizeof n);
    if (rc == 0) rc = hg_buf_addstr(&k->buf, key);
    if (rc == 0)
        k->next = row + 1;
    else
        k->buf.len = before;
    return rc;
}

/* Keeps the key of the last taken row: a position names it. */
void hg_pgin_keys_drop(pgin_keys_t *k, uint64_t taken)
{
    uint32_t n;
    while (k->head < k->buf.len && k->first + 1 < taken) {
        memcpy(&n, k->buf.p + k->head, sizeof n);
        k->head += sizeof n + n;
        k->first++;
    }
    if (k->head < COMPACT || k->head < k->buf.len / 2) return;
    hg_buf_eat(&k->buf, k->head);
    k->head = 0;
}

static bool find_key(const pgin_keys_t *k, uint64_t row, hg_str_t *ret)
{
    uint32_t n;
    uint64_t at = k->first;
    if (row < k->first || row >= k->next) return false;
    for (size_t i = k->head; i < k->buf.len; i += sizeof n + n, at++) {
        memcpy(&n, k->buf.p + i, sizeof n);
        *ret = (hg_str_t){ k->buf.p + i + sizeof n, n };
        if (at == row) return true;
    }
    return false;
}

static void save_range(const pgin_t *p, const range_t *r, uint64_t end, hg_jw_t *w)
{
    hg_str_t key = hg_strz(r->start_key);
    if (p->key_name && end > r->start && !find_key(&r->keys, end - 1, &key)) {
        w->rc = HG_EAGAIN; /* dropped since the cut was made: the checkpoint is tried again */
        return;
    }
    hg_jw_obj(w);
    if (r->from) hg_jw_kstr(w, "from", r->from);
    if (r->to) hg_jw_kstr(w, "to", r->to);
    if (key.p) {
        hg_jw_key(w, "key");
        hg_jw_str(w, key);
    }
    hg_jw_ku64(w, "rows", end);
    if (r->ended && end == r->next) hg_jw_kbool(w, "done", true);
    hg_jw_end_obj(w);
}

void hg_pgin_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const pgin_t *p = hg_in_inst(in);
    hg_jw_obj(w);
    if (p->n_ranges && (p->bounded || p->restored)) {
        hg_jw_key(w, "ranges");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < p->n_ranges; i++) {
            const range_t *r = &p->ranges[i];
            uint64_t end = r->start;
            for (uint32_t k = 0; k < n; k++)
                if (r->lane_id && consumed[k].lane == r->lane_id) end = consumed[k].end;
            save_range(p, r, end, w);
        }
        hg_jw_end_arr(w);
    }
    hg_jw_end_obj(w);
}

/* --- reading --- */

static const char what[] = "a position of postgres_input";

static int text_member(const hg_json_t *v, const char *name, char **ret, hg_err_t *err)
{
    const hg_json_t *m = hg_json_get(v, name);
    if (!m) return 0;
    if (m->kind != HG_J_STRING) return hg_err_set(err, HG_EPARSE, "%s: '%s' is a string", what, name);
    if (ret) *ret = hg_xstrndup(m->str.p, m->str.n);
    return 0;
}

/* Into r, or only checked. */
static int one_range(const hg_json_t *v, bool keyed, range_t *r, hg_err_t *err)
{
    static const char *const names[] = { "from", "to", "key", "rows", "done", NULL };
    const hg_json_t *done = hg_json_get(v, "done");
    uint64_t rows = 0;
    int rc = hg_position_members(v, "a range of a position", names, err);
    if (rc == 0) rc = text_member(v, "from", r ? &r->from : NULL, err);
    if (rc == 0) rc = text_member(v, "to", r ? &r->to : NULL, err);
    if (rc == 0) rc = text_member(v, "key", r ? &r->start_key : NULL, err);
    if (rc == 0) rc = hg_position_u64(v, what, "rows", false, &rows, err);
    if (rc == 0 && done && done->kind != HG_J_TRUE && done->kind != HG_J_FALSE)
        rc = hg_err_set(err, HG_EPARSE, "%s: 'done' is true or false", what);
    if (rc == 0 && !keyed && (hg_json_get(v, "from") || hg_json_get(v, "to") || hg_json_get(v, "key")))
        rc = hg_err_set(err, HG_EPARSE, "%s: 'from', 'to' and 'key' need the option 'key_column'", what);
    if (rc < 0 || !r) return rc;
    r->start = r->next = rows;
    r->ended = hg_json_bool(done, false);
    if (r->ended) r->state = RG_DONE;
    return 0;
}

static int read_position(const pgin_cfg_t *c, const hg_json_t *v, hg_input_t *into, hg_err_t *err)
{
    static const char *const names[] = { "ranges", NULL };
    int rc = hg_position_members(v, what, names, err);
    const hg_json_t *list = rc == 0 ? hg_json_get(v, "ranges") : NULL;
    if (!list) return rc;
    if (list->kind != HG_J_ARRAY || list->n == 0 || list->n > HG_PGIN_RANGES)
        return hg_err_set(err, HG_EPARSE, "%s: 'ranges' is an array of 1 to %u ranges", what, (unsigned)HG_PGIN_RANGES);
    if (into) hg_pgin_ranges_new(into, list->n);
    pgin_t *p = into ? hg_in_inst(into) : NULL;
    uint32_t i = 0;
    for (const hg_json_t *e = list->child; e && rc == 0; e = e->next, i++)
        rc = one_range(e, c->key_column != NULL, p ? &p->ranges[i] : NULL, err);
    if (rc == 0 && p) p->restored = p->bounded = true;
    return rc;
}

int hg_pgin_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    return read_position(hg_in_cfg(in), position, in, err);
}

int hg_pgin_check_position(const void *cfg, const hg_json_t *position, hg_err_t *err)
{
    return read_position(cfg, position, NULL, err);
}
