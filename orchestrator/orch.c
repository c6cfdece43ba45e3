/* orch.c: events in, commands out. See orch.h for the rules.
 *
 * Shape: every event changes facts of one connector, keeps the counters (per label: unfinished carriers, dependents
 * whose mark is unsettled; per connector: unmet labels, labels it is held for), and then calls settle() on every
 * connector whose derived state may have changed. settle() is the only function that emits DO_RUN, DO_HOLD, DO_OPEN and
 * DO_REASON. Counters of a label reach others only when they cross zero.
 */
#include "base/hg.h"
#include "base/mem.h"
#include "orchestrator/orch_int.h"

const char *hg_orch_reason_name(hg_orch_reason_t r)
{
    switch (r) {
#define X(k, s)                                                                                                        \
    case HG_REASON_##k:                                                                                                \
        return s;
        HG_ORCH_REASONS(X)
#undef X
    case HG_REASON_N:
    default:
        return "?";
    }
}

/* --- commands --- */

static void emit(hg_orch_t *o, hg_orch_cmd_kind_t kind, uint32_t conn, uint64_t n)
{
    if (o->n_cmds == o->cap_cmds) {
        o->cap_cmds = o->cap_cmds ? o->cap_cmds * 2 : 64;
        o->cmds = hg_xgrow(o->cmds, o->cap_cmds * sizeof *o->cmds);
    }
    o->cmds[o->n_cmds++] = (hg_orch_cmd_t){ kind, conn, n };
}

bool hg_orch_next(hg_orch_t *o, hg_orch_cmd_t *ret)
{
    if (o->cmd_head == o->n_cmds) {
        o->cmd_head = o->n_cmds = 0;
        return false;
    }
    *ret = o->cmds[o->cmd_head++];
    return true;
}

/* --- derived state --- */

bool hg_orch_mark_settled(const conn_t *c)
{
    return c->mark == MARK_NONE || c->mark == MARK_DONE;
}

/* The user's start of a carrier overrides the marks it is held for. */
bool hg_orch_held_for_marks(const conn_t *c)
{
    return c->marks > 0 && c->word != WORD_START;
}

static bool allowed(const conn_t *c)
{
    return c->word != WORD_PAUSE && c->activated && hg_orch_mark_settled(c) && !hg_orch_held_for_marks(c);
}

bool hg_orch_want_running(const hg_orch_t *o, const conn_t *c)
{
    return o->started && o->pipeline_running && c->life == LIFE_OPEN && !c->ended && !c->failed && allowed(c);
}

hg_orch_reason_t hg_orch_derive_reason(const hg_orch_t *o, const conn_t *c)
{
    (void)o;
    if (c->ended) return HG_REASON_ENDED_;
    if (c->failed) return HG_REASON_FAILED_;
    if (c->word == WORD_PAUSE) return HG_REASON_USER;
    if (!c->activated) return HG_REASON_WAITING;
    if (!hg_orch_mark_settled(c) || hg_orch_held_for_marks(c)) return HG_REASON_MARK;
    return HG_REASON_RUNNING;
}

static void settle(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    o->visits++;
    if (o->started && c->life == LIFE_NEW && !c->failed && !c->ended && !c->moving && !hg_orch_held_for_marks(c)) {
        c->life = LIFE_OPENING;
        emit(o, HG_ORCH_DO_OPEN, id, 0);
    }
    bool want = hg_orch_want_running(o, c);
    if (want != c->running) {
        c->running = want;
        if (want)
            emit(o, HG_ORCH_DO_RUN, id, 0);
        else if (!c->ended && !c->failed)
            emit(o, HG_ORCH_DO_HOLD, id, 0);
    }
    hg_orch_reason_t r = hg_orch_derive_reason(o, c);
    if (r != c->reason) {
        c->reason = r;
        c->since_us = o->now_us;
        emit(o, HG_ORCH_DO_REASON, id, (uint64_t)r);
    }
}

