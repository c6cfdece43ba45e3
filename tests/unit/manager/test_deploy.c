/* Files between manager and pipeline: deployment.json, exit.json, lock, socket paths, removal; with faults. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/deployment.h"
#include "base/durable.h"
#include "base/fault.h"
#include "base/mem.h"
#include "manager/manager_int.h"

typedef struct fix {
    char dir[64];
    hg_mg_t mg;
    hg_pl_t *pl;
} fix_t;

static int setup(void **state)
{
    fix_t *f = HG_NEW(fix_t);
    hg_err_t err = HG_ERR_INIT;
    char path[128];
    snprintf(f->dir, sizeof f->dir, "/tmp/hg-deploy-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->mg.dir = f->dir;
    snprintf(path, sizeof path, "%s/pipelines", f->dir);
    assert_int_equal(hg_deploy_mkdir(path, &err), 0);
    assert_int_equal(hg_deploy_mkdir(path, &err), 0); /* twice is fine */
    assert_int_equal(hg_deploy_socket_dir(f->dir, &f->mg.socket_dir, &err), 0);
    f->pl = hg_pl_new();
    hg_set_text(&f->pl->def.name, "price");
    hg_set_text(&f->pl->def.program_code, "SELECT '\"\n';");
    hg_set_text(&f->pl->def.runtime_config, "{\"workers\":8}");
    memcpy(f->pl->id, "00000000-0000-7000-8000-000000000001", HG_UUID_CAP);
    memcpy(f->pl->deployment_id, "11111111-2222-7333-8444-555555555555", HG_UUID_CAP);
    f->pl->lc.initial = HG_RT_PAUSED;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_tree_remove(f->dir, NULL, &err), 0);
    assert_int_equal(access(f->dir, F_OK), -1);
    hg_free(f->mg.socket_dir);
    hg_pl_drop(f->pl);
    hg_free(f);
    return 0;
}

static char *slurp(const char *path)
{
    FILE *in = fopen(path, "r");
    if (!in) return NULL;
    char *text = hg_xzero(65536);
    size_t n = fread(text, 1, 65535, in);
    text[n] = 0;
    fclose(in);
    return text;
}

static void spill(fix_t *f, const char *name, const char *text)
{
    char *path = hg_deploy_file(&f->mg, f->pl, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
    hg_free(path);
}

static void test_deployment_json(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    char *path = hg_deploy_file(&f->mg, f->pl, HG_FILE_DEPLOYMENT), *text = slurp(path);
    hg_arena_t *a = hg_arena_new();
    hg_json_t *v = NULL;
    assert_int_equal(hg_json_parse(a, hg_strz(text), &v, &err), 0);
    assert_string_equal(hg_json_str(hg_json_get(v, "name"), ""), "price");
    assert_string_equal(hg_json_str(hg_json_get(v, "id"), ""), f->pl->id);
    assert_string_equal(hg_json_str(hg_json_get(v, "deployment_id"), ""), f->pl->deployment_id);
    assert_string_equal(hg_json_str(hg_json_get(v, "initial"), ""), "paused");
    assert_string_equal(hg_json_str(hg_json_get(v, "program"), ""), f->pl->def.program_code);
    assert_non_null(hg_json_get(hg_json_get(v, "runtime_config"), "workers"));
    const char *socket = hg_json_str(hg_json_get(v, "socket"), "");
    assert_true(socket[0] == '/' && strlen(socket) <= HG_SOCKET_PATH_MAX);
    assert_non_null(strstr(socket, "/s/11111111222273338444555555555555"));
    hg_arena_free(a);
    hg_free(text);
    hg_free(path);
}

/* After each fault the old file is whole, or the new one is. */
static void test_faults_leave_old_or_new(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    char *path = hg_deploy_file(&f->mg, f->pl, HG_FILE_DEPLOYMENT), *before = slurp(path);
    hg_set_text(&f->pl->def.program_code, "CREATE TABLE other(a INT);");
    static const hg_fault_t kinds[] = { HG_FAULT_WRITE, HG_FAULT_FSYNC, HG_FAULT_RENAME };
    unsigned failures = 0;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        for (uint64_t n = 1;; n++) {
            hg_fault_arm(kinds[k], n);
            int rc = hg_deploy_write(&f->mg, f->pl, &err);
            bool fired = hg_fault_fired();
            char *now = slurp(path);
            hg_fault_arm(kinds[k], 0);
            assert_true(fired == (rc < 0));
            if (strcmp(now, before) != 0) assert_non_null(strstr(now, "other(a INT)"));
            hg_free(now);
            if (!fired) break;
            failures++;
            assert_true(err.msg[0] != 0);
        }
    }
    assert_true(failures >= 4); /* write, both fsyncs, rename */
    hg_free(before);
    hg_free(path);
}

