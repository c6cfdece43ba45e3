/* owed.c: durable progress of outputs: how far the sink is at a step, and what it has not got yet.
 *
 * A checkpoint of step s needs, for each output, either "everything up to s is with the sink, which then stood at this
 * position" (hg_output_save), or the deltas that are missing and the state beneath them (hg_output_owed). So, where the
 * host is durable, each delta is kept beside the queue until the sink has confirmed its batch; it is the same parts,
 * charged once. And the position of each confirmed batch goes into a short history, because the sink may be past s
 * when the question comes.
 *
 * Pushes are numbered (seq): several may belong to one step. All state here is under out->mu.
 */
#include "base/hg.h"
#include "connectors/host/output_int.h"
#include "base/json.h"
#include "base/mem.h"

void hg_output_keep(hg_output_t *out, hg_outitem_t *it)
{
    hg_outkept_t *k = HG_NEW(hg_outkept_t);
    hg_list_init(&k->link);
    k->seq = it->seq;
    k->step = it->step;
    k->charge = it->charge;
    k->delta = (hg_delta_t){ .parts = HG_NEWN(hg_part_t *, it->delta.n), .n = it->delta.n, .cap = it->delta.n };
    for (uint32_t i = 0; i < it->delta.n; i++) k->delta.parts[i] = hg_part_retain(it->delta.parts[i]);
    k->group = it->group ? hg_group_retain(it->group) : NULL;
    it->charge = 0;
    it->kept = k;
    hg_list_add_tail(&out->kept, &k->link);
}

void hg_outkept_free(hg_output_t *out, hg_list_t *gone)
{
    for (hg_list_t *it; (it = hg_list_pop(gone)) != NULL;) {
        hg_outkept_t *k = HG_ENTRY(it, hg_outkept_t, link);
        atomic_fetch_sub(&out->host->out_bytes, k->charge);
        hg_delta_release(&k->delta);
        hg_group_drop(k->group);
        hg_free(k);
    }
}

void hg_output_unkeep(hg_output_t *out, uint64_t first, uint64_t last)
{
    hg_list_t gone;
    hg_list_init(&gone);
    HG_LIST_EACH(it, &out->kept)
    {
        hg_outkept_t *k = HG_ENTRY(it, hg_outkept_t, link);
        if (k->seq < first || k->seq > last) continue;
        hg_list_del(it);
        hg_list_add_tail(&gone, it);
    }
    hg_outkept_free(out, &gone);
}

/* The output buffer has limits of its own: what it holds must not count as a queue that is full, or nothing would come
 * any more that fills the buffer. */
void hg_output_kept_buffered(hg_output_t *out, hg_outitem_t *it)
{
    pthread_mutex_lock(&out->mu);
    if (it->kept && !out->failed && !out->now) { /* else it may be gone */
        atomic_fetch_sub(&out->host->out_bytes, it->kept->charge);
        it->kept->charge = 0;
    }
    it->kept = NULL;
    pthread_mutex_unlock(&out->mu);
}

/* --- the state as JSON --- */

/* [m] The newest remembered batch that begins at or before step; the oldest one when all are later. */
static const hg_outpos_t *pos_at(const hg_output_t *out, uint64_t step)
{
    const hg_outpos_t *best = &out->at;
    for (uint32_t i = 0; i < out->n_history; i++) {
        best = &out->history[(out->history_at + HG_OUT_HISTORY - 1 - i) % HG_OUT_HISTORY];
        if (best->first <= step) break;
    }
    return best;
}

/* [m] */
static void write_state(const hg_output_t *out, const hg_outpos_t *p, uint64_t step, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "step", step);
    if (p->step > step) hg_jw_ku64(w, "through", p->step);
    hg_jw_ku64(w, "position", p->position);
    hg_jw_ku64(w, "transmitted_records", p->records);
    hg_jw_ku64(w, "transmitted_bytes", p->bytes);
    hg_jw_ku64(w, "processed_records", p->processed);
    hg_jw_ku64(w, "processed_steps", p->total_steps);
    hg_jw_key(w, "encode_errors");
    hg_errlist_save(&out->encode_errors, p->encode_errors, w);
    hg_jw_key(w, "transport_errors");
    hg_errlist_save(&out->transport_errors, UINT64_MAX, w);
    hg_jw_end_obj(w);
}

/* --- save --- */

typedef struct {
    hg_output_t *out;
    hg_outsave_t save;
    hg_buf_t state;
} answer_t;

static void run_answer(void *arg)
{
    answer_t *a = arg;
    hg_output_drop(a->out); /* first: the owner may free the output and the host in its call-back */
    a->save.done(a->save.arg, hg_buf_str(&a->state));
    hg_buf_release(&a->state);
    hg_free(a);
}

