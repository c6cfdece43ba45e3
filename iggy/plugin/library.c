/* library.c: shared libraries of plugins: where they are, and what they export. A library is loaded once per process
 * and path, lazily bound and with its names to itself, and stays: a Rust plugin has threads that outlive its instances.
 * Any thread. */
#include "base/hg.h"

#include "base/mem.h"
#include "iggy/plugin/plugin_int.h"
#include <dlfcn.h>
#include <unistd.h>

static pthread_mutex_t g_lock = PTHREAD_MUTEX_INITIALIZER; /* guards the list */
static hg_plugin_lib_t *g_libs;

static bool is_library(const char *name)
{
    static const char *const ends[] = { ".so", ".dylib", ".dll" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < HG_COUNT(ends); i++)
        if (strcmp(dot, ends[i]) == 0) return true;
    return false;
}

static void folder_of_program(char *out, size_t cap)
{
    ssize_t n = readlink("/proc/self/exe", out, cap - 1);
    out[n > 0 ? n : 0] = 0;
    char *slash = strrchr(out, '/');
    if (slash) *slash = 0;
}

int hg_plugin_resolve(const char *path, hg_buf_t *ret, hg_err_t *err)
{
    char beside[PATH_MAX], built[PATH_MAX + 16], installed[PATH_MAX + 32];
    folder_of_program(beside, sizeof beside);
    snprintf(built, sizeof built, "%s/plugins", beside); /* ours, before and after `cmake --install` */
    snprintf(installed, sizeof installed, "%s/../lib/headgate/plugins", beside);
    const char *const dirs[] = {
        beside, ".", "/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/usr/local/lib64", built, installed,
    };
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *given = hg_xprintf("%s%s", path, is_library(name) ? "" : ".so");
    hg_buf_clear(ret);
    int rc = HG_ENOTFOUND;
    if (access(given, F_OK) == 0)
        rc = hg_buf_adds(ret, given);
    else if (path[0] != '/')
        for (size_t i = 0; rc == HG_ENOTFOUND && i < HG_COUNT(dirs); i++) {
            hg_buf_clear(ret);
            hg_buf_addf(ret, "%s/%s%s", dirs[i], name, is_library(name) ? "" : ".so");
            if (access(ret->p, F_OK) == 0) rc = 0;
        }
    if (rc == HG_ENOTFOUND && path[0] == '/') hg_err_set(err, rc, "there is no plugin '%s'", given);
    if (rc == HG_ENOTFOUND && path[0] != '/')
        hg_err_set(err, rc,
                   "there is no plugin '%s', nor '%s%s' in %s, ., /usr/lib, /usr/lib64, /lib, /lib64, /usr/local/lib, "
                   "/usr/local/lib64, plugins/ beside the program or ../lib/headgate/plugins",
                   given, name, is_library(name) ? "" : ".so", beside);
    hg_free(given);
    return rc;
}

/* A function of a set; *missing is the first that is not there. */
static void find(void *so, const char *name, void *at, const char **missing)
{
    void *f = dlsym(so, name);
    if (!f && missing && !*missing) *missing = name;
    memcpy(at, &f, sizeof f); /* ISO C has no cast from a data pointer to a function's */
}

static hg_plugin_lib_t *look(void *so)
{
    hg_plugin_lib_t *l = HG_NEW(hg_plugin_lib_t);
    find(so, "iggy_source_open", &l->source_open, &l->missing[HG_PLUGIN_SOURCE]);
    find(so, "iggy_source_handle_v2", &l->source_handle_v2, &l->missing[HG_PLUGIN_SOURCE]);
    find(so, "iggy_source_batch_result", &l->source_batch_result, &l->missing[HG_PLUGIN_SOURCE]);
    find(so, "iggy_source_close", &l->source_close, &l->missing[HG_PLUGIN_SOURCE]);
    find(so, "iggy_source_version", &l->source_version, &l->missing[HG_PLUGIN_SOURCE]);
    find(so, "iggy_source_on_end", &l->source_on_end, NULL);
    find(so, "iggy_source_ahead", &l->source_ahead, NULL);
    find(so, "iggy_sink_open", &l->sink_open, &l->missing[HG_PLUGIN_SINK]);
    find(so, "iggy_sink_consume", &l->sink_consume, &l->missing[HG_PLUGIN_SINK]);
    find(so, "iggy_sink_close", &l->sink_close, &l->missing[HG_PLUGIN_SINK]);
    find(so, "iggy_sink_version", &l->sink_version, &l->missing[HG_PLUGIN_SINK]);
    find(so, "iggy_sink_on_reject", &l->sink_on_reject, NULL);
    find(so, "iggy_sink_wants", &l->sink_wants, NULL);
    find(so, "iggy_sink_on_gate", &l->sink_on_gate, NULL);
    return l;
}

static hg_plugin_lib_t *loaded(const char *path)
{
    for (hg_plugin_lib_t *l = g_libs; l; l = l->next)
        if (strcmp(l->path, path) == 0) return l;
    return NULL;
}

/* dlopen may run code of the library, so the lock is not held across it; the loader counts, so a second one of the same
 * path does no harm. */
int hg_plugin_lib_load(const char *path, hg_plugin_lib_t **ret, hg_err_t *err)
{
    pthread_mutex_lock(&g_lock);
    hg_plugin_lib_t *l = loaded(path);
    pthread_mutex_unlock(&g_lock);
    if (!l) {
        /* A path without a slash would be looked for where the loader looks. */
        char *full = strchr(path, '/') ? hg_xstrdup(path) : hg_xprintf("./%s", path);
        void *so = dlopen(full, RTLD_LAZY | RTLD_LOCAL);
        hg_free(full);
        if (!so) return hg_err_set(err, HG_EIO, "%s", dlerror());
        hg_plugin_lib_t *made = look(so);
        made->path = hg_xstrdup(path);
        pthread_mutex_lock(&g_lock);
        l = loaded(path);
        if (!l) {
            made->next = g_libs;
            g_libs = l = made;
            made = NULL;
        }
        pthread_mutex_unlock(&g_lock);
        if (made) {
            hg_free(made->path);
            hg_free(made);
        }
    }
    *ret = l;
    return 0;
}
