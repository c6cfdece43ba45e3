/* parse_error.c: a refused record, kept beyond the parser's call, and the two shapes in which it is told: to people,
 * and as Feldera's ParseError. Any thread. */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/mem.h"

static char *put(char **at, hg_str_t s)
{
    char *p = *at;
    if (s.n) memcpy(p, s.p, s.n);
    p[s.n] = 0;
    *at += s.n + 1;
    return p;
}

hg_perr_t *hg_perr_copy(const hg_parse_error_t *e, uint64_t event, const char *where)
{
    size_t text = HG_MIN(e->text.n, (size_t)4096);
    hg_str_t what = hg_strz(e->description ? e->description : "bad record"), hint = hg_strz(e->suggestion);
    hg_str_t tag = hg_strz(e->tag ? e->tag : "text_event_err");
    hg_str_t place = hg_strz(where);
    hg_perr_t *p = hg_trynew(sizeof *p + e->field.n + text + what.n + hint.n + tag.n + place.n + 6);
    if (!p) return NULL;
    char *at = (char *)(p + 1);
    p->event = event;
    p->tag = put(&at, tag);
    p->description = put(&at, what);
    p->where = where ? put(&at, place) : NULL;
    p->suggestion = e->suggestion ? put(&at, hint) : NULL;
    p->field = (hg_str_t){ e->field.p ? put(&at, e->field) : NULL, e->field.n };
    p->text = (hg_str_t){ e->text.p ? put(&at, (hg_str_t){ e->text.p, text }) : NULL, text };
    return p;
}

static bool is_binary(const hg_perr_t *e)
{
    return strncmp(e->tag, "bin_", 4) == 0;
}

void hg_perr_text(const hg_perr_t *e, uint64_t event, hg_buf_t *out)
{
    if (event)
        (void)hg_buf_addf(out, "Parse error (event #%" PRIu64 "): %s", event, e->description);
    else
        (void)hg_buf_addf(out, "Parse error: %s", e->description);
    if (e->text.p && is_binary(e)) {
        (void)hg_buf_adds(out, "\nInvalid bytes: [");
        for (size_t i = 0; i < e->text.n; i++)
            (void)hg_buf_addf(out, "%s%u", i ? ", " : "", (unsigned char)e->text.p[i]);
        (void)hg_buf_addc(out, ']');
    } else if (e->text.p) {
        (void)hg_buf_adds(out, "\nInvalid fragment: '");
        (void)hg_buf_addstr(out, e->text);
        (void)hg_buf_addc(out, '\'');
    }
    if (e->suggestion) (void)hg_buf_addf(out, "\n%s", e->suggestion);
    if (e->where) (void)hg_buf_addf(out, "\nRecord: %s", e->where);
}

void hg_perr_json(const hg_perr_t *e, uint64_t event, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "description", e->description);
    if (event)
        hg_jw_ku64(w, "event_number", event);
    else
        hg_jw_knull(w, "event_number");
    hg_jw_key(w, "field");
    if (e->field.p)
        hg_jw_str(w, e->field);
    else
        hg_jw_null(w);
    hg_jw_key(w, "invalid_bytes");
    if (e->text.p && is_binary(e)) {
        hg_jw_arr(w);
        for (size_t i = 0; i < e->text.n; i++) hg_jw_u64(w, (unsigned char)e->text.p[i]);
        hg_jw_end_arr(w);
    } else {
        hg_jw_null(w);
    }
    hg_jw_key(w, "invalid_text");
    if (e->text.p && !is_binary(e))
        hg_jw_str(w, e->text);
    else
        hg_jw_null(w);
    hg_jw_kstr(w, "suggestion", e->suggestion);
    hg_jw_kstr(w, "tag", e->tag);
    hg_jw_end_obj(w);
}
