/* library.c: see library.h. */
#include "base/hg.h"

#include <dlfcn.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/library.h"

int hg_lib_open(const char *what, const char *soname, const hg_lib_fn_t *fns, size_t n, void **ret, hg_err_t *err)
{
    void *so = dlopen(soname, RTLD_NOW | RTLD_LOCAL), *f = so;
    for (size_t i = 0; f && i < n; i++) {
        f = dlsym(so, fns[i].name);
        memcpy(fns[i].at, &f, sizeof f); /* ISO C has no cast from a data pointer to a function's */
    }
    if (!f) return hg_err_set(err, HG_EIO, "%s cannot be loaded: %s", what, dlerror());
    *ret = so;
    return 0;
}

void hg_lib_close(void *lib)
{
    (void)dlclose(lib);
}

int hg_lib_load(const char *what, const char *soname, const hg_lib_fn_t *fns, size_t n, hg_err_t *err)
{
    void *stays;
    return hg_lib_open(what, soname, fns, n, &stays, err);
}

/* What this function is in may be a plugin that another program has loaded: the modules are above its folder. */
static void folder_of_plugin(const char *exe, hg_buf_t *out)
{
    Dl_info self;
    char path[PATH_MAX];
    void *here;
    void (*at)(const char *, hg_buf_t *) = folder_of_plugin;
    memcpy(&here, &at, sizeof here);
    if (!dladdr(here, &self) || !self.dli_fname || !realpath(self.dli_fname, path) || strcmp(path, exe) == 0) return;
    char *slash = strrchr(path, '/');
    if (!slash) return;
    *slash = 0;
    hg_buf_addf(out, ":%s/..", path);
}

static void default_folders(hg_buf_t *out)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    if (n <= 0) return;
    exe[n] = 0;
    char *slash = strrchr(exe, '/'), *end = slash ? slash : exe + n;
    hg_buf_addf(out, "%.*s:%.*s/../lib/headgate", (int)(end - exe), exe, (int)(end - exe), exe);
    folder_of_plugin(exe, out);
}

/* path: where it was found, if it was. */
static bool find(hg_str_t left, const char *file, hg_buf_t *path)
{
    while (left.n) {
        const char *colon = memchr(left.p, ':', left.n);
        size_t n = colon ? (size_t)(colon - left.p) : left.n;
        hg_buf_clear(path);
        hg_buf_addf(path, HG_SF "/%s", HG_SA(((hg_str_t){ left.p, n })), file);
        if (n && access(path->p, F_OK) == 0) return true;
        n += colon != NULL;
        left = (hg_str_t){ left.p + n, left.n - n };
    }
    return false;
}

int hg_module_open(const char *what, const char *file, const hg_lib_fn_t *fns, size_t n, void **ret, hg_err_t *err)
{
    hg_buf_t folders, path;
    const char *set = getenv("HEADGATE_MODULES");
    hg_buf_init(&folders, 1 << 16);
    hg_buf_init(&path, 1 << 16);
    if (set)
        hg_buf_adds(&folders, set);
    else
        default_folders(&folders);
    char name[64];
    snprintf(name, sizeof name, "the %s module", what);
    int rc = find(hg_buf_str(&folders), file, &path)
                 ? hg_lib_open(name, path.p, fns, n, ret, err)
                 : hg_err_set(err, HG_EUNSUPPORTED,
                              "%s needs the module %s, which is not in %.300s; HEADGATE_MODULES names its folder", what,
                              file, folders.len ? folders.p : "any folder (HEADGATE_MODULES is empty)");
    hg_buf_release(&folders);
    hg_buf_release(&path);
    return rc;
}

int hg_module_load(const char *what, const char *file, const hg_lib_fn_t *fns, size_t n, hg_err_t *err)
{
    void *stays;
    return hg_module_open(what, file, fns, n, &stays, err);
}