/* [m] p: NULL for "no answer will come". */
static void answer(hg_output_t *out, const hg_outpos_t *p)
{
    if (!out->save.done) return;
    answer_t *a = HG_NEW(answer_t);
    hg_jw_t w;
    a->out = hg_output_retain(out);
    a->save = out->save;
    hg_buf_init(&a->state, HG_BUF_NOMAX);
    hg_jw_init(&w, &a->state);
    if (p) write_state(out, p, out->save.step, &w);
    if (w.rc < 0) hg_buf_clear(&a->state);
    out->save.done = NULL;
    hg_loop_post(out->host->control, run_answer, a);
}

/* [m] */
static bool is_delivered(const hg_output_t *out, uint64_t step, uint64_t seq)
{
    return !out->type || (atomic_load(&out->delivered) >= step && out->at.seq >= seq);
}

/* [m] The last push of a step up to this one that is not confirmed; 0 if there is none. */
static uint64_t last_owed(const hg_output_t *out, uint64_t step)
{
    uint64_t seq = 0;
    HG_LIST_EACH(it, &out->kept)
    {
        const hg_outkept_t *k = HG_ENTRY(it, hg_outkept_t, link);
        if (k->step <= step) seq = k->seq;
    }
    return seq;
}

void hg_output_save(hg_output_t *out, uint64_t step, void (*done)(void *arg, hg_str_t state), void *arg)
{
    pthread_mutex_lock(&out->mu);
    answer(out, NULL);
    out->save = (hg_outsave_t){ done, arg, step, last_owed(out, step) };
    out->flush_at = step;
    if (out->failed || out->now || out->gone)
        answer(out, NULL);
    else if (is_delivered(out, step, out->save.seq))
        answer(out, pos_at(out, step));
    pthread_mutex_unlock(&out->mu);
    hg_output_pump(out);
}

static void remember(hg_output_t *out, const hg_outpos_t *p)
{
    out->history[out->history_at] = *p;
    out->history_at = (out->history_at + 1) % HG_OUT_HISTORY;
    if (out->n_history < HG_OUT_HISTORY) out->n_history++;
}

static void begin_history(hg_output_t *out)
{
    if (!out->keeps || out->history) return;
    out->history = HG_NEWN(hg_outpos_t, HG_OUT_HISTORY);
    remember(out, &out->at); /* where it began */
}

/* Steps without data: nothing changes at the sink. */
static void move_on(hg_output_t *out, const hg_outpos_t *to)
{
    bool failed = out->at.encode_errors != to->encode_errors; /* that is why it has none */
    if (failed) begin_history(out);
    out->at.through = to->through;
    out->at.seq = to->seq;
    out->at.processed = to->processed;
    out->at.total_steps = out->processed_steps;
    out->at.encode_errors = to->encode_errors;
    if (!out->n_history) return;
    hg_outpos_t *last = &out->history[(out->history_at + HG_OUT_HISTORY - 1) % HG_OUT_HISTORY], now = out->at;
    now.first = failed ? to->first : last->first;
    if (failed)
        remember(out, &now);
    else
        *last = now;
}

void hg_output_confirmed(hg_output_t *out, const hg_outpos_t *to, bool data, hg_list_t *gone)
{
    if (data) {
        begin_history(out);
        out->at = *to;
        out->at.total_steps = out->processed_steps;
        if (out->keeps) remember(out, &out->at);
    } else {
        move_on(out, to);
    }
    while (!hg_list_empty(&out->kept) && HG_ENTRY(out->kept.next, hg_outkept_t, link)->seq <= to->seq)
        hg_list_add_tail(gone, hg_list_pop(&out->kept));
    if (out->save.done && to->through >= out->save.step && to->seq >= out->save.seq)
        answer(out, pos_at(out, out->save.step));
}

void hg_output_give_up(hg_output_t *out)
{
    hg_list_t gone;
    hg_list_init(&gone);
    pthread_mutex_lock(&out->mu);
    if (out->closed && !out->holds) out->gone = true;
    answer(out, NULL);
    for (hg_list_t *it; !out->holds && (it = hg_list_pop(&out->kept)) != NULL;) hg_list_add_tail(&gone, it);
    pthread_mutex_unlock(&out->mu);
    hg_outkept_free(out, &gone);
}

void hg_output_let_go(hg_output_t *out)
{
    out->holds = false;
    hg_output_unkeep(out, 0, UINT64_MAX);
    hg_output_count_kept(out);
    atomic_store(&out->delivered, UINT64_MAX - 1);
}

void hg_output_count_kept(hg_output_t *out)
{
    out->queued_records = out->queued_batches = 0;
    if (!out->holds) return;
    HG_LIST_EACH(it, &out->kept)
    {
        const hg_outkept_t *k = HG_ENTRY(it, hg_outkept_t, link);
        out->queued_records += k->group ? k->group->rows : hg_delta_rows(&k->delta);
        out->queued_batches++;
    }
}

