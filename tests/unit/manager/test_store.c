/* The control store: every field survives a reopen, migrations, refusals, events, API keys; and the record's JSON. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>
#include <sqlite3.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "manager/store_int.h"

typedef struct fix {
    char dir[64], path[96];
    hg_store_t *st;
} fix_t;

static int setup(void **state)
{
    fix_t *f = HG_NEW(fix_t);
    hg_err_t err = HG_ERR_INIT;
    snprintf(f->dir, sizeof f->dir, "/tmp/hg-store-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/control.db", f->dir);
    assert_int_equal(hg_store_open(f->path, &f->st, &err), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fix_t *f = *state;
    static const char *const names[] = { "", "-wal", "-shm" };
    hg_store_close(f->st);
    for (size_t i = 0; i < HG_COUNT(names); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", f->path, names[i]);
        unlink(path);
    }
    rmdir(f->dir);
    hg_free(f);
    return 0;
}

static hg_pl_t *sample(const char *name)
{
    hg_pl_t *pl = hg_pl_new();
    hg_uuid_v7(pl->id);
    hg_set_text(&pl->def.name, name);
    hg_set_text(&pl->def.description, "d\xc3\xa4");
    hg_set_text(&pl->def.tags, "[\"x\"]");
    hg_set_text(&pl->def.program_code, "CREATE TABLE t(a INT);");
    hg_set_text(&pl->def.udf_rust, "r");
    hg_set_text(&pl->def.udf_toml, "t");
    hg_set_text(&pl->def.runtime_config, "{\"workers\":8}");
    hg_set_text(&pl->def.program_config, "{\"cache\":true}");
    hg_set_text(&pl->platform_version, "0.349.0");
    pl->created_us = 1772600767123456;
    pl->prog_since = pl->res_since = pl->res_desired_since = pl->created_us;
    pl->version = 3;
    pl->program_version = 2;
    pl->refresh_version = INT64_C(9007199254740993); /* 2^53 + 1: no double on the way */
    return pl;
}

typedef struct loaded {
    hg_pl_t *pl[8];
    size_t n;
} loaded_t;

static void on_load(void *arg, hg_pl_t *pl)
{
    loaded_t *l = arg;
    assert_true(l->n < HG_COUNT(l->pl));
    l->pl[l->n++] = pl;
}

static void unload(loaded_t *l)
{
    while (l->n) hg_pl_drop(l->pl[--l->n]);
}

static void reopen(fix_t *f, loaded_t *l)
{
    hg_err_t err = HG_ERR_INIT;
    hg_store_close(f->st);
    f->st = NULL;
    assert_int_equal(hg_store_open(f->path, &f->st, &err), 0);
    l->n = 0;
    assert_int_equal(hg_store_load(f->st, on_load, l, &err), 0);
}

static char *as_json(const hg_pl_t *pl, hg_sel_t sel)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_pl_json(&w, pl, sel);
    assert_int_equal(w.rc, 0);
    return hg_buf_take(&b, NULL);
}

/* Everything that a user can see is the same before and after. */
static void assert_same(const hg_pl_t *a, const hg_pl_t *b)
{
    char *x = as_json(a, HG_SEL_ALL), *y = as_json(b, HG_SEL_ALL);
    assert_string_equal(x, y);
    hg_free(x);
    hg_free(y);
}

