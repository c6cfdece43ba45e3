/* conn_transforms.c: "transforms" of a connector: which connectors may have them, and the chain that they make.
 *
 * They see a record's JSON: of an input before the parser, of an output behind the encoder. A message that is not JSON
 * may become it by a conversion at the head of an input's chain.
 */
#include "base/hg.h"
#include "compile/conn_int.h"
#include "iggy/transform/transform.h"

static void free_chain(void *arg)
{
    hg_chain_free(arg);
}

/* Are there JSON records, one by one? */
static bool fits(hg_conn_ctx_t *x, const hg_json_t *v, const hg_conn_spec_t *s)
{
    const hg_json_t *cfg = hg_json_get(hg_json_get(x->node, "format"), "config");
    const hg_json_t *array = hg_json_get(cfg, "array");
    const char *transport = s->in_type ? s->in_type->name : s->out_type->name;
    if (!s->format) {
        if (x->ok)
            hg_conn_error(x, v, true, "'transforms' change JSON records, and '%s' has none: it has no format",
                          transport);
        return false;
    }
    if (strcmp(s->format->name, "json") != 0) {
        hg_conn_error(x, v, true, "'transforms' change JSON records: they need the format 'json', not '%s'",
                      s->format->name);
        return false;
    }
    if (array && array->kind == HG_J_TRUE) {
        hg_conn_error(x, array, false, "'transforms' change records one by one: they do not go with \"array\": true");
        return false;
    }
    return true;
}

void hg_conn_transforms(hg_conn_ctx_t *x, const hg_json_t *v, hg_conn_spec_t *s)
{
    if (!v || v->kind == HG_J_NULL || (!s->in_type && !s->out_type)) return;
    if (!fits(x, v, s)) return;
    hg_chain_t *chain = NULL;
    hg_diag_t d = { .fn = hg_conn_diag, .arg = x };
    if (hg_chain_check(hg_conn_references(x, v), &chain, &d) < 0) return;
    hg_arena_cleanup(x->c->a, free_chain, chain);
    hg_plkind_t from = hg_chain_reads(chain), to = hg_chain_kind(chain, from);
    if (to != HG_PL_JSON)
        hg_conn_error(x, v, true, "the transforms make %s of a record, which has to be JSON in the end",
                      hg_plkind_name(to));
    else if (from != HG_PL_JSON && !x->is_input)
        hg_conn_error(x, v, true, "the transforms begin with %s, but what an output has is JSON", hg_plkind_name(from));
    else if (from != HG_PL_JSON && !(s->in_type->caps & HG_CAP_MESSAGES))
        hg_conn_error(x, v, true, "the transforms begin with %s messages, but '%s' reads a stream of bytes",
                      hg_plkind_name(from), s->in_type->name);
    if (hg_chain_len(chain)) {
        const hg_json_t *cfg = hg_json_get(hg_json_get(x->node, "format"), "config");
        s->transforms_by_line = strcmp(hg_json_str(hg_json_get(cfg, "lines"), ""), "single") == 0;
        s->transforms = chain;
        s->transforms_vary = hg_chain_varies(chain);
    }
}
