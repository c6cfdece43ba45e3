/* A configuration and a history from bytes.
 *
 * First byte: number of connectors (1 to 8) and whether unknown labels are warnings. Then four bytes per connector:
 * labels it carries (a bit each), labels it waits for, flags, spare. A configuration with errors is only checked. After
 * that two bytes per event: what (high four bits: n) and which connector. After each event the orchestrator checks
 * itself, the commands keep their order (DO_OPEN first, DO_RUN and DO_HOLD by turns, nothing after DO_CLOSE), and what
 * it says about itself is JSON. At a restart the state goes through its text: damaged text is refused without change,
 * good text gives the same state, and what the user sees of a connector that lasts is the same. */
#include "base/hg.h"
#include "base/buf.h"
#include "base/mem.h"
#include "orchestrator/orch.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

enum { MAX_CONNS = 8, MAX_ALL = 12, LABELS = 8 };
enum { F_PAUSED = 1, F_MARK = 2, F_ENDLESS = 4, F_EMPTY = 8 };

static const char *const g_names[MAX_ALL] = {
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"
};
static const char *const g_labels[LABELS] = { "a", "b", "backfill", "backfil", "", "f", "\xc3\xa9", "\"" };

typedef struct {
    hg_arena_t *arena;
    hg_orch_conn_t conns[MAX_CONNS];
    uint32_t n;
    hg_orch_t *o;
    int64_t now;
    bool started;
    bool open[MAX_ALL], running[MAX_ALL]; /* as the host has been told */
} run_t;

static void set_list(run_t *r, uint8_t bits, const hg_str_t **ret, uint32_t *ret_n)
{
    hg_str_t *list = HG_ANEWN(r->arena, hg_str_t, LABELS);
    for (uint32_t i = 0; i < LABELS; i++)
        if (bits >> i & 1) list[(*ret_n)++] = hg_strz(g_labels[i]);
    *ret = list;
}

/* Every complaint has a text and a place in the list; true if there is no error. */
static bool check_config(run_t *r, bool warn)
{
    const hg_orch_issue_t *v = NULL;
    uint32_t n = hg_orch_check_config(r->arena, r->conns, r->n, warn, &v), errors = 0;
    for (uint32_t i = 0; i < n; i++) {
        HG_ASSERT(v[i].conn < r->n && v[i].msg && v[i].msg[0]);
        HG_ASSERT((v[i].code == HG_ECYCLE) == (v[i].n_loop > 0));
        errors += !v[i].warning;
    }
    return errors == 0;
}

static void obey(run_t *r)
{
    hg_orch_cmd_t c;
    while (hg_orch_next(r->o, &c)) {
        HG_ASSERT(c.conn < hg_orch_count(r->o));
        if (c.kind == HG_ORCH_DO_OPEN) {
            HG_ASSERT(!r->open[c.conn]);
            r->open[c.conn] = true;
        } else if (c.kind == HG_ORCH_DO_CLOSE) {
            HG_ASSERT(r->open[c.conn]);
            r->open[c.conn] = r->running[c.conn] = false;
        } else if (c.kind == HG_ORCH_DO_RUN || c.kind == HG_ORCH_DO_HOLD) {
            HG_ASSERT(r->open[c.conn] && r->running[c.conn] == (c.kind == HG_ORCH_DO_HOLD));
            r->running[c.conn] = c.kind == HG_ORCH_DO_RUN;
        } else if (c.kind == HG_ORCH_DO_MARK)
            HG_ASSERT(r->open[c.conn]);
    }
}

static void check(run_t *r)
{
    hg_orch_check(r->o);
    for (uint32_t i = 0; i < hg_orch_count(r->o); i++) {
        HG_ASSERT(!hg_orch_reading(r->o, i) || (r->running[i] && hg_orch_reason(r->o, i) == HG_REASON_RUNNING));
        HG_ASSERT(!hg_orch_finished(r->o, i) || hg_orch_ended(r->o, i));
        HG_ASSERT(hg_orch_find(r->o, hg_strz(g_names[i])) == i);
    }
}

typedef void write_fn(const hg_orch_t *o, hg_jw_t *w);

static void write_json(const hg_orch_t *o, hg_jw_t *w)
{
    hg_orch_json(o, w, NULL, NULL);
}

static hg_json_t *written(run_t *r, write_fn *fn, hg_buf_t *b)
{
    hg_jw_t w;
    hg_json_t *j = NULL;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(b, HG_BUF_NOMAX);
    hg_jw_init(&w, b);
    fn(r->o, &w);
    HG_ASSERT(w.rc == 0 && hg_json_parse(r->arena, hg_buf_str(b), &j, &err) == 0);
    return j;
}