static void test_round_trip(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_pl_t *pl = sample("one");
    loaded_t l;
    assert_int_equal(hg_store_insert(f->st, pl, &err), 0);
    reopen(f, &l);
    assert_int_equal(l.n, 1);
    assert_same(pl, l.pl[0]);
    unload(&l);

    hg_set_text(&pl->program_info, "{\"schema\":{}}");
    hg_set_text(&pl->sql_compilation, "{\"exit_code\":0,\"messages\":[]}");
    hg_set_text(&pl->rust_compilation, "{\"exit_code\":0,\"stdout\":\"\",\"stderr\":\"\"}");
    hg_set_text(&pl->system_error, "s");
    hg_set_text(&pl->def.name, "renamed");
    hg_pl_set_prog(pl, HG_PROG_SUCCESS);
    hg_pl_set_error(pl, "{\"message\":\"m\",\"error_code\":\"c\",\"details\":{}}");
    hg_set_text(&pl->storage_details, "{\"checkpoints\":[]}");
    hg_uuid_v7(pl->deployment_id);
    pl->lc.storage = HG_STORAGE_INUSE;
    pl->lc.initial = HG_RT_PAUSED;
    pl->lc.policy = HG_POLICY_REJECT;
    pl->lc.silent = true;
    hg_pl_set_res_desired(pl, HG_RES_PROVISIONED);
    hg_pl_set_res(pl, HG_RES_PROVISIONED);
    hg_pl_set_rt(pl, HG_RT_PAUSED);
    hg_pl_set_rt_desired(pl, HG_RT_RUNNING);
    pl->restarts =
        (hg_restarts_t){ .attempts = 2, .spawned_us = 1, .next_us = pl->created_us, .died_us = pl->created_us };
    hg_set_text(&pl->restarts.last, "{\"message\":\"gone\"}");
    assert_int_equal(hg_store_save(f->st, pl, HG_SAVE_DEF | HG_SAVE_PROGRAM | HG_SAVE_STATE | HG_SAVE_EVENT, &err), 0);
    reopen(f, &l);
    assert_same(pl, l.pl[0]);
    unload(&l);
    hg_pl_drop(pl);
}

static void test_order_duplicate_delete(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_pl_t *a = sample("a"), *b = sample("b"), *twin = sample("a");
    loaded_t l;
    memcpy(a->id, "00000000-0000-7000-8000-000000000002", HG_UUID_CAP);
    memcpy(b->id, "00000000-0000-7000-8000-000000000001", HG_UUID_CAP);
    assert_int_equal(hg_store_insert(f->st, a, &err), 0);
    assert_int_equal(hg_store_insert(f->st, b, &err), 0);
    assert_true(hg_store_insert(f->st, twin, &err) < 0); /* and nothing of it stays */
    reopen(f, &l);
    assert_int_equal(l.n, 2);
    assert_string_equal(l.pl[0]->def.name, "b");
    unload(&l);
    assert_int_equal(hg_store_delete(f->st, b->id, &err), 0);
    reopen(f, &l);
    assert_int_equal(l.n, 1);
    assert_string_equal(l.pl[0]->def.name, "a");
    unload(&l);
    hg_pl_drop(a);
    hg_pl_drop(b);
    hg_pl_drop(twin);
}

typedef struct seen {
    char first[HG_UUID_CAP], last[HG_UUID_CAP];
    char res[16], rt[16];
    int64_t previous;
    bool error, newest_first;
    int n;
} seen_t;

static void on_event(void *arg, const hg_event_t *ev)
{
    seen_t *s = arg;
    if (s->n++ == 0) {
        snprintf(s->first, sizeof s->first, "%s", ev->id);
        snprintf(s->res, sizeof s->res, "%s", ev->res);
        snprintf(s->rt, sizeof s->rt, "%s", ev->rt ? ev->rt : "-");
        s->error = ev->error != NULL;
        s->newest_first = true;
    } else if (ev->recorded_us > s->previous) {
        s->newest_first = false;
    }
    s->previous = ev->recorded_us;
    snprintf(s->last, sizeof s->last, "%s", ev->id);
}

