/* Positions of stopped pipelines: what the child is given and gives back, and what waits until it has ended. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/durable.h"
#include "base/mem.h"
#include "manager/manager_int.h"

typedef struct fix {
    hg_mg_t mg;
    hg_pl_t *pl;
    char dir[64], exe[96];
    unsigned done;
    char answer[256], why[256];
} fix_t;

static int setup(void **state)
{
    fix_t *f = HG_NEW(fix_t);
    hg_err_t err = HG_ERR_INIT;
    char path[128];
    snprintf(f->dir, sizeof f->dir, "/tmp/hg-position-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->exe, sizeof f->exe, "%s/exe", f->dir);
    snprintf(path, sizeof path, "%s/pipelines", f->dir);
    assert_int_equal(hg_deploy_mkdir(path, &err), 0);
    f->mg.loop = hg_loop_new("test");
    f->mg.uv = hg_loop_uv(f->mg.loop);
    f->mg.exe = f->exe;
    f->mg.dir = f->dir;
    hg_list_init(&f->mg.jobs);
    hg_list_init(&f->mg.asks);
    hg_list_init(&f->mg.runs);
    hg_list_init(&f->mg.follows);
    f->pl = hg_pl_new();
    hg_set_text(&f->pl->def.name, "p");
    memcpy(f->pl->id, "00000000-0000-7000-8000-000000000001", HG_UUID_CAP);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_pl_drop(f->pl);
    hg_loop_free(f->mg.loop);
    assert_int_equal(hg_tree_remove(f->dir, NULL, &err), 0);
    hg_free(f);
    return 0;
}

static void script(fix_t *f, const char *body)
{
    FILE *out = fopen(f->exe, "w");
    assert_non_null(out);
    fprintf(out, "#!/bin/sh\n%s\n", body);
    fclose(out);
    assert_int_equal(chmod(f->exe, 0700), 0);
}

static void on_done(void *arg, hg_str_t answer, const char *why)
{
    fix_t *f = arg;
    f->done++;
    snprintf(f->answer, sizeof f->answer, HG_SF, HG_SA(answer));
    snprintf(f->why, sizeof f->why, "%s", why ? why : "");
}

static void run_child(fix_t *f, const char *dir)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_buf_adds(&b, "{\"q\":1}");
    hg_child_run(&f->mg, "headgate position", "position", dir, &b, NULL, on_done, f);
    while (!f->done) uv_run(f->mg.uv, UV_RUN_ONCE);
}

static void test_child_gets_folder_and_question(void **state)
{
    fix_t *f = *state;
    script(f, "printf '%s|' \"$@\"; cat");
    run_child(f, "/some/where");
    assert_string_equal(f->answer, "position|/some/where|{\"q\":1}");
    assert_string_equal(f->why, "");
}

static void test_child_that_fails_says_why(void **state)
{
    fix_t *f = *state;
    script(f, "cat >&2; exit 3");
    run_child(f, NULL);
    assert_string_equal(f->answer, "");
    assert_string_equal(f->why, "headgate position ended with exit code 3: {\"q\":1}");
}

static void test_files_wait_for_the_child(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    char *dir = hg_deploy_dir(&f->mg, f->pl);
    assert_int_equal(hg_deploy_mkdir(dir, &err), 0);
    f->pl->asked = 1;
    hg_files_remove(&f->mg, f->pl);
    assert_int_equal(f->mg.uv->active_reqs.count, 0); /* nothing was begun */
    f->pl->asked = 0;
    hg_files_unblocked(&f->mg, f->pl);
    assert_int_equal(f->mg.uv->active_reqs.count, 1);
    while (f->mg.uv->active_reqs.count) uv_run(f->mg.uv, UV_RUN_ONCE);
    assert_int_equal(access(dir, F_OK), -1);
    hg_files_unblocked(&f->mg, f->pl); /* once */
    assert_int_equal(f->mg.uv->active_reqs.count, 0);
    hg_free(dir);
}

static void test_start_waits_for_the_child(void **state)
{
    fix_t *f = *state;
    f->pl->asked = 1;
    f->pl->lc.prog = HG_PROG_SUCCESS;
    f->pl->lc.res_desired = HG_RES_PROVISIONED;
    assert_int_equal(hg_lc_todo(&f->pl->lc), HG_TODO_PROVISION);
    hg_runner_kick(&f->mg, f->pl);
    assert_null(f->pl->run);
    assert_int_equal(f->pl->lc.res, HG_RES_STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_child_gets_folder_and_question, setup, teardown),
        cmocka_unit_test_setup_teardown(test_child_that_fails_says_why, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_wait_for_the_child, setup, teardown),
        cmocka_unit_test_setup_teardown(test_start_waits_for_the_child, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
