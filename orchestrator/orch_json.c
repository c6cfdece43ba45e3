/* orch_json.c: the orchestrator explained (GET …/orchestration), and saved and restored by endpoint name. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "orchestrator/orch_int.h"

#define SAVE_FORMAT 1

static const char *const g_mark_names[] = { "none", "wanted", "asked", "failed", "persisting", "done" };
static const char *const g_saved_marks[] = { "none", "wanted", "done" };
static const char *const g_word_names[] = { "none", "start", "pause" };

static void put_labels(const hg_orch_t *o, hg_jw_t *w, const char *key, const uint32_t *ids, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_str(w, o->labels[ids[i]].name);
    hg_jw_end_arr(w);
}

/* The first few of a label that others wait for, and how many there are: found once, told to each who waits. */
typedef struct {
    uint32_t first[HG_ORCH_JSON_BLOCKERS], n;
} few_t;

typedef struct {
    const hg_orch_t *o;
    hg_jw_t *w;
    few_t *unfinished, *unsettled; /* per label: carriers, dependents */
} explain_t;

static void few_add(few_t *f, uint32_t id)
{
    if (f->n < HG_ORCH_JSON_BLOCKERS) f->first[f->n] = id;
    f->n++;
}

static void find_blockers(explain_t *e)
{
    for (uint32_t i = 0; i < e->o->n_labels; i++) {
        const label_t *l = &e->o->labels[i];
        for (uint32_t k = 0; k < l->n_carriers; k++)
            if (!e->o->conns[l->carriers[k]].finished) few_add(&e->unfinished[i], l->carriers[k]);
        for (uint32_t d = 0; d < l->n_dependents; d++)
            if (!hg_orch_mark_settled(&e->o->conns[l->dependents[d]])) few_add(&e->unsettled[i], l->dependents[d]);
    }
}

const char *hg_orch_until(bool mark)
{
    return mark ? "marked" : "finished";
}

/* Returns how many were left out. */
static uint64_t put_blockers(const explain_t *e, uint32_t label, const few_t *f, bool for_marks)
{
    uint32_t n = HG_MIN(f->n, (uint32_t)HG_ORCH_JSON_BLOCKERS);
    for (uint32_t i = 0; i < n; i++) {
        const conn_t *b = &e->o->conns[f->first[i]];
        hg_jw_obj(e->w);
        hg_jw_key(e->w, "label");
        hg_jw_str(e->w, e->o->labels[label].name);
        hg_jw_key(e->w, "connector");
        hg_jw_str(e->w, b->name);
        hg_jw_kstr(e->w, "until", hg_orch_until(for_marks));
        hg_jw_kstr(e->w, "reason", hg_orch_reason_name(b->reason));
        hg_jw_kbool(e->w, "failed", b->failed);
        hg_jw_end_obj(e->w);
    }
    return f->n - n;
}

/* The same answer as hg_orch_blockers gives, from the lists made once. */
static void put_waiting_for(const explain_t *e, const conn_t *c)
{
    uint64_t more = 0;
    hg_jw_key(e->w, "waiting_for");
    hg_jw_arr(e->w);
    for (uint32_t s = 0; !c->ended && !c->activated && s < c->n_after; s++)
        more += put_blockers(e, c->after[s], &e->unfinished[c->after[s]], false);
    for (uint32_t i = 0; !c->ended && hg_orch_held_for_marks(c) && i < c->n_labels; i++)
        more += put_blockers(e, c->labels[i], &e->unsettled[c->labels[i]], true);
    hg_jw_end_arr(e->w);
    hg_jw_ku64(e->w, "waiting_for_more", more);
}

static void put_node(const explain_t *e, uint32_t i, void (*extra)(void *, uint32_t, hg_jw_t *), void *arg)
{
    const conn_t *c = &e->o->conns[i];
    hg_jw_t *w = e->w;
    char since[32];
    hg_time_rfc3339(since, c->since_us);
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, c->name);
    hg_jw_kstr(w, "state", c->reason == HG_REASON_RUNNING ? "Running" : "Paused");
    hg_jw_kstr(w, "reason", hg_orch_reason_name(c->reason));
    hg_jw_kbool(w, "reading", c->running);
    hg_jw_kbool(w, "finished", c->finished);
    hg_jw_kstr(w, "since", since);
    put_labels(e->o, w, "labels", c->labels, c->n_labels);
    put_labels(e->o, w, "start_after", c->after, c->n_after);
    put_waiting_for(e, c);
    hg_jw_kstr(w, "handoff", g_mark_names[c->mark]);
    if (extra) extra(arg, i, w);
    hg_jw_end_obj(w);
}

static void put_edge(const hg_orch_t *o, hg_jw_t *w, const label_t *l, uint32_t from, uint32_t to)
{
    hg_jw_obj(w);
    hg_jw_key(w, "from");
    hg_jw_str(w, o->conns[from].name);
    hg_jw_key(w, "to");
    hg_jw_str(w, o->conns[to].name);
    hg_jw_key(w, "label");
    hg_jw_str(w, l->name);
    hg_jw_end_obj(w);
}

static void put_edges(const hg_orch_t *o, hg_jw_t *w)
{
    uint64_t n = 0, all = 0;
    hg_jw_key(w, "edges");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < o->n_labels; i++) {
        const label_t *l = &o->labels[i];
        all += (uint64_t)l->n_carriers * l->n_dependents;
        for (uint32_t k = 0; n < HG_ORCH_JSON_EDGES && k < l->n_carriers; k++)
            for (uint32_t d = 0; n < HG_ORCH_JSON_EDGES && d < l->n_dependents; d++, n++)
                put_edge(o, w, l, l->carriers[k], l->dependents[d]);
    }
    hg_jw_end_arr(w);
    hg_jw_ku64(w, "edges_more", all - n);
}

