/* mongo_lib.c: see mongo_lib.h. libbson comes with libmongoc, whose handle finds its functions too. */
#include "base/hg.h"
#include "plugins/mongodb_sink/mongo_lib.h"
#include <pthread.h>

#define SONAME "libmongoc-1.0.so.0" /* the ABI of mongoc 1.x */

hgp_mongo_t hgp_mongo;
#define ROW(f) { #f, &hgp_mongo.f##_ },
static const hg_lib_fn_t functions[] = { HGP_MONGO_FUNCTIONS(ROW) };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static hg_err_t why;

static void load(void)
{
    if (hg_lib_load("libmongoc", SONAME, functions, HG_COUNT(functions), &why) < 0) return;
    hgp_mongo.mongoc_log_set_handler_(NULL, NULL); /* nothing to stderr: errors are answers */
    hgp_mongo.mongoc_init_();
}

int hgp_mongo_load(hg_err_t *err)
{
    pthread_once(&once, load);
    if (why.code) *err = why;
    return why.code;
}
