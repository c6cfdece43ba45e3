/* replay.c: drives the replay of the journal; see replay.h.
 *
 * The circuit thread does the steps in order. For a cut it waits until the connector's host has parsed exactly that
 * chunk; a payload it hands to the push endpoint first; rows of an INSERT it reads itself. A connector that was made
 * anew between two steps (it failed and was started again, or its position was set) has a segment for each instance:
 * the circuit asks the control loop for the next one when it comes to its first cut.
 *
 * When all steps are done the inputs are closed, and made anew at the position they have reached. So the
 * orchestrator begins as after any start, and knows nothing of all this.
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "data/block.h"
#include "pipeline/replay.h"
#include "pipeline/transaction.h"

#define CHUNKS 256

/* --- whom the journal means --- */

static int dropped(hg_jreplay_t *r, hg_rname_t *n, const char *why)
{
    n->relation_id = UINT32_MAX;
    hg_log(HG_LOG_WARN, "storage", r->p->name, "replay",
           "table=" HG_SF " \"rows that were pushed or inserted after the last checkpoint are dropped: %s\"",
           HG_SA(n->relation), why);
    return 0;
}

static int resolve_name(hg_jreplay_t *r, hg_rname_t *n, hg_err_t *err)
{
    hg_pipeline_t *p = r->p;
    const hg_durable_t *d = p->durable;
    uint32_t id = hg_strmap_get(&p->input_names, n->endpoint);
    n->relation_id = UINT32_MAX;
    if (!n->used) { /* nothing of it is replayed; there may be no such connector any more */
        if (id != HG_STRMAP_NONE) n->ep = p->inputs[id];
        return 0;
    }
    for (uint32_t i = 0; i < p->prog->plan.n_relations; i++)
        if (hg_str_eq(p->prog->plan.relations[i].schema.name, n->relation) &&
            p->prog->plan.relations[i].kind == HG_REL_TABLE)
            n->relation_id = i;
    if (n->relation_id == UINT32_MAX) return dropped(r, n, "the program has no such table any more");
    if (d->diff.unchanged && !d->diff.unchanged[n->relation_id]) return dropped(r, n, "its definition has changed");
    if (n->endpoint.n == 0) return 0;
    if (id == HG_STRMAP_NONE && n->format.n)
        return hg_push_endpoint(p, n->endpoint.p, n->relation_id, n->format, &n->ep, err);
    if (id == HG_STRMAP_NONE)
        return hg_err_set(err, HG_EREPLAY, "the journal has data of a connector '%s' that the program does not have",
                          n->endpoint.p);
    n->ep = p->inputs[id];
    return 0;
}

/* May what this connector gave be asked of it again? With exactly_once that was checked at the start. */
static bool can_replay(const endpoint_t *ep)
{
    const hg_conn_spec_t *spec = ep->spec;
    if (hg_input_ft(spec->in_type) != HG_FT_EXACTLY_ONCE) return false;
    return !spec->in_type->no_replay || !spec->in_type->no_replay(spec->transport_cfg);
}

static void say_hole(const hg_jreplay_t *r, const char *who, const char *why)
{
    hg_log(
        HG_LOG_WARN, "storage", r->p->name, "replay_hole",
        "connector=%s reason=\"%s\" \"what was read since then is read again in other steps: an output that has been "
        "told of a row which is gone by now may not hear that it went\"",
        who, why);
}

/* One cut to its connector's list, the place where an instance began to its segments. */
static void collect_cut(hg_jreplay_t *r, const hg_rstep_t *s, const hg_rentry_t *e)
{
    hg_rname_t *n = &r->names[e->name];
    if (e->reread) {
        if (!n->lost_step) n->lost_step = s->number;
        return;
    }
    if (!n->first_step) n->first_step = s->number;
    n->last_step = s->number;
    if (e->kind == HG_JE_RAW) {
        n->n_raw++;
        return;
    }
    if (n->n_segs == 0 || e->start.n) {
        hg_rsegment_t seg = { n->n_cuts, 0, e->start };
        HG_APUSH(r->arena, n->segs, n->n_segs, seg);
    }
    n->segs[n->n_segs - 1].n++;
    hg_replay_cut_t cut = { e->lane_key, e->begin, e->end, e->records, e->hash };
    HG_APUSH(r->arena, n->cuts, n->n_cuts, cut);
}

