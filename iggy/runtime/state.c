/* state.c: state files of sources: exactly the bytes that the plugin gave, replaced whole (written beside, synced,
 * renamed, folder synced), so that after a crash the file is the one before or the one after; and the file that says
 * who this runtime is. Blocking. */
#include "base/hg.h"

#include "base/durable.h"
#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"
#include <sys/stat.h>

#define STATE_MAX ((size_t)64 << 20)

static int path_of(const char *dir, const char *key, char **ret, hg_err_t *err)
{
    if (strchr(key, '/'))
        return hg_err_set(err, HG_EINVAL, "key '%s' names the state file, so it cannot have a '/'", key);
    *ret = hg_xprintf("%s/source_%s.state", dir, key);
    return 0;
}

int hg_rt_state_read(const char *dir, const char *key, hg_buf_t *out, hg_err_t *err)
{
    struct stat st;
    char *path;
    hg_buf_clear(out);
    out->max = STATE_MAX;
    int rc = path_of(dir, key, &path, err);
    if (rc < 0) return rc;
    rc = hg_file_read(path, out, err);
    if (rc == HG_ENOTFOUND && stat(dir, &st) == 0) rc = 0; /* none yet; but a folder that is gone is not that */
    hg_free(path);
    return rc;
}

int hg_rt_state_write(const char *dir, const char *key, hg_str_t state, hg_err_t *err)
{
    char *path;
    int rc = path_of(dir, key, &path, err);
    if (rc < 0) return rc;
    rc = hg_file_replace(path, state, "iggy_state", err);
    hg_free(path);
    return rc;
}

int hg_rt_identity(const char *dir, char ret[HG_RT_IDENTITY + 1], hg_err_t *err)
{
    hg_buf_t there;
    char *path = hg_xprintf("%s/identity", dir);
    hg_buf_init(&there, HG_RT_IDENTITY + 1);
    int rc = hg_file_read(path, &there, err);
    if (rc == 0 && there.len == HG_RT_IDENTITY) {
        memcpy(ret, there.p, HG_RT_IDENTITY);
        ret[HG_RT_IDENTITY] = 0;
    } else if (rc == 0 || rc == HG_ENOTFOUND || rc == HG_ETOOBIG) { /* what is no identity is not one's own */
        hg_uuid_v7(ret);
        rc = hg_file_replace(path, (hg_str_t){ ret, HG_RT_IDENTITY }, "iggy_identity", err);
    }
    if (rc < 0) ret[0] = 0;
    hg_buf_release(&there);
    hg_free(path);
    return rc;
}
