/* Any bytes as an address of an Iggy server: what is refused changes nothing, what is taken has a host and a port. */
#include "base/hg.h"
#include "base/mem.h"
#include "iggy/client/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hg_err_t err = HG_ERR_INIT;
    hg_iggy_opts_t o, before;
    hg_iggy_opts_init(&o);
    hg_iggy_opts_copy(&before, &o);
    int rc = hg_iggy_opts_parse(&o, (hg_str_t){ (const char *)data, size }, &err);
    if (rc < 0) {
        HG_ASSERT(err.code == rc && err.msg[0]);
        HG_ASSERT(strcmp(o.host, before.host) == 0 && o.port == before.port && !o.user && !o.token);
    } else {
        HG_ASSERT(o.host && o.host[0] && o.port);
        hg_err_t why = HG_ERR_INIT;
        rc = hg_iggy_opts_check(&o, &why);
        HG_ASSERT(rc == 0 || why.msg[0]);
    }
    hg_iggy_opts_release(&o);
    hg_iggy_opts_release(&before);
    return 0;
}
