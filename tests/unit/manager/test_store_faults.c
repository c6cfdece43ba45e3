/* The Nth write, sync, truncation or opening of the control store's files fails, for each N: whoever saved is told, and
 * the store then says what it said before or what it was to say, never something between; and it goes on.
 *
 * SQLite writes by itself, so the faults are in a file system of its own (a VFS) beneath it. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/store_int.h"

enum { WRITE, SYNC, TRUNCATE, OPEN, KINDS };
static const char *const g_names[KINDS] = { "write", "sync", "truncate", "open" };

static int g_kind = -1;
static uint64_t g_left; /* calls of this kind until one fails */
static bool g_fired;

static bool fails(int kind)
{
    if (g_kind != kind || g_left == 0 || --g_left > 0) return false;
    g_fired = true;
    return true;
}

static void arm(int kind, uint64_t n)
{
    g_kind = kind;
    g_left = n;
    g_fired = false;
}

/* --- the file system --- */

typedef struct {
    sqlite3_file base;
    sqlite3_file *real; /* behind this struct */
} file_t;

static sqlite3_vfs *g_real;

#define REAL(f) (((file_t *)(f))->real)

static int f_close(sqlite3_file *f)
{
    return REAL(f)->pMethods ? REAL(f)->pMethods->xClose(REAL(f)) : SQLITE_OK;
}
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return REAL(f)->pMethods->xRead(REAL(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (!fails(WRITE)) return REAL(f)->pMethods->xWrite(REAL(f), p, n, at);
    (void)REAL(f)->pMethods->xWrite(REAL(f), p, n / 2, at); /* a full disk takes a part */
    return SQLITE_FULL;
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return fails(TRUNCATE) ? SQLITE_IOERR_TRUNCATE : REAL(f)->pMethods->xTruncate(REAL(f), n);
}
static int f_sync(sqlite3_file *f, int flags)
{
    return fails(SYNC) ? SQLITE_IOERR_FSYNC : REAL(f)->pMethods->xSync(REAL(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *ret)
{
    return REAL(f)->pMethods->xFileSize(REAL(f), ret);
}
static int f_lock(sqlite3_file *f, int l)
{
    return REAL(f)->pMethods->xLock(REAL(f), l);
}
static int f_unlock(sqlite3_file *f, int l)
{
    return REAL(f)->pMethods->xUnlock(REAL(f), l);
}
static int f_check(sqlite3_file *f, int *ret)
{
    return REAL(f)->pMethods->xCheckReservedLock(REAL(f), ret);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
    return REAL(f)->pMethods->xFileControl(REAL(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
    return REAL(f)->pMethods->xSectorSize(REAL(f));
}
static int f_device(sqlite3_file *f)
{
    return REAL(f)->pMethods->xDeviceCharacteristics(REAL(f));
}
static int f_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **ret)
{
    return REAL(f)->pMethods->xShmMap(REAL(f), page, size, extend, ret);
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return REAL(f)->pMethods->xShmLock(REAL(f), at, n, flags);
}
static void f_shm_barrier(sqlite3_file *f)
{
    REAL(f)->pMethods->xShmBarrier(REAL(f));
}
static int f_shm_unmap(sqlite3_file *f, int del)
{
    return REAL(f)->pMethods->xShmUnmap(REAL(f), del);
}

static const sqlite3_io_methods g_methods = {
    .iVersion = 2,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_unlock,
    .xCheckReservedLock = f_check,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_device,
    .xShmMap = f_shm_map,
    .xShmLock = f_shm_lock,
    .xShmBarrier = f_shm_barrier,
    .xShmUnmap = f_shm_unmap,
};

static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    file_t *x = (file_t *)f;
    (void)v;
    x->real = (sqlite3_file *)(x + 1);
    x->base.pMethods = NULL;
    if (fails(OPEN)) return SQLITE_CANTOPEN;
    int rc = g_real->xOpen(g_real, name, x->real, flags, out);
    if (rc == SQLITE_OK) x->base.pMethods = &g_methods;
    return rc;
}

static int use_faulty_files(void **state)
{
    static sqlite3_vfs v;
    (void)state;
    g_real = sqlite3_vfs_find(NULL);
    v = *g_real;
    v.zName = "faulty";
    v.szOsFile = (int)sizeof(file_t) + g_real->szOsFile;
    v.xOpen = v_open;
    v.pNext = NULL;
    return sqlite3_vfs_register(&v, 1);
}

/* --- what is saved --- */

static char g_dir[64], g_path[96];

static hg_pl_t *record(void)
{
    hg_pl_t *pl = hg_pl_new();
    snprintf(pl->id, sizeof pl->id, "00000000-0000-7000-8000-000000000001");
    hg_set_text(&pl->def.name, "p");
    hg_set_text(&pl->def.description, "");
    hg_set_text(&pl->def.tags, "[]");
    hg_set_text(&pl->def.program_code, "old");
    hg_set_text(&pl->def.udf_rust, "");
    hg_set_text(&pl->def.udf_toml, "");
    hg_set_text(&pl->def.runtime_config, "{}");
    hg_set_text(&pl->def.program_config, "{}");
    hg_set_text(&pl->platform_version, "0");
    pl->created_us = pl->prog_since = pl->res_since = pl->res_desired_since = 1772600767123456;
    pl->version = 3;
    return pl;
}

typedef struct {
    uint32_t n;
    bool fresh; /* the new text, and the new version with it */
} found_t;

static void look(void *arg, hg_pl_t *pl)
{
    found_t *f = arg;
    bool fresh = strcmp(pl->def.program_code, "new") == 0;
    assert_true(fresh || strcmp(pl->def.program_code, "old") == 0);
    assert_int_equal(pl->version, fresh ? 4 : 3); /* of one transaction */
    f->n++;
    f->fresh = fresh;
    hg_pl_drop(pl);
}

static found_t contents(void)
{
    found_t f = { 0 };
    hg_store_t *st;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_store_open(g_path, &st, &err), 0);
    assert_int_equal(hg_store_load(st, look, &f, &err), 0);
    hg_store_close(st);
    return f;
}

static void begin(bool with_record)
{
    hg_store_t *st;
    hg_err_t err = HG_ERR_INIT;
    snprintf(g_dir, sizeof g_dir, "/tmp/hg-store-XXXXXX");
    assert_non_null(mkdtemp(g_dir));
    snprintf(g_path, sizeof g_path, "%s/control.db", g_dir);
    if (!with_record) return;
    hg_pl_t *pl = record();
    assert_int_equal(hg_store_open(g_path, &st, &err), 0);
    assert_int_equal(hg_store_insert(st, pl, &err), 0);
    hg_store_close(st);
    hg_pl_drop(pl);
}

static void end(void)
{
    char cmd[100];
    snprintf(cmd, sizeof cmd, "rm -rf %s", g_dir);
    assert_int_equal(system(cmd), 0);
}

/* --- one fault --- */

/* Opens, saves, and closes; the fault may hit any of them. */
static void save_with_fault(int kind, uint64_t n)
{
    hg_store_t *st;
    hg_err_t err = HG_ERR_INIT;
    hg_pl_t *pl = record();
    begin(true);
    hg_set_text(&pl->def.program_code, "new");
    pl->version = 4;
    arm(kind, n);
    int rc = hg_store_open(g_path, &st, &err);
    bool opened = rc == 0;
    if (opened) rc = hg_store_save(st, pl, HG_SAVE_DEF | HG_SAVE_PROGRAM | HG_SAVE_STATE | HG_SAVE_EVENT, &err);
    bool fired = g_fired, saved = opened && rc == 0;
    if (rc < 0) assert_true(fired && err.msg[0]);
    if (opened && rc < 0 && n % 2) { /* the same store goes on */
        arm(-1, 0);
        err = HG_ERR_INIT;
        assert_int_equal(hg_store_save(st, pl, HG_SAVE_DEF | HG_SAVE_PROGRAM | HG_SAVE_STATE | HG_SAVE_EVENT, &err), 0);
        saved = true;
    }
    if (opened) hg_store_close(st);
    arm(-1, 0);
    found_t f = contents();
    assert_int_equal(f.n, 1);
    if (saved) assert_true(f.fresh);
    hg_pl_drop(pl);
    end();
    g_fired = fired;
}

static void test_save(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        uint32_t hits = 0;
        for (uint64_t n = 1;; n++) {
            save_with_fault(kind, n);
            if (!g_fired) break;
            hits++;
        }
        print_message("%s: %u failed\n", g_names[kind], hits);
        assert_true(hits > 0 || kind == TRUNCATE);
    }
}

/* A store that cannot be made is made by the next try. */
static void test_make(void **state)
{
    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (uint64_t n = 1; n == 1 || g_fired; n++) {
            hg_store_t *st;
            hg_err_t err = HG_ERR_INIT;
            begin(false);
            arm(kind, n);
            int rc = hg_store_open(g_path, &st, &err);
            if (rc == 0) hg_store_close(st);
            if (rc < 0) assert_true(g_fired && err.msg[0]);
            bool fired = g_fired;
            arm(-1, 0);
            assert_int_equal(contents().n, 0);
            end();
            g_fired = fired;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_save), cmocka_unit_test(test_make) };
    return cmocka_run_group_tests(tests, use_faulty_files, NULL);
}
