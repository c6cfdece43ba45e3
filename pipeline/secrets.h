/* secrets.h: what `${env:…}` and `${secret:…}` stand for where this process runs (orchestration §14). */
#ifndef HG_PIPELINE_SECRETS_H
#define HG_PIPELINE_SECRETS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"

/* A hg_resolve_fn. arg: a `const hg_json_t *`, runtime_config.env or NULL, whose variables stand over those of the
 * process (of which they are a part, unless programs are limited). The value of a variable, or the file
 * <secrets>/kubernetes/<name>/<key> as it is, its last line end included. <secrets>: $HEADGATE_SECRETS_DIR, else
 * /etc/feldera-secrets. The value is hidden from now on (base/hide.h). Any thread; blocks for the file. HG_EREFERENCE:
 * it is not there, cannot be read, is larger than 1 MiB or no UTF-8 text without NUL. */
int hg_secret_resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err);

#endif
