/* store.c: control.db on SQLite.
 *
 * One connection, used on the control loop. Statements are prepared when first used and kept. Rows of the three
 * pipeline tables belong together and are written in one transaction; `synchronous` is FULL where a user's words are
 * written and NORMAL for changes of state, which the next poll would find again anyway.
 */
#include "base/hg.h"

#include <errno.h>
#include <sqlite3.h>

#include "base/log.h"
#include "base/fault.h"
#include "base/mem.h"
#include "manager/store_int.h"

#define HG_APPLICATION_ID 0x48474154 /* "HGAT": tells a control store from any other SQLite file */

typedef enum {
    ST_BEGIN,
    ST_COMMIT,
    ST_ROLLBACK,
    ST_FULL,
    ST_NORMAL,
    ST_INSERT_DEF,
    ST_INSERT_PROGRAM,
    ST_INSERT_STATE,
    ST_SAVE_DEF,
    ST_SAVE_PROGRAM,
    ST_SAVE_STATE,
    ST_EVENT,
    ST_EVENT_TRIM,
    ST_DELETE,
    ST_LOAD,
    ST_EVENTS,
    ST_EVENT_LATEST,
    ST_EVENT_ONE,
    ST_KEY_ADD,
    ST_KEY_DELETE,
    ST_KEYS,
    ST_KEY_ONE,
    ST_KEY_FIND,
    ST_N
} stmt_t;

#define EVENT_COLUMNS                                                                                                  \
    "id, recorded_us, res, res_desired, rt, rt_desired, program_status, storage_status, rt_details, "                  \
    "deployment_error, "                                                                                               \
    "storage_details, res_details"

static const char *const sql[ST_N] = {
    [ST_BEGIN] = "BEGIN IMMEDIATE",
    [ST_COMMIT] = "COMMIT",
    [ST_ROLLBACK] = "ROLLBACK",
    [ST_FULL] = "PRAGMA synchronous = FULL",
    [ST_NORMAL] = "PRAGMA synchronous = NORMAL",
    [ST_INSERT_DEF] =
        "INSERT INTO pipeline(id, name, description, tags, created_us, platform_version, version, program_version,"
        " program_code, udf_rust, udf_toml, runtime_config, program_config)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [ST_INSERT_PROGRAM] =
        "INSERT INTO program_result(pipeline, program_info, sql_compilation, rust_compilation, system_error)"
        " VALUES(?1,?2,?3,?4,?5)",
    [ST_INSERT_STATE] =
        "INSERT INTO pipeline_state(pipeline, refresh_version, program_status, program_since_us, deployment_error,"
        " storage_status, storage_details, deployment_id, initial, bootstrap_policy, silent, concurrent, res,"
        " res_since_us, res_desired, res_desired_since_us, rt, rt_since_us, rt_desired, rt_desired_since_us, restarts,"
        " git) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)",
    [ST_SAVE_DEF] =
        "UPDATE pipeline SET name=?2, description=?3, tags=?4, created_us=?5, platform_version=?6, version=?7,"
        " program_version=?8, program_code=?9, udf_rust=?10, udf_toml=?11, runtime_config=?12, program_config=?13"
        " WHERE id=?1",
    [ST_SAVE_PROGRAM] =
        "UPDATE program_result SET program_info=?2, sql_compilation=?3, rust_compilation=?4, system_error=?5"
        " WHERE pipeline=?1",
    [ST_SAVE_STATE] =
        "UPDATE pipeline_state SET refresh_version=?2, program_status=?3, program_since_us=?4, deployment_error=?5,"
        " storage_status=?6, storage_details=?7, deployment_id=?8, initial=?9, bootstrap_policy=?10, silent=?11,"
        " concurrent=?12, res=?13, res_since_us=?14, res_desired=?15, res_desired_since_us=?16, rt=?17,"
        " rt_since_us=?18, rt_desired=?19, rt_desired_since_us=?20, restarts=?21, git=?22 WHERE pipeline=?1",
    [ST_EVENT] = "INSERT INTO event(pipeline, " EVENT_COLUMNS ") VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13)",
    [ST_EVENT_TRIM] = "DELETE FROM event WHERE pipeline=?1 AND seq <="
                      " (SELECT seq FROM event WHERE pipeline=?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2)",
    [ST_DELETE] = "DELETE FROM pipeline WHERE id=?1",
    [ST_LOAD] =
        "SELECT p.id, name, description, tags, created_us, platform_version, version, program_version, program_code,"
        " udf_rust, udf_toml, runtime_config, program_config,"
        " program_info, sql_compilation, rust_compilation, system_error,"
        " refresh_version, program_status, program_since_us, deployment_error, storage_status, storage_details,"
        " deployment_id, initial, bootstrap_policy, silent, concurrent, res, res_since_us, res_desired,"
        " res_desired_since_us, rt, rt_since_us, rt_desired, rt_desired_since_us, restarts, git"
        " FROM pipeline p JOIN program_result r ON r.pipeline = p.id JOIN pipeline_state s ON s.pipeline = p.id"
        " ORDER BY p.id",
    [ST_EVENTS] = "SELECT " EVENT_COLUMNS " FROM event WHERE pipeline=?1 ORDER BY seq DESC",
    [ST_EVENT_LATEST] = "SELECT " EVENT_COLUMNS " FROM event WHERE pipeline=?1 ORDER BY seq DESC LIMIT 1",
    [ST_EVENT_ONE] = "SELECT " EVENT_COLUMNS " FROM event WHERE pipeline=?1 AND id=?2",
    [ST_KEY_ADD] = "INSERT INTO api_key(id, name, role, hash) VALUES(?1,?2,?3,?4)",
    [ST_KEY_DELETE] = "DELETE FROM api_key WHERE name=?1",
    [ST_KEYS] = "SELECT id, name, role FROM api_key ORDER BY name",
    [ST_KEY_ONE] = "SELECT id, name, role FROM api_key WHERE name=?1",
    [ST_KEY_FIND] = "SELECT id, name, role FROM api_key WHERE hash=?1",
};