void hg_output_owed_release(hg_output_t *out)
{
    hg_outkept_free(out, &out->kept);
    hg_free(out->history);
}

/* --- owed --- */

typedef struct {
    uint64_t step;
    hg_delta_t delta;
    hg_group_t *group;
} owed_t;

static void owed_free(owed_t *list, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        hg_delta_release(&list[i].delta);
        hg_group_drop(list[i].group);
    }
    hg_free(list);
}

/* [m] References to what is owed up to step. */
static owed_t *collect(hg_output_t *out, uint64_t step, uint32_t *ret_n)
{
    uint32_t n = 0, room = 0;
    owed_t *list = NULL;
    HG_LIST_EACH(it, &out->kept)
    {
        const hg_outkept_t *k = HG_ENTRY(it, hg_outkept_t, link);
        if (k->step > step) break;
        if (n == room) {
            room = room ? room * 2 : 16;
            list = hg_xgrow(list, sizeof *list * room);
        }
        owed_t *o = &list[n++];
        o->step = k->step;
        o->delta = (hg_delta_t){ .parts = HG_NEWN(hg_part_t *, k->delta.n), .n = k->delta.n, .cap = k->delta.n };
        o->group = k->group ? hg_group_retain(k->group) : NULL;
        for (uint32_t i = 0; i < k->delta.n; i++) o->delta.parts[i] = hg_part_retain(k->delta.parts[i]);
    }
    *ret_n = n;
    return list;
}

/* What is owed up to step, and the state beneath it; owed_free. */
static int owed_list(hg_output_t *out, uint64_t step, owed_t **ret, uint32_t *ret_n, hg_jw_t *state, hg_err_t *err)
{
    int rc = 0;
    *ret = NULL;
    *ret_n = 0;
    pthread_mutex_lock(&out->mu);
    bool lost = out->failed && !out->holds;
    if (lost || out->now || out->gone || is_delivered(out, step, last_owed(out, step))) {
        write_state(out, lost ? &out->at : pos_at(out, step), step, state);
    } else if (!out->keeps) {
        rc = hg_err_set(err, HG_EUNSUPPORTED, "output '%s' has not delivered step %" PRIu64 " and keeps no copy of it",
                        out->name, step);
    } else {
        *ret = collect(out, step, ret_n);
        uint64_t have = out->holds ? step : out->at.through; /* one that holds does not note steps without rows */
        write_state(out, &out->at, *ret_n ? HG_MIN(out->at.through, (*ret)[0].step - 1) : HG_MIN(have, step), state);
    }
    pthread_mutex_unlock(&out->mu);
    if (rc == 0 && state->rc < 0)
        rc = hg_err_set(err, (hg_code_t)state->rc, "no room for the state of output '%s'", out->name);
    return rc;
}

static int tell_pieces(hg_group_t *g, uint64_t step,
                       int (*fn)(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err), void *arg,
                       hg_err_t *err)
{
    for (uint64_t at = 0;;) {
        hg_delta_t piece = { 0 };
        int rc = g->next(g, &at, &piece, err);
        bool over = piece.n == 0;
        if (rc == 0 && !over) rc = fn(arg, step, &piece, err);
        hg_delta_release(&piece);
        if (rc < 0 || over) return rc;
    }
}

int hg_output_owed(hg_output_t *out, uint64_t step,
                   int (*fn)(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err), void *arg, hg_jw_t *state,
                   hg_err_t *err)
{
    uint32_t n;
    owed_t *list;
    int rc = owed_list(out, step, &list, &n, state, err);
    for (uint32_t i = 0; i < n && rc >= 0; i++)
        rc = list[i].group ? tell_pieces(list[i].group, list[i].step, fn, arg, err)
                           : fn(arg, list[i].step, &list[i].delta, err);
    owed_free(list, n);
    return HG_MIN(rc, 0);
}

/* --- restore --- */

