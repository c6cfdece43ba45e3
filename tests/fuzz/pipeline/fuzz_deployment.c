/* What the manager tells a pipeline's process, from bytes. It is refused with a sentence, or is complete: who it is, a
 * configuration within its limits, and limits of what may be reached that are taken or refused as a whole. */
#include "base/hg.h"
#include "base/access.h"
#include "pipeline/deployment_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static void configured(const hg_runtime_config_t *c)
{
    HG_ASSERT(c->workers >= 1 && c->workers <= 1024 && c->queue_mib >= 1 && c->queue_mib <= 65536);
    HG_ASSERT(c->io_loops <= 256 && c->query_mem_mib >= 1 && c->change_stream_mib <= 65536);
    HG_ASSERT(c->ft <= HG_FT_EXACTLY_ONCE && c->checkpoint_interval_secs <= 3600);
}

static void limits(const hg_json_t *access)
{
    hg_err_t err = HG_ERR_INIT;
    bool none = !access || access->kind == HG_J_NULL;
    if (hg_access_enter(access, &err) < 0) {
        HG_ASSERT(err.msg[0] && !none && !hg_access_limited());
        return;
    }
    HG_ASSERT(hg_access_limited() == !none);
    hg_access_leave();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    hg_arena_t *a = hg_arena_new();
    hg_deployment_t d;
    hg_err_t err = HG_ERR_INIT;
    if (hg_deployment_read(a, (hg_str_t){ (const char *)p, n }, &d, &err) < 0) {
        HG_ASSERT(err.msg[0] && (err.code == HG_EPARSE || err.code == HG_EINVAL));
        HG_ASSERT(err.code == HG_EPARSE || d.socket);
    } else {
        HG_ASSERT(d.name && d.id && d.deployment_id && d.socket && d.program.p && !err.code);
        HG_ASSERT(d.bootstrap.policy <= HG_BOOTSTRAP_REJECT);
        configured(&d.config);
        limits(d.access);
    }
    hg_arena_free(a);
    return 0;
}
