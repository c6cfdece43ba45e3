/* avro_book.c: schemas by their id in the registry.
 *
 *   a record with an id ─► hg_abook_get ─► known? its plan : a question ─► host ─► hg_abook_answer ─► hg_abook_get …
 *
 * An id stands for one schema for ever, so what was made of it is kept as long as the book. A schema may refer to
 * others, by subject and version; they are asked for as well, before it is made. What the registry does not have, or
 * what does not suit the table, refuses the records that name it, and is asked for again by the first such record after
 * REFUSED_MS: a registry that gets the schema late is not a loss of all that comes later.
 *
 * Threads: get on any, ask and answer on the loop; everything under the mutex. */
#include "base/hg.h"
#include "base/log.h"
#include "connectors/format/avro_int.h"

#define BUCKETS      1024u
#define REFUSED_MS   30000
#define REFUSED_MANY 4096u /* ids that are kept though they are no schema's: a damaged topic has any number of them */
#define REFER_DEPTH  32u

typedef struct page page_t;
typedef enum { WANTED, THERE, REFUSED } state_t;

/* One schema: by id, or (subject given) one that others refer to. */
struct page {
    page_t *next; /* in its bucket, or among the referred ones */
    uint32_t id;
    char *subject;
    uint64_t version;
    state_t state;
    bool visited, final; /* final: it is there, and cannot be used with this table */
    char *text;
    page_t **refers;
    uint32_t n_refers;
    void *made;
    char *why;
    int64_t refused_us;
};

struct hg_abook {
    hg_abook_ops_t ops;
    hg_avro_link_t link;
    hg_arena_t *arena; /* of link and of what schemas are made from */
    pthread_mutex_t mu;
    page_t *by_id[BUCKETS], *referred;
    uint32_t n_refused;
    page_t *asked; /* its question is under way */
    hg_buf_t path;
};

hg_abook_t *hg_abook_new(const hg_avro_registry_t *cfg, const hg_abook_ops_t *ops)
{
    hg_abook_t *b = HG_NEW(hg_abook_t);
    b->ops = *ops;
    b->arena = hg_arena_new();
    hg_avro_link_init(&b->link, cfg, b->arena);
    pthread_mutex_init(&b->mu, NULL);
    hg_buf_init(&b->path, 1 << 16);
    return b;
}

static void page_free(hg_abook_t *b, page_t *p)
{
    if (p->made) b->ops.free(p->made);
    hg_free(p->subject);
    hg_free(p->text);
    hg_free(p->refers);
    hg_free(p->why);
    hg_free(p);
}

static void pages_free(hg_abook_t *b, page_t *p)
{
    for (page_t *next; p; p = next) {
        next = p->next;
        page_free(b, p);
    }
}

void hg_abook_free(hg_abook_t *b)
{
    if (!b) return;
    for (size_t i = 0; i < BUCKETS; i++) pages_free(b, b->by_id[i]);
    pages_free(b, b->referred);
    pthread_mutex_destroy(&b->mu);
    hg_buf_release(&b->path);
    hg_arena_free(b->arena);
    hg_free(b);
}

/* --- pages --- */

static void forget_refused(hg_abook_t *b)
{
    for (size_t i = 0; i < BUCKETS; i++)
        for (page_t **at = &b->by_id[i], *p; (p = *at) != NULL;) {
            if (p->state != REFUSED) {
                at = &p->next;
                continue;
            }
            *at = p->next;
            page_free(b, p);
        }
    b->n_refused = 0;
}

static page_t *page_of(hg_abook_t *b, uint32_t id)
{
    page_t **bucket = &b->by_id[id % BUCKETS], *p = *bucket;
    while (p && p->id != id) p = p->next;
    if (p) return p;
    if (b->n_refused >= REFUSED_MANY) forget_refused(b);
    p = HG_NEW(page_t);
    p->id = id;
    p->next = *bucket;
    *bucket = p;
    return p;
}