struct hg_store {
    sqlite3 *db;
    sqlite3_stmt *stmts[ST_N];
};

static int db_err(sqlite3 *db, hg_err_t *err, const char *what)
{
    int rc = db ? sqlite3_errcode(db) : SQLITE_NOMEM;
    if (rc == SQLITE_IOERR && sqlite3_system_errno(db) == ENOSPC) rc = SQLITE_FULL;
    switch (rc) {
    case SQLITE_FULL:
        return hg_err_set(err, HG_EIO, "%s: the disk is full", what);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return hg_err_set(err, HG_EPERM, "%s: %s", what, sqlite3_errmsg(db));
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return hg_err_set(err, HG_EPARSE, "%s: the file is damaged or no control store", what);
    default:
        return hg_err_set(err, HG_EIO, "%s: %s", what, db ? sqlite3_errmsg(db) : "out of memory");
    }
}

/* --- statements ------------------------------------------------------------------------------------------------- */

static sqlite3_stmt *get(hg_store_t *st, stmt_t which)
{
    sqlite3_stmt **s = &st->stmts[which];
    if (!*s && sqlite3_prepare_v3(st->db, sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) != SQLITE_OK) return NULL;
    return *s;
}

static void bind_text(sqlite3_stmt *s, int i, const char *text)
{
    /* The record outlives the step: nothing is copied. NULL binds NULL. */
    sqlite3_bind_text(s, i, text, -1, SQLITE_STATIC);
}

/* Step a statement without rows, then make it ready for its next use. */
static int run(hg_store_t *st, sqlite3_stmt *s, const char *what, hg_err_t *err)
{
    if (!s) return db_err(st->db, err, what);
    int rc = sqlite3_step(s);
    int out = 0;
    if (rc != SQLITE_DONE && rc != SQLITE_ROW) out = db_err(st->db, err, what);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return out;
}

