/* slice.c: cuts a step's delta into pieces that are encoded one by one, so that a large step does not become a large
 * buffer.
 *
 * The order is that of the encoders: all rows with negative weight first, then the others, each in delta order. Rows
 * are not copied: a piece selects rows of the same batches. Pure; one thread at a time.
 */
#include "base/hg.h"
#include "connectors/host/output_int.h"
#include "base/mem.h"

static bool has_negative(const hg_delta_t *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        const hg_part_t *p = d->parts[i];
        for (uint32_t k = 0; p->weights && k < p->n; k++)
            if (p->weights[k] < 0) return true;
    }
    return false;
}

void hg_slicer_init(hg_slicer_t *s, const hg_delta_t *d, bool whole)
{
    *s = (hg_slicer_t){ .delta = d, .pass = whole ? 2 : (has_negative(d) ? 0 : 1), .end_pass = whole ? 2 : 1 };
}

static bool wanted(const hg_slicer_t *s, const hg_part_t *p, uint32_t row)
{
    return s->pass == 2 || (p->weights && p->weights[row] < 0) == (s->pass == 0);
}

/* Moves to the next row that the current pass wants, or to the next pass; false at the end. */
static bool settle(hg_slicer_t *s)
{
    for (; s->pass <= s->end_pass; s->pass++, s->part = 0, s->row = 0)
        for (; s->part < s->delta->n; s->part++, s->row = 0)
            for (; s->row < s->delta->parts[s->part]->n; s->row++)
                if (wanted(s, s->delta->parts[s->part], s->row)) return true;
    return false;
}

bool hg_slicer_more(const hg_slicer_t *s)
{
    hg_slicer_t look = *s;
    return s->delta && settle(&look);
}

/* Up to max rows of the current part and pass, from s->row on. */
static int take_part(hg_slicer_t *s, uint32_t max, hg_delta_t *ret, uint32_t *took, hg_err_t *err)
{
    hg_part_t *p = s->delta->parts[s->part];
    uint32_t n = 0, room = HG_MIN(max, p->n - s->row);
    if (s->row == 0 && p->n <= max && (!p->weights || s->pass == 2)) {
        s->row = *took = p->n;
        return hg_delta_add(ret, hg_part_retain(p));
    }
    uint32_t *sel = hg_trynew(sizeof *sel * room);
    int64_t *weights = p->weights ? hg_trynew(sizeof *weights * room) : NULL;
    if (!sel || (p->weights && !weights)) {
        hg_free(sel);
        hg_free(weights);
        return hg_err_set(err, HG_ENOMEM, "no memory to encode %u rows", room);
    }
    for (; s->row < p->n && n < room; s->row++) {
        if (!wanted(s, p, s->row)) continue;
        sel[n] = p->sel ? p->sel[s->row] : s->row;
        if (weights) weights[n] = p->weights[s->row];
        n++;
    }
    *took = n;
    return hg_delta_add(ret, hg_part_new(hg_batch_retain(p->batch), sel, n, weights));
}

int hg_slicer_next(hg_slicer_t *s, uint32_t max_rows, hg_delta_t *ret, hg_err_t *err)
{
    *ret = (hg_delta_t){ 0 };
    uint32_t left = s->end_pass == 2 ? UINT32_MAX : max_rows;
    int pass = s->pass;
    while (left > 0 && settle(s) && (s->pass == pass || ret->n == 0)) {
        uint32_t took = 0;
        int rc = take_part(s, left, ret, &took, err);
        if (rc < 0) {
            if (!err->code) hg_err_set(err, (hg_code_t)rc, "no memory to encode a step");
            hg_delta_release(ret);
            return rc;
        }
        left -= HG_MIN(took, left);
        pass = s->pass;
    }
    return 0;
}
