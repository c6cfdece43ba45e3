/* test_places.c: the offsets that a sink remembers, and a file of them that something has happened to. */
#include "tests/lib/test.h"

#include "iggy/runtime/runtime_int.h"
#include <dirent.h>
#include <unistd.h>

static char g_dir[] = "/tmp/hg-places-XXXXXX";
static char g_path[512];

static hg_places_t *opened(const char *topic)
{
    return hg_places_open(g_dir, "it", "s", topic, "g");
}

static void expect(const hg_places_t *p, uint32_t partition, uint64_t offset)
{
    hg_place_t got;
    assert_true(hg_places_get(p, partition, &got));
    assert_true(got.offset == offset && got.timestamp == offset + 1 && got.id == ((hg_u128)offset << 64 | 7));
}

static void put(hg_places_t *p, uint32_t partition, uint64_t offset)
{
    hg_places_put(p, partition, &(hg_place_t){ offset, offset + 1, (hg_u128)offset << 64 | 7 });
}

static void test_remembers(void **state)
{
    (void)state;
    hg_place_t none;
    hg_places_t *p = opened("t"), *other = opened("u");
    assert_false(hg_places_get(p, 0, &none));
    put(p, 0, 41);
    put(p, 3, UINT64_MAX - 1);
    put(p, 999, 0);
    put(p, 0, 42);
    expect(p, 0, 42);
    assert_false(hg_places_get(p, 1, &none)); /* a hole */
    assert_false(hg_places_get(p, 1000, &none));
    assert_false(hg_places_get(other, 0, &none));
    hg_places_close(p);
    p = opened("t");
    expect(p, 0, 42);
    expect(p, 3, UINT64_MAX - 1);
    expect(p, 999, 0);
    hg_places_close(p);
    hg_places_close(other);
    hg_places_close(NULL);
}

/* The file of topic "t". */
static void find_file(void)
{
    DIR *d = opendir(g_dir);
    for (const struct dirent *e; (e = readdir(d));)
        if (strncmp(e->d_name, "sink_it_", 8) == 0) snprintf(g_path, sizeof g_path, "%s/%s", g_dir, e->d_name);
    closedir(d);
}

static void change(long at, const char *text)
{
    FILE *f = fopen(g_path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    fputs(text, f);
    fclose(f);
}

static void test_damaged(void **state)
{
    (void)state;
    static const struct {
        long at;
        const char *text;
    } rows[] = { { 30, "9" }, { 9, "1" }, { 0, "x" }, { 52, "\n" }, { 60, "g" }, { 84, "8" }, { -2, "z" } };
    for (size_t i = 0; i < HG_COUNT(rows); i++) {
        hg_place_t none;
        hg_places_t *p = opened("t");
        find_file();
        put(p, 0, 42);
        change(rows[i].at, rows[i].text);
        assert_false(hg_places_get(p, 0, &none));
        put(p, 0, 43);
        expect(p, 0, 43);
        assert_int_equal(truncate(g_path, 50), 0);
        assert_false(hg_places_get(p, 0, &none));
        hg_places_close(p);
    }
}

static void test_no_file(void **state)
{
    (void)state;
    hg_place_t none;
    hg_places_t *p = hg_places_open("/nonexistent", "it", "s", "t", "g"),
                *q = hg_places_open(g_dir, "a/b", "s", "t", "g");
    put(p, 0, 1);
    put(q, 0, 1);
    assert_false(hg_places_get(p, 0, &none));
    assert_false(hg_places_get(q, 0, &none));
    hg_places_close(p);
    hg_places_close(q);
}

static int up(void **state)
{
    (void)state;
    memcpy(g_dir + strlen(g_dir) - 6, "XXXXXX", 6);
    return mkdtemp(g_dir) ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    DIR *d = opendir(g_dir);
    for (const struct dirent *e; (e = readdir(d));) (void)unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    return rmdir(g_dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_remembers, up, down),
        cmocka_unit_test_setup_teardown(test_damaged, up, down),
        cmocka_unit_test_setup_teardown(test_no_file, up, down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
