/* parquet_lib.c: headgate-parquet.so is opened at first use and stays loaded; an absent one is not looked for again. */
#include "base/hg.h"
#include "base/library.h"
#include "data/parquet_lib.h"
#include <uv.h>

#define MODULE "headgate-parquet.so"

static struct {
    HG_LIB_POINTER(hg_parquet_module)
} lib;
static const hg_lib_fn_t functions[] = { HG_LIB_ROW(hg_parquet_module) };

static const hg_parquet_api_t *api;
static hg_err_t why_not;
static uv_once_t load_once = UV_ONCE_INIT;

static void load(void)
{
    if (hg_module_load("Parquet", MODULE, functions, HG_COUNT(functions), &why_not) < 0) return;
    if (!(api = lib.hg_parquet_module_(HG_PARQUET_ABI)))
        hg_err_set(&why_not, HG_EUNSUPPORTED, "the Parquet module " MODULE " belongs to another version of headgate");
}

int hg_parquet_load(const hg_parquet_api_t **ret, hg_err_t *err)
{
    uv_once(&load_once, load);
    if (!api) return hg_err_set(err, HG_EUNSUPPORTED, "%s", why_not.msg);
    *ret = api;
    return 0;
}