/* The connector became finished, or stopped being so: labels and those who wait for them follow. */
static void set_finished(hg_orch_t *o, uint32_t id, bool finished)
{
    conn_t *c = &o->conns[id];
    if (c->finished == finished) return;
    c->finished = finished;
    for (uint32_t i = 0; i < c->n_labels; i++) {
        label_t *l = &o->labels[c->labels[i]];
        bool was_met = l->unfinished == 0;
        l->unfinished = finished ? l->unfinished - 1 : l->unfinished + 1;
        bool met = l->unfinished == 0;
        for (uint32_t d = 0; met != was_met && d < l->n_dependents; d++) {
            conn_t *dep = &o->conns[l->dependents[d]];
            dep->unmet = met ? dep->unmet - 1 : dep->unmet + 1;
            o->visits++;
            if (dep->unmet > 0 || dep->activated) continue;
            dep->activated = true;
            emit(o, HG_ORCH_DO_ACTIVATED, l->dependents[d], 0);
            settle(o, l->dependents[d]);
        }
    }
}

/* The mark of connector id is settled (done or given up): those it waits for need not be held for it. */
static void release_carriers(hg_orch_t *o, uint32_t id)
{
    const conn_t *c = &o->conns[id];
    for (uint32_t s = 0; s < c->n_after; s++) {
        label_t *l = &o->labels[c->after[s]];
        HG_ASSERT(l->unsettled > 0);
        if (--l->unsettled > 0) continue;
        for (uint32_t i = 0; i < l->n_carriers; i++) {
            o->conns[l->carriers[i]].marks--;
            settle(o, l->carriers[i]);
        }
    }
}

/* --- events --- */

static void on_opened(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    if (c->life != LIFE_OPENING) return;
    c->life = LIFE_OPEN;
    if (c->mark == MARK_WANTED) {
        c->mark = MARK_ASKED;
        emit(o, HG_ORCH_DO_MARK, id, 0);
    }
}

static void on_marked(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    if (c->mark != MARK_ASKED && c->mark != MARK_FAILED) return;
    c->mark = MARK_PERSISTING;
    c->mark_token = ++o->token;
    if (o->persisting_head == o->n_persisting) o->persisting_head = o->n_persisting = 0;
    if (o->n_persisting == o->cap_persisting) {
        o->cap_persisting = o->cap_persisting ? o->cap_persisting * 2 : 16;
        o->persisting = hg_xgrow(o->persisting, o->cap_persisting * sizeof *o->persisting);
    }
    o->persisting[o->n_persisting++] = id;
    emit(o, HG_ORCH_DO_PERSIST, id, c->mark_token);
}

/* Without its mark a connector that the user has started runs from where it is configured to. */
static void give_up_mark(hg_orch_t *o, uint32_t id)
{
    o->conns[id].mark = MARK_NONE;
    settle(o, id);
    release_carriers(o, id);
}

static void on_mark_failed(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    if (c->mark != MARK_ASKED) return;
    c->mark = MARK_FAILED;
    if (c->word == WORD_START) give_up_mark(o, id);
}

static void on_durable(hg_orch_t *o, uint64_t token)
{
    while (o->persisting_head < o->n_persisting) {
        uint32_t id = o->persisting[o->persisting_head];
        conn_t *c = &o->conns[id];
        HG_ASSERT(c->mark == MARK_PERSISTING);
        if (c->mark_token > token) break;
        o->persisting_head++;
        c->mark = MARK_DONE;
        settle(o, id);
        release_carriers(o, id);
    }
}

/* Its instance goes, with what it had buffered. */
static void shut(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    if (c->life != LIFE_NEW) emit(o, HG_ORCH_DO_CLOSE, id, 0);
    c->life = LIFE_NEW;
    c->running = c->buffered = false;
    if (c->mark == MARK_ASKED || c->mark == MARK_FAILED)
        c->mark = MARK_WANTED; /* asked again when it is opened again */
}

/* Also after its end, while it is not drained: what was lost then must not count as finished. */
static void on_failed(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    if (c->failed || c->finished || c->life == LIFE_NEW) return;
    c->failed = true;
    c->ended = false;
    shut(o, id);
}

static void on_user_start(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    c->word = WORD_START;
    c->activated = true;
    c->failed = false; /* tries again: settle() opens it */
    if (c->mark == MARK_FAILED) give_up_mark(o, id);
}

