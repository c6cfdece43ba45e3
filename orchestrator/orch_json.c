/* orch_json.c: the orchestrator explained (GET …/orchestration), and saved and restored by endpoint name. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "orchestrator/orch_int.h"

#define SAVE_FORMAT 1

static const char *const g_mark_names[] = { "none", "wanted", "asked", "failed", "persisting", "done" };
static const char *const g_word_names[] = { "none", "start", "pause" };

static void put_labels(const hg_orch_t *o, hg_jw_t *w, const char *key, const uint32_t *ids, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_str(w, o->labels[ids[i]].name);
    hg_jw_end_arr(w);
}

typedef struct {
    const hg_orch_t *o;
    hg_jw_t *w;
} put_t;

static void put_blocker(void *arg, hg_str_t label, uint32_t carrier, bool failed)
{
    put_t *p = arg;
    hg_jw_obj(p->w);
    hg_jw_key(p->w, "label");
    hg_jw_str(p->w, label);
    hg_jw_key(p->w, "connector");
    hg_jw_str(p->w, p->o->conns[carrier].name);
    hg_jw_kstr(p->w, "reason", hg_orch_reason_name(p->o->conns[carrier].reason));
    hg_jw_kbool(p->w, "failed", failed);
    hg_jw_end_obj(p->w);
}

static void put_node(const hg_orch_t *o, uint32_t i, hg_jw_t *w, void (*extra)(void *, uint32_t, hg_jw_t *), void *arg)
{
    const conn_t *c = &o->conns[i];
    char since[32];
    put_t p = { o, w };
    hg_time_rfc3339(since, c->since_us);
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, c->name);
    hg_jw_kstr(w, "state", c->reason == HG_REASON_RUNNING ? "Running" : "Paused");
    hg_jw_kstr(w, "reason", hg_orch_reason_name(c->reason));
    hg_jw_kbool(w, "reading", c->running);
    hg_jw_kbool(w, "finished", c->finished);
    hg_jw_kstr(w, "since", since);
    put_labels(o, w, "labels", c->labels, c->n_labels);
    put_labels(o, w, "start_after", c->after, c->n_after);
    hg_jw_key(w, "waiting_for");
    hg_jw_arr(w);
    hg_orch_blockers(o, i, put_blocker, &p);
    hg_jw_end_arr(w);
    hg_jw_kstr(w, "handoff", g_mark_names[c->mark]);
    if (extra) extra(arg, i, w);
    hg_jw_end_obj(w);
}

void hg_orch_json(const hg_orch_t *o, hg_jw_t *w, void (*extra)(void *, uint32_t, hg_jw_t *), void *arg)
{
    hg_jw_obj(w);
    hg_jw_key(w, "connectors");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < o->n; i++) put_node(o, i, w, extra, arg);
    hg_jw_end_arr(w);
    hg_jw_key(w, "edges");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < o->n_labels; i++) {
        const label_t *l = &o->labels[i];
        for (uint32_t k = 0; k < l->n_carriers; k++)
            for (uint32_t d = 0; d < l->n_dependents; d++) {
                hg_jw_obj(w);
                hg_jw_key(w, "from");
                hg_jw_str(w, o->conns[l->carriers[k]].name);
                hg_jw_key(w, "to");
                hg_jw_str(w, o->conns[l->dependents[d]].name);
                hg_jw_key(w, "label");
                hg_jw_str(w, l->name);
                hg_jw_end_obj(w);
            }
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

/* A mark that is being persisted is saved as done: it counts once this save is durable. A connector that had ended but
 * not drained is saved as not ended: what was buffered is read again. Failures are not saved: a restart tries again. */
void hg_orch_save(const hg_orch_t *o, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "format", SAVE_FORMAT);
    hg_jw_key(w, "connectors");
    hg_jw_obj(w);
    for (uint32_t i = 0; i < o->n; i++) {
        const conn_t *c = &o->conns[i];
        hg_jw_key(w, c->name.p);
        hg_jw_obj(w);
        hg_jw_kstr(w, "user", g_word_names[c->word]);
        hg_jw_kbool(w, "activated", c->activated);
        hg_jw_kbool(w, "ended", c->finished);
        hg_jw_kbool(w, "marked", c->mark == MARK_DONE || c->mark == MARK_PERSISTING);
        hg_jw_end_obj(w);
    }
    hg_jw_end_obj(w);
    hg_jw_end_obj(w);
}

static int word_of(const hg_json_t *v)
{
    const char *s = hg_json_str(v, "");
    for (int i = 0; i < 3; i++)
        if (strcmp(s, g_word_names[i]) == 0) return i;
    return -1;
}

static bool is_bool(const hg_json_t *v)
{
    return v && (v->kind == HG_J_TRUE || v->kind == HG_J_FALSE);
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
        if (m->kind != HG_J_OBJECT || word_of(hg_json_get(m, "user")) < 0 || !is_bool(hg_json_get(m, "activated")) ||
            !is_bool(hg_json_get(m, "ended")) || !is_bool(hg_json_get(m, "marked")))
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
        c->word = (word_t)word_of(hg_json_get(m, "user"));
        c->activated = hg_json_bool(hg_json_get(m, "activated"), false) || !c->has_after;
        c->ended = c->finished = hg_json_bool(hg_json_get(m, "ended"), false);
        if (c->mark == MARK_WANTED && hg_json_bool(hg_json_get(m, "marked"), false)) c->mark = MARK_DONE;
    }
    /* Counters afresh, from the facts. */
    for (uint32_t i = 0; i < o->n; i++) o->conns[i].unmet = o->conns[i].marks = 0;
    for (uint32_t i = 0; i < o->n_labels; i++) {
        label_t *l = &o->labels[i];
        l->unfinished = 0;
        for (uint32_t k = 0; k < l->n_carriers; k++) l->unfinished += !o->conns[l->carriers[k]].finished;
        for (uint32_t d = 0; d < l->n_dependents; d++) {
            o->conns[l->dependents[d]].unmet += l->unfinished > 0;
            for (uint32_t k = 0; o->conns[l->dependents[d]].mark == MARK_WANTED && k < l->n_carriers; k++)
                o->conns[l->carriers[k]].marks++;
        }
    }
    for (uint32_t i = 0; i < o->n; i++) o->conns[i].reason = hg_orch_derive_reason(o, &o->conns[i]);
    hg_orch_check(o);
    return 0;
}