static int restore(hg_output_t *out, const hg_json_t *state, bool sink, hg_err_t *err)
{
    static const char *const names[] = {
        "step", "position", "transmitted_records", "transmitted_bytes", "processed_records", "processed_steps"
    };
    uint64_t v[HG_COUNT(names)], through = 0;
    hg_errlist_t encode = { 0 }, transport = { 0 };
    for (size_t i = 0; i < HG_COUNT(names); i++)
        if (hg_json_u64(hg_json_get(state, names[i]), &v[i]) < 0)
            return hg_err_set(err, HG_EPARSE, "the saved state of output '%s' has no number '%s'", out->name, names[i]);
    if (hg_json_get(state, "through") && hg_json_u64(hg_json_get(state, "through"), &through) < 0)
        return hg_err_set(err, HG_EPARSE, "the saved state of output '%s': 'through' is not a number", out->name);
    int rc = hg_errlist_restore(&encode, hg_json_get(state, "encode_errors"), err);
    if (rc == 0) rc = hg_errlist_restore(&transport, hg_json_get(state, "transport_errors"), err);
    if (rc < 0) {
        hg_errlist_release(&encode);
        hg_err_wrap(err, "the saved state of output '%s'", out->name);
        return rc;
    }
    pthread_mutex_lock(&out->mu);
    out->at = (hg_outpos_t){
        .records = v[2], .bytes = v[3], .processed = v[4], .total_steps = v[5], .encode_errors = encode.index
    };
    out->transmitted_records = v[2];
    out->transmitted_bytes = v[3];
    out->processed_input = v[4];
    out->processed_steps = v[5];
    out->n_encode_errors = encode.index;
    out->n_transport_errors = transport.index;
    hg_errlist_release(&out->encode_errors);
    hg_errlist_release(&out->transport_errors);
    out->encode_errors = encode;
    out->transport_errors = transport;
    if (sink) {
        out->at.first = out->at.through = v[0];
        out->at.step = HG_MAX(v[0], through);
        out->at.position = out->restore_position = v[1];
        out->restored = true;
        if (out->host->exactly_once && through > out->resume) out->resume = through;
        atomic_store(&out->delivered, v[0]);
    }
    pthread_mutex_unlock(&out->mu);
    return 0;
}

int hg_output_restore(hg_output_t *out, const hg_json_t *state, hg_err_t *err)
{
    return restore(out, state, true, err);
}

int hg_output_restore_counters(hg_output_t *out, const hg_json_t *state, hg_err_t *err)
{
    return restore(out, state, false, err);
}

/* --- a failed output is replaced --- */

static int take_over(hg_output_t *next, hg_str_t state, bool afresh, uint64_t step, hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    int rc = hg_json_parse(a, state, &v, err);
    if (rc == 0) rc = restore(next, v, !afresh, err);
    if (rc == 0 && afresh) atomic_store(&next->delivered, step);
    hg_arena_free(a);
    return rc;
}

int hg_output_hand_over(hg_output_t *old, hg_output_t *next, bool afresh, uint64_t step, uint64_t processed,
                        hg_err_t *err)
{
    owed_t *list;
    uint32_t n;
    hg_buf_t state;
    hg_jw_t w;
    hg_buf_init(&state, HG_BUF_NOMAX);
    hg_jw_init(&w, &state);
    int rc = owed_list(old, step, &list, &n, &w, err);
    if (rc == 0) rc = take_over(next, hg_buf_str(&state), afresh, step, err);
    for (uint32_t i = 0; i < n && rc == 0; i++)
        if (list[i].group)
            hg_output_push_group(next, list[i].step, list[i].group, processed);
        else
            hg_output_push(next, list[i].step, &list[i].delta, processed);
    owed_free(list, n);
    hg_buf_release(&state);
    if (rc < 0) return rc;
    /* Its progress stays what it is: until the owner has put the next one in its place, this one is asked. */
    pthread_mutex_lock(&old->mu);
    old->holds = false;
    hg_output_unkeep(old, 0, UINT64_MAX);
    hg_output_count_kept(old);
    pthread_mutex_unlock(&old->mu);
    return 0;
}

/* --- nothing is final before the journal has it --- */

bool hg_output_may_end(hg_output_t *out, uint64_t step)
{
    hg_host_t *h = out->host;
    if (!h->journal || step <= atomic_load(&h->durable)) return true;
    atomic_store(&out->waits_durable, true);
    /* the journal may have got there meanwhile, and looked before we said that we wait */
    return step <= atomic_load(&h->durable);
}

/* host->mu. False: its last reference is going. */
static bool try_retain(hg_output_t *out)
{
    unsigned n = atomic_load(&out->refs);
    while (n)
        if (atomic_compare_exchange_weak(&out->refs, &n, n + 1)) return true;
    return false;
}

void hg_host_durable(hg_host_t *h, uint64_t step)
{
    uint64_t was = atomic_load(&h->durable);
    while (was < step && !atomic_compare_exchange_weak(&h->durable, &was, step)) {
    }
    hg_output_t *some[64];
    for (uint32_t n = HG_COUNT(some); n == HG_COUNT(some);) {
        n = 0;
        pthread_mutex_lock(&h->mu);
        HG_LIST_EACH(it, &h->outputs)
        {
            hg_output_t *out = HG_ENTRY(it, hg_output_t, host_link);
            if (atomic_load(&out->waits_durable) && try_retain(out)) {
                atomic_store(&out->waits_durable, false);
                some[n++] = out;
            }
            if (n == HG_COUNT(some)) break;
        }
        pthread_mutex_unlock(&h->mu);
        for (uint32_t i = 0; i < n; i++) {
            hg_output_write_post(some[i]);
            hg_output_drop(some[i]);
        }
    }
}