static int simple(hg_store_t *st, stmt_t which, hg_err_t *err)
{
    return run(st, get(st, which), "cannot write the control store", err);
}

static int begin(hg_store_t *st, bool durable, hg_err_t *err)
{
    int rc = simple(st, durable ? ST_FULL : ST_NORMAL, err);
    return rc < 0 ? rc : simple(st, ST_BEGIN, err);
}

/* Ends the transaction: commit if rc is 0, else undo. Returns what the caller should. */
static int finish(hg_store_t *st, int rc, hg_err_t *err)
{
    hg_kill_point("control.written");
    if (rc == 0) rc = simple(st, ST_COMMIT, err);
    if (rc == 0) hg_kill_point("control.synced");
    if (rc < 0 && !sqlite3_get_autocommit(st->db)) {
        hg_err_t ignored = HG_ERR_INIT;
        simple(st, ST_ROLLBACK, &ignored);
    }
    return rc;
}

/* --- open and migrate -------------------------------------------------------------------------------------------- */

static int pragma_int(hg_store_t *st, const char *text, int *ret, hg_err_t *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(st->db, text, -1, &s, NULL) != SQLITE_OK)
        return db_err(st->db, err, "cannot use the control store");
    int rc = 0;
    if (sqlite3_step(s) == SQLITE_ROW)
        *ret = sqlite3_column_int(s, 0);
    else
        rc = db_err(st->db, err, "cannot use the control store");
    sqlite3_finalize(s);
    return rc;
}

static int migrate(hg_store_t *st, const char *path, hg_err_t *err)
{
    int version = 0, app = 0;
    int rc = pragma_int(st, "PRAGMA user_version", &version, err);
    if (rc == 0) rc = pragma_int(st, "PRAGMA application_id", &app, err);
    if (rc < 0) return rc;
    if (app != HG_APPLICATION_ID && (app != 0 || version != 0))
        return hg_err_set(err, HG_EUNSUPPORTED, "'%s' is a database of another program", path);
    if (version > hg_schema_version)
        return hg_err_set(
            err, HG_EUNSUPPORTED,
            "'%s' was written by a newer headgate (schema %d, this one knows up to %d); start that one instead", path,
            version, hg_schema_version);
    for (; version < hg_schema_version; version++) {
        char *step =
            sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT;",
                            hg_migrations[version], HG_APPLICATION_ID, version + 1);
        int done = sqlite3_exec(st->db, step, NULL, NULL, NULL);
        sqlite3_free(step);
        if (done != SQLITE_OK) {
            rc = db_err(st->db, err, "cannot prepare the control store");
            sqlite3_exec(st->db, "ROLLBACK", NULL, NULL, NULL);
            return rc;
        }
    }
    return 0;
}

int hg_store_open(const char *path, hg_store_t **ret, hg_err_t *err)
{
    hg_store_t *st = HG_NEW(hg_store_t);
    int rc = 0;
    if (sqlite3_open_v2(path, &st->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL) !=
        SQLITE_OK) {
        rc = db_err(st->db, err, "cannot open the control store");
        hg_err_wrap(err, "%s", path);
        goto fail;
    }
    sqlite3_busy_timeout(st->db, 2000);
    rc = migrate(st, path, err);
    if (rc < 0) goto fail;
    if (sqlite3_exec(st->db, "PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 1000;",
                     NULL, NULL, NULL) != SQLITE_OK) {
        rc = db_err(st->db, err, "cannot open the control store");
        goto fail;
    }
    *ret = st;
    return 0;
fail:
    hg_store_close(st);
    return rc;
}

void hg_store_close(hg_store_t *st)
{
    if (!st) return;
    for (int i = 0; i < ST_N; i++) sqlite3_finalize(st->stmts[i]);
    sqlite3_close(st->db);
    hg_free(st);
}

/* --- pipelines --------------------------------------------------------------------------------------------------- */