static page_t *referred(hg_abook_t *b, hg_str_t subject, uint64_t version)
{
    page_t *p = b->referred;
    while (p && (p->version != version || !hg_str_eqz(subject, p->subject))) p = p->next;
    if (p) return p;
    p = HG_NEW(page_t);
    p->subject = hg_xstrndup(subject.p, subject.n);
    p->version = version;
    p->next = b->referred;
    b->referred = p;
    return p;
}

static void refuse(hg_abook_t *b, page_t *p, const char *why)
{
    hg_free(p->why);
    p->why = hg_xstrdup(why);
    p->refused_us = hg_mono_us();
    if (p->state != REFUSED && !p->subject) b->n_refused++;
    p->state = REFUSED;
}

static void name_of(const page_t *p, char *out, size_t cap)
{
    if (p->subject)
        snprintf(out, cap, "schema '%.200s' version %" PRIu64, p->subject, p->version);
    else
        snprintf(out, cap, "schema %u", p->id);
}

/* --- making --- */

/* Parses what p refers to, then p: names have to be defined before they are used. */
static int parse(hg_abook_t *b, page_t *p, hg_avro_names_t *names, uint32_t depth, const hg_avro_t **ret, hg_err_t *err)
{
    char name[280];
    const hg_avro_t *other = NULL;
    if (depth > REFER_DEPTH) return hg_err_set(err, HG_EPARSE, "schemas that refer to each other in a circle");
    for (uint32_t i = 0; i < p->n_refers; i++) {
        if (p->refers[i]->visited) continue;
        p->refers[i]->visited = true;
        int rc = parse(b, p->refers[i], names, depth + 1, &other, err);
        if (rc < 0) return rc;
    }
    int rc = hg_avro_parse(names, hg_strz(p->text), ret, err);
    name_of(p, name, sizeof name);
    return rc < 0 ? hg_err_wrap(err, "%s", name) : 0;
}

static void make(hg_abook_t *b, page_t *p)
{
    hg_avro_names_t names = { .arena = b->arena };
    hg_err_t err = HG_ERR_INIT;
    const hg_avro_t *t = NULL;
    for (page_t *r = b->referred; r; r = r->next) r->visited = false;
    int rc = parse(b, p, &names, 0, &t, &err);
    if (rc == 0) rc = b->ops.make(b->ops.arg, t, &p->made, &err);
    if (rc == 0) return;
    refuse(b, p, err.msg);
    p->final = true;
}

/* 0: it and all it refers to are there. HG_EAGAIN: something is to be asked for. Else it is refused, with its reason.
 */
static int is_there(hg_abook_t *b, page_t *p, uint32_t depth)
{
    int rc = 0;
    if (p->final || (depth && p->visited)) return p->final ? HG_EPARSE : 0;
    p->visited = true;
    if (p->state == REFUSED && hg_mono_us() - p->refused_us > REFUSED_MS * INT64_C(1000)) {
        if (!p->subject) b->n_refused--;
        p->state = p->text ? THERE : WANTED;
    }
    if (p->state == WANTED) return HG_EAGAIN;
    if (p->state == REFUSED) return HG_EPARSE;
    for (uint32_t i = 0; i < p->n_refers && depth < REFER_DEPTH; i++) {
        int one = is_there(b, p->refers[i], depth + 1);
        if (one == HG_EPARSE) refuse(b, p, p->refers[i]->why);
        if (one < 0 && rc != HG_EPARSE) rc = one;
    }
    return rc;
}

int hg_abook_get(hg_abook_t *b, uint32_t id, const void **ret, hg_err_t *err)
{
    pthread_mutex_lock(&b->mu);
    page_t *p = page_of(b, id);
    for (page_t *r = p->made ? NULL : b->referred; r; r = r->next) r->visited = false;
    int rc = p->made ? 0 : is_there(b, p, 0);
    if (rc == 0 && !p->made) {
        make(b, p);
        if (!p->made) rc = HG_EPARSE;
    }
    if (rc == 0) *ret = p->made;
    if (rc == HG_EPARSE) hg_err_set(err, HG_EPARSE, "%s", p->why);
    if (rc == HG_EAGAIN) hg_err_set(err, HG_EAGAIN, "schema %u is to be asked for", id);
    pthread_mutex_unlock(&b->mu);
    return rc;
}