/* The cuts of each connector in order, and where an instance of it began. */
static void collect_cuts(hg_jreplay_t *r)
{
    for (uint32_t i = 0; i < r->n_steps; i++) {
        const hg_rstep_t *s = &r->steps[i];
        for (uint32_t k = 0; k < s->n; k++) {
            const hg_rentry_t *e = &r->entries[s->first + k];
            const endpoint_t *ep = r->names[e->name].ep;
            if (e->kind != HG_JE_CUT && e->kind != HG_JE_RAW) continue;
            if (e->kind == HG_JE_CUT && !e->reread && !can_replay(ep)) {
                say_hole(r, ep->name, "it cannot give an earlier range again");
                hg_jreplay_hole(r, i, k);
            }
            collect_cut(r, s, e);
        }
    }
}

static hg_str_t text_of(hg_jreplay_t *r, const hg_json_t *v)
{
    hg_buf_t text;
    hg_jw_t w;
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_jw_init(&w, &text);
    hg_jw_node(&w, v);
    HG_ASSERT(w.rc == 0);
    hg_str_t s = hg_arena_str(r->arena, hg_buf_str(&text));
    hg_buf_release(&text);
    return s;
}

/* What the connector had brought before the user set its position is not in the tables any more: going on where the
 * user said would lose it. */
static void no_word(const hg_jreplay_t *r, hg_rname_t *n)
{
    n->to_word = false;
    n->ep->by_user = false;
    n->ep->change = NULL;
    hg_log(
        HG_LOG_WARN, "storage", r->p->name, "position_not_taken",
        "connector=%s \"what it had brought before its position was set has to be read again first; set the position "
        "once more\"",
        n->ep->name);
}

/* Where a user has set the position after the checkpoint: the cuts before that are replayed from the checkpoint's
 * position, and behind them it goes on where the user said, unless it has been there already. */
static void settle_word(hg_jreplay_t *r, hg_rname_t *n)
{
    endpoint_t *ep = n->ep;
    bool before = n->first_step && n->first_step <= ep->word_step;
    bool lost = n->lost_step && n->lost_step <= ep->word_step;
    n->to_word = !lost && n->first_step && n->last_step <= ep->word_step;
    if (n->to_word) n->position = ep->saved_position ? text_of(r, ep->saved_position) : (hg_str_t){ 0 };
    if (before || lost) ep->saved_position = ep->base_position;
    if (lost) no_word(r, n);
}

/* Is an instance of it to be made anew when all is replayed? */
static bool has_instance(const hg_rname_t *n)
{
    return n->n_segs || n->n_raw;
}

int hg_jreplay_resolve(hg_jreplay_t *r, hg_err_t *err)
{
    int rc = 0;
    r->chunks = HG_NEWN(hg_chunk_t *, CHUNKS);
    for (uint32_t i = 0; i < r->n_entries; i++) r->names[r->entries[i].name].used |= !r->entries[i].reread;
    for (uint32_t i = 0; i < r->n_names && rc == 0; i++) rc = resolve_name(r, &r->names[i], err);
    if (rc < 0) return rc;
    if (r->hole) say_hole(r, "-", "another program was running");
    collect_cuts(r);
    r->n_of_input = r->p->n_inputs;
    r->of_input = HG_NEWN(uint32_t, r->n_of_input + 1);
    for (uint32_t i = 0; i < r->n_names; i++) {
        hg_rname_t *n = &r->names[i];
        if (has_instance(n)) r->of_input[n->ep->id] = i + 1;
        if (n->ep && n->ep->by_user) settle_word(r, n);
    }
    return 0;
}

/* --- instances: control loop --- */

/* at_least_once: the circuit makes the hole where it is. With exactly_once the pipeline fails. */
static void give_up(hg_jreplay_t *r, const endpoint_t *ep, const hg_err_t *cause)
{
    hg_err_t err = *cause;
    if (r->p->cfg.ft == HG_FT_AT_LEAST_ONCE) {
        if (r->finishing || atomic_load(&r->given_up)) return;
        snprintf(r->why, sizeof r->why, "%s", err.msg);
        r->who = ep->name;
        atomic_store(&r->given_up, true);
        hg_circuit_wake(r->p);
        return;
    }
    hg_err_wrap(&err, "replaying the journal, connector %s", ep->name);
    err.code = HG_EREPLAY;
    hg_pipeline_fail(r->p, &err);
}

