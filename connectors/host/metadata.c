/* metadata.c: CONNECTOR_METADATA() of messages. What a transport and the format know of each message is evaluated for a
 * whole chunk at once, a column with a row per message for each DEFAULT that reads it; while a message is parsed, the
 * builders take its row where they would take the constant. Pool thread. */
#include "base/hg.h"
#include "base/mem.h"
#include "connectors/host/host_int.h"
#include "data/variant.h"

struct hg_metadata {
    uint32_t n;
    hg_col_t **cols[2];  /* of records that are inserted, and of those that soft_delete keeps */
    hg_coldflt_t dflt[]; /* per column of the table; of[k] NULL: its constant stands */
};

static int no_mem(hg_err_t *err)
{
    return hg_err_set(err, HG_ENOMEM, "no memory for the metadata of a chunk");
}

/* A member of the object that is being written. */
static int member(hg_buf_t *b, hg_str_t text)
{
    int rc = b->len > 1 ? hg_buf_addc(b, ',') : 0;
    return rc == 0 ? hg_buf_addstr(b, text) : rc;
}

/* What is known of message m: by soft_delete, the transport (an object) and the format. Empty: nothing is. */
static int describe(const hg_job_t *j, const hg_msgref_t *m, bool deleted, hg_buf_t *own, hg_buf_t *ret)
{
    const hg_input_t *in = j->pub.in;
    hg_str_t said = { j->buf + m->off + m->len + 1, m->meta_len };
    hg_buf_clear(ret);
    hg_buf_clear(own);
    int rc = in->format->metadata ? in->format->metadata(in->parser, (hg_str_t){ j->buf + m->off, m->len }, own) : 0;
    if (rc < 0 || (!deleted && said.n == 0 && own->len == 0)) return rc;
    rc = hg_buf_addc(ret, '{');
    if (rc == 0 && deleted) rc = member(ret, HG_S("\"is_delete\":true"));
    if (rc == 0 && said.n > 2) rc = member(ret, (hg_str_t){ said.p + 1, said.n - 2 });
    if (rc == 0 && own->len) rc = member(ret, hg_buf_str(own));
    if (rc == 0) rc = hg_buf_addc(ret, '}');
    return rc;
}

/* One VARIANT per message; NULL: nothing is known of it. deleted: with is_delete. */
static int gather(const hg_job_t *j, bool deleted, hg_col_t **ret, hg_err_t *err)
{
    static const hg_type_t type = { .kind = HG_T_VARIANT, .nullable = true, .precision = -1 };
    hg_variant_t *v = hg_variant_new();
    hg_colb_t b;
    hg_buf_t text, whole;
    int rc = 0;
    hg_colb_init(&b, &type);
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_buf_init(&whole, HG_BUF_NOMAX);
    for (uint32_t i = 0; i < j->n_msgs && rc == 0; i++) {
        rc = describe(j, &j->msgs[i], deleted, &text, &whole);
        if (rc == 0) rc = hg_buf_reserve(&whole, 64); /* readable behind the end */
        if (rc < 0) break;
        if (whole.len == 0) {
            rc = hg_colb_null(&b);
            continue;
        }
        memset(whole.p + whole.len, 0, 64);
        hg_buf_clear(&text);
        rc = hg_variant_parse(v, hg_buf_str(&whole), &text);
        if (rc == 0) rc = hg_colb_var(&b, text.p, text.len);
    }
    if (rc == HG_EPARSE)
        hg_err_set(err, HG_EBUG, "the metadata of a message is no JSON: %.80s", whole.p);
    else if (rc < 0)
        no_mem(err);
    else
        *ret = hg_colb_seal(&b);
    hg_colb_release(&b);
    hg_buf_release(&text);
    hg_buf_release(&whole);
    hg_variant_free(v);
    return rc;
}

static int evaluate(hg_metadata_t *m, const hg_job_t *j, int which, hg_err_t *err)
{
    const hg_table_env_t *t = &j->pub.in->table;
    hg_col_t *const *constants = which ? t->deleted : t->defaults;
    hg_col_t *meta = NULL;
    m->cols[which] = hg_tryzero(sizeof(hg_col_t *) * ((size_t)m->n + 1));
    if (!m->cols[which]) return no_mem(err);
    int rc = gather(j, which == 1, &meta, err);
    if (rc == 0) rc = t->from_metadata(t->arg, meta, m->cols[which], err);
    hg_col_drop(meta);
    for (uint32_t i = 0; i < m->n && rc == 0; i++) {
        if (!m->cols[which][i]) continue;
        m->dflt[i].of[which] = constants[i];
        m->dflt[i].to[which] = m->cols[which][i];
    }
    return rc;
}

int hg_metadata_new(const hg_job_t *j, hg_colb_t *cols, hg_metadata_t **ret, hg_err_t *err)
{
    const hg_input_t *in = j->pub.in;
    bool any = in->table.from_metadata && in->format->metadata && j->n_msgs;
    for (uint32_t i = 0; in->table.from_metadata && i < j->n_msgs && !any; i++) any = j->msgs[i].meta_len > 0;
    *ret = NULL;
    if (!any) return 0; /* the constants are of no metadata */
    uint32_t n = in->table.schema->n_cols;
    hg_metadata_t *m = hg_tryzero(sizeof *m + sizeof m->dflt[0] * n);
    if (!m) return no_mem(err);
    m->n = n;
    *ret = m;
    int rc = evaluate(m, j, 0, err);
    if (rc == 0 && in->table.deleted) rc = evaluate(m, j, 1, err);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if (m->dflt[i].of[0]) cols[i].dflt = &m->dflt[i];
    return rc;
}

void hg_metadata_at(hg_metadata_t *m, uint32_t msg)
{
    for (uint32_t i = 0; m && i < m->n; i++) m->dflt[i].row = msg;
}

void hg_metadata_free(hg_metadata_t *m, hg_colb_t *cols)
{
    if (!m) return;
    for (uint32_t i = 0; i < m->n; i++) cols[i].dflt = NULL;
    for (int k = 0; k < 2; k++) {
        for (uint32_t i = 0; m->cols[k] && i < m->n; i++) hg_col_drop(m->cols[k][i]);
        hg_free(m->cols[k]);
    }
    hg_free(m);
}