static int put_def(hg_store_t *st, stmt_t which, const hg_pl_t *pl, hg_err_t *err)
{
    sqlite3_stmt *s = get(st, which);
    bind_text(s, 1, pl->id);
    bind_text(s, 2, pl->def.name);
    bind_text(s, 3, pl->def.description);
    bind_text(s, 4, pl->def.tags);
    sqlite3_bind_int64(s, 5, pl->created_us);
    bind_text(s, 6, pl->platform_version);
    sqlite3_bind_int64(s, 7, pl->version);
    sqlite3_bind_int64(s, 8, pl->program_version);
    bind_text(s, 9, pl->def.program_code);
    bind_text(s, 10, pl->def.udf_rust);
    bind_text(s, 11, pl->def.udf_toml);
    bind_text(s, 12, pl->def.runtime_config);
    bind_text(s, 13, pl->def.program_config);
    return run(st, s, "cannot store the pipeline", err);
}

static int put_program(hg_store_t *st, stmt_t which, const hg_pl_t *pl, hg_err_t *err)
{
    sqlite3_stmt *s = get(st, which);
    bind_text(s, 1, pl->id);
    bind_text(s, 2, pl->program_info);
    bind_text(s, 3, pl->sql_compilation);
    bind_text(s, 4, pl->rust_compilation);
    bind_text(s, 5, pl->system_error);
    return run(st, s, "cannot store the compiled program", err);
}

static int put_state(hg_store_t *st, stmt_t which, const hg_pl_t *pl, hg_err_t *err)
{
    const hg_lc_t *lc = &pl->lc;
    sqlite3_stmt *s = get(st, which);
    bind_text(s, 1, pl->id);
    sqlite3_bind_int64(s, 2, pl->refresh_version);
    bind_text(s, 3, hg_prog_names[lc->prog]);
    sqlite3_bind_int64(s, 4, pl->prog_since);
    bind_text(s, 5, pl->deployment_error);
    bind_text(s, 6, hg_storage_names[lc->storage]);
    bind_text(s, 7, pl->storage_details);
    bind_text(s, 8, pl->deployment_id[0] ? pl->deployment_id : NULL);
    bind_text(s, 9, hg_rt_names[lc->initial]);
    bind_text(s, 10, hg_policy_names[lc->policy]);
    sqlite3_bind_int(s, 11, lc->silent);
    sqlite3_bind_int(s, 12, lc->concurrent);
    bind_text(s, 13, hg_res_names[lc->res]);
    sqlite3_bind_int64(s, 14, pl->res_since);
    bind_text(s, 15, hg_res_names[lc->res_desired]);
    sqlite3_bind_int64(s, 16, pl->res_desired_since);
    bind_text(s, 17, hg_rt_names[lc->rt]);
    sqlite3_bind_int64(s, 18, pl->rt_since);
    bind_text(s, 19, hg_rt_names[lc->rt_desired]);
    sqlite3_bind_int64(s, 20, pl->rt_desired_since);
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_restarts_save(&w, &pl->restarts);
    bind_text(s, 21, b.p);
    bind_text(s, 22, pl->git);
    int rc = run(st, s, "cannot store the state of the pipeline", err);
    hg_buf_release(&b);
    return rc;
}