static void test_events(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_pl_t *pl = sample("p"), *other = sample("q");
    seen_t s = { .n = 0 };
    assert_int_equal(hg_store_insert(f->st, pl, &err), 0);
    assert_int_equal(hg_store_insert(f->st, other, &err), 0);
    assert_int_equal(hg_store_events(f->st, pl->id, NULL, on_event, &s, &err), 1); /* creation is one */
    assert_string_equal(s.res, "Stopped");
    assert_string_equal(s.rt, "-");

    hg_pl_set_res(pl, HG_RES_PROVISIONED);
    hg_pl_set_rt(pl, HG_RT_RUNNING);
    hg_pl_set_error(pl, "{}");
    assert_int_equal(hg_store_save(f->st, pl, HG_SAVE_STATE | HG_SAVE_EVENT, &err), 0);
    s.n = 0;
    assert_int_equal(hg_store_events(f->st, pl->id, NULL, on_event, &s, &err), 2);
    assert_true(s.newest_first);
    assert_true(s.error);
    assert_string_equal(s.rt, "Running");
    char newest[HG_UUID_CAP], oldest[HG_UUID_CAP];
    memcpy(newest, s.first, sizeof newest);
    memcpy(oldest, s.last, sizeof oldest);
    s.n = 0;
    assert_int_equal(hg_store_events(f->st, pl->id, "latest", on_event, &s, &err), 1);
    assert_string_equal(s.first, newest);
    s.n = 0;
    assert_int_equal(hg_store_events(f->st, pl->id, oldest, on_event, &s, &err), 1);
    assert_string_equal(s.first, oldest);
    assert_int_equal(hg_store_events(f->st, other->id, oldest, on_event, &s, &err), 0); /* somebody else's */

    for (int i = 0; i < HG_EVENTS_KEPT + 5; i++) assert_int_equal(hg_store_save(f->st, pl, HG_SAVE_EVENT, &err), 0);
    s.n = 0;
    assert_int_equal(hg_store_events(f->st, pl->id, NULL, on_event, &s, &err), HG_EVENTS_KEPT);
    s.n = 0;
    assert_int_equal(hg_store_events(f->st, other->id, NULL, on_event, &s, &err), 1);
    assert_int_equal(hg_store_delete(f->st, pl->id, &err), 0);
    assert_int_equal(hg_store_events(f->st, pl->id, NULL, on_event, &s, &err), 0);
    hg_pl_drop(pl);
    hg_pl_drop(other);
}

static void count_key(void *arg, const hg_apikey_t *key)
{
    snprintf(arg, 64, "%s/%s", key->name, key->role);
}

static void test_api_keys(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_apikey_t k = { .id = "i1", .name = "ci", .role = "write" };
    char text[64] = "";
    assert_int_equal(hg_store_apikeys(f->st, NULL, count_key, text, &err), 0);
    assert_int_equal(hg_store_apikey_add(f->st, &k, "hash1", 5, &err), 0);
    k.id = "i2";
    assert_int_equal(hg_store_apikey_add(f->st, &k, "hash2", 5, &err), HG_EEXIST);
    assert_int_equal(hg_store_apikeys(f->st, "ci", count_key, text, &err), 1);
    assert_string_equal(text, "ci/write");
    assert_int_equal(hg_store_apikeys(f->st, "no", count_key, text, &err), 0);
    assert_int_equal(hg_store_apikey_delete(f->st, "no", &err), HG_ENOTFOUND);
    assert_int_equal(hg_store_apikey_delete(f->st, "ci", &err), 0);
    assert_int_equal(hg_store_apikeys(f->st, NULL, count_key, text, &err), 0);
}

static void meddle(fix_t *f, const char *sql)
{
    sqlite3 *db;
    hg_store_close(f->st);
    f->st = NULL;
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void test_newer_store_is_refused(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", hg_schema_version + 1);
    meddle(f, sql);
    assert_int_equal(hg_store_open(f->path, &f->st, &err), HG_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "newer headgate"));
    assert_null(f->st);
}

static void test_foreign_and_damaged_files_are_refused(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    meddle(f, "PRAGMA application_id = 7");
    assert_int_equal(hg_store_open(f->path, &f->st, &err), HG_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "another program"));
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    for (int i = 0; i < 4096; i++) fputc('x', file);
    fclose(file);
    assert_int_equal(hg_store_open(f->path, &f->st, &err), HG_EPARSE);
    assert_null(f->st);
}

