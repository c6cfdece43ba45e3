/* library.h: shared libraries that are loaded when they are first needed.
 *
 * A heavy client library is not linked: its relocations and touched pages would be resident in every daemon and in
 * pipelines that never call it. One file per library lists the functions that are used; the rest of the tree includes
 * the library's own header:
 *
 *   #define FUNCTIONS(F) F(PQfinish) F(PQstatus) …
 *   static struct { FUNCTIONS(HG_LIB_POINTER) } lib;
 *   static const hg_lib_fn_t functions[] = { FUNCTIONS(HG_LIB_ROW) };
 *   rc = hg_lib_load("libpq", "libpq.so.5", functions, HG_COUNT(functions), err);
 *
 * after which lib.PQfinish_ is the function. Called once per library (uv_once), from any thread.
 */
#ifndef HG_BASE_LIBRARY_H
#define HG_BASE_LIBRARY_H

#include "base/err.h"

typedef struct hg_lib_fn {
    const char *name;
    void *at; /* of the pointer that takes it */
} hg_lib_fn_t;

#define HG_LIB_POINTER(f) __typeof__(&(f)) f##_;
#define HG_LIB_ROW(f)     { #f, &lib.f##_ },

/* Fills the pointers. what: the library's name for people. HG_EIO: it is not there, or lacks one of them; some may be
 * filled then. It stays loaded for the life of the process. */
int hg_lib_load(const char *what, const char *soname, const hg_lib_fn_t *fns, size_t n, hg_err_t *err);

/* The same, to be closed again: for what is called rarely. *ret is for hg_lib_close, after which the pointers are not
 * to be called. */
int hg_lib_open(const char *what, const char *soname, const hg_lib_fn_t *fns, size_t n, void **ret, hg_err_t *err);
void hg_lib_close(void *lib);

/* The same for a shared object of ours (modules/), which is looked for in the folders of HEADGATE_MODULES (separated by
 * colons) or, where that is not set, beside the program, in ../lib/headgate, and above a plugin's folder. what:
 * "Parquet". HG_EUNSUPPORTED: it is in none of them; the message lists them. */
int hg_module_load(const char *what, const char *file, const hg_lib_fn_t *fns, size_t n, hg_err_t *err);
int hg_module_open(const char *what, const char *file, const hg_lib_fn_t *fns, size_t n, void **ret, hg_err_t *err);

#endif