static int put_event(hg_store_t *st, const hg_pl_t *pl, hg_err_t *err)
{
    const hg_lc_t *lc = &pl->lc;
    sqlite3_stmt *s = get(st, ST_EVENT);
    char id[HG_UUID_CAP];
    hg_buf_t details, res_details;
    hg_jw_t w;
    hg_uuid_v7(id);
    hg_buf_init(&details, HG_BUF_NOMAX);
    hg_jw_init(&w, &details);
    hg_pl_runtime_details(&w, pl);
    hg_buf_init(&res_details, HG_BUF_NOMAX);
    hg_jw_init(&w, &res_details);
    hg_pl_resources_details(&w, pl);
    bind_text(s, 1, pl->id);
    bind_text(s, 2, id);
    sqlite3_bind_int64(s, 3, hg_now_us());
    bind_text(s, 4, hg_res_names[lc->res]);
    bind_text(s, 5, hg_res_names[lc->res_desired]);
    bind_text(s, 6, hg_rt_names[lc->rt]);
    bind_text(s, 7, hg_rt_names[lc->rt_desired]);
    bind_text(s, 8, hg_prog_names[lc->prog]);
    bind_text(s, 9, hg_storage_names[lc->storage]);
    bind_text(s, 10, lc->rt == HG_RT_NONE ? NULL : details.p);
    bind_text(s, 11, pl->deployment_error);
    bind_text(s, 12, pl->storage_details);
    bind_text(s, 13, pl->restarts.died_us || pl->git ? res_details.p : NULL);
    int rc = run(st, s, "cannot store the event", err);
    hg_buf_release(&details);
    hg_buf_release(&res_details);
    if (rc < 0) return rc;
    s = get(st, ST_EVENT_TRIM);
    bind_text(s, 1, pl->id);
    sqlite3_bind_int(s, 2, HG_EVENTS_KEPT);
    return run(st, s, "cannot drop old events", err);
}

int hg_store_insert(hg_store_t *st, const hg_pl_t *pl, hg_err_t *err)
{
    int rc = begin(st, true, err);
    if (rc < 0) return rc;
    rc = put_def(st, ST_INSERT_DEF, pl, err);
    if (rc == 0) rc = put_program(st, ST_INSERT_PROGRAM, pl, err);
    if (rc == 0) rc = put_state(st, ST_INSERT_STATE, pl, err);
    if (rc == 0) rc = put_event(st, pl, err);
    return finish(st, rc, err);
}

int hg_store_save(hg_store_t *st, const hg_pl_t *pl, unsigned what, hg_err_t *err)
{
    int rc = begin(st, what & HG_SAVE_DEF, err);
    if (rc < 0) return rc;
    if (what & HG_SAVE_DEF) rc = put_def(st, ST_SAVE_DEF, pl, err);
    if (rc == 0 && (what & HG_SAVE_PROGRAM)) rc = put_program(st, ST_SAVE_PROGRAM, pl, err);
    if (rc == 0 && (what & HG_SAVE_STATE)) rc = put_state(st, ST_SAVE_STATE, pl, err);
    if (rc == 0 && (what & HG_SAVE_EVENT)) rc = put_event(st, pl, err);
    return finish(st, rc, err);
}

int hg_store_delete(hg_store_t *st, const char *id, hg_err_t *err)
{
    int rc = begin(st, true, err);
    if (rc < 0) return rc;
    sqlite3_stmt *s = get(st, ST_DELETE);
    bind_text(s, 1, id);
    return finish(st, run(st, s, "cannot delete the pipeline", err), err);
}

/* A row's columns in order, one after the other. */
typedef struct cols {
    sqlite3_stmt *s;
    int i;
} cols_t;

static const char *col_text(cols_t *c)
{
    return (const char *)sqlite3_column_text(c->s, c->i++);
}
static int64_t col_i64(cols_t *c)
{
    return sqlite3_column_int64(c->s, c->i++);
}
static void col_uuid(cols_t *c, char out[HG_UUID_CAP])
{
    const char *text = col_text(c);
    snprintf(out, HG_UUID_CAP, "%s", text ? text : "");
}
/* A text that is not in the list was written by no version that could pass the schema check: the first name stands. */
static int col_enum(cols_t *c, const char *const *names, int n)
{
    const char *text = col_text(c);
    int i = hg_name_index(names, n, text);
    return i < 0 ? 0 : i;
}

