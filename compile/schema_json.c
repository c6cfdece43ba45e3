/* The program schema, in Feldera's shape and order of keys (sql §3.3). */
#include "base/hg.h"
#include "compile/compile_int.h"

static bool is_key(const hg_schema_t *s, uint32_t col)
{
    for (uint32_t i = 0; i < s->n_key; i++)
        if (s->key[i] == col) return true;
    return false;
}

static void text_member(hg_jw_t *w, const char *key, hg_str_t s)
{
    if (!s.n) return;
    hg_jw_key(w, key);
    hg_jw_str(w, s);
}

static void field(hg_jw_t *w, const hg_crel_t *r, uint32_t i)
{
    const hg_field_t *f = &r->rel.schema.cols[i];
    const hg_ccol_t *col = &r->cols[i];
    bool table = r->rel.kind == HG_REL_TABLE;
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, f->name);
    hg_jw_kbool(w, "case_sensitive", f->case_sensitive);
    hg_jw_key(w, "columntype");
    hg_type_json(w, f->type);
    text_member(w, "default", col->dflt);
    text_member(w, "lateness", col->lateness);
    text_member(w, "watermark", col->watermark);
    if (col->interned) hg_jw_kbool(w, "interned", true);
    hg_jw_kbool(w, "unused", table && !col->used && !is_key(&r->rel.schema, i));
    hg_jw_end_obj(w);
}

void hg_pos_json(hg_jw_t *w, hg_pos_t p)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "start_line_number", p.line);
    hg_jw_ku64(w, "start_column", p.col);
    hg_jw_ku64(w, "end_line_number", p.end_line);
    hg_jw_ku64(w, "end_column", p.end_col);
    hg_jw_end_obj(w);
}

static void properties(hg_jw_t *w, const hg_crel_t *r)
{
    if (!r->n_props) return;
    hg_jw_key(w, "properties");
    hg_jw_obj(w);
    for (uint32_t i = 0; i < r->n_props; i++) {
        hg_jw_key(w, r->props[i].key->text.p);
        hg_jw_obj(w);
        hg_jw_key(w, "value");
        hg_jw_str(w, r->props[i].value->text);
        hg_jw_key(w, "key_position");
        hg_pos_json(w, r->props[i].key->pos);
        hg_jw_key(w, "value_position");
        hg_pos_json(w, r->props[i].value->pos);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
}

static void name_list(hg_jw_t *w, const char *key, const hg_name_t *names, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_str(w, names[i].name);
    hg_jw_end_arr(w);
}

static void foreign_keys(hg_jw_t *w, const hg_crel_t *r)
{
    hg_jw_key(w, "foreign_keys");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < r->n_fks; i++) {
        const hg_ast_fk_t *fk = &r->fks[i];
        hg_jw_obj(w);
        hg_jw_key(w, "source");
        hg_jw_str(w, r->rel.schema.name);
        name_list(w, "columns", fk->cols, fk->n_cols);
        hg_jw_key(w, "refers");
        hg_jw_str(w, fk->table.name);
        name_list(w, "tocolumns", fk->ref_cols, fk->n_ref);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static void relation(hg_jw_t *w, const hg_crel_t *r)
{
    const hg_schema_t *s = &r->rel.schema;
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, s->name);
    hg_jw_kbool(w, "case_sensitive", s->case_sensitive);
    hg_jw_key(w, "fields");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < s->n_cols; i++) field(w, r, i);
    hg_jw_end_arr(w);
    if (s->n_key) {
        hg_jw_key(w, "primary_key");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < s->n_key; i++) hg_jw_str(w, s->cols[s->key[i]].name);
        hg_jw_end_arr(w);
    }
    properties(w, r);
    hg_jw_kbool(w, "materialized", r->rel.materialized);
    if (r->rel.kind == HG_REL_TABLE) foreign_keys(w, r);
    hg_jw_end_obj(w);
}

void hg_program_schema_json(const hg_program_t *pub, hg_jw_t *w)
{
    const hg_prog_t *p = (const hg_prog_t *)pub;
    hg_jw_obj(w);
    for (int outputs = 0; outputs < 2; outputs++) {
        hg_jw_key(w, outputs ? "outputs" : "inputs");
        hg_jw_arr(w);
        for (uint32_t i = 0; i < p->n_rels; i++) {
            const hg_crel_t *r = p->rels[i];
            if ((r->rel.kind == HG_REL_VIEW) == (outputs == 1) && !r->rel.local && !r->broken) relation(w, r);
        }
        hg_jw_end_arr(w);
    }
    hg_jw_end_obj(w);
}
