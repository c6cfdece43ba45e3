/* test_durable.c: files are whole or not there; a log survives any cut of its end and no change of its middle. */
#include "base/hg.h"
#include "base/durable.h"
#include "base/fault.h"
#include "base/mem.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

static char g_dir[] = "/tmp/hg-durable-XXXXXX";

static const char *at(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", g_dir, name);
    return path;
}

static void put(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

static hg_buf_t get(const char *path)
{
    hg_buf_t b;
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&b, 1 << 24);
    assert_int_equal(hg_file_read(path, &b, &err), 0);
    return b;
}

static void test_replace(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    assert_int_equal(hg_file_replace(at("r"), hg_strz("old"), "t", &err), 0);
    static const hg_fault_t kinds[] = { HG_FAULT_WRITE, HG_FAULT_FSYNC, HG_FAULT_RENAME, HG_FAULT_OPEN };
    unsigned failures = 0;
    for (size_t k = 0; k < HG_COUNT(kinds); k++) {
        for (uint64_t n = 1;; n++) {
            hg_fault_arm(kinds[k], n);
            int rc = hg_file_replace(at("r"), hg_strz("new"), "t", &err);
            bool fired = hg_fault_fired();
            hg_fault_arm(kinds[k], 0);
            assert_int_equal(rc < 0, fired);
            hg_buf_t b = get(at("r"));
            assert_true(hg_str_eqz(hg_buf_str(&b), "old") || hg_str_eqz(hg_buf_str(&b), "new"));
            hg_buf_release(&b);
            if (!fired) break;
            failures++;
            assert_int_equal(hg_file_replace(at("r"), hg_strz("old"), "t", &err), 0);
        }
    }
    assert_true(failures >= 6);
}

static void test_dfile(void **state)
{
    hg_err_t err = HG_ERR_INIT;
    hg_dfile_t *f;
    static char big[700000];
    (void)state;
    memset(big, 'x', sizeof big);
    assert_int_equal(hg_dfile_new(at("d"), &f, &err), 0);
    assert_int_equal(hg_dfile_write(f, "abc", 3, &err), 0);
    assert_int_equal(hg_dfile_write(f, big, sizeof big, &err), 0);
    assert_int_equal(hg_dfile_write(f, "end", 3, &err), 0);
    assert_int_equal(hg_dfile_size(f), sizeof big + 6);
    assert_int_equal(hg_dfile_finish(f, "t", &err), 0);
    hg_buf_t b = get(at("d"));
    assert_int_equal(b.len, sizeof big + 6);
    assert_memory_equal(b.p, "abcxx", 5);
    assert_memory_equal(b.p + b.len - 4, "xend", 4);
    hg_buf_release(&b);
    assert_int_equal(hg_dfile_new(at("d"), &f, &err), HG_EEXIST);
    unlink(at("d"));
    for (uint64_t n = 1; n <= 2; n++) {
        assert_int_equal(hg_dfile_new(at("d"), &f, &err), 0);
        hg_dfile_write(f, "abc", 3, &err);
        hg_fault_arm(n == 1 ? HG_FAULT_WRITE : HG_FAULT_FSYNC, 1);
        assert_true(hg_dfile_finish(f, "t", &err) < 0);
        hg_fault_arm(HG_FAULT_WRITE, 0);
        assert_int_equal(access(at("d"), F_OK), -1);
    }
}

/* --- the log --- */

typedef struct {
    unsigned n;
    uint64_t ends[64];
    bool wrong;
} seen_t;

static size_t payload(unsigned i, char *p)
{
    size_t n = (size_t)snprintf(p, 64, "frame %u ", i);
    for (unsigned k = 0; k < i % 40; k++) p[n++] = (char)('a' + k % 26);
    return n;
}

static int on_frame(void *arg, uint32_t kind, hg_str_t s, uint64_t offset, hg_err_t *err)
{
    seen_t *x = arg;
    char want[128];
    size_t n = payload(x->n, want);
    (void)err;
    x->wrong |= kind != x->n + 7 || s.n != n || memcmp(s.p, want, n) != 0;
    x->ends[x->n++] = offset + 16 + s.n;
    return 0;
}

static hg_framelog_t *reopen(const char *path, seen_t *x)
{
    hg_framelog_t *l = NULL;
    hg_err_t err = HG_ERR_INIT;
    *x = (seen_t){ 0 };
    int rc = hg_framelog_open(path, "hgtestlg", true, on_frame, x, &l, &err);
    if (rc < 0) fail_msg("%s", err.msg);
    assert_false(x->wrong);
    return l;
}