static hg_pl_t *load_row(sqlite3_stmt *s)
{
    cols_t c = { s, 0 };
    hg_pl_t *pl = hg_pl_new();
    col_uuid(&c, pl->id);
    hg_set_text(&pl->def.name, col_text(&c));
    hg_set_text(&pl->def.description, col_text(&c));
    hg_set_text(&pl->def.tags, col_text(&c));
    pl->created_us = col_i64(&c);
    hg_set_text(&pl->platform_version, col_text(&c));
    pl->version = col_i64(&c);
    pl->program_version = col_i64(&c);
    hg_set_text(&pl->def.program_code, col_text(&c));
    hg_set_text(&pl->def.udf_rust, col_text(&c));
    hg_set_text(&pl->def.udf_toml, col_text(&c));
    hg_set_text(&pl->def.runtime_config, col_text(&c));
    hg_set_text(&pl->def.program_config, col_text(&c));
    hg_set_text(&pl->program_info, col_text(&c));
    hg_set_text(&pl->sql_compilation, col_text(&c));
    hg_set_text(&pl->rust_compilation, col_text(&c));
    hg_set_text(&pl->system_error, col_text(&c));
    pl->refresh_version = col_i64(&c);
    pl->lc.prog = (hg_prog_t)col_enum(&c, hg_prog_names, HG_PROG_N);
    pl->prog_since = col_i64(&c);
    hg_pl_set_error(pl, col_text(&c));
    pl->lc.storage = (hg_storage_t)col_enum(&c, hg_storage_names, HG_STORAGE_N);
    hg_set_text(&pl->storage_details, col_text(&c));
    col_uuid(&c, pl->deployment_id);
    pl->lc.initial = (hg_rt_t)col_enum(&c, hg_rt_names, HG_RT_N);
    pl->lc.policy = (hg_policy_t)col_enum(&c, hg_policy_names, HG_POLICY_N);
    pl->lc.silent = col_i64(&c) != 0;
    pl->lc.concurrent = col_i64(&c) != 0;
    pl->lc.res = (hg_res_t)col_enum(&c, hg_res_names, HG_RES_N);
    pl->res_since = col_i64(&c);
    pl->lc.res_desired = (hg_res_t)col_enum(&c, hg_res_names, HG_RES_N);
    pl->res_desired_since = col_i64(&c);
    pl->lc.rt = (hg_rt_t)col_enum(&c, hg_rt_names, HG_RT_N);
    pl->rt_since = col_i64(&c);
    pl->lc.rt_desired = (hg_rt_t)col_enum(&c, hg_rt_names, HG_RT_N);
    pl->rt_desired_since = col_i64(&c);
    hg_restarts_load(col_text(&c), &pl->restarts);
    hg_set_text(&pl->git, col_text(&c));
    return pl;
}

/* Calls row() for each row of a bound statement. Returns the number of rows or a code. */
static int each_row(hg_store_t *st, sqlite3_stmt *s, void (*row)(void *arg, sqlite3_stmt *s), void *arg, hg_err_t *err)
{
    if (!s) return db_err(st->db, err, "cannot use the control store");
    int n = 0, rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        row(arg, s);
        n++;
    }
    if (rc != SQLITE_DONE) n = db_err(st->db, err, "cannot use the control store");
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return n;
}

typedef struct load_ctx {
    void (*fn)(void *arg, hg_pl_t *pl);
    void *arg;
} load_ctx_t;

static void on_pipeline(void *arg, sqlite3_stmt *s)
{
    load_ctx_t *c = arg;
    c->fn(c->arg, load_row(s));
}

int hg_store_load(hg_store_t *st, void (*fn)(void *arg, hg_pl_t *pl), void *arg, hg_err_t *err)
{
    load_ctx_t c = { fn, arg };
    int n = each_row(st, get(st, ST_LOAD), on_pipeline, &c, err);
    return n < 0 ? n : 0;
}

/* --- events ------------------------------------------------------------------------------------------------------ */

typedef struct event_ctx {
    void (*fn)(void *arg, const hg_event_t *ev);
    void *arg;
} event_ctx_t;