void hg_orch_json(const hg_orch_t *o, hg_jw_t *w, void (*extra)(void *, uint32_t, hg_jw_t *), void *arg)
{
    explain_t e = { o, w, HG_NEWN(few_t, o->n_labels + 1), HG_NEWN(few_t, o->n_labels + 1) };
    find_blockers(&e);
    hg_jw_obj(w);
    hg_jw_key(w, "connectors");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < o->n; i++) put_node(&e, i, extra, arg);
    hg_jw_end_arr(w);
    put_edges(o, w);
    hg_jw_end_obj(w);
    hg_free(e.unfinished);
    hg_free(e.unsettled);
}

/* What is saved, and why not all: see orch.h. A mark that was given up stays given up. */
static const char *saved_mark(const conn_t *c)
{
    if (c->mark == MARK_NONE) return "none";
    return c->mark == MARK_DONE || c->mark == MARK_PERSISTING ? "done" : "wanted";
}

static void put_fact(hg_jw_t *w, const char *key, bool v, bool keep)
{
    if (keep)
        hg_jw_knull(w, key);
    else
        hg_jw_kbool(w, key, v);
}

/* alone: what follows from data that was read (ended, activated by labels) stays as the whole has it. */
static void save_conn(const conn_t *c, bool alone, hg_jw_t *w)
{
    hg_jw_key(w, c->name.p);
    hg_jw_obj(w);
    hg_jw_kstr(w, "user", g_word_names[c->word]);
    put_fact(w, "activated", c->activated, alone && c->activated && c->word != WORD_START);
    put_fact(w, "ended", c->finished, alone && c->finished);
    hg_jw_kstr(w, "mark", saved_mark(c));
    hg_jw_end_obj(w);
}

static void save_range(const hg_orch_t *o, uint32_t from, uint32_t to, bool alone, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "format", SAVE_FORMAT);
    hg_jw_key(w, "connectors");
    hg_jw_obj(w);
    for (uint32_t i = from; i < to; i++) save_conn(&o->conns[i], alone, w);
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

void hg_orch_save(const hg_orch_t *o, hg_jw_t *w)
{
    save_range(o, 0, o->n, false, w);
}

void hg_orch_save_one(const hg_orch_t *o, uint32_t conn, hg_jw_t *w)
{
    save_range(o, conn, conn + 1, true, w);
}

static int find_name(const hg_json_t *v, const char *const *names)
{
    const char *s = hg_json_str(v, "");
    for (int i = 0; i < 3; i++)
        if (strcmp(s, names[i]) == 0) return i;
    return -1;
}

static bool is_fact(const hg_json_t *v)
{
    return v && (v->kind == HG_J_TRUE || v->kind == HG_J_FALSE || v->kind == HG_J_NULL);
}

/* Everything is checked before anything is changed. */
static int check_saved(const hg_json_t *saved, hg_err_t *err)
{
    uint64_t format;
    const hg_json_t *conns = hg_json_get(saved, "connectors");
    if (hg_json_u64(hg_json_get(saved, "format"), &format) < 0)
        return hg_err_set(err, HG_EPARSE, "orchestrator state: no format number");
    if (format != SAVE_FORMAT)
        return hg_err_set(err, HG_EPARSE, "orchestrator state: format %" PRIu64 " is not %d", format, SAVE_FORMAT);
    if (!conns || conns->kind != HG_J_OBJECT) return hg_err_set(err, HG_EPARSE, "orchestrator state: no connectors");
    for (const hg_json_t *m = conns->child; m; m = m->next)
        if (m->kind != HG_J_OBJECT || find_name(hg_json_get(m, "user"), g_word_names) < 0 ||
            !is_fact(hg_json_get(m, "activated")) || !is_fact(hg_json_get(m, "ended")) ||
            find_name(hg_json_get(m, "mark"), g_saved_marks) < 0)
            return hg_err_set(err, HG_EPARSE, "orchestrator state of '" HG_SF "' is damaged", HG_SA(m->key));
    return 0;
}

int hg_orch_load(hg_orch_t *o, const hg_json_t *saved, bool (*changed)(void *, hg_str_t), void *arg, hg_err_t *err)
{
    int rc = check_saved(saved, err);
    if (rc < 0) return rc;
    HG_ASSERT(!o->started);
    for (const hg_json_t *m = hg_json_get(saved, "connectors")->child; m; m = m->next) {
        uint32_t id = hg_orch_find(o, m->key);
        if (id == HG_STRMAP_NONE || (changed && changed(arg, m->key))) continue;
        conn_t *c = &o->conns[id];
        c->word = (word_t)find_name(hg_json_get(m, "user"), g_word_names);
        c->activated = hg_json_bool(hg_json_get(m, "activated"), c->activated) || !c->has_after;
        c->ended = c->finished = hg_json_bool(hg_json_get(m, "ended"), c->ended);
        const char *mark = hg_json_str(hg_json_get(m, "mark"), "");
        if (c->mark == MARK_WANTED && strcmp(mark, "wanted") != 0) c->mark = mark[0] == 'd' ? MARK_DONE : MARK_NONE;
    }
    hg_orch_recount(o);
    hg_orch_check(o);
    return 0;
}
