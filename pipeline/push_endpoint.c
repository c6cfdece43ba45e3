/* push_endpoint.c: the lasting endpoints that HTTP pushes go through: one per table and parser configuration, made by
 * the first request, or by the replay of a journal that has data of it. Control loop. */
#include "base/hg.h"
#include "pipeline/server_int.h"

int hg_push_endpoint_make(hg_pipeline_t *p, const char *name, uint32_t relation, const hg_format_type_t *type,
                          const void *cfg, const char *text, hg_arena_t *arena, endpoint_t **ret, hg_err_t *err)
{
    hg_table_env_t env;
    hg_input_t *in;
    uint32_t id = p->n_inputs;
    hg_pipeline_table_env(p, relation, &env);
    int rc = hg_push_new(p->host, name, id, &env, type, cfg, arena, &in, err);
    if (rc < 0) return rc;
    endpoint_t *ep = hg_pipeline_add_endpoint(p, true, name, relation);
    HG_ASSERT(ep->id == id);
    pthread_mutex_lock(&p->lock);
    ep->push = true;
    ep->in = in;
    ep->arena = arena;
    ep->format_text = text;
    pthread_mutex_unlock(&p->lock);
    p->open_inputs++;
    hg_input_open(in);
    hg_input_run(in);
    *ret = ep;
    return 0;
}

int hg_push_endpoint(hg_pipeline_t *p, const char *name, uint32_t relation, hg_str_t format, endpoint_t **ret,
                     hg_err_t *err)
{
    hg_arena_t *a = hg_arena_new();
    const char *text = hg_arena_strndup(a, format.p, format.n), *space = strchr(text, ' ');
    const void *cfg;
    const hg_format_type_t *type = space ? hg_format_find((hg_str_t){ text, (size_t)(space - text) }) : NULL;
    int rc = type && type->parser_new ? hg_format_config(type, a, true, hg_strz(space + 1), &cfg, err)
                                      : hg_err_set(err, HG_EUNKNOWNFORMAT, "unknown input format '%s'", text);
    if (rc == 0) rc = hg_push_endpoint_make(p, name, relation, type, cfg, text, a, ret, err);
    if (rc < 0) hg_arena_free(a);
    return rc;
}
