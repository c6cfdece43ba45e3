/* The compiler as a child process: good and bad answers, crashes, a missing program, the queue, and letting go. */
#include "base/hg.h"

#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "manager/manager_int.h"

#define JOBS 6

typedef struct outcome {
    unsigned begun, done;
    bool ok;
    char messages[128], info[128], error[512];
} outcome_t;

typedef struct fix {
    hg_mg_t mg;
    char dir[64], exe[96];
    outcome_t out[JOBS];
    unsigned wanted, done, most_running;
} fix_t;

static fix_t *self; /* the test that runs */

static int setup(void **state)
{
    fix_t *f = HG_NEW(fix_t);
    snprintf(f->dir, sizeof f->dir, "/tmp/hg-compile-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->exe, sizeof f->exe, "%s/exe", f->dir);
    f->mg.loop = hg_loop_new("test");
    f->mg.uv = hg_loop_uv(f->mg.loop);
    f->mg.exe = f->exe;
    hg_list_init(&f->mg.jobs);
    hg_list_init(&f->mg.asks);
    hg_list_init(&f->mg.runs);
    hg_list_init(&f->mg.follows);
    self = f;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fix_t *f = *state;
    hg_loop_free(f->mg.loop);
    unlink(f->exe);
    rmdir(f->dir);
    hg_free(f);
    return 0;
}

/* The stand-in for `headgate compile`. */
static void script(fix_t *f, const char *body)
{
    FILE *out = fopen(f->exe, "w");
    assert_non_null(out);
    fprintf(out, "#!/bin/sh\n%s\n", body);
    fclose(out);
    assert_int_equal(chmod(f->exe, 0700), 0);
}

static void on_begun(void *arg)
{
    outcome_t *o = arg;
    o->begun++;
    assert_int_equal(o->done, 0);
}

static void on_done(void *arg, const hg_compiled_t *res)
{
    outcome_t *o = arg;
    o->done++;
    o->ok = res->ok;
    snprintf(o->messages, sizeof o->messages, "%s", res->messages ? res->messages : "");
    snprintf(o->info, sizeof o->info, "%s", res->program_info ? res->program_info : "");
    snprintf(o->error, sizeof o->error, "%s", res->system_error ? res->system_error : "");
    self->most_running = HG_MAX(self->most_running, self->mg.jobs_running);
    if (++self->done == self->wanted) hg_loop_stop(self->mg.loop);
}

static const outcome_t *compile(fix_t *f, const char *program, unsigned jobs)
{
    f->wanted = jobs;
    for (unsigned i = 0; i < jobs; i++)
        hg_manager_compile(&f->mg, program, "rust", "toml", on_begun, on_done, &f->out[i]);
    hg_loop_run(f->mg.loop);
    assert_int_equal(f->done, jobs);
    for (unsigned i = 0; i < jobs; i++) {
        assert_int_equal(f->out[i].begun, 1);
        assert_int_equal(f->out[i].done, 1);
    }
    return &f->out[0];
}

#define GOOD                                                                                                           \
    "'{\"ok\":true,\"messages\":{\"exit_code\":0,\"messages\":[]},\"program_info\":{\"n\":18446744073709551615}}'"

static void test_good(void **state)
{
    script(*state, "grep -q '\"program\":\"a\\\\nb\",\"udf_rust\":\"rust\",\"udf_toml\":\"toml\"' || exit 3\n"
                   "test \"$1\" = compile || exit 4\necho " GOOD);
    const outcome_t *o = compile(*state, "a\nb", 1);
    assert_string_equal(o->error, "");
    assert_true(o->ok);
    assert_string_equal(o->messages, "{\"exit_code\":0,\"messages\":[]}");
    assert_string_equal(o->info, "{\"n\":18446744073709551615}");
}

static void test_program_errors(void **state)
{
    script(
        *state,
        "cat >/dev/null; echo '{\"ok\":false,\"messages\":{\"exit_code\":1,\"messages\":[]},\"program_info\":null}'");
    const outcome_t *o = compile(*state, "x", 1);
    assert_false(o->ok);
    assert_string_equal(o->error, "");
    assert_string_equal(o->info, "");
    assert_string_equal(o->messages, "{\"exit_code\":1,\"messages\":[]}");
}

static void expect_system_error(void **state, const char *body, const char *says)
{
    if (body) script(*state, body);
    const outcome_t *o = compile(*state, "x", 1);
    if (!strstr(o->error, says)) fail_msg("said: %s", o->error);
}

static void test_crash(void **state)
{
    expect_system_error(state, "kill -9 $$", "was ended by signal 9");
}

static void test_exit_code(void **state)
{
    expect_system_error(state, "cat >/dev/null; echo 'no memory' >&2; exit 7", "ended with exit code 7: no memory");
}

static void test_garbage(void **state)
{
    expect_system_error(state, "cat >/dev/null; echo hello", "answer cannot be read");
}

static void test_incomplete(void **state)
{
    expect_system_error(state, "cat >/dev/null; echo '{\"ok\":true,\"messages\":{},\"program_info\":null}'",
                        "is incomplete");
}

static void test_missing_program(void **state)
{
    expect_system_error(state, NULL, "no such file");
}

/* A child that leaves without reading a program larger than a pipe holds. */
static void test_unread_input(void **state)
{
    fix_t *f = *state;
    char *big = hg_xnew(1u << 20);
    memset(big, 'x', (1u << 20) - 1);
    big[(1u << 20) - 1] = 0;
    script(f, "echo " GOOD);
    const outcome_t *o = compile(f, big, 1);
    assert_true(o->ok);
    hg_free(big);
}

static void test_queue(void **state)
{
    fix_t *f = *state;
    script(f, "cat >/dev/null; echo " GOOD);
    compile(f, "x", JOBS);
    for (unsigned i = 0; i < JOBS; i++) assert_true(f->out[i].ok);
    assert_int_equal(f->mg.jobs_running, 0);
    assert_in_range(f->most_running, 1, 2);
}

/* Closing tells everybody who still waits, ends the children, and stops the loop when the last one is gone. */
static void test_close(void **state)
{
    fix_t *f = *state;
    script(f, "cat >/dev/null; exec sleep 1000");
    for (unsigned i = 0; i < JOBS; i++) hg_manager_compile(&f->mg, "x", "", "", NULL, on_done, &f->out[i]);
    f->mg.http_closed = true;
    f->wanted = UINT_MAX;
    hg_child_close(&f->mg);
    assert_int_equal(f->done, JOBS);
    for (unsigned i = 0; i < JOBS; i++) assert_non_null(strstr(f->out[i].error, "is stopping"));
    hg_loop_run(f->mg.loop);
    assert_true(hg_list_empty(&f->mg.jobs));
    assert_int_equal(f->mg.jobs_running, 0);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN); /* as the daemon does */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_program_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_crash, setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_code, setup, teardown),
        cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_incomplete, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_program, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unread_input, setup, teardown),
        cmocka_unit_test_setup_teardown(test_queue, setup, teardown),
        cmocka_unit_test_setup_teardown(test_close, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
