/* The log: one line per call and write; repeats of an event are folded, what others have to say is not, and stays
 * whole. */
#include "tests/lib/test.h"

#include "base/buf.h"
#include "base/log.h"
#include <fcntl.h>
#include <unistd.h>

static char g_path[] = "/tmp/hglog.XXXXXX";

static void begin(bool json)
{
    int fd = mkstemp(g_path);
    assert_true(fd >= 0);
    hg_log_init((hg_log_opts_t){ .fd = fd, .level = HG_LOG_INFO, .json = json });
}

/* Everything that was written; the file goes. */
static void end(hg_buf_t *out)
{
    char piece[4096];
    int fd = open(g_path, O_RDONLY);
    hg_buf_init(out, HG_BUF_NOMAX);
    for (ssize_t n; (n = read(fd, piece, sizeof piece)) > 0;) assert_int_equal(hg_buf_add(out, piece, (size_t)n), 0);
    close(fd);
    unlink(g_path);
    memcpy(g_path + sizeof g_path - 7, "XXXXXX", 6);
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_INFO });
}

static unsigned lines(const hg_buf_t *b)
{
    unsigned n = 0;
    for (size_t i = 0; i < b->len; i++) n += b->p[i] == '\n';
    return n;
}

static void repeats_are_folded(void **state)
{
    (void)state;
    hg_buf_t got;
    begin(false);
    for (int i = 0; i < 50; i++) hg_log(HG_LOG_INFO, "test", "folded", "again", "n=%d", i);
    hg_log(HG_LOG_DEBUG, "test", "folded", "quiet", "n=%d", 1);
    end(&got);
    assert_in_range(lines(&got), 1, 3); /* a second may have ended in between */
    assert_non_null(strstr(got.p, "info test folded again n=0\n"));
    hg_buf_release(&got);
}

static void others_are_not(void **state)
{
    (void)state;
    hg_buf_t got, text;
    hg_buf_init(&text, HG_BUF_NOMAX);
    for (int i = 0; i < 40000; i++) assert_int_equal(hg_buf_addc(&text, 'x'), 0);
    begin(false);
    for (int i = 0; i < 50; i++) hg_log_each(HG_LOG_INFO, "test", NULL, "again", hg_strz("a\nb"));
    hg_log_each(HG_LOG_WARN, "test", NULL, "long", hg_buf_str(&text));
    hg_log_each(HG_LOG_DEBUG, "test", NULL, "again", hg_strz("unseen"));
    end(&got);
    assert_int_equal(lines(&got), 51);
    assert_non_null(strstr(got.p, "info test - again a b\n")); /* a line stays one */
    assert_non_null(strstr(got.p, text.p));
    assert_null(strstr(got.p, "unseen"));
    hg_buf_release(&got);
    begin(true);
    hg_log_each(HG_LOG_INFO, "test", "o", "json", hg_strz("a\n\"b\""));
    end(&got);
    assert_non_null(strstr(got.p, "\"event\":\"json\",\"fields\":\"a\\n\\\"b\\\"\"}\n"));
    hg_buf_release(&got);
    hg_buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(repeats_are_folded), cmocka_unit_test(others_are_not) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
