/* The log: one line per call and write; repeats of an event are folded, what others have to say is not, and stays
 * whole. */
#include "tests/lib/test.h"

#include "base/buf.h"
#include "base/hide.h"
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

typedef struct taken {
    unsigned n;
    hg_log_line_t last;
    char fields[64];
} taken_t;

static void take(void *arg, const hg_log_line_t *l)
{
    taken_t *t = arg;
    t->n++;
    t->last = *l;
    snprintf(t->fields, sizeof t->fields, HG_SF, HG_SA(l->fields));
}

/* Every line that is written goes to a second taker, without the secrets in it, and what was told elsewhere, too. */
static void somebody_else_takes_lines(void **state)
{
    (void)state;
    taken_t t = { .n = 0 };
    hg_buf_t got;
    hg_hide_learn(HG_S("offenbar-geheim"), HG_S("${env:X}"));
    begin(false);
    hg_log(HG_LOG_INFO, "test", "o", "before", "n=%d", 1);
    int64_t begun = hg_now_us();
    hg_log_also(take, &t);
    hg_log(HG_LOG_WARN, "test", "o", "taken", "n=%d p=offenbar-geheim", 1);
    assert_int_equal(t.n, 1);
    assert_int_equal(t.last.level, HG_LOG_WARN);
    assert_string_equal(t.last.sub, "test");
    assert_string_equal(t.last.object, "o");
    assert_string_equal(t.last.event, "taken");
    assert_string_equal(t.fields, "n=1 p=${env:X}");
    assert_in_range(t.last.us, begun, hg_now_us());
    hg_log(HG_LOG_DEBUG, "test", "o", "not_written", "n=%d", 1);
    assert_int_equal(t.n, 1);
    hg_log_each(HG_LOG_ERROR, "test", NULL, "each", hg_strz("a\nb"));
    assert_int_equal(t.n, 2);
    assert_string_equal(t.last.object, "-");
    assert_string_equal(t.fields, "a\nb"); /* as it was given */
    hg_log_unwritten(HG_LOG_DEBUG, "test", NULL, "unwritten", hg_strz("offenbar-geheim"));
    assert_int_equal(t.n, 3);
    assert_string_equal(t.fields, "${env:X}");
    hg_log_also(NULL, NULL);
    hg_log_each(HG_LOG_ERROR, "test", NULL, "after", hg_strz(""));
    assert_int_equal(t.n, 3);
    end(&got);
    assert_int_equal(lines(&got), 4);
    assert_null(strstr(got.p, "unwritten"));
    hg_buf_release(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(repeats_are_folded), cmocka_unit_test(others_are_not),
                                        cmocka_unit_test(somebody_else_takes_lines) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