static void add(hg_framelog_t *l, unsigned i)
{
    char p[128];
    hg_err_t err = HG_ERR_INIT;
    size_t n = payload(i, p);
    assert_int_equal(hg_framelog_add(l, i + 7, (hg_str_t){ p, n }, &err), 0);
}

static void test_log_cut(void **state)
{
    seen_t x;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    hg_framelog_t *l = reopen(at("l"), &x);
    for (unsigned i = 0; i < 12; i++) {
        add(l, i);
        if (i % 3 == 2) assert_int_equal(hg_framelog_sync(l, "t", &err), 0);
    }
    hg_framelog_close(l);
    hg_buf_t whole = get(at("l"));
    l = reopen(at("l"), &x);
    assert_int_equal(x.n, 12);
    uint64_t ends[12];
    memcpy(ends, x.ends, sizeof ends);
    hg_framelog_close(l);
    for (size_t cut = 0; cut <= whole.len;
         cut++) { /* a crash at any byte: the whole frames before it, and it goes on */
        unsigned want = 0;
        while (want < 12 && ends[want] <= cut) want++;
        put(at("c"), whole.p, cut);
        l = reopen(at("c"), &x);
        assert_int_equal(x.n, want);
        add(l, want);
        assert_int_equal(hg_framelog_sync(l, "t", &err), 0);
        hg_framelog_close(l);
        l = reopen(at("c"), &x);
        assert_int_equal(x.n, want + 1);
        hg_framelog_close(l);
    }
    for (size_t i = 0; i < whole.len; i++) { /* a changed byte: damage, or the torn tail if it is in the last frame */
        whole.p[i] ^= 0x10;
        put(at("c"), whole.p, whole.len);
        whole.p[i] ^= 0x10;
        l = NULL;
        x = (seen_t){ 0 };
        int rc = hg_framelog_open(at("c"), "hgtestlg", false, on_frame, &x, &l, &err);
        if (i >= 12 && i < 16) {
            assert_int_equal(rc, 0); /* reserved */
        } else if (i < ends[10]) {
            assert_int_equal(rc, HG_EDAMAGED);
        } else {
            assert_int_equal(rc, 0);
            assert_int_equal(x.n, 11);
        }
        assert_false(x.wrong);
        hg_framelog_close(l);
    }
    hg_buf_release(&whole);
}

static void test_log_faults(void **state)
{
    seen_t x;
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    hg_framelog_t *l = reopen(at("f"), &x);
    unsigned i = 0;
    for (; i < 10; i++) {
        add(l, i);
        hg_fault_arm(i & 1 ? HG_FAULT_WRITE : HG_FAULT_FSYNC, 1);
        assert_true(hg_framelog_sync(l, "t", &err) < 0);
        hg_fault_arm(HG_FAULT_WRITE, 0);
        hg_fault_arm(HG_FAULT_FSYNC, 0);
        assert_true(hg_framelog_pending(l) > 0);
        if (i % 3 == 0) assert_int_equal(hg_framelog_sync(l, "t", &err), 0);
    }
    assert_int_equal(hg_framelog_sync(l, "t", &err), 0);
    hg_framelog_close(l);
    l = reopen(at("f"), &x);
    assert_int_equal(x.n, i);
    hg_framelog_close(l);
}

static void test_kill_points(void **state)
{
    static const char *const points[] = { "t.written", "t.synced", "t.renamed", "t.done" };
    hg_err_t err = HG_ERR_INIT;
    (void)state;
    for (size_t i = 0; i < HG_COUNT(points); i++) {
        assert_int_equal(hg_file_replace(at("k"), hg_strz("old"), "x", &err), 0);
        pid_t pid = fork();
        if (pid == 0) {
            hg_kill_arm(points[i]);
            hg_file_replace(at("k"), hg_strz("new"), "t", &err);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        hg_buf_t b = get(at("k"));
        assert_true(hg_str_eqz(hg_buf_str(&b), i < 2 ? "old" : "new"));
        hg_buf_release(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replace),    cmocka_unit_test(test_dfile),       cmocka_unit_test(test_log_cut),
        cmocka_unit_test(test_log_faults), cmocka_unit_test(test_kill_points),
    };
    if (!mkdtemp(g_dir)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    char cmd[256];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", g_dir);
    if (system(cmd) != 0) return 1;
    return rc;
}