static void on_rerun(hg_orch_t *o, uint32_t id, bool wait)
{
    conn_t *c = &o->conns[id];
    if (!c->finished) return;
    c->ended = c->moving = false;
    shut(o, id); /* a restored one was never opened */
    set_finished(o, id, false);
    for (uint32_t i = 0; wait && i < c->n_labels; i++) {
        const label_t *l = &o->labels[c->labels[i]];
        for (uint32_t d = 0; d < l->n_dependents; d++) {
            o->conns[l->dependents[d]].activated = false;
            settle(o, l->dependents[d]);
        }
    }
}

static void on_moving(hg_orch_t *o, uint32_t id, bool moving)
{
    conn_t *c = &o->conns[id];
    if (c->moving == moving) return;
    c->moving = moving;
    if (!moving) return;
    if (!c->finished) c->ended = false; /* what was read and not drained is read again */
    shut(o, id);
}

static void on_moved(hg_orch_t *o, uint32_t id)
{
    conn_t *c = &o->conns[id];
    c->moving = c->ended = false;
    shut(o, id);
}

static void set_pipeline(hg_orch_t *o, bool running)
{
    o->pipeline_running = running;
    for (uint32_t i = 0; i < o->n; i++) settle(o, i);
}

static void feed_one(hg_orch_t *o, const hg_orch_ev_t *ev)
{
    conn_t *c = &o->conns[ev->conn];
    switch (ev->kind) {
    case HG_ORCH_OPENED:
        on_opened(o, ev->conn);
        break;
    case HG_ORCH_ENDED:
        if (c->life == LIFE_OPEN) c->ended = true;
        break;
    case HG_ORCH_BUFFERED:
        if (c->life == LIFE_OPEN) c->buffered = ev->n != 0;
        break;
    case HG_ORCH_FAILED:
        on_failed(o, ev->conn);
        break;
    case HG_ORCH_USER_START:
        on_user_start(o, ev->conn);
        break;
    case HG_ORCH_USER_PAUSE:
        c->word = WORD_PAUSE;
        break;
    case HG_ORCH_MARKED:
        on_marked(o, ev->conn);
        break;
    case HG_ORCH_MARK_FAILED:
        on_mark_failed(o, ev->conn);
        break;
    case HG_ORCH_RERUN:
        on_rerun(o, ev->conn, ev->n != 0);
        break;
    case HG_ORCH_MOVING:
        on_moving(o, ev->conn, ev->n != 0);
        break;
    case HG_ORCH_MOVED:
        on_moved(o, ev->conn);
        break;
    case HG_ORCH_RUN:
    case HG_ORCH_PAUSE:
    case HG_ORCH_DURABLE:
    case HG_ORCH_EV_N:
    default:
        return;
    }
    settle(o, ev->conn);
    set_finished(o, ev->conn, c->ended && !c->buffered);
}

void hg_orch_feed(hg_orch_t *o, hg_orch_ev_t ev)
{
    o->now_us = ev.at_us;
    if (ev.kind == HG_ORCH_RUN || ev.kind == HG_ORCH_PAUSE)
        set_pipeline(o, ev.kind == HG_ORCH_RUN);
    else if (ev.kind == HG_ORCH_DURABLE)
        on_durable(o, ev.n);
    else if (ev.conn < o->n)
        feed_one(o, &ev);
    if (o->n <= 64) HG_DASSERT((hg_orch_check(o), true)); /* costs the whole graph: small ones in debug builds */
}

/* --- making --- */

static uint32_t intern(hg_orch_t *o, hg_str_t name)
{
    uint32_t id = hg_strmap_get(&o->label_ids, name);
    if (id != HG_STRMAP_NONE) return id;
    label_t l = { .name = hg_arena_str(o->arena, name), .seen = 0 };
    hg_strmap_put(&o->label_ids, l.name, o->n_labels);
    HG_APUSH(o->arena, o->labels, o->n_labels, l);
    return o->n_labels - 1;
}

/* Distinct label ids of the names given. */
static uint32_t *intern_all(hg_orch_t *o, const hg_str_t *names, uint32_t n, uint32_t *ret_n)
{
    uint32_t *ids = HG_ANEWN(o->arena, uint32_t, n + 1), out = 0, list = ++o->lists;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = intern(o, names[i]);
        if (o->labels[id].seen == list) continue;
        o->labels[id].seen = list;
        ids[out++] = id;
    }
    *ret_n = out;
    return ids;
}

