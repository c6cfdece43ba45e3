/* module_int.h: the modules of codecs (base/library.h): each has one symbol, a function that answers with a table of
 * functions for an ABI number.
 */
#ifndef HG_IGGY_CODEC_MODULE_INT_H
#define HG_IGGY_CODEC_MODULE_INT_H

#include "base/err.h"
#include <pthread.h>

typedef struct hg_codec_module {
    const char *what; /* for people: "Protobuf with a schema" */
    const char *file, *symbol;
    uint32_t abi;
    pthread_mutex_t lock; /* HG_CODEC_MODULE sets it */
    bool tried;
    const void *api;
    hg_err_t why_not;
} hg_codec_module_t;

/* A static one. */
#define HG_CODEC_MODULE(what_, file_, symbol_, abi_)                                                                   \
    {                                                                                                                  \
        .what = what_, .file = file_, .symbol = symbol_, .abi = abi_, .lock = PTHREAD_MUTEX_INITIALIZER                \
    }

/* Any thread; the first call opens it. *ret: what the symbol answered. HG_EUNSUPPORTED: it is not there, or is one of
 * another version. */
int hg_codec_module_load(hg_codec_module_t *m, const void **ret, hg_err_t *err);

#endif
