/* kit.h: what the tests of transforms share: settings from JSON text, a message through a chain, and back. */
#ifndef HG_TESTS_IGGY_TRANSFORM_KIT_H
#define HG_TESTS_IGGY_TRANSFORM_KIT_H

#include "base/hg.h"
#include "base/mem.h"
#include "iggy/transform/transform.h"
#include "tests/lib/modules_here.h"
#include <setjmp.h>
#include <cmocka.h>

static inline hg_chain_t *chain_of(const char *json)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node = NULL;
    hg_chain_t *c = NULL;
    if (hg_json_parse(a, hg_strz(json), &node, &err) < 0 || hg_chain_new(node, &c, &err) < 0)
        fail_msg("%s: %s: %s", json, err.path, err.msg);
    hg_arena_free(a);
    return c;
}

/* The chain is refused, at this place, with words like these. */
static inline void refused(const char *json, const char *path, const char *words)
{
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_json_t *node = NULL;
    hg_chain_t *c = NULL;
    assert_int_equal(hg_json_parse(a, hg_strz(json), &node, &err), 0);
    assert_int_equal(hg_chain_new(node, &c, &err), HG_EINVAL);
    hg_arena_free(a);
    assert_string_equal(err.path, path);
    if (!strstr(err.msg, words)) fail_msg("%s: %s", json, err.msg);
}

typedef struct {
    int rc;
    hg_plkind_t kind;
    char text[4096];
    size_t n;
} result_t;

/* One message through the chain, with the clock at 2026-11-21T00:10:18.570293123 and loaded dice. */
static inline result_t through(const char *transforms, hg_plkind_t tag, const void *bytes, size_t n)
{
    result_t r = { 0 };
    hg_err_t err = HG_ERR_INIT;
    hg_scratch_t *s = hg_scratch_new();
    hg_chain_t *c = chain_of(transforms);
    hg_payload_t p = { 0 };
    hg_str_t out = { 0 };
    hg_scratch_fix(s, INT64_C(1795219818570293123), 7);
    hg_str_t in = hg_scratch_copy(s, (hg_str_t){ bytes, n });
    r.rc = hg_payload_from(tag, in, s, &p, &err);
    if (r.rc == 0) r.rc = hg_chain_apply(c, s, &p, &err);
    if (r.rc == 0) r.rc = hg_payload_bytes(&p, s, &out, &err);
    r.kind = p.kind;
    if (r.rc < 0) out = hg_strz(err.msg);
    assert_true(out.n < sizeof r.text);
    if (out.n) memcpy(r.text, out.p, out.n);
    r.n = out.n;
    hg_chain_free(c);
    hg_scratch_free(s);
    return r;
}

static inline void becomes(const char *transforms, const char *in, const char *out)
{
    result_t r = through(transforms, HG_PL_JSON, in, strlen(in));
    assert_int_equal(r.rc, 0);
    assert_string_equal(r.text, out);
}

#endif