static void init_conn(hg_orch_t *o, uint32_t id, const hg_orch_conn_t *cfg)
{
    conn_t *c = &o->conns[id];
    *c = (conn_t){ .name = hg_arena_str(o->arena, cfg->name), .has_after = cfg->n_after > 0 };
    c->labels = intern_all(o, cfg->labels, cfg->n_labels, &c->n_labels);
    c->after = intern_all(o, cfg->after, cfg->n_after, &c->n_after);
    c->activated = !c->has_after;
    c->word = cfg->paused && !c->has_after ? WORD_PAUSE : WORD_NONE;
    c->mark = cfg->wants_mark && c->has_after ? MARK_WANTED : MARK_NONE;
    uint32_t other = hg_strmap_put(&o->names, c->name, id);
    HG_ASSERT(other == id); /* names are unique: the compiler saw to it */
    for (uint32_t i = 0; i < c->n_labels; i++) {
        label_t *l = &o->labels[c->labels[i]];
        HG_APUSH(o->arena, l->carriers, l->n_carriers, id);
    }
    for (uint32_t i = 0; i < c->n_after; i++) {
        label_t *l = &o->labels[c->after[i]];
        HG_APUSH(o->arena, l->dependents, l->n_dependents, id);
    }
}

void hg_orch_recount(hg_orch_t *o)
{
    for (uint32_t i = 0; i < o->n; i++) o->conns[i].unmet = o->conns[i].marks = 0;
    for (uint32_t i = 0; i < o->n_labels; i++) {
        label_t *l = &o->labels[i];
        l->unfinished = l->unsettled = 0;
        for (uint32_t k = 0; k < l->n_carriers; k++) l->unfinished += !o->conns[l->carriers[k]].finished;
        for (uint32_t d = 0; d < l->n_dependents; d++) {
            o->conns[l->dependents[d]].unmet += l->unfinished > 0;
            l->unsettled += !hg_orch_mark_settled(&o->conns[l->dependents[d]]);
        }
        for (uint32_t k = 0; k < l->n_carriers; k++) o->conns[l->carriers[k]].marks += l->unsettled > 0;
    }
    for (uint32_t i = 0; i < o->n; i++) o->conns[i].reason = hg_orch_derive_reason(o, &o->conns[i]);
}

hg_orch_t *hg_orch_new(const hg_orch_conn_t *conns, uint32_t n)
{
    hg_orch_t *o = HG_NEW(hg_orch_t);
    o->arena = hg_arena_new();
    hg_strmap_init(&o->names);
    hg_strmap_init(&o->label_ids);
    for (uint32_t i = 0; i < n; i++) {
        conn_t none = { 0 };
        HG_APUSH(o->arena, o->conns, o->n, none);
    }
    for (uint32_t i = 0; i < n; i++) init_conn(o, i, &conns[i]);
    hg_orch_recount(o);
    return o;
}

void hg_orch_free(hg_orch_t *o)
{
    if (!o) return;
    hg_strmap_release(&o->names);
    hg_strmap_release(&o->label_ids);
    hg_free(o->persisting);
    hg_free(o->cmds);
    hg_arena_free(o->arena);
    hg_free(o);
}

void hg_orch_start(hg_orch_t *o, int64_t now_us)
{
    HG_ASSERT(!o->started);
    o->started = true;
    o->now_us = now_us;
    for (uint32_t i = 0; i < o->n; i++) {
        conn_t *c = &o->conns[i];
        c->since_us = now_us;
        if (c->unmet == 0 && !c->activated) { /* labels carried by nobody (allowed as a warning), or all restored */
            c->activated = true;
            emit(o, HG_ORCH_DO_ACTIVATED, i, 0);
        }
        settle(o, i);
    }
}

uint32_t hg_orch_add(hg_orch_t *o, hg_str_t name, int64_t now_us)
{
    conn_t none = { 0 };
    hg_orch_conn_t cfg = { .name = name };
    uint32_t id = o->n;
    HG_APUSH(o->arena, o->conns, o->n, none);
    init_conn(o, id, &cfg);
    o->conns[id].reason = HG_REASON_RUNNING;
    o->conns[id].since_us = o->now_us = now_us;
    settle(o, id);
    return id;
}

/* --- questions --- */

