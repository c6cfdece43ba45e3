/* tree.c: trees that know where their nodes came from, and complaints that say so. */
#include "base/hg.h"
#include "iggy/config/config_int.h"

igc_tree_t *igc_tree_new(const char *file, hg_str_t text)
{
    hg_arena_t *a = hg_arena_new();
    igc_tree_t *t = HG_ANEW(a, igc_tree_t);
    t->a = a;
    t->file = file ? hg_arena_strndup(a, file, strlen(file)) : NULL;
    t->text = hg_arena_str(a, text);
    return t;
}

/* --- building ---------------------------------------------------------------------------------------------------- */
hg_json_t *igc_node(hg_arena_t *a, hg_jkind_t kind)
{
    hg_json_t *v = HG_ANEW(a, hg_json_t);
    v->kind = kind;
    return v;
}

hg_json_t *igc_string(hg_arena_t *a, hg_str_t s)
{
    hg_json_t *v = igc_node(a, HG_J_STRING);
    v->str = hg_arena_str(a, s);
    return v;
}

void igc_append(hg_json_t *parent, hg_json_t *child)
{
    hg_json_t **at = &parent->child;
    while (*at) at = &(*at)->next;
    *at = child;
    child->next = NULL;
    child->parent = parent;
    parent->n++;
}

hg_json_t *igc_member(hg_json_t *obj, const char *key)
{
    if (obj->kind != HG_J_OBJECT) return NULL;
    for (hg_json_t *m = obj->child; m; m = m->next)
        if (hg_str_eqz(m->key, key)) return m;
    return NULL;
}

void igc_set(hg_arena_t *a, hg_json_t *obj, const char *key, hg_json_t *value)
{
    for (hg_json_t **at = &obj->child; *at; at = &(*at)->next) {
        hg_json_t *old = *at;
        if (!hg_str_eqz(old->key, key)) continue;
        value->key = old->key;
        value->key_off = old->key_off, value->key_len = old->key_len;
        value->next = old->next;
        value->parent = obj;
        *at = value;
        return;
    }
    value->key = hg_arena_str(a, hg_strz(key));
    igc_append(obj, value);
}

hg_json_t *igc_object(hg_arena_t *a, hg_json_t *obj, const char *key)
{
    hg_json_t *m = igc_member(obj, key);
    if (!m || m->kind == HG_J_NULL) {
        m = igc_node(a, HG_J_OBJECT);
        igc_set(a, obj, key, m);
    }
    return m->kind == HG_J_OBJECT ? m : NULL;
}

void igc_remove(hg_json_t *obj, const char *key)
{
    for (hg_json_t **at = &obj->child; *at; at = &(*at)->next) {
        if (!hg_str_eqz((*at)->key, key)) continue;
        *at = (*at)->next;
        obj->n--;
        return;
    }
}

/* --- places ------------------------------------------------------------------------------------------------------ */
hg_pos_t igc_where(const igc_tree_t *t, const hg_json_t *node, bool at_key)
{
    hg_pos_t pos = { .file = t->file };
    for (const hg_json_t *v = node; v; v = v->parent)
        for (uint32_t i = 0; i < t->n_origins; i++)
            if (t->origins[i].node == v) return (hg_pos_t){ .file = t->origins[i].var };
    if (node == t->root && !t->root->key_len) return pos;
    /* A table that only exists because something is inside of it stands where that is. */
    while (node && !node->off && !node->key_len && node->child) node = node->child;
    if (!node) return pos;
    hg_text_pos(t->text, (at_key || !node->off) && node->key_len ? node->key_off : node->off, &pos.line, &pos.col);
    if (t->col && pos.line == 1) pos.col += t->col - 1;
    if (t->line) pos.line += t->line - 1;
    return pos;
}

/* --- complaints -------------------------------------------------------------------------------------------------- */
void hg_iggy_note_text(const hg_iggy_note_t *note, hg_buf_t *out)
{
    if (note->file) hg_buf_adds(out, note->file);
    if (note->line) hg_buf_addf(out, ":%u:%u", note->line, note->col);
    hg_buf_addf(out, "%s%s", note->file ? ": " : "", note->msg);
}

void igc_note(hg_iggy_notes_t notes, bool warning, hg_pos_t pos, const char *fmt, ...)
{
    char msg[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    hg_iggy_note_t n = { .warning = warning, .file = pos.file, .line = pos.line, .col = pos.col, .msg = msg };
    if (notes.fn) notes.fn(notes.arg, &n);
}

static void on_diag(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    igc_diag_t *d = arg;
    hg_pos_t pos = igc_where(d->tree, node, at_key);
    if (!warning && !d->first[0]) {
        hg_iggy_note_t n = { .file = pos.file, .line = pos.line, .col = pos.col, .msg = msg };
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_iggy_note_text(&n, &b);
        snprintf(d->first, sizeof d->first, "%s", b.p);
        hg_buf_release(&b);
        if (d->err) hg_err_at(d->err, HG_EINVAL, pos, "%s", d->first);
    }
    igc_note(d->notes, warning, pos, "%s", msg);
}

void igc_diag_init(igc_diag_t *d, const igc_tree_t *tree, hg_iggy_notes_t notes, hg_err_t *err)
{
    *d = (igc_diag_t){ .tree = tree, .notes = notes, .err = err };
    d->d = (hg_diag_t){ .fn = on_diag, .arg = d };
}
