/* transform.h: chains of transforms, one message at a time, in the order in which they were written down.
 *
 * A chain is made once, immutable, and shared by threads; each thread brings its scratch (iggy/codec/scratch.h), which
 * it resets between batches. What happens to a message that fails is the caller's decision: err says why, and *p may
 * hold what the transforms before the failing one made, so a dead letter carries the bytes that came in.
 *
 * A loop over a batch:
 *
 *   hg_scratch_reset(s);
 *   for (i…) switch (hg_convert_sink(codec, chain, s, bytes[i], &payload, &out, &err)) {
 *       case HG_TR_PASS: keep(out, payload.kind); break;
 *       case HG_TR_DROP: filtered++; break;
 *       default:         failed++; by_policy(i, &err);
 *   }
 */
#ifndef HG_IGGY_TRANSFORM_TRANSFORM_H
#define HG_IGGY_TRANSFORM_TRANSFORM_H

#include "iggy/codec/codec.h"

typedef struct hg_chain hg_chain_t;

enum { HG_TR_PASS = 0, HG_TR_DROP = 1 }; /* or a negative hg_code_t */

/* What a connector does with a message that cannot be decoded, transformed or encoded. */
#define HG_ON_FAILURE(X) X(STOP, "fail") X(SKIP, "skip") X(DEAD_LETTER, "dead_letter")
#define X(word, name)    HG_FAIL_##word,
typedef enum { HG_ON_FAILURE(X) HG_FAIL_N } hg_on_failure_t;
#undef X
int hg_on_failure_find(hg_str_t name, hg_on_failure_t *ret, hg_err_t *err);
const char *hg_on_failure_name(hg_on_failure_t f);

/* transforms: an object (name: settings) in file order, or an array of objects {"type": name, …settings}; NULL: none.
 * In an object each entry says whether it is `enabled`, as Iggy wants it; one that is not, or is null, is left out
 * unchecked. In an array `enabled` is true unless it says otherwise, and a name may come more than once.
 * HG_EINVAL and others: err->path names the setting, from `transforms` on ("transforms.add_fields.fields[1].key"). */
int hg_chain_new(const hg_json_t *transforms, hg_chain_t **ret, hg_err_t *err);
/* The same with every complaint at its node (and warnings, as for unknown settings). 0, or HG_EINVAL with at least one
 * error in d. */
int hg_chain_check(const hg_json_t *transforms, hg_chain_t **ret, hg_diag_t *d);
void hg_chain_free(hg_chain_t *c); /* NULL is fine */
uint32_t hg_chain_len(const hg_chain_t *c);
const char *hg_chain_name(const hg_chain_t *c, uint32_t i);
/* The first transform whose result depends on more than the message (clock, random numbers), or NULL. */
const char *hg_chain_varies(const hg_chain_t *c);
/* The kind of message that its first conversion is for (of proto: raw, which is what its bytes are); JSON if it has
 * none. */
hg_plkind_t hg_chain_reads(const hg_chain_t *c);
/* Can what comes out, given this kind, be of another kind? The kind it then is; the same if not. */
hg_plkind_t hg_chain_kind(const hg_chain_t *c, hg_plkind_t in);

/* The transforms that there are, for the documentation; false: there is no i-th. */
bool hg_transform_doc(uint32_t i, const char **name, const char **summary, const hg_opt_t **opts);

/* One message through all of them. HG_TR_PASS: *p is the result. HG_TR_DROP: a transform filtered it. Else err. */
int hg_chain_apply(const hg_chain_t *c, hg_scratch_t *s, hg_payload_t *p, hg_err_t *err);

/* decode → transforms → bytes for a plugin; ret_p->kind is the tag to send them with. chain may be NULL: none. */
int hg_convert_sink(const hg_codec_t *c, const hg_chain_t *chain, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret_p,
                    hg_str_t *ret, hg_err_t *err);
/* bytes of a plugin with their tag → transforms → encode for the stream. */
int hg_convert_source(hg_plkind_t tag, const hg_chain_t *chain, const hg_codec_t *c, hg_scratch_t *s, hg_str_t bytes,
                      hg_str_t *ret, hg_err_t *err);

#endif
