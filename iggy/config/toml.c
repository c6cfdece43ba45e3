/* toml.c: TOML texts to trees; the module headgate-toml.so reads them. It is open while somebody reads: a runtime that
 * has its configuration keeps nothing of it. Any thread. */
#include "base/hg.h"
#include <pthread.h>
#include "base/library.h"
#include "iggy/config/config_int.h"
#include "iggy/config/toml_abi.h"

#define MAX_DEPTH 64 /* of tables and arrays; the library recurses */

static struct {
    HG_LIB_POINTER(hg_toml_walk)
} lib;
static const hg_lib_fn_t functions[] = { HG_LIB_ROW(hg_toml_walk) };
static pthread_mutex_t module_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the next two, and lib's pointers change */
static unsigned readers;
static void *module;

static int module_get(hg_err_t *err)
{
    pthread_mutex_lock(&module_lock);
    int rc = readers ? 0 : hg_module_open("TOML", "headgate-toml.so", functions, HG_COUNT(functions), &module, err);
    if (rc == 0) readers++;
    pthread_mutex_unlock(&module_lock);
    return rc;
}

static void module_put(void)
{
    pthread_mutex_lock(&module_lock);
    if (--readers == 0) hg_lib_close(module);
    pthread_mutex_unlock(&module_lock);
}

/* --- nesting ------------------------------------------------------------------------------------------------------
 * The library limits brackets but not dotted keys (a.b.c.…), and takes its tables down by recursion. So the dots of one
 * key are counted before it sees the text: those outside of strings and comments, between two of , = [ ] { } \n. */
static size_t skip_string(hg_str_t s, size_t i)
{
    char q = s.p[i];
    bool three = i + 2 < s.n && s.p[i + 1] == q && s.p[i + 2] == q;
    size_t need = three ? 3 : 1, run = 0;
    for (i += need; i < s.n; i++) {
        if (s.p[i] == '\\' && q == '"')
            i++, run = 0;
        else if (s.p[i] == q && ++run == need)
            return i;
        else if (s.p[i] != q)
            run = 0;
        if (i < s.n && s.p[i] == '\n' && !three) return i; /* not ended: the library says so */
    }
    return i;
}

static int check_nesting(const igc_tree_t *t, hg_err_t *err)
{
    unsigned dots = 0;
    for (size_t i = 0; i < t->text.n; i++) {
        char c = t->text.p[i];
        if (c == '"' || c == '\'') {
            i = skip_string(t->text, i);
        } else if (c == '#') {
            while (i + 1 < t->text.n && t->text.p[i + 1] != '\n') i++;
        } else if (memchr(",=[]{}\n", c, 7)) {
            dots = 0;
        } else if (c == '.' && ++dots > MAX_DEPTH) {
            hg_pos_t pos = { .file = t->file, .off = i };
            hg_text_pos(t->text, i, &pos.line, &pos.col);
            return hg_err_at(err, HG_EPARSE, pos, "a key has more than %d parts", MAX_DEPTH);
        }
    }
    return 0;
}

/* --- reading ----------------------------------------------------------------------------------------------------- */
typedef struct {
    igc_tree_t *t;
    hg_json_t *at;                      /* the open table or array */
    hg_json_t *last[HG_JSON_MAX_DEPTH]; /* last child of each open one */
    unsigned depth;
    bool too_deep;
    const uint32_t *lines; /* byte offset of each line */
    uint32_t n_lines;
} builder_t;

static uint32_t offset(const builder_t *b, uint32_t line, uint32_t col)
{
    if (!line || line > b->n_lines) return 0;
    size_t i = b->lines[line - 1];
    while (--col && i < b->t->text.n) {
        i++;
        while (i < b->t->text.n && ((unsigned char)b->t->text.p[i] & 0xC0) == 0x80) i++;
    }
    return (uint32_t)i;
}

static hg_json_t *make(builder_t *b, const hg_toml_event_t *e)
{
    static const hg_jkind_t kinds[] = {
        [HG_TOML_TABLE] = HG_J_OBJECT,  [HG_TOML_ARRAY] = HG_J_ARRAY,   [HG_TOML_END] = HG_J_NULL,
        [HG_TOML_STRING] = HG_J_STRING, [HG_TOML_NUMBER] = HG_J_NUMBER, [HG_TOML_TRUE] = HG_J_TRUE,
        [HG_TOML_FALSE] = HG_J_FALSE,   [HG_TOML_TEXT] = HG_J_STRING
    };
    hg_json_t *v = igc_node(b->t->a, kinds[e->kind]);
    if (e->text) v->str = hg_arena_str(b->t->a, (hg_str_t){ e->text, e->text_len });
    v->off = offset(b, e->line, e->col);
    if (e->key) {
        v->key = hg_arena_str(b->t->a, (hg_str_t){ e->key, e->key_len });
        v->key_off = offset(b, e->key_line, e->key_col);
        v->key_len = e->key_line ? (uint32_t)e->key_len : 0;
        if (!v->off) v->off = v->key_off;
    }
    return v;
}

static void on_event(void *arg, const hg_toml_event_t *e)
{
    builder_t *b = arg;
    if (b->too_deep) return;
    if (e->kind == HG_TOML_END) {
        b->at = b->at->parent;
        b->depth--;
        return;
    }
    hg_json_t *v = make(b, e);
    if (b->at) {
        hg_json_t **last = &b->last[b->depth - 1];
        *(*last ? &(*last)->next : &b->at->child) = v;
        *last = v;
        v->parent = b->at;
        b->at->n++;
    } else {
        b->t->root = v;
    }
    if (e->kind != HG_TOML_TABLE && e->kind != HG_TOML_ARRAY) return;
    if (b->depth == HG_COUNT(b->last)) {
        b->too_deep = true;
        return;
    }
    b->at = v;
    b->last[b->depth++] = NULL;
}

static void find_lines(builder_t *b)
{
    uint32_t *lines = NULL;
    HG_APUSH(b->t->a, lines, b->n_lines, 0);
    for (size_t i = 0; i < b->t->text.n; i++)
        if (b->t->text.p[i] == '\n') HG_APUSH(b->t->a, lines, b->n_lines, (uint32_t)i + 1);
    b->lines = lines;
}

int igc_toml(igc_tree_t *t, hg_err_t *err)
{
    if (t->text.n > IGC_MAX_FILE)
        return hg_err_at(err, HG_ETOOBIG, (hg_pos_t){ .file = t->file }, "a configuration may have %zu bytes, not %zu",
                         IGC_MAX_FILE, t->text.n);
    int rc = check_nesting(t, err);
    if (rc < 0) return rc;
    builder_t b = { .t = t };
    hg_toml_error_t bad;
    find_lines(&b);
    rc = module_get(err);
    if (rc < 0) return rc;
    int walked = lib.hg_toml_walk_(t->text.p, t->text.n, on_event, &b, &bad);
    module_put();
    if (walked < 0)
        return hg_err_at(err, HG_EPARSE, (hg_pos_t){ .file = t->file, .line = bad.line, .col = bad.col }, "%s",
                         bad.msg);
    if (b.too_deep)
        return hg_err_at(err, HG_EPARSE, (hg_pos_t){ .file = t->file }, "tables are nested more than %zu deep",
                         HG_COUNT(b.last));
    return 0;
}