static void open_segment(hg_jreplay_t *r, hg_rname_t *n)
{
    hg_err_t err = HG_ERR_INIT;
    const hg_rsegment_t *s = &n->segs[n->wanted - 1];
    int rc = s->start.n ? hg_endpoint_restore(n->ep, s->start, &err) : 0;
    if (rc == 0) rc = hg_input_replay(n->ep->in, n->cuts + s->first, s->n, &err);
    if (rc == 0)
        hg_input_open(n->ep->in);
    else
        give_up(r, n->ep, &err);
    atomic_store(&n->at, n->wanted);
    hg_circuit_wake(r->p);
}

static hg_rname_t *name_of(hg_jreplay_t *r, uint32_t conn)
{
    uint32_t i = conn < r->n_of_input ? r->of_input[conn] : 0;
    return i ? &r->names[i - 1] : NULL;
}

void hg_jreplay_opened(hg_jreplay_t *r, uint32_t conn)
{
    if (!r->finishing) hg_input_run(r->p->inputs[conn]->in);
}

void hg_jreplay_failed(hg_jreplay_t *r, uint32_t conn, const hg_err_t *cause)
{
    give_up(r, r->p->inputs[conn], cause);
}

/* The old instance is closed, and the circuit holds no chunk of it. */
void hg_jreplay_closed(hg_jreplay_t *r, uint32_t conn)
{
    hg_pipeline_t *p = r->p;
    hg_rname_t *n = name_of(r, conn);
    hg_err_t err = HG_ERR_INIT;
    p->inputs[conn]->closed = true;
    if (p->life != ST_RUNNING || !n) return;
    if (hg_endpoint_renew(n->ep, n->position, &err) < 0)
        hg_pipeline_fail(p, &err);
    else if (!r->finishing)
        open_segment(r, n);
    else if (--r->closing == 0)
        hg_pipeline_replayed(p);
}

typedef struct {
    hg_jreplay_t *r;
    uint32_t name;
} switch_t;

static void next_segment(void *arg)
{
    switch_t *x = arg;
    hg_rname_t *n = &x->r->names[x->name];
    if (x->r->p->life == ST_RUNNING) {
        n->wanted++;
        n->ep->closing = true;
        hg_input_close(n->ep->in);
    }
    hg_free(x);
}

void hg_jreplay_start(hg_jreplay_t *r)
{
    hg_pipeline_t *p = r->p;
    hg_log(HG_LOG_INFO, "storage", p->name, "replaying", "steps=%u last=%" PRIu64, r->n_steps, r->last);
    for (uint32_t i = 0; i < r->n_names; i++) {
        hg_rname_t *n = &r->names[i];
        if (n->n_segs) {
            n->wanted = 1;
            open_segment(r, n);
        }
    }
    hg_circuit_wake(p);
}

static void ask_next(hg_jreplay_t *r, uint32_t name)
{
    switch_t *x = HG_NEW(switch_t);
    *x = (switch_t){ r, name };
    hg_loop_post(r->p->control, next_segment, x);
}

/* Where its next instance begins. */
static void reached(hg_jreplay_t *r, hg_rname_t *n, hg_str_t position)
{
    if (n->to_word && n->taken < n->n_cuts + n->n_raw) no_word(r, n);
    if (n->to_word) return; /* it is there already */
    if (position.n) {
        n->position = hg_arena_str(r->arena, position);
        return;
    }
    const char *began = n->ep->next_position; /* it could not be opened, so nothing of this instance was taken */
    n->position = n->n_segs ? n->segs[n->wanted - 1].start : (hg_str_t){ 0 };
    if (!n->position.n && began) n->position = hg_arena_str(r->arena, hg_strz(began));
}

static void position_saved(void *arg, hg_str_t position)
{
    switch_t *x = arg;
    hg_rname_t *n = &x->r->names[x->name];
    hg_pipeline_t *p = x->r->p;
    if (hg_position_lost(position)) {
        hg_err_t err = HG_ERR_INIT;
        hg_err_set(&err, HG_ENOMEM, "the position of %s is too large, or there is no memory for it", n->ep->name);
        hg_pipeline_fail(p, &err);
    } else {
        reached(x->r, n, position);
    }
    hg_free(x);
    p->retiring--;
    if (p->life == ST_RUNNING) {
        n->ep->closing = true;
        hg_input_close(n->ep->in);
    } else {
        hg_pipeline_maybe_stopped(p);
    }
}

