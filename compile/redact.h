/* redact.h: texts that leave the house without the secrets of a pipeline (support bundles).
 *
 * What is secret is first collected: from program texts the values of options that are declared secret or named so
 * (password, token …), what `${env:…}` and `${secret:…}` stand for, and passwords in URLs. Then every text is copied
 * with each of these values replaced, in every form in which it may stand there: plain, as JSON, as an SQL literal,
 * percent-encoded, and one in the other. Passwords in URLs and secret query parameters go wherever they stand.
 *
 * A value shorter than four bytes would make a text unreadable: it is replaced where its name stands beside it.
 * Any thread, one at a time.
 */
#ifndef HG_COMPILE_REDACT_H
#define HG_COMPILE_REDACT_H

#include "compile/compile.h"

typedef struct hg_redact hg_redact_t;

hg_redact_t *hg_redact_new(void);
void hg_redact_free(hg_redact_t *r);

/* A program, whether it compiles or not, or JSON: members with a secret name, URLs; with resolve (or NULL) what its
 * references stand for. References that stand for nothing are left. */
void hg_redact_learn(hg_redact_t *r, hg_str_t text, hg_resolve_fn resolve, void *arg);
/* The members of an object, whatever their names (an environment). */
void hg_redact_learn_members(hg_redact_t *r, const hg_json_t *obj);
void hg_redact_learn_value(hg_redact_t *r, hg_str_t value);

/* Appends the text without its secrets; returns how many were replaced. */
size_t hg_redact_copy(hg_redact_t *r, hg_str_t text, hg_buf_t *out);

#endif
