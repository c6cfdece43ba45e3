/* errlist.c: bounded lists of errors.
 *
 * No thread of its own: the endpoint that embeds these guards them with its mutex. Per tag the newest 100 errors are
 * kept, each cut in the middle at 8 KiB; the running index tells how many there have been, so gaps are visible.
 *
 * The same error may stand in several lists (what is shown, what the circuit has consumed, a copy for a checkpoint):
 * they share its text.
 */
#include "base/hg.h"
#include "connectors/host/host_int.h"
#include "base/log.h"
#include "base/mem.h"

#define ERR_KEEP 100
#define ERR_TEXT 8192
#define ERR_TAGS 16                 /* the last one collects whatever else comes */
#define ERR_SAVE ((size_t)16 << 10) /* of a list a checkpoint has the newest ones that fit into so many bytes */

typedef struct {
    atomic_uint refs;
    char s[];
} text_t;

typedef struct {
    uint64_t index;
    int64_t at_us;
    text_t *text;
} entry_t;

struct hg_errtag {
    char tag[48];
    entry_t ring[ERR_KEEP];
    uint32_t n, head; /* head: oldest */
};

/* Keeps the start and the end of a long text; cuts at UTF-8 boundaries. */
static text_t *elide(hg_str_t s)
{
    static const char dots[] = " … ";
    text_t *t = hg_xnew(sizeof *t + HG_MIN(s.n, (size_t)ERR_TEXT) + 1);
    atomic_init(&t->refs, 1);
    if (s.n <= ERR_TEXT) {
        if (s.n) memcpy(t->s, s.p, s.n);
        t->s[s.n] = 0;
        return t;
    }
    size_t half = (ERR_TEXT - sizeof dots) / 2, tail = s.n - half;
    while (half > 0 && ((unsigned char)s.p[half] & 0xC0) == 0x80) half--;
    while (tail < s.n && ((unsigned char)s.p[tail] & 0xC0) == 0x80) tail++;
    snprintf(t->s, ERR_TEXT + 1, "%.*s%s%.*s", (int)half, s.p, dots, (int)(s.n - tail), s.p + tail);
    return t;
}

static void text_drop(text_t *t)
{
    if (t && atomic_fetch_sub(&t->refs, 1) == 1) hg_free(t);
}

static hg_errtag_t *find_tag(hg_errlist_t *l, const char *tag)
{
    for (uint32_t i = 0; i < l->n_tags; i++)
        if (strcmp(l->tags[i].tag, tag) == 0) return &l->tags[i];
    if (l->n_tags == ERR_TAGS) return &l->tags[ERR_TAGS - 1];
    l->tags = hg_xgrow(l->tags, sizeof(hg_errtag_t) * (l->n_tags + 1));
    hg_errtag_t *t = &l->tags[l->n_tags++];
    memset(t, 0, sizeof *t);
    snprintf(t->tag, sizeof t->tag, "%s", l->n_tags == ERR_TAGS ? "other" : tag);
    return t;
}

/* Takes the text. */
static void put_entry(hg_errlist_t *l, const char *tag, entry_t x)
{
    hg_errtag_t *t = find_tag(l, tag);
    entry_t *e;
    if (t->n < ERR_KEEP) {
        e = &t->ring[(t->head + t->n++) % ERR_KEEP];
    } else {
        e = &t->ring[t->head];
        t->head = (t->head + 1) % ERR_KEEP;
        text_drop(e->text);
    }
    *e = x;
}

void hg_errlist_add_many(hg_errlist_t *l, const char *tag, hg_str_t msg, uint64_t n)
{
    put_entry(l, tag, (entry_t){ .index = l->index += n, .at_us = hg_now_us(), .text = elide(msg) });
}

void hg_errlist_add(hg_errlist_t *l, const char *tag, hg_str_t msg)
{
    hg_errlist_add_many(l, tag, msg, 1);
}

/* Walks a list in the order of its index, oldest first. Each ring is in order already: a merge. */
typedef struct {
    const hg_errlist_t *l;
    uint32_t at[ERR_TAGS];
} walk_t;

