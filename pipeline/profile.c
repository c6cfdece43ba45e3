/* profile.c: GET /circuit_json_profile: where the circuit thread's time goes, relation by relation. Feldera's profile
 * has a node per DBSP operator and worker; here one thread evaluates whole views, so a node is a table or a view. Any
 * thread. */
#include "base/hg.h"

#include "pipeline/pipeline_int.h"

static void put_relation(const hg_pipeline_t *p, uint32_t i, hg_jw_t *w)
{
    const hg_relation_t *r = &hg_pipeline_program(p)->plan.relations[i];
    hg_rel_profile_t t;
    hg_store_stats_t s;
    hg_circuit_profile(p->circuit, i, &t);
    hg_circuit_stats(p->circuit, i, &s);
    hg_jw_obj(w);
    hg_jw_key(w, "name");
    hg_jw_str(w, r->schema.name);
    hg_jw_kstr(w, "kind", r->kind == HG_REL_TABLE ? "table" : "view");
    hg_jw_kbool(w, "stored", r->stored);
    hg_jw_ku64(w, "steps", t.steps);
    hg_jw_ku64(w, "rows_out", t.rows);
    hg_jw_ku64(w, "time_usecs", t.usecs);
    hg_jw_ku64(w, "rows", s.rows);
    hg_jw_ku64(w, "waiting_rows", s.waiting);
    hg_jw_ku64(w, "dead_rows", s.dead_rows);
    hg_jw_ku64(w, "segments", s.segments);
    hg_jw_ku64(w, "bytes", s.bytes);
    hg_jw_ku64(w, "index_bytes", s.index_bytes);
    hg_jw_end_obj(w);
}

void hg_pipeline_profile_json(hg_pipeline_t *p, hg_jw_t *w)
{
    hg_jw_obj(w);
    hg_jw_ku64(w, "steps", atomic_load(&p->steps));
    hg_jw_ku64(w, "circuit_usecs", atomic_load(&p->circuit_busy_us));
    hg_jw_key(w, "relations");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < hg_pipeline_program(p)->plan.n_relations; i++) put_relation(p, i, w);
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}