uint32_t hg_orch_count(const hg_orch_t *o)
{
    return o->n;
}
uint32_t hg_orch_find(const hg_orch_t *o, hg_str_t name)
{
    return hg_strmap_get(&o->names, name);
}
hg_orch_reason_t hg_orch_reason(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].reason;
}
bool hg_orch_paused(const hg_orch_t *o, uint32_t conn)
{
    return !allowed(&o->conns[conn]);
}
bool hg_orch_reading(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].running;
}
bool hg_orch_finished(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].finished;
}
bool hg_orch_ended(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].ended;
}
bool hg_orch_failed(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].failed;
}
bool hg_orch_marking(const hg_orch_t *o, uint32_t conn)
{
    return !hg_orch_mark_settled(&o->conns[conn]);
}
bool hg_orch_user_paused(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].word == WORD_PAUSE;
}
int64_t hg_orch_since(const hg_orch_t *o, uint32_t conn)
{
    return o->conns[conn].since_us;
}

void hg_orch_blockers(const hg_orch_t *o, uint32_t conn, void (*fn)(void *, const hg_orch_blocker_t *), void *arg)
{
    const conn_t *c = &o->conns[conn];
    if (c->ended) return;
    for (uint32_t s = 0; !c->activated && s < c->n_after; s++) {
        const label_t *l = &o->labels[c->after[s]];
        for (uint32_t i = 0; i < l->n_carriers; i++) {
            const conn_t *carrier = &o->conns[l->carriers[i]];
            hg_orch_blocker_t b = { .label = l->name, .conn = l->carriers[i], .failed = carrier->failed };
            if (!carrier->finished) fn(arg, &b);
        }
    }
    /* Held for marks: the dependents of its labels that have not marked yet. */
    for (uint32_t i = 0; hg_orch_held_for_marks(c) && i < c->n_labels; i++) {
        const label_t *l = &o->labels[c->labels[i]];
        for (uint32_t d = 0; d < l->n_dependents; d++) {
            const conn_t *dep = &o->conns[l->dependents[d]];
            hg_orch_blocker_t b = { .label = l->name, .conn = l->dependents[d], .mark = true, .failed = dep->failed };
            if (!hg_orch_mark_settled(dep)) fn(arg, &b);
        }
    }
}

uint64_t hg_orch_visits(const hg_orch_t *o)
{
    return o->visits;
}

/* --- checking itself --- */

void hg_orch_check(const hg_orch_t *o)
{
    for (uint32_t i = 0; i < o->n_labels; i++) {
        const label_t *l = &o->labels[i];
        uint32_t unfinished = 0, unsettled = 0;
        for (uint32_t k = 0; k < l->n_carriers; k++) unfinished += !o->conns[l->carriers[k]].finished;
        for (uint32_t d = 0; d < l->n_dependents; d++) unsettled += !hg_orch_mark_settled(&o->conns[l->dependents[d]]);
        HG_ASSERT(unfinished == l->unfinished && unsettled == l->unsettled);
    }
    for (uint32_t i = 0; i < o->n; i++) {
        const conn_t *c = &o->conns[i];
        uint32_t unmet = 0, marks = 0;
        for (uint32_t s = 0; s < c->n_after; s++) unmet += o->labels[c->after[s]].unfinished > 0;
        for (uint32_t k = 0; k < c->n_labels; k++) marks += o->labels[c->labels[k]].unsettled > 0;
        HG_ASSERT(unmet == c->unmet && marks == c->marks);
        HG_ASSERT(c->finished == (c->ended && !c->buffered));
        HG_ASSERT(c->running == hg_orch_want_running(o, c));
        HG_ASSERT(c->reason == hg_orch_derive_reason(o, c));
        HG_ASSERT(!(c->failed && c->ended) && !(c->failed && c->life != LIFE_NEW));
        HG_ASSERT(c->life != LIFE_NEW || !c->buffered);
        HG_ASSERT(!c->moving || c->life == LIFE_NEW);
        HG_ASSERT(c->activated || !o->started || c->unmet > 0); /* nobody waits for nothing */
    }
    for (uint32_t i = o->persisting_head; i < o->n_persisting; i++)
        HG_ASSERT(o->conns[o->persisting[i]].mark == MARK_PERSISTING);
}