static const entry_t *walk(walk_t *k, const char **ret_tag)
{
    const entry_t *best = NULL;
    uint32_t which = 0;
    for (uint32_t i = 0; i < k->l->n_tags; i++) {
        const hg_errtag_t *t = &k->l->tags[i];
        if (k->at[i] == t->n) continue;
        const entry_t *e = &t->ring[(t->head + k->at[i]) % ERR_KEEP];
        if (best && e->index > best->index) continue;
        best = e;
        which = i;
    }
    if (!best) return NULL;
    k->at[which]++;
    *ret_tag = k->l->tags[which].tag;
    return best;
}

void hg_errlist_append(hg_errlist_t *l, const hg_errlist_t *from)
{
    walk_t k = { .l = from };
    const char *tag;
    for (const entry_t *e; (e = walk(&k, &tag)) != NULL;) {
        atomic_fetch_add(&e->text->refs, 1);
        put_entry(l, tag, (entry_t){ .index = l->index + e->index, .at_us = e->at_us, .text = e->text });
    }
    l->index += from->index;
}

void hg_errlist_json(const hg_errlist_t *l, hg_jw_t *w)
{
    walk_t k = { .l = l };
    const char *tag;
    hg_jw_arr(w);
    for (const entry_t *e; (e = walk(&k, &tag)) != NULL;) {
        char when[32];
        hg_time_rfc3339(when, e->at_us);
        hg_jw_obj(w);
        hg_jw_kstr(w, "timestamp", when);
        hg_jw_ku64(w, "index", e->index);
        hg_jw_kstr(w, "tag", tag);
        hg_jw_kstr(w, "message", e->text->s);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

void hg_errlist_release(hg_errlist_t *l)
{
    for (uint32_t i = 0; i < l->n_tags; i++)
        for (uint32_t k = 0; k < ERR_KEEP; k++) text_drop(l->tags[i].ring[k].text);
    hg_free(l->tags);
    *l = (hg_errlist_t){ 0 };
}

/* --- over a restart --- */

void hg_errlist_save(const hg_errlist_t *l, uint64_t upto, hg_jw_t *w)
{
    walk_t k = { .l = l };
    const char *tag;
    size_t bytes = 0, skip = 0;
    for (const entry_t *e; (e = walk(&k, &tag)) != NULL && e->index <= upto;) bytes += strlen(e->text->s);
    k = (walk_t){ .l = l };
    hg_jw_obj(w);
    hg_jw_ku64(w, "count", HG_MIN(upto, l->index));
    hg_jw_key(w, "recent");
    hg_jw_arr(w);
    for (const entry_t *e; (e = walk(&k, &tag)) != NULL && e->index <= upto;) {
        skip += strlen(e->text->s);
        if (bytes - skip >= ERR_SAVE) continue; /* the newest one is always there */
        hg_jw_obj(w);
        hg_jw_ku64(w, "index", e->index);
        hg_jw_ki64(w, "at_us", e->at_us);
        hg_jw_kstr(w, "tag", tag);
        hg_jw_kstr(w, "message", e->text->s);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

int hg_errlist_restore(hg_errlist_t *l, const hg_json_t *saved, hg_err_t *err)
{
    hg_errlist_t got = { 0 };
    uint64_t count, index, last = 0;
    int64_t at_us;
    const hg_json_t *recent = hg_json_get(saved, "recent");
    if (hg_json_u64(hg_json_get(saved, "count"), &count) < 0 || !recent || recent->kind != HG_J_ARRAY)
        return hg_err_set(err, HG_EPARSE, "a saved list of errors has no number 'count' or no list 'recent'");
    for (const hg_json_t *e = recent->child; e; e = e->next) {
        const char *tag = hg_json_str(hg_json_get(e, "tag"), NULL);
        const hg_json_t *msg = hg_json_get(e, "message");
        if (hg_json_u64(hg_json_get(e, "index"), &index) < 0 || index <= last || index > count ||
            hg_json_i64(hg_json_get(e, "at_us"), &at_us) < 0 || !tag || !msg || msg->kind != HG_J_STRING) {
            hg_errlist_release(&got);
            return hg_err_set(err, HG_EPARSE,
                              "a saved error behind the one with index %" PRIu64
                              " has no rising 'index', or no 'at_us', 'tag' or 'message'",
                              last);
        }
        put_entry(&got, tag, (entry_t){ .index = last = index, .at_us = at_us, .text = elide(msg->str) });
    }
    got.index = count;
    hg_errlist_release(l);
    *l = got;
    return 0;
}
