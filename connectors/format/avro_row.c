/* avro_row.c: the fields of a writer's record → the columns of a table (or the fields of a ROW), decided once per
 * schema, by name: without case unless the column was quoted. Fields that no column has are skipped; columns that no
 * field has get their default or NULL, or refuse the schema. Reading: pool thread, nothing is kept. */
#include "base/hg.h"
#include "connectors/format/avro_int.h"

static bool is_wanted(const hg_arow_t *r, uint32_t col)
{
    for (uint32_t i = 0; i < r->n_only; i++)
        if (r->only[i] == col) return true;
    return r->only == NULL;
}

/* The column for a field, -1: none. Feldera's rule: one that differs from a quoted column in case alone is a mistake.
 */
static int find_column(const hg_arow_t *r, hg_str_t name, int32_t *ret, hg_err_t *err)
{
    *ret = -1;
    for (uint32_t i = 0; i < r->n_cols; i++) {
        if (hg_str_eq(r->cols[i].name, name)) {
            *ret = (int32_t)i;
            return 0;
        }
        if (!hg_str_ieq(r->cols[i].name, name)) continue;
        if (r->cols[i].case_sensitive)
            return hg_err_set(err, HG_EINVALPARSER,
                              "incorrect case-sensitive field name: expected: " HG_SF ", found: " HG_SF,
                              HG_SA(r->cols[i].name), HG_SA(name));
        *ret = (int32_t)i;
    }
    return 0;
}

static int bind(hg_arow_t *r, hg_astep_t *step, bool *taken, hg_err_t *err)
{
    hg_str_t name = step->field->name;
    int rc = find_column(r, name, &step->col, err);
    if (rc < 0 || step->col < 0) return rc;
    if (taken[step->col])
        return hg_err_set(err, HG_EINVALPARSER, "column '" HG_SF "': two fields of the schema have this name",
                          HG_SA(r->cols[step->col].name));
    taken[step->col] = true;
    if (!is_wanted(r, (uint32_t)step->col)) {
        step->col = -1;
        return 0;
    }
    rc = hg_acell_init(&step->cell, step->field->type, r->cols[step->col].type, err);
    return rc < 0 ? hg_err_wrap(err, "error validating schema for column '" HG_SF "'", HG_SA(r->cols[step->col].name))
                  : 0;
}

static int absent(hg_arow_t *r, uint32_t col, hg_err_t *err)
{
    bool dflt = r->defaults && r->defaults[col];
    if (!dflt && !r->cols[col].type->nullable && is_wanted(r, col))
        return hg_err_set(err, HG_EINVALPARSER,
                          "error validating schema for column '" HG_SF
                          "': the schema has no such field, and the column is NOT NULL",
                          HG_SA(r->cols[col].name));
    r->absent[r->n_absent++] = col;
    return 0;
}

int hg_arow_init(hg_arow_t *r, const hg_avro_t *from, hg_err_t *err)
{
    bool *taken = HG_NEWN(bool, HG_MAX(r->n_cols, 1u));
    int rc = 0;
    r->steps = HG_NEWN(hg_astep_t, HG_MAX(from->n, 1u));
    r->absent = HG_NEWN(uint32_t, HG_MAX(r->n_cols, 1u));
    for (uint32_t i = 0; i < from->n && rc == 0; i++) {
        r->steps[r->n_steps++] = (hg_astep_t){ .field = &from->fields[i], .col = -1 };
        rc = bind(r, &r->steps[i], taken, err);
    }
    for (uint32_t i = 0; i < r->n_cols && rc == 0; i++)
        if (!taken[i] || !is_wanted(r, i)) rc = absent(r, i, err);
    hg_free(taken);
    return rc;
}

void hg_arow_release(hg_arow_t *r)
{
    for (uint32_t i = 0; i < r->n_steps; i++) hg_acell_release(&r->steps[i].cell);
    hg_free(r->steps);
    hg_free(r->absent);
    r->steps = NULL;
    r->absent = NULL;
    r->n_steps = r->n_absent = 0;
}

static int fill_absent(const hg_arow_t *r, hg_colb_t *cols)
{
    int rc = 0;
    for (uint32_t i = 0; i < r->n_absent && rc == 0; i++) {
        uint32_t col = r->absent[i];
        if (r->only)
            rc = hg_colb_zero(&cols[col]);
        else if (r->defaults && r->defaults[col])
            rc = hg_colb_default(&cols[col], r->defaults[col]);
        else
            rc = hg_colb_null(&cols[col]);
    }
    return rc;
}

int hg_arow_read(hg_ascan_t *s, const hg_arow_t *r, hg_colb_t *cols)
{
    const hg_astep_t *step = r->steps, *end = step + r->n_steps;
    for (; step < end; step++) {
        int rc = step->col >= 0 ? step->cell.read(s, &step->cell, &cols[step->col]) : hg_as_skip(s, step->field->type);
        if (HG_LIKELY(rc == 0)) continue;
        s->field = step->field->name;
        return rc;
    }
    return fill_absent(r, cols);
}