/* Everything is stepped: inputs as a start finds them. */
static void finish(void *arg)
{
    hg_jreplay_t *r = arg;
    hg_pipeline_t *p = r->p;
    if (p->life != ST_RUNNING) return;
    r->finishing = true;
    r->closing = 1;
    for (uint32_t i = 0; i < r->n_names; i++) {
        if (!has_instance(&r->names[i])) continue;
        if (r->names[i].n_raw) {
            r->closing++;
            reached(r, &r->names[i], r->names[i].kept);
            r->names[i].ep->closing = true;
            hg_input_close(r->names[i].ep->in);
            continue;
        }
        switch_t *x = HG_NEW(switch_t);
        *x = (switch_t){ r, i };
        r->closing++;
        p->retiring++; /* the answer is still to come */
        hg_input_save(r->names[i].ep->in, position_saved, x);
    }
    if (--r->closing == 0) hg_pipeline_replayed(p);
}

/* --- steps: circuit thread --- */

static hg_change_t *read_insert(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err)
{
    hg_pipeline_t *p = r->p;
    uint32_t n_cols, relation = r->names[e->name].relation_id;
    const hg_schema_t *s = &p->prog->plan.relations[relation].schema;
    char *bytes = hg_jreplay_data(r, e, err);
    if (!bytes) return NULL;
    const hg_type_t **types = hg_relation_types(p, relation, &n_cols);
    hg_str_t in = { bytes, e->len };
    hg_part_t *part = NULL;
    hg_change_t *c = NULL;
    int rc = hg_block_read(&in, types, n_cols, &part, err);
    if (rc == 0) {
        c = hg_insert_change(p, s, hg_batch_retain(part->batch), err);
        hg_part_drop(part);
    } else {
        hg_err_wrap(err, "%s, rows of an INSERT at byte %" PRIu64, r->logs[e->log], e->off);
    }
    hg_free(types);
    hg_free(bytes);
    return c;
}

static int feed_payload(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err)
{
    char *bytes = hg_jreplay_data(r, e, err);
    int rc = bytes ? hg_push_replay(r->names[e->name].ep->in, (hg_str_t){ bytes, e->len }, err) : err->code;
    hg_free(bytes);
    return rc;
}

static int check_payload(const hg_jreplay_t *r, const hg_rentry_t *e, const hg_chunk_t *c, hg_err_t *err)
{
    if (c->records == e->records) return 0;
    return hg_err_set(err, HG_EREPLAY,
                      "'%s': %" PRIu64 " records of the journal's %" PRIu64 " are accepted now (%s, byte %" PRIu64 ")",
                      r->names[e->name].ep->name, c->records, e->records, r->logs[e->log], e->off);
}

/* Puts the chunk of entry e at hand. 1: it is, 0: not yet. */
static int fetch(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err)
{
    hg_rname_t *n = &r->names[e->name];
    hg_chunk_t *c;
    int rc = 0;
    if (e->kind == HG_JE_CUT) {
        if (!r->fed && (e->start.n || n->done == 0)) { /* the first cut of a segment */
            r->fed = true;
            if (n->done++) ask_next(r, e->name);
        }
        if (atomic_load(&n->at) < n->done) return 0;
    } else if (!r->fed) {
        rc = feed_payload(r, e, err);
        if (rc < 0) return rc;
        r->fed = true;
    }
    if (!hg_host_take_exact(r->p->host, n->ep->id, e->lane_key, e->begin, e->end, &c)) return 0;
    r->fed = false;
    n->taken += e->kind != HG_JE_PAYLOAD;
    if (e->after_len) n->after = e;
    r->chunks[r->n_chunks++] = c;
    rc = e->kind != HG_JE_CUT ? check_payload(r, e, c, err) : 0;
    return rc < 0 ? rc : 1;
}

