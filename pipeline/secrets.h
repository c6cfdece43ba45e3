/* secrets.h: what `${env:…}` and `${secret:…}` stand for where this process runs (orchestration §14). */
#ifndef HG_PIPELINE_SECRETS_H
#define HG_PIPELINE_SECRETS_H

#include "base/arena.h"
#include "base/err.h"

/* A hg_resolve_fn: an environment variable, or the file <secrets>/kubernetes/<name>/<key> as it is, its last line end
 * included. <secrets>: $HEADGATE_SECRETS_DIR, else /etc/feldera-secrets. Any thread; blocks for the file.
 * HG_EREFERENCE: it is not there, cannot be read, is larger than 1 MiB or no UTF-8 text without NUL. */
int hg_secret_resolve(void *arg, hg_str_t reference, hg_arena_t *a, hg_str_t *ret, hg_err_t *err);

#endif