/* One byte of the saved text is another: it is refused and nothing has changed, or it is another good state. */
static void load_damaged(run_t *r, const hg_buf_t *good, size_t at, uint8_t byte)
{
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    char *text = hg_arena_strndup(r->arena, good->p, good->len);
    text[at % good->len] = (char)byte;
    hg_orch_t *o = hg_orch_new(r->conns, r->n), *keep = r->o;
    hg_buf_t before, after;
    r->o = o;
    (void)written(r, hg_orch_save, &before);
    if (hg_json_parse(r->arena, (hg_str_t){ text, good->len }, &j, &err) == 0 &&
        hg_orch_load(o, j, NULL, NULL, &err) < 0) {
        (void)written(r, hg_orch_save, &after);
        HG_ASSERT(err.code == HG_EPARSE && err.msg[0] && hg_str_eq(hg_buf_str(&before), hg_buf_str(&after)));
        hg_buf_release(&after);
    }
    hg_orch_check(o);
    hg_buf_release(&before);
    hg_orch_free(o);
    r->o = keep;
}

/* next: the byte after the event, a place in the saved text. */
static void restart(run_t *r, uint8_t who, uint8_t next)
{
    hg_err_t err = HG_ERR_INIT;
    hg_buf_t saved, again;
    bool finished[MAX_ALL], added = hg_orch_count(r->o) > r->n;
    hg_orch_reason_t reason[MAX_ALL];
    for (uint32_t i = 0; i < r->n; i++) {
        finished[i] = hg_orch_finished(r->o, i);
        reason[i] = hg_orch_reason(r->o, i);
    }
    hg_json_t *j = written(r, hg_orch_save, &saved);
    load_damaged(r, &saved, next, who);
    hg_orch_free(r->o);
    r->o = hg_orch_new(r->conns, r->n);
    HG_ASSERT(hg_orch_load(r->o, j, NULL, NULL, &err) == 0);
    memset(r->open, 0, sizeof r->open);
    memset(r->running, 0, sizeof r->running);
    r->started = false;
    for (uint32_t i = 0; i < r->n; i++) {
        hg_orch_reason_t now = hg_orch_reason(r->o, i);
        HG_ASSERT(hg_orch_finished(r->o, i) == finished[i]);
        if (reason[i] == HG_REASON_USER || reason[i] == HG_REASON_WAITING) HG_ASSERT(now == reason[i]);
        if (reason[i] == HG_REASON_RUNNING) HG_ASSERT(now == HG_REASON_RUNNING);
        if (reason[i] == HG_REASON_MARK) HG_ASSERT(now == HG_REASON_MARK || now == HG_REASON_RUNNING);
    }
    (void)written(r, hg_orch_save, &again);
    HG_ASSERT(added || hg_str_eq(hg_buf_str(&saved), hg_buf_str(&again)));
    hg_buf_release(&saved);
    hg_buf_release(&again);
}

/* The low four bits say what: an event, or something else behind the events. Reruns, moving and moved share a number
 * and are told apart by n, the high bits. */
enum { KINDS = HG_ORCH_RERUN + 1 };

static void feed(run_t *r, uint8_t what, uint8_t who)
{
    hg_orch_ev_t ev = { (hg_orch_ev_kind_t)(what & 15), who % (MAX_ALL + 1), what >> 4, r->now };
    if (ev.kind == HG_ORCH_RERUN && ev.n >= 8) ev.kind = ev.n >= 12 ? HG_ORCH_MOVED : HG_ORCH_MOVING;
    if (ev.kind == HG_ORCH_MOVING) ev.n &= 1;
    hg_orch_feed(r->o, ev);
}

static void step(run_t *r, uint8_t what, uint8_t who, uint8_t next)
{
    uint32_t kind = what & 15;
    r->now++;
    if (kind < KINDS)
        feed(r, what, who);
    else if (kind == KINDS && !r->started) {
        r->started = true;
        hg_orch_start(r->o, r->now);
    } else if (kind == KINDS + 1 && hg_orch_count(r->o) < MAX_ALL)
        hg_orch_add(r->o, hg_strz(g_names[hg_orch_count(r->o)]), r->now);
    else if (kind == KINDS + 2)
        restart(r, who, next);
    else if (kind == KINDS + 3) {
        hg_buf_t b;
        const hg_json_t *j = written(r, write_json, &b);
        HG_ASSERT(hg_json_get(j, "connectors")->n == hg_orch_count(r->o));
        hg_buf_release(&b);
    }
    obey(r);
    check(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    if (n < 5) return 0;
    run_t r = { .arena = hg_arena_new() };
    bool warn = p[0] & 8;
    uint32_t want = 1 + (p[0] & 7);
    size_t at = 1;
    for (; r.n < want && at + 4 <= n; at += 4, r.n++) {
        hg_orch_conn_t *c = &r.conns[r.n];
        c->name = hg_strz(g_names[r.n]);
        set_list(&r, p[at], &c->labels, &c->n_labels);
        set_list(&r, p[at + 1], &c->after, &c->n_after);
        c->paused = p[at + 2] & F_PAUSED;
        c->wants_mark = p[at + 2] & F_MARK;
        c->finite = !(p[at + 2] & F_ENDLESS);
        c->has_after = c->n_after > 0 || (p[at + 2] & F_EMPTY);
    }
    if (check_config(&r, warn)) {
        r.o = hg_orch_new(r.conns, r.n);
        check(&r);
        for (uint32_t steps = 0; at + 2 <= n && steps < 2000; at += 2, steps++)
            step(&r, p[at], p[at + 1], at + 2 < n ? p[at + 2] : 0);
        hg_orch_free(r.o);
    }
    hg_arena_free(r.arena);
    return 0;
}