/* --- asking --- */

static page_t *wanted(hg_abook_t *b)
{
    for (page_t *p = b->referred; p; p = p->next)
        if (p->state == WANTED) return p;
    for (size_t i = 0; i < BUCKETS; i++)
        for (page_t *p = b->by_id[i]; p; p = p->next)
            if (p->state == WANTED) return p;
    return NULL;
}

bool hg_abook_ask(hg_abook_t *b, hg_ask_t *ret)
{
    pthread_mutex_lock(&b->mu);
    page_t *p = b->asked = wanted(b);
    if (p) {
        hg_avro_link_ask(&b->link, ret);
        hg_buf_clear(&b->path);
        if (p->subject) {
            (void)hg_buf_adds(&b->path, "/subjects/");
            (void)hg_pct_encode(&b->path, hg_strz(p->subject));
            (void)hg_buf_addf(&b->path, "/versions/%" PRIu64, p->version);
        } else {
            (void)hg_buf_addf(&b->path, "/schemas/ids/%u", p->id);
        }
        ret->method = "GET";
        ret->path = b->path.p;
    }
    pthread_mutex_unlock(&b->mu);
    return p != NULL;
}

static int take_references(hg_abook_t *b, page_t *p, const hg_json_t *list, hg_err_t *err)
{
    uint32_t n = 0;
    if (!list || list->kind != HG_J_ARRAY) return 0;
    page_t **refers = HG_NEWN(page_t *, list->n + 1);
    for (const hg_json_t *m = list->child; m; m = m->next) {
        const hg_json_t *subject = hg_json_get(m, "subject"), *number = hg_json_get(m, "version");
        uint64_t version = 0;
        if (!subject || subject->kind != HG_J_STRING || !number || hg_json_u64(number, &version) < 0) {
            hg_free(refers);
            return hg_err_set(err, HG_EPARSE, "a reference of a schema needs \"subject\" and \"version\"");
        }
        refers[n++] = referred(b, subject->str, version);
    }
    p->refers = refers;
    p->n_refers = n;
    return 0;
}

static int take(hg_abook_t *b, page_t *p, const hg_json_t *v, hg_err_t *err)
{
    const hg_json_t *text = hg_json_get(v, "schema");
    const char *type = hg_json_str(hg_json_get(v, "schemaType"), "AVRO");
    if (strcmp(type, "AVRO") != 0) return hg_err_set(err, HG_EPARSE, "it is of type %.40s, not AVRO", type);
    if (!text || text->kind != HG_J_STRING)
        return hg_err_set(err, HG_EPARSE, "the registry's answer has no \"schema\", a string");
    if (take_references(b, p, hg_json_get(v, "references"), err) < 0) return err->code;
    p->text = hg_xstrndup(text->str.p, text->str.n);
    p->state = THERE;
    return 0;
}

int hg_abook_answer(hg_abook_t *b, int status, hg_str_t body, hg_err_t *err)
{
    char name[280];
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v = NULL;
    pthread_mutex_lock(&b->mu);
    page_t *p = b->asked;
    name_of(p, name, sizeof name);
    int rc = status == 200 ? hg_avro_answer(a, body, name, &v, err) : hg_avro_refusal(status, body, name, err);
    if (rc == 0 && take(b, p, v, err) < 0) {
        hg_err_wrap(err, "%s", name);
        rc = HG_ENOTFOUND;
    }
    if (rc == HG_ENOTFOUND) {
        refuse(b, p, err->msg);
        *err = HG_ERR_INIT;
        rc = 0;
    }
    pthread_mutex_unlock(&b->mu);
    hg_arena_free(a);
    return rc;
}
