/* Labels, start_after and hand-off: design §6.3, §6.4. Single connectors are checked while they are read; the graph of
 * all of them by the orchestrator's own check, the one that runs again when a pipeline starts. */
#include "base/hg.h"
#include "compile/conn_int.h"

/* --- hand-off -------------------------------------------------------------------------------------------------------
 */
static const char *marking_transports(hg_cc_t *c)
{
    uint32_t n = 0;
    const hg_input_type_t *const *t = hg_input_types(&n);
    const char *list = "";
    for (uint32_t i = 0; i < n; i++)
        if ((t[i]->caps & HG_CAP_MARK) && !(t[i]->caps & HG_CAP_INTERNAL))
            list = hg_arena_printf(c->a, "%s%s%s", list, *list ? ", " : "", t[i]->name);
    return list;
}

void hg_conn_handoff(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s)
{
    if (!v || v->kind == HG_J_NULL) return;
    if (v->kind == HG_J_STRING && hg_str_eqz(v->str, "gapless"))
        s->handoff = HG_HANDOFF_GAPLESS;
    else if (v->kind == HG_J_STRING && hg_str_eqz(v->str, "overlap"))
        s->handoff = HG_HANDOFF_OVERLAP;
    else {
        hg_conn_error(x, v, false, "invalid 'handoff' property: expected \"gapless\" or \"overlap\"");
        return;
    }
    if (!x->is_input) {
        hg_conn_error(x, v, true, "'handoff' is not allowed on an output connector");
        return;
    }
    if (!s->has_after) {
        hg_conn_error(x, v, true,
                      "'handoff' needs 'start_after': it says how this connector takes over from those it waits for");
        return;
    }
    if (!s->in_type) return;
    if (!(s->in_type->caps & HG_CAP_MARK)) {
        hg_conn_error(
            x, v, true,
            "transport '%s' cannot mark its position, so it cannot take over without a gap; transports that can: %s",
            s->in_type->name, marking_transports(x->c));
        return;
    }
    const char *why = s->in_type->no_mark && s->transport_cfg ? s->in_type->no_mark(s->transport_cfg) : NULL;
    if (why) {
        hg_conn_error(x, v, true,
                      "transport '%s' cannot mark its position with this configuration, so it cannot take over without "
                      "a gap; the reason is its option '%s'",
                      s->in_type->name, why);
        return;
    }
    if (s->handoff == HG_HANDOFF_GAPLESS && x->rel->rel.schema.n_key == 0 && !x->rel->broken)
        hg_conn_error(
            x, v, false,
            "table '" HG_SF
            "' has no PRIMARY KEY: changes made while the backfill runs would arrive twice and stay twice. Declare a "
            "PRIMARY KEY, or accept repeated records with \"handoff\": \"overlap\"",
            HG_SA(x->rel->rel.schema.name));
}

/* --- the graph
 * ---------------------------------------------------------------------------------------------------------- */
static bool carried(const hg_conn_spec_t *v, uint32_t n, hg_str_t label, uint32_t *by)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < v[i].n_labels; k++)
            if (hg_str_eq(v[i].labels[k], label)) {
                *by = i;
                return true;
            }
    return false;
}

/* Where the k-th label of this connector that nobody carries stands. */
static hg_pos_t unknown_label_pos(const hg_conn_spec_t *v, uint32_t n, uint32_t conn, const hg_pos_t *pos, uint32_t k)
{
    uint32_t by = 0;
    for (uint32_t i = 0; i < v[conn].n_after; i++)
        if (!carried(v, n, v[conn].after[i], &by) && k-- == 0) return pos[i];
    return v[conn].after_pos;
}

static const char *cycle_text(hg_cc_t *c, const hg_conn_spec_t *v, const hg_orch_issue_t *e)
{
    const char *text = "these connectors wait for each other and none can ever start";
    if (e->n_loop == 1) text = "this connector waits for itself and can never start";
    for (uint32_t i = 0; i < e->n_loop; i++) {
        uint32_t next = (i + 1) % e->n_loop;
        const hg_conn_spec_t *s = &v[e->loop_conn[i]], *t = &v[e->loop_conn[next]];
        text = hg_arena_printf(
            c->a, "%s\n   " HG_SF " (label '" HG_SF "')  waits for '" HG_SF "'  carried by  " HG_SF "   %s", text,
            HG_SA(s->endpoint), HG_SA(e->loop_label[i]), HG_SA(e->loop_label[next]), HG_SA(t->endpoint),
            hg_cc_place(c, t->pos));
    }
    return text;
}

static hg_orch_conn_t *orch_conns(hg_cc_t *c, const hg_conn_spec_t *v, uint32_t n)
{
    hg_orch_conn_t *o = HG_ANEWN(c->a, hg_orch_conn_t, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const hg_conn_spec_t *s = &v[i];
        bool latest = s->has_after && s->in_type && s->in_type->wants_mark && s->transport_cfg &&
                      s->in_type->wants_mark(s->transport_cfg);
        o[i] = (hg_orch_conn_t){ .name = s->endpoint,
                                 .labels = s->labels,
                                 .n_labels = s->n_labels,
                                 .after = s->after,
                                 .n_after = s->n_after,
                                 .has_after = s->has_after,
                                 .paused = s->paused,
                                 .wants_mark = latest || s->handoff != HG_HANDOFF_NONE,
                                 .finite = s->finite || !s->in_type,
                                 .pos = s->pos,
                                 .after_pos = s->after_pos };
    }
    return o;
}

void hg_cc_labels(hg_cc_t *c, hg_conn_spec_t *v, uint32_t n, const hg_pos_t *const *after_pos)
{
    hg_program_t *p = &c->prog->pub;
    hg_orch_conn_t *o = orch_conns(c, v, n);
    const hg_orch_issue_t *issues = NULL;
    p->orch = o;
    uint32_t n_issues = hg_orch_check_config(c->a, o, n, p->unknown_label_warns, &issues);
    uint32_t *unknown = HG_ANEWN(c->a, uint32_t, n + 1); /* complaints about unknown labels so far, per connector */
    for (uint32_t i = 0; i < n_issues; i++) {
        const hg_orch_issue_t *e = &issues[i];
        hg_pos_t pos = e->pos;
        const char *text = e->code == HG_ECYCLE ? cycle_text(c, v, e) : e->msg;
        if (e->code == HG_EUNKNOWNLABEL) pos = unknown_label_pos(v, n, e->conn, after_pos[e->conn], unknown[e->conn]++);
        if (e->warning)
            hg_cc_warn(c, pos, "Invalid configuration", "%s", text);
        else
            hg_cc_error(c, pos, "ConnectorGenerationError", "%s", text);
        uint32_t by = 0;
        if (e->suggestion && carried(v, n, hg_strz(e->suggestion), &by))
            hg_cc_note(c, "'%s' is carried by " HG_SF " (%s)", e->suggestion, HG_SA(v[by].endpoint),
                       hg_cc_place(c, v[by].pos));
    }
}
