/* module.c: see module_int.h. One that was opened stays; one that is absent is not looked for again. */
#include "base/hg.h"
#include "base/library.h"
#include "iggy/codec/module_int.h"

typedef const void *(*entry_fn)(uint32_t abi);

static void load(hg_codec_module_t *m)
{
    entry_fn entry = NULL;
    const hg_lib_fn_t symbol = { m->symbol, &entry };
    m->tried = true;
    if (hg_module_load(m->what, m->file, &symbol, 1, &m->why_not) < 0) return;
    m->api = entry(m->abi);
    if (!m->api)
        hg_err_set(&m->why_not, HG_EUNSUPPORTED, "the module %s belongs to another version of headgate", m->file);
}

int hg_codec_module_load(hg_codec_module_t *m, const void **ret, hg_err_t *err)
{
    pthread_mutex_lock(&m->lock);
    if (!m->tried) load(m);
    pthread_mutex_unlock(&m->lock);
    if (!m->api) return hg_err_set(err, HG_EUNSUPPORTED, "%s", m->why_not.msg);
    *ret = m->api;
    return 0;
}