static void test_migrations_start_from_an_empty_file(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_store_close(f->st);
    f->st = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s-wal", f->path);
    unlink(path);
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(hg_store_open(f->path, &f->st, &err), 0);
    hg_pl_t *pl = sample("p");
    assert_int_equal(hg_store_insert(f->st, pl, &err), 0);
    hg_pl_drop(pl);
}

static void count_pipeline(void *arg, hg_pl_t *pl)
{
    assert_string_equal(pl->def.name, "old");
    assert_string_equal(pl->def.program_code, "CREATE TABLE t(a INT);");
    assert_int_equal(pl->version, 3);
    ++*(int *)arg;
    hg_pl_drop(pl);
}

/* What every released version has left behind is opened, with its rows. */
static void test_stores_of_all_versions_are_migrated(void **state)
{
    static const char row[] =
        "INSERT INTO pipeline VALUES('01a1fde3-6ca7-775f-8c3b-d75f59c6389e', 'old', '', '[]', 1, '0.349.0', 3, 3, "
        "'CREATE TABLE t(a INT);', '', '', '{}', '{}');"
        "INSERT INTO program_result(pipeline) VALUES('01a1fde3-6ca7-775f-8c3b-d75f59c6389e');"
        "INSERT INTO pipeline_state(pipeline, refresh_version, program_status, program_since_us, storage_status, "
        "silent, "
        "concurrent, res, res_since_us, res_desired, res_desired_since_us, rt_since_us, rt_desired_since_us)"
        " VALUES('01a1fde3-6ca7-775f-8c3b-d75f59c6389e', 1, 'Success', 1, 'Cleared', 0, 0, 'Stopped', 1, 'Stopped', 1, "
        "0, "
        "0);";
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    for (int version = 1; version <= hg_schema_version; version++) {
        sqlite3 *db;
        char sql[64];
        meddle(f, "PRAGMA journal_mode = DELETE");
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        sqlite3_stmt *st;
        assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        int id = sqlite3_column_int(st, 0);
        sqlite3_finalize(st);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        unlink(f->path);
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        for (int i = 0; i < version; i++)
            assert_int_equal(sqlite3_exec(db, hg_migrations[i], NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, row, NULL, NULL, NULL), SQLITE_OK);
        snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d", id, version);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_close(db), SQLITE_OK);
        assert_int_equal(hg_store_open(f->path, &f->st, &err), 0);
        int n = 0;
        assert_int_equal(hg_store_load(f->st, count_pipeline, &n, &err), 0);
        assert_int_equal(n, 1);
    }
}

/* --- shapes (the members that Feldera's clients insist on) ----------------------------------------------------------
 */

static const char *const status_members =
    "id name description tags created_at version platform_version program_config program_version program_status "
    "program_status_since deployment_error refresh_version storage_status storage_status_details deployment_id "
    "deployment_initial deployment_status deployment_status_since deployment_desired_status "
    "deployment_desired_status_since deployment_resources_status deployment_resources_status_since "
    "deployment_resources_desired_status deployment_resources_desired_status_since deployment_runtime_status "
    "deployment_runtime_status_details deployment_runtime_status_since deployment_runtime_desired_status "
    "deployment_runtime_desired_status_since";
static const char *const all_members = "runtime_config program_code udf_rust udf_toml program_error program_info "
                                       "deployment_resources_status_details";
static const char *const selected_members = "bootstrap_policy silent_bootstrap concurrent_bootstrap";

/* All words of the lists are members of obj; returns how many words there were. */
static unsigned has_members(const hg_json_t *obj, const char *words)
{
    unsigned n = 0;
    for (const char *p = words; *p;) {
        size_t len = strcspn(p, " ");
        char word[64];
        snprintf(word, sizeof word, "%.*s", (int)len, p);
        if (!hg_json_get(obj, word)) fail_msg("member %s is missing", word);
        n++;
        p += len + (p[len] == ' ');
    }
    return n;
}

