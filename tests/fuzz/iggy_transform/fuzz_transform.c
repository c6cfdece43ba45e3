/* Transforms: settings and messages from bytes. What comes out is what its kind says; a chain that does not vary gives
 * the same again.
 *
 * The first line is the transforms' JSON; byte 0 of the second is the kind of the message that follows. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/transform/transform.h"
#include "tests/lib/modules_here.h"

static hg_str_t apply(const hg_chain_t *c, hg_scratch_t *s, hg_plkind_t kind, hg_str_t bytes, int *rc)
{
    hg_err_t err = HG_ERR_INIT;
    hg_payload_t p = { 0 }, q;
    hg_str_t out = { 0 };
    *rc = hg_payload_from(kind, bytes, s, &p, &err);
    hg_plkind_t was = p.kind;
    if (*rc == 0) *rc = hg_chain_apply(c, s, &p, &err);
    if (*rc < 0) HG_ASSERT(err.msg[0]);
    if (*rc != HG_TR_PASS) return out;
    HG_ASSERT(hg_payload_bytes(&p, s, &out, &err) == 0);
    if (p.kind == HG_PL_JSON) HG_ASSERT(hg_payload_from(HG_PL_JSON, out, s, &q, &err) == 0);
    if (p.kind == HG_PL_TEXT || p.kind == HG_PL_PROTO) HG_ASSERT(hg_utf8_valid(out.p, out.n));
    HG_ASSERT(p.kind == hg_chain_kind(c, was) || p.kind == HG_PL_JSON || p.kind == was);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_err_t err = HG_ERR_INIT;
    hg_json_t *node;
    hg_chain_t *c = NULL;
    const uint8_t *line = memchr(p, '\n', n);
    size_t head = line ? (size_t)(line - p) : n;
    module_here("headgate-regex.so");
    hg_arena_t *a = hg_arena_new();
    if (hg_json_parse(a, (hg_str_t){ (const char *)p, head }, &node, &err) == 0 && hg_chain_new(node, &c, &err) < 0)
        HG_ASSERT(err.msg[0] && strncmp(err.path, "transforms", 10) == 0);
    hg_arena_free(a);
    if (c && line && head + 2 <= n) {
        hg_scratch_t *s = hg_scratch_new();
        hg_plkind_t kind = (hg_plkind_t)(line[1] % HG_PL_N);
        int rc, again;
        hg_scratch_fix(s, INT64_C(1795219818570293123), 1);
        hg_str_t in = hg_scratch_copy(s, (hg_str_t){ (const char *)line + 2, n - head - 2 });
        hg_str_t out = apply(c, s, kind, in, &rc), same = apply(c, s, kind, in, &again);
        HG_ASSERT(rc == again && (hg_chain_varies(c) || hg_str_eq(out, same)));
        hg_scratch_free(s);
    }
    hg_chain_free(c);
    return 0;
}
