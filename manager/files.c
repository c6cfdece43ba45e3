/* files.c: removing what pipelines have written: storage that is cleared, folders of deleted pipelines. On a worker
 * thread each; control loop otherwise. */
#include "base/hg.h"

#include "base/deployment.h"
#include "base/durable.h"
#include "base/log.h"
#include "base/mem.h"
#include "manager/manager_int.h"

typedef struct removal {
    uv_work_t work;
    hg_mg_t *mg;
    hg_pl_t *pl;
    char *path;
    bool all; /* the directory itself and the log too */
    hg_err_t err;
    int rc;
} removal_t;

static void removal_work(uv_work_t *w)
{
    removal_t *rm = w->data;
    rm->rc = hg_tree_remove(rm->path, rm->all ? NULL : HG_FILE_LOG, &rm->err);
}

static void removal_done(uv_work_t *w, int status)
{
    removal_t *rm = w->data;
    hg_pl_t *pl = rm->pl;
    (void)status;
    if (rm->rc < 0)
        hg_log(HG_LOG_ERROR, "manager", pl->def.name, "remove_failed", "path=\"%s\" error=\"%s\"", rm->path,
               rm->err.msg);
    if (!rm->all) {
        pl->clearing = false;
        if (!pl->gone && !rm->mg->closing) {
            /* After a failure the storage is still in use, and clear can be tried again. */
            pl->lc.storage = rm->rc < 0 ? HG_STORAGE_INUSE : HG_STORAGE_CLEARED;
            pl->refresh_version++;
            hg_mg_save(rm->mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
        }
    }
    hg_pl_drop(pl);
    hg_free(rm->path);
    hg_free(rm);
}

static void remove_files(hg_mg_t *mg, hg_pl_t *pl, bool all)
{
    if (pl->asked) { /* a child looks into the folder: hg_files_unblocked goes on */
        pl->remove_all |= all;
        pl->remove_state |= !all;
        return;
    }
    removal_t *rm = HG_NEW(removal_t);
    rm->mg = mg;
    rm->pl = hg_pl_retain(pl);
    rm->path = hg_deploy_dir(mg, pl);
    rm->all = all;
    rm->work.data = rm;
    uv_queue_work(mg->uv, &rm->work, removal_work, removal_done);
}

void hg_files_clear(hg_mg_t *mg, hg_pl_t *pl)
{
    if (pl->clearing) return;
    pl->clearing = true;
    if (pl->lc.storage != HG_STORAGE_CLEARING) {
        pl->lc.storage = HG_STORAGE_CLEARING;
        hg_set_text(&pl->storage_details, NULL);
        pl->refresh_version++;
        hg_mg_save(mg, pl, HG_SAVE_STATE | HG_SAVE_EVENT);
    }
    remove_files(mg, pl, false);
}

void hg_files_remove(hg_mg_t *mg, hg_pl_t *pl)
{
    remove_files(mg, pl, true);
}

void hg_files_unblocked(hg_mg_t *mg, hg_pl_t *pl)
{
    bool all = pl->remove_all, state = pl->remove_state;
    pl->remove_state = pl->remove_all = false;
    if (all || state) remove_files(mg, pl, all);
}