static void on_event(void *arg, sqlite3_stmt *s)
{
    event_ctx_t *x = arg;
    cols_t c = { s, 0 };
    hg_event_t ev = { .id = col_text(&c) };
    ev.recorded_us = col_i64(&c);
    ev.res = col_text(&c);
    ev.res_desired = col_text(&c);
    ev.rt = col_text(&c);
    ev.rt_desired = col_text(&c);
    ev.prog = col_text(&c);
    ev.storage = col_text(&c);
    ev.rt_details = col_text(&c);
    ev.error = col_text(&c);
    ev.storage_details = col_text(&c);
    ev.res_details = col_text(&c);
    x->fn(x->arg, &ev);
}

int hg_store_events(hg_store_t *st, const char *pipeline_id, const char *event_id,
                    void (*fn)(void *arg, const hg_event_t *ev), void *arg, hg_err_t *err)
{
    event_ctx_t x = { fn, arg };
    bool latest = event_id && !strcmp(event_id, "latest");
    sqlite3_stmt *s = get(st, !event_id ? ST_EVENTS : latest ? ST_EVENT_LATEST : ST_EVENT_ONE);
    bind_text(s, 1, pipeline_id);
    if (event_id && !latest) bind_text(s, 2, event_id);
    return each_row(st, s, on_event, &x, err);
}

/* --- API keys ---------------------------------------------------------------------------------------------------- */

int hg_store_apikey_add(hg_store_t *st, const hg_apikey_t *key, const void *hash, size_t hash_len, hg_err_t *err)
{
    int rc = begin(st, true, err);
    if (rc < 0) return rc;
    sqlite3_stmt *s = get(st, ST_KEY_ADD);
    bind_text(s, 1, key->id);
    bind_text(s, 2, key->name);
    bind_text(s, 3, key->role);
    sqlite3_bind_blob(s, 4, hash, (int)hash_len, SQLITE_STATIC);
    rc = run(st, s, "cannot store the API key", err);
    if (rc < 0 && sqlite3_errcode(st->db) == SQLITE_CONSTRAINT)
        rc = hg_err_set(err, HG_EEXIST, "an API key named '%s' already exists", key->name);
    return finish(st, rc, err);
}

int hg_store_apikey_delete(hg_store_t *st, const char *name, hg_err_t *err)
{
    int rc = begin(st, true, err);
    if (rc < 0) return rc;
    sqlite3_stmt *s = get(st, ST_KEY_DELETE);
    bind_text(s, 1, name);
    rc = run(st, s, "cannot delete the API key", err);
    if (rc == 0 && sqlite3_changes(st->db) == 0) rc = hg_err_set(err, HG_ENOTFOUND, "unknown API key '%s'", name);
    return finish(st, rc, err);
}

typedef struct key_ctx {
    void (*fn)(void *arg, const hg_apikey_t *key);
    void *arg;
} key_ctx_t;

static void on_key(void *arg, sqlite3_stmt *s)
{
    key_ctx_t *x = arg;
    cols_t c = { s, 0 };
    hg_apikey_t key = { .id = col_text(&c) };
    key.name = col_text(&c);
    key.role = col_text(&c);
    x->fn(x->arg, &key);
}

int hg_store_apikeys(hg_store_t *st, const char *name, void (*fn)(void *arg, const hg_apikey_t *key), void *arg,
                     hg_err_t *err)
{
    key_ctx_t x = { fn, arg };
    sqlite3_stmt *s = get(st, name ? ST_KEY_ONE : ST_KEYS);
    if (name) bind_text(s, 1, name);
    return each_row(st, s, on_key, &x, err);
}

int hg_store_apikey_find(hg_store_t *st, const void *hash, size_t hash_len,
                         void (*fn)(void *arg, const hg_apikey_t *key), void *arg, hg_err_t *err)
{
    key_ctx_t x = { fn, arg };
    sqlite3_stmt *s = get(st, ST_KEY_FIND);
    sqlite3_bind_blob(s, 1, hash, (int)hash_len, SQLITE_STATIC);
    return each_row(st, s, on_key, &x, err);
}