static void test_shapes(void **state)
{
    (void)state;
    hg_pl_t *pl = sample("p");
    static const struct {
        hg_sel_t sel;
        bool all, selected;
    } t[] = { { HG_SEL_ALL, true, true },
              { HG_SEL_STATUS, false, true },
              { HG_SEL_STATUS_CONNECTORS, false, true },
              { HG_SEL_INFO, true, false } };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        hg_arena_t *a = hg_arena_new();
        hg_json_t *v = NULL;
        hg_err_t err = HG_ERR_INIT;
        char *text = as_json(pl, t[i].sel);
        assert_int_equal(hg_json_parse(a, hg_strz(text), &v, &err), 0);
        unsigned n = has_members(v, status_members);
        if (t[i].all) n += has_members(v, all_members);
        if (t[i].selected) n += has_members(v, selected_members);
        assert_int_equal(v->n, n); /* and no other member */
        assert_string_equal(hg_json_get(v, "refresh_version")->str.p, "9007199254740993");
        assert_string_equal(hg_json_str(hg_json_get(v, "created_at"), ""), "2026-03-04T05:06:07.123456Z");
        hg_free(text);
        hg_arena_free(a);
    }
    hg_pl_drop(pl);
}

static void test_runtime_details(void **state)
{
    (void)state;
    hg_pl_t *pl = sample("p");
    char *text = as_json(pl, HG_SEL_STATUS_CONNECTORS);
    assert_non_null(strstr(text, "\"deployment_runtime_status_details\":null"));
    assert_null(strstr(text, "\"connectors\":"));
    hg_free(text);
    pl->lc.res = HG_RES_PROVISIONED;
    hg_pl_set_rt(pl, HG_RT_INITIALIZING);
    text = as_json(pl, HG_SEL_STATUS);
    assert_non_null(strstr(text, "\"deployment_runtime_status_details\":{}"));
    hg_free(text);
    hg_pl_set_rt(pl, HG_RT_RUNNING);
    pl->has_num_errors = true;
    pl->num_errors = UINT64_C(1) << 53;
    text = as_json(pl, HG_SEL_STATUS_CONNECTORS);
    assert_non_null(
        strstr(text, "\"deployment_runtime_status_details\":{\"connector_stats\":{\"num_errors\":9007199254740992}}"));
    assert_non_null(strstr(text, "\"connectors\":{\"num_errors\":9007199254740992}"));
    hg_free(text);
    hg_pl_forget_deployment(pl);
    assert_int_equal(pl->rt_since, 0);
    assert_false(pl->has_num_errors);
    hg_pl_drop(pl);
}

static void test_refresh_counts_what_matters(void **state)
{
    (void)state;
    hg_pl_t *pl = sample("p");
    pl->refresh_version = 1;
    static const hg_prog_t walk[] = { HG_PROG_PENDING, HG_PROG_COMPILING_SQL, HG_PROG_SQL_COMPILED,
                                      HG_PROG_COMPILING_RUST, HG_PROG_SUCCESS };
    for (size_t i = 0; i < HG_COUNT(walk); i++) hg_pl_set_prog(pl, walk[i]);
    assert_int_equal(pl->refresh_version, 3);
    hg_pl_set_res_desired(pl, HG_RES_PROVISIONED);
    assert_int_equal(pl->refresh_version, 3);
    hg_pl_set_res(pl, HG_RES_PROVISIONING);
    assert_int_equal(pl->refresh_version, 4);
    hg_pl_drop(pl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_duplicate_delete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_api_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_newer_store_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_foreign_and_damaged_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_migrations_start_from_an_empty_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stores_of_all_versions_are_migrated, setup, teardown),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_runtime_details),
        cmocka_unit_test(test_refresh_counts_what_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