static int redo_mark(hg_jreplay_t *r, const hg_jmark_t *m, hg_err_t *err)
{
    switch (m->kind) {
    case HG_JMARK_BEGIN:
        hg_txn_redo_begin(r->p, m->id, m->api);
        return 0;
    case HG_JMARK_LEAVE:
        hg_txn_redo_leave(r->p);
        return 0;
    case HG_JMARK_COMMIT: /* behind a hole, of one that began with a chunk in it: that is read again */
        return r->hole && !hg_txn_active(r->p) ? 0 : hg_txn_redo_commit(r->p, m->id, m->step, err);
    case HG_JMARK_N:
        break;
    }
    return 0;
}

static int redo(hg_jreplay_t *r, const hg_rstep_t *s, hg_err_t *err)
{
    const hg_rentry_t *e = s->n ? &r->entries[s->first] : NULL;
    hg_change_t *insert = NULL;
    uint32_t relation = 0;
    if (e && e->kind == HG_JE_INSERT && r->names[e->name].relation_id != UINT32_MAX) {
        relation = r->names[e->name].relation_id;
        insert = read_insert(r, e, err);
        if (!insert) return err->code;
    }
    int rc = hg_circuit_redo(r->p, s->number, s->now_us, r->chunks, r->n_chunks, relation, insert, err);
    if (insert) hg_change_drop(insert);
    for (uint32_t i = 0; i < r->n_chunks; i++) hg_chunk_done(r->chunks[i]);
    r->n_chunks = 0;
    return rc;
}

void hg_jreplay_stop(hg_jreplay_t *r)
{
    for (uint32_t i = 0; i < r->n_chunks; i++) hg_chunk_done(r->chunks[i]);
    r->n_chunks = 0;
}

/* A source has failed: from here on nothing is asked of any. An instance that is just being made is waited for, so that
 * the end of the replay finds each of them at rest. False: it is. */
static bool make_hole(hg_jreplay_t *r)
{
    const hg_rstep_t *s = r->step < r->n_steps ? &r->steps[r->step] : NULL;
    const hg_rentry_t *e = s && r->entry < s->n ? &r->entries[s->first + r->entry] : NULL;
    bool cut = e && e->kind == HG_JE_CUT && r->fed;
    if (!s || s->is_mark) return true; /* all was replayed by then; or the hole comes with the next step */
    if (cut && atomic_load(&r->names[e->name].at) < r->names[e->name].done) return false;
    if (cut) r->fed = false;
    hg_jreplay_hole(r, r->step, r->entry);
    say_hole(r, r->who, r->why);
    return true;
}

/* How far those are that were not opened. The control loop is told when this is done. */
static int read_positions(hg_jreplay_t *r, hg_err_t *err)
{
    for (uint32_t i = 0; i < r->n_names; i++) {
        hg_rname_t *n = &r->names[i];
        if (!n->after) continue;
        char *text = hg_jreplay_after(r, n->after, err);
        if (!text) return err->code;
        n->kept = hg_arena_str(r->arena, (hg_str_t){ text, n->after->after_len });
        hg_free(text);
    }
    return 0;
}

int hg_jreplay_turn(hg_jreplay_t *r, hg_err_t *err)
{
    if (r->over) return 0;
    if (atomic_load(&r->given_up) && !r->hole && !make_hole(r)) return 0;
    if (r->step == r->n_steps) {
        if (read_positions(r, err) < 0) return err->code;
        r->over = true;
        if (r->last > atomic_load(&r->p->steps)) atomic_store(&r->p->steps, r->last); /* at_least_once has gaps */
        hg_loop_post(r->p->control, finish, r);
        return 0;
    }
    const hg_rstep_t *s = &r->steps[r->step];
    while (r->entry < s->n) {
        const hg_rentry_t *e = &r->entries[s->first + r->entry];
        if (e->kind != HG_JE_INSERT && !e->reread && r->names[e->name].relation_id != UINT32_MAX) {
            if (r->n_chunks == CHUNKS)
                return hg_err_set(err, HG_EDAMAGED, "%s: step %" PRIu64 " has too many entries", r->logs[e->log],
                                  s->number);
            int rc = fetch(r, e, err);
            if (rc <= 0) return rc;
        }
        r->entry++;
    }
    int rc = s->is_mark ? redo_mark(r, &s->mark, err) : redo(r, s, err);
    r->step++;
    r->entry = 0;
    return rc < 0 ? rc : 1;
}