static void test_exit_json(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    hg_exit_t ex;
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    hg_deploy_read_exit(&f->mg, f->pl, &ex);
    assert_false(ex.found);
    static const struct {
        const char *text;
        bool found;
        const char *reason, *error;
    } t[] = {
        { "", false, NULL, NULL },
        { "{\"deployment_id\":", false, NULL, NULL },
        { "{\"deployment_id\":\"99999999-2222-7333-8444-555555555555\",\"reason\":\"stopped\"}", false, NULL, NULL },
        { "{\"deployment_id\":\"11111111-2222-7333-8444-555555555555\",\"reason\":\"suspended\",\"error\":null}", true,
          "suspended", NULL },
        { "{\"deployment_id\":\"11111111-2222-7333-8444-555555555555\",\"reason\":\"failed\",\"error\":{\"message\":"
          "\"m\","
          "\"error_code\":\"RuntimeError.WorkerPanic\",\"details\":{\"n\":18446744073709551615}}}",
          true, "failed",
          "{\"message\":\"m\",\"error_code\":\"RuntimeError.WorkerPanic\",\"details\":{\"n\":18446744073709551615}}" },
        { "{\"deployment_id\":\"11111111-2222-7333-8444-555555555555\",\"reason\":\"failed\",\"error\":{\"message\":"
          "\"m\"}}",
          true, "failed", "{\"message\":\"m\",\"error_code\":\"RuntimeError\",\"details\":{}}" },
    };
    for (size_t i = 0; i < HG_COUNT(t); i++) {
        spill(f, HG_FILE_EXIT, t[i].text);
        hg_deploy_read_exit(&f->mg, f->pl, &ex);
        assert_true(ex.found == t[i].found);
        if (t[i].reason) assert_string_equal(ex.reason, t[i].reason);
        if (t[i].error)
            assert_string_equal(ex.error, t[i].error);
        else
            assert_null(ex.error);
        hg_free(ex.error);
    }
    /* The next deployment does not find the old one's. */
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    hg_deploy_read_exit(&f->mg, f->pl, &ex);
    assert_false(ex.found);
}

static void test_lock_holder(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    int ready[2], go[2];
    char c = 0;
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    assert_int_equal(hg_deploy_lock_holder(&f->mg, f->pl), 0); /* no file */
    spill(f, HG_FILE_LOCK, "1\n");
    assert_int_equal(hg_deploy_lock_holder(&f->mg, f->pl), 0); /* a file that nobody holds */
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char *path = hg_deploy_file(&f->mg, f->pl, HG_FILE_LOCK);
        int fd = open(path, O_RDWR);
        if (fd < 0 || flock(fd, LOCK_EX) < 0 || ftruncate(fd, 0) < 0) _exit(1);
        dprintf(fd, "%ld\n", (long)getpid());
        if (write(ready[1], "x", 1) != 1 || read(go[0], &c, 1) != 1) _exit(2);
        _exit(0);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    assert_int_equal(hg_deploy_lock_holder(&f->mg, f->pl), pid);
    assert_int_equal(write(go[1], "x", 1), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(hg_deploy_lock_holder(&f->mg, f->pl), 0);
}

static void test_long_data_dirs_get_short_sockets(void **state)
{
    (void)state;
    hg_err_t err = HG_ERR_INIT;
    char *dir = NULL;
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "relative", 1), 0); /* not usable */
    int rc = hg_deploy_socket_dir(
        "/tmp/a-data-directory-with-a-name-that-leaves-no-room-for-a-socket-in-sun-path/of-unix", &dir, &err);
    assert_int_equal(rc, 0);
    assert_non_null(strstr(dir, "/tmp/headgate-"));
    hg_free(dir);
}

static void test_remove_tree(void **state)
{
    fix_t *f = *state;
    hg_err_t err = HG_ERR_INIT;
    char path[160];
    assert_int_equal(hg_deploy_write(&f->mg, f->pl, &err), 0);
    hg_deploy_log(&f->mg, f->pl, "a line %d", 1);
    char *dir = hg_deploy_dir(&f->mg, f->pl), *log = hg_deploy_file(&f->mg, f->pl, HG_FILE_LOG);
    snprintf(path, sizeof path, "%s/state", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/state/log", dir);
    assert_int_equal(mkdir(path, 0700), 0); /* the kept name counts at the top only */
    snprintf(path, sizeof path, "%s/link", dir);
    assert_int_equal(symlink(f->dir, path), 0); /* removed, not followed */
    assert_int_equal(hg_tree_remove(dir, HG_FILE_LOG, &err), 0);
    assert_int_equal(access(log, F_OK), 0);
    char *text = slurp(log);
    assert_non_null(strstr(text, "INFO price: a line 1\n"));
    hg_free(text);
    snprintf(path, sizeof path, "%s/state", dir);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(f->mg.socket_dir, F_OK), 0);
    assert_int_equal(hg_tree_remove(dir, NULL, &err), 0);
    assert_int_equal(hg_tree_remove(dir, NULL, &err), 0); /* gone is gone */
    hg_free(dir);
    hg_free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_deployment_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults_leave_old_or_new, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lock_holder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_remove_tree, setup, teardown),
        cmocka_unit_test(test_long_data_dirs_get_short_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
