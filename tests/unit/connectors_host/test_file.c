/* file_input and file_output against real files, the skeleton, null and empty connectors. test-labels: threads */
#include "tests/unit/connectors_host/kit.h"
#include "base/fault.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

extern const hg_input_type_t hg_input_file, hg_input_empty, hg_input_skeleton;
extern const hg_output_type_t hg_output_file, hg_output_null;

static char dir[64];

static char *path_of(const char *name)
{
    static char p[128];
    snprintf(p, sizeof p, "%s/%s", dir, name);
    return p;
}

static void put(const char *name, const char *text, const char *mode)
{
    FILE *f = fopen(path_of(name), mode);
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
}

static void *config(const hg_opt_t *opts, size_t size, const char *json)
{
    hg_diag_t d = { .fn = kit_complain };
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    void *cfg = hg_arena_alloc(kit->arena, size ? size : 1);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(json), &j, &err), 0);
    assert_int_equal(hg_opts_parse(opts, j, j, HG_EXTRA_REFUSE, NULL, kit->arena, cfg, &d), 0);
    return cfg;
}

static hg_input_t *make_in(const hg_input_type_t *t, const char *json, uint32_t conn)
{
    hg_conn_spec_t spec = kit_spec(config(t->opts, t->cfg_size, json));
    spec.in_type = t;
    return kit_input(&spec, conn);
}

static hg_input_t *make_file(const char *name, const char *more, uint32_t conn)
{
    char json[256];
    snprintf(json, sizeof json, "{\"path\":\"%s\"%s}", path_of(name), more);
    return make_in(&hg_input_file, json, conn);
}

static hg_output_t *make_out(const hg_output_type_t *t, const char *json, const hg_format_type_t *format)
{
    hg_output_t *out;
    hg_err_t err = HG_ERR_INIT;
    hg_conn_spec_t spec = kit_spec(config(t->opts, t->cfg_size, json));
    spec.is_input = false;
    spec.out_type = t;
    spec.format = format;
    assert_int_equal(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err), 0);
    return out;
}

/* Takes until the end of input; returns the rows, and their sum. */
static uint64_t read_all(int64_t *sum)
{
    uint64_t rows = 0;
    for (bool eoi = false; !eoi;) {
        hg_chunk_t *c = kit_take_wait();
        for (uint64_t i = 0; i < c->records; i++) *sum += HG_COL(c->change->rows->cols[0], int64_t)[i];
        rows += c->records;
        eoi = c->eoi;
        hg_chunk_done(c);
    }
    return rows;
}

static void a_file_is_read_to_its_end(void **st)
{
    (void)st;
    enum { N = 300000 };
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    FILE *f = fopen(path_of("a"), "w");
    for (int i = 1; i <= N; i++) fprintf(f, i < N ? "%d\n" : "%d", i);
    fclose(f);
    hg_input_t *in = make_file("a", "", 0);
    hg_input_open(in);
    KIT_WAIT(kit->c[0].opened);
    hg_input_run(in);
    int64_t sum = 0;
    assert_int_equal(read_all(&sum), N);
    assert_int_equal(sum, (int64_t)N * (N + 1) / 2);
    KIT_WAIT(kit->c[0].ended && !kit->c[0].some);
    hg_input_stats_t s = in_stats(in);
    assert_int_equal(s.done, s.total);
    assert_int_equal(s.processed_records, N);
    kit_close(in, 0);
    assert_int_equal(hg_host_input_bytes(kit->h), 0);
    kit_down();
}

static void a_small_limit_makes_small_chunks(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    FILE *f = fopen(path_of("small"), "w");
    for (int i = 0; i < 20000; i++) fprintf(f, "%d\n", 100000 + i);
    fclose(f);
    char json[256];
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", path_of("small"));
    hg_conn_spec_t spec = kit_spec(config(hg_input_file.opts, hg_input_file.cfg_size, json));
    spec.in_type = &hg_input_file;
    spec.max_queued_records = 2000;
    hg_input_t *in = kit_input(&spec, 0);
    hg_input_open(in);
    hg_input_run(in);
    uint64_t rows = 0, peak = 0;
    for (bool eoi = false; !eoi;) {
        hg_chunk_t *c = kit_take_wait();
        peak = HG_MAX(peak, in_stats(in).buffered_records);
        rows += c->records;
        eoi = c->eoi;
        hg_chunk_done(c);
    }
    assert_int_equal(rows, 20000);
    assert_true(peak < 2000 + 10 * 5000);
    kit_close(in, 0);
    kit_down();
}

static void a_missing_file_and_a_folder_are_clear_fatal_errors(void **st)
{
    (void)st;
    char want[256];
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make_file("nowhere", "", 0);
    hg_input_open(in);
    KIT_WAIT(kit->c[0].opened); /* open holds nothing: the pipeline's start does not fail */
    hg_input_run(in);
    KIT_WAIT(kit->c[0].failed);
    snprintf(want, sizeof want, "Failed to open input file '%s': No such file or directory", path_of("nowhere"));
    assert_string_equal(kit->c[0].error, want);
    kit_close(in, 0);
    in = make_in(&hg_input_file, "{\"path\":\"file:///tmp\"}", 1);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(kit->c[1].failed);
    assert_string_equal(kit->c[1].error, "Failed to open input file '/tmp': Is a directory");
    kit_close(in, 1);
    kit_down();
}

static void a_followed_file_gives_what_is_appended_and_never_ends(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    put("f", "1\n2\n3", "w");
    hg_input_t *in = make_file("f", ",\"follow\":true", 0);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(in_stats(in).total_records == 2); /* the unfinished line waits */
    put("f", "4\n5\n", "a");
    KIT_WAIT(in_stats(in).total_records == 4);
    int64_t sum = 0;
    for (hg_chunk_t *c; (c = kit_take()) != NULL; hg_chunk_done(c))
        for (uint64_t i = 0; i < c->records; i++) sum += HG_COL(c->change->rows->cols[0], int64_t)[i];
    assert_int_equal(sum, 1 + 2 + 34 + 5);
    assert_false(kit->c[0].ended);
    assert_int_equal(truncate(path_of("f"), 0), 0);
    KIT_WAIT(kit->c[0].failed);
    assert_non_null(strstr(kit->c[0].error, "it was truncated or replaced"));
    kit_close(in, 0);
    kit_down();
}

static void a_followed_file_that_is_replaced_is_read_to_its_end_and_told(void **st)
{
    (void)st;
    char old[160];
    kit_up((hg_host_opts_t){ 0 });
    put("f", "1\n", "w");
    hg_input_t *in = make_file("f", ",\"follow\":true", 0);
    hg_input_open(in);
    hg_input_run(in);
    hg_chunk_done(kit_take_wait());
    put("f", "2\n", "a");
    snprintf(old, sizeof old, "%s.old", path_of("f"));
    assert_int_equal(rename(path_of("f"), old), 0);
    hg_chunk_t *c = kit_take_wait();
    assert_int_equal(chunk_first(c), 2);
    hg_chunk_done(c);
    put("f", "3\n", "w");
    KIT_WAIT(kit->c[0].failed);
    assert_non_null(strstr(kit->c[0].error, "was replaced by another one while it was followed; all 4 bytes"));
    kit_close(in, 0);
    kit_down();
    unlink(old);
}

static void a_mark_is_the_end_of_the_last_whole_line(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    put("m", "1\n2\n3", "w");
    hg_input_t *in = make_file("m", ",\"follow\":true", 0);
    hg_input_open(in);
    hg_input_mark(in);
    KIT_WAIT(kit->c[0].marked);
    assert_string_equal(kit->c[0].mark, "{\"offset\":4}");
    put("m", "0\n", "a");
    hg_input_run(in);
    hg_chunk_t *c = kit_take_wait();
    assert_int_equal(chunk_first(c), 30);
    assert_int_equal(c->ranges[0].begin, 4);
    hg_chunk_done(c);
    kit_close(in, 0);
    kit_down();
}

static char saved[1024]; /* by this test, for the next */

static void a_restored_file_goes_on_at_its_offset(void **st)
{
    (void)st;
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    kit_up((hg_host_opts_t){ 0 });
    put("r", "1\n2\n3\n", "w");
    hg_input_t *in = make_file("r", ",\"follow\":true", 0);
    hg_input_open(in);
    hg_input_run(in);
    hg_chunk_done(kit_take_wait());
    snprintf(saved, sizeof saved, "%s", kit_save(in));
    assert_non_null(strstr(saved, "{\"offset\":6,\"head_bytes\":6,"));
    kit_close(in, 0);
    put("r", "4\n", "a");
    in = make_file("r", "", 1);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(saved), &pos, &err), 0);
    assert_int_equal(hg_input_restore(in, pos, &err), 0);
    hg_input_open(in);
    hg_input_run(in);
    int64_t sum = 0;
    assert_int_equal(read_all(&sum), 1);
    assert_int_equal(sum, 4);
    kit_close(in, 1);
    kit_down();
}

/* Restores at a position of the user's or of an earlier file; the error, or "" if it is read. */
static const char *restored_error(const char *name, const char *position)
{
    static char error[512];
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make_file(name, "", 0);
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(position), &pos, &err), 0);
    assert_int_equal(hg_input_restore(in, pos, &err), 0);
    hg_input_open(in);
    hg_input_run(in);
    KIT_WAIT(kit->c[0].failed || kit->c[0].ended);
    snprintf(error, sizeof error, "%s", kit->c[0].failed ? kit->c[0].error : "");
    kit_close(in, 0);
    kit_down();
    return error;
}

static void a_file_that_was_replaced_is_noticed(void **st)
{
    (void)st;
    put("g", "1\n2\n3\n", "w");
    assert_string_equal(restored_error("g", saved), "");
    assert_string_equal(restored_error("g", "{\"offset\":2}"), "");
    put("g", "1\n9\n3\n4\n", "w");
    assert_non_null(
        strstr(restored_error("g", saved), "is not the one that was read before the restart: its first 6 bytes"));
    assert_string_equal(restored_error("g", "{\"offset\":2}"), "");
    put("g", "1\n", "w");
    assert_non_null(
        strstr(restored_error("g", saved), "has 2 bytes, fewer than the 6 that were read before the restart"));
}

static void a_position_by_hand_is_checked(void **st)
{
    (void)st;
    extern const hg_input_type_t hg_input_datagen, hg_input_url;
    kit_up((hg_host_opts_t){ 0 });
    put("five", "1\n2\n3", "w");
    char file[160], nowhere[160];
    snprintf(file, sizeof file, "{\"path\":\"%s\"}", path_of("five"));
    snprintf(nowhere, sizeof nowhere, "{\"path\":\"%s\"}", path_of("nowhere"));
    const char *const url = "{\"path\":\"http://h/x\"}", *const rows = "{\"plan\":[{\"limit\":60},{\"limit\":40}]}";
    static const struct {
        const hg_input_type_t *t;
        const char *position, *complaint; /* NULL: fine; '>': the position is past the end */
    } cases[] = {
        { &hg_input_file, "{\"offset\":5}", NULL },
        { &hg_input_file, "{\"offset\":6}", ">is behind the end of" },
        { &hg_input_file, "{\"ofset\":5}", "a position of file_input has no member 'ofset'" },
        { &hg_input_file, "{}", "needs 'offset'" },
        { &hg_input_file, "{\"offset\":-1}", "'offset' is not a whole number" },
        { &hg_input_file, "[1]", "is a JSON object, this is an array" },
        { &hg_input_file, "{\"offset\":5,\"head_bytes\":6,\"head_hash\":\"00112233aabbccdd\"}", "belong together" },
        { &hg_input_file, "{\"offset\":5,\"head_bytes\":5,\"head_hash\":\"00112233aabbccdx\"}", "belong together" },
        { &hg_input_file, "{\"offset\":5,\"head_bytes\":5}", "belong together" },
        { &hg_input_url, "{\"offset\":5,\"validator\":\"x\",\"length\":7}", NULL },
        { &hg_input_url, "{\"offset\":5,\"validator\":7}", "'validator' is not a text" },
        { &hg_input_url, "{\"offset\":8,\"length\":7}", "'offset' is behind the end" },
        { &hg_input_file, "{\"offset\":5,\"member_at\":2}", "has no member 'member_at'" },
        { &hg_input_url, "{\"offset\":5,\"member_at\":2}", "is for compressed resources" },
        { &hg_input_url, "{\"end\":8}", "has no member 'end'" },
        { &hg_input_datagen, "{\"rows\":100}", NULL },
        { &hg_input_datagen, "{\"rows\":101}", ">the plans make 100 rows" },
        { &hg_input_datagen, "{\"rows\":1.5}", "'rows' is not a whole number" },
        { &hg_input_datagen, "{\"seed\":1}", "needs 'rows'" },
        { &hg_input_empty, "{}", NULL },
        { &hg_input_empty, "{\"offset\":1}", "has no member 'offset'" },
    };
    for (size_t i = 0; i < HG_COUNT(cases); i++) {
        const hg_input_type_t *t = cases[i].t;
        hg_json_t *pos;
        hg_err_t err = HG_ERR_INIT;
        const void *cfg = t == &hg_input_file      ? config(t->opts, t->cfg_size, file)
                          : t == &hg_input_url     ? config(t->opts, t->cfg_size, url)
                          : t == &hg_input_datagen ? config(t->opts, t->cfg_size, rows)
                                                   : NULL;
        assert_int_equal(hg_json_parse(kit->arena, hg_strz(cases[i].position), &pos, &err), 0);
        int rc = t->check_position(cfg, pos, &err);
        if (!cases[i].complaint && rc != 0) fail_msg("%s: %s", cases[i].position, err.msg);
        const char *complaint = cases[i].complaint;
        bool past = complaint && *complaint == '>';
        if (complaint && (rc != (past ? HG_ERANGE : HG_EPARSE) || !strstr(err.msg, complaint + past)))
            fail_msg("%s: %s", cases[i].position, err.msg);
    }
    hg_json_t *far;
    hg_err_t err = HG_ERR_INIT; /* a file that is not there yet may have any length */
    assert_int_equal(hg_json_parse(kit->arena, HG_S("{\"offset\":600}"), &far, &err), 0);
    const void *cfg = config(hg_input_file.opts, hg_input_file.cfg_size, nowhere);
    assert_int_equal(hg_input_file.check_position(cfg, far, &err), 0);
    kit_down();
}

/* Runs what N lines hold; nothing is twice and nothing is missing. */
static void held_and_run(const char *name)
{
    enum { N = 200000 };
    hg_input_t *in = make_file(name, "", 0);
    hg_input_open(in);
    hg_input_run(in);
    uint64_t rows = 0;
    int64_t sum = 0;
    unsigned toggles = 0;
    for (bool eoi = false; !eoi;) {
        /* A hold throws a read in flight away: without an end to the holds there need not be any progress. */
        if (toggles++ < 5000) {
            hg_input_hold(in);
            hg_input_run(in);
        }
        for (hg_chunk_t *c; (c = kit_take()) != NULL; hg_chunk_done(c)) {
            for (uint64_t i = 0; i < c->records; i++) sum += HG_COL(c->change->rows->cols[0], int64_t)[i];
            rows += c->records;
            eoi |= c->eoi;
        }
    }
    assert_int_equal(rows, N);
    assert_int_equal(sum, (int64_t)N * (N + 1) / 2);
    kit_close(in, 0);
}

static void a_file_can_be_held_and_run_again_at_any_moment(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    FILE *f = fopen(path_of("h"), "w");
    for (int i = 1; i <= 200000; i++) fprintf(f, "%d\n", i);
    fclose(f);
    held_and_run("h");
    kit_down();
}

static void so_can_a_compressed_one(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ .budget_bytes = 1 << 20 });
    gzFile z = gzopen(path_of("h.gz"), "w");
    for (int i = 1; i <= 200000; i++) gzprintf(z, "%d\n", i);
    assert_int_equal(gzclose(z), Z_OK);
    held_and_run("h.gz");
    kit_down();
}

static char *slurp(const char *name, size_t *n)
{
    int fd = open(path_of(name), O_RDONLY);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    char *p = hg_xnew((size_t)st.st_size + 1);
    assert_int_equal(read(fd, p, (size_t)st.st_size), st.st_size);
    p[st.st_size] = 0;
    close(fd);
    *n = (size_t)st.st_size;
    return p;
}

static void steps_are_in_the_file_when_they_are_delivered(void **st)
{
    (void)st;
    char json[256];
    kit_up((hg_host_opts_t){ 0 });
    put("out", "old content", "w");
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", path_of("out"));
    hg_output_t *out = make_out(&hg_output_file, json, &lines_format);
    hg_output_start(out);
    size_t bytes = 0;
    for (uint64_t step = 1; step <= 100; step++) {
        KIT_WAIT(!hg_output_full(out));
        hg_delta_t d = delta(100000, 5000, 1);
        hg_output_push(out, step, &d, step);
        bytes += 5000 * 7;
    }
    KIT_WAIT(hg_output_delivered_step(out) == 100);
    size_t n;
    char *p = slurp("out", &n);
    assert_int_equal(n, bytes);
    assert_memory_equal(p, "100000\n100001\n", 14);
    hg_free(p);
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
}

/* --- file_output over restarts --- */

static bool out_failed(const hg_output_t *out)
{
    hg_output_stats_t x;
    hg_output_get_stats(out, &x);
    return x.failed;
}

/* A failed output keeps what it has not written. */
static int some_owed(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    (void)arg, (void)step, (void)d, (void)err;
    return 0;
}

static int no_owed(void *arg, uint64_t step, const hg_delta_t *d, hg_err_t *err)
{
    (void)arg;
    (void)step;
    (void)d;
    return hg_err_set(err, HG_EBUG, "what was delivered is not owed");
}

static hg_output_t *out_up(const char *state)
{
    char json[256];
    kit_up((hg_host_opts_t){ .keep_owed = true });
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", path_of("out"));
    hg_output_t *out = make_out(&hg_output_file, json, &lines_format);
    if (state) {
        hg_json_t *v;
        hg_err_t err = HG_ERR_INIT;
        assert_int_equal(hg_json_parse(kit->arena, hg_strz(state), &v, &err), 0);
        assert_int_equal(hg_output_restore(out, v, &err), 0);
    }
    hg_output_start(out);
    return out;
}

static void out_stop(hg_output_t *out, bool now)
{
    hg_output_stop(out, now);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
}

static void push_step(hg_output_t *out, uint64_t step)
{
    hg_delta_t d = delta((int64_t)step * 100, 1 + step % 3, 1);
    hg_output_push(out, step, &d, step);
}

static void expect_steps(uint64_t n)
{
    hg_buf_t want;
    size_t len;
    char *got = slurp("out", &len);
    hg_buf_init(&want, HG_BUF_NOMAX);
    for (uint64_t i = 1; i <= n; i++)
        for (uint64_t k = 0; k < 1 + i % 3; k++) hg_buf_addf(&want, "%" PRIu64 "\n", i * 100 + k);
    assert_int_equal(len, want.len);
    assert_memory_equal(got, want.p, len);
    hg_buf_release(&want);
    hg_free(got);
}

static void a_restored_file_is_cut_back_and_written_on(void **st)
{
    (void)st;
    kit_saved_t s = { 0 };
    hg_output_t *out = out_up(NULL);
    for (uint64_t i = 1; i <= 20; i++) push_step(out, i);
    hg_output_save(out, 10, kit_on_saved, &s);
    KIT_WAIT(s.answered && hg_output_delivered_step(out) == 20);
    out_stop(out, true);
    expect_steps(20);
    out = out_up(s.state);
    assert_int_equal(hg_output_delivered_step(out), 10);
    for (uint64_t i = 11; i <= 15; i++) push_step(out, i);
    KIT_WAIT(hg_output_delivered_step(out) == 15);
    hg_output_stats_t x;
    hg_output_get_stats(out, &x);
    assert_int_equal(x.total_processed_input_records, 15);
    out_stop(out, false);
    expect_steps(15);

    assert_int_equal(truncate(path_of("out"), 7), 0);
    out = out_up(s.state);
    KIT_WAIT(out_failed(out));
    hg_output_get_stats(out, &x);
    assert_non_null(strstr(x.fatal, "has 7 bytes, fewer than the 82 that it had at the checkpoint"));
    assert_non_null(strstr(x.fatal, path_of("out")));
    out_stop(out, true);
    size_t len;
    hg_free(slurp("out", &len));
    assert_int_equal(len, 7); /* untouched */
    unlink(path_of("out"));
    out = out_up(s.state);
    KIT_WAIT(out_failed(out));
    hg_output_get_stats(out, &x);
    assert_non_null(strstr(x.fatal, "Failed to go on with output file"));
    out_stop(out, true);
    out = out_up(NULL); /* a fresh start is fresh */
    push_step(out, 1);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    out_stop(out, false);
    expect_steps(1);
    hg_free(s.state);
}

/* Whatever fails whenever: after a restart from what the output says, the file is as if nothing had failed. */
static void a_fault_leaves_a_file_that_can_be_gone_on_with(void **st)
{
    (void)st;
    static const hg_fault_t kinds[] = { HG_FAULT_WRITE, HG_FAULT_FSYNC };
    bool fired = true;
    for (size_t kind = 0; kind < HG_COUNT(kinds); kind++) {
        fired = true;
        for (uint64_t nth = 1; fired && nth < 50; nth++) {
            hg_output_t *out = out_up(NULL);
            push_step(out, 1);
            KIT_WAIT(hg_output_delivered_step(out) == 1);
            hg_fault_arm(kinds[kind], nth);
            for (uint64_t i = 2; i <= 8; i++) {
                push_step(out, i);
                KIT_WAIT(hg_output_delivered_step(out) >= i || out_failed(out));
            }
            fired = hg_fault_fired();
            hg_fault_arm(kinds[kind], 0);
            hg_buf_t state;
            hg_jw_t w;
            hg_err_t err = HG_ERR_INIT;
            hg_buf_init(&state, HG_BUF_NOMAX);
            hg_jw_init(&w, &state);
            bool failed = out_failed(out);
            assert_int_equal(hg_output_owed(out, 8, failed ? some_owed : no_owed, NULL, &w, &err), 0);
            out_stop(out, true);
            if (!failed) expect_steps(8);
            /* a failed output stands at its last confirmed step: the steps behind it come again by the user's start */
            hg_arena_t *a = hg_arena_new();
            hg_json_t *v;
            uint64_t position = 0, step = 0, bytes = 0;
            assert_int_equal(hg_json_parse(a, hg_buf_str(&state), &v, &err), 0);
            assert_int_equal(hg_json_u64(hg_json_get(v, "position"), &position), 0);
            while (bytes < position) bytes += 4 * (1 + ++step % 3);
            assert_int_equal(bytes, position); /* the end of a step */
            hg_arena_free(a);
            out = out_up(state.p);
            for (uint64_t i = step + 1; i <= 12; i++) push_step(out, i);
            out_stop(out, false);
            expect_steps(12);
            hg_buf_release(&state);
        }
        assert_false(fired); /* the loop came to the end of the calls */
    }
}

static void a_full_disk_is_waited_out(void **st)
{
    (void)st;
    char json[256];
    hg_output_stats_t s;
    kit_up((hg_host_opts_t){ 0 });
    snprintf(json, sizeof json, "{\"path\":\"%s\"}", path_of("full"));
    hg_output_t *out = make_out(&hg_output_file, json, &lines_format);
    hg_fault_arm(HG_FAULT_WRITE, 1);
    hg_output_start(out);
    hg_delta_t d = delta(1, 3, 1);
    hg_output_push(out, 1, &d, 0);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    hg_output_get_stats(out, &s);
    assert_int_equal(s.num_transport_errors, 1);
    assert_false(s.unhealthy);
    assert_false(s.failed);
    size_t n;
    char *p = slurp("full", &n);
    assert_string_equal(p, "1\n2\n3\n");
    hg_free(p);
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
}

static void an_impossible_output_file_is_a_clear_error(void **st)
{
    (void)st;
    hg_output_stats_t s = { 0 };
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = make_out(&hg_output_file, "{\"path\":\"/nowhere/at/all\"}", &lines_format);
    hg_output_start(out);
    KIT_WAIT((hg_output_get_stats(out, &s), s.failed));
    assert_string_equal(s.fatal, "Failed to create output file '/nowhere/at/all': No such file or directory");
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
}

static void null_output_counts_without_a_format(void **st)
{
    (void)st;
    hg_output_stats_t s;
    kit_up((hg_host_opts_t){ 0 });
    hg_output_t *out = make_out(&hg_output_null, "{}", NULL);
    hg_output_start(out);
    hg_delta_t d = delta(1, 3, 1);
    hg_output_push(out, 1, &d, 9);
    KIT_WAIT(hg_output_delivered_step(out) == 1);
    hg_output_get_stats(out, &s);
    assert_int_equal(s.transmitted_records, 3);
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
}

static void empty_input_ends_at_once(void **st)
{
    (void)st;
    int64_t sum = 0;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make_in(&hg_input_empty, "{}", 0);
    hg_input_open(in);
    KIT_WAIT(kit->c[0].opened);
    assert_false(kit->c[0].ended); /* not before it runs */
    hg_input_run(in);
    assert_int_equal(read_all(&sum), 0);
    KIT_WAIT(kit->c[0].ended && !kit->c[0].some);
    kit_close(in, 0);
    kit_down();
}

/* n lines {"n":k} → k; the lines format wants numbers, so the skeleton's lines all come back as refused records. */
static void the_skeleton_works(void **st)
{
    (void)st;
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = make_in(&hg_input_skeleton, "{\"count\":50000}", 0);
    hg_input_open(in);
    hg_input_run(in);
    int64_t sum = 0;
    read_all(&sum);
    assert_int_equal(in_stats(in).num_parse_errors, 50000);
    assert_int_equal(in_stats(in).done, 50000);
    kit_close(in, 0);
    in = make_in(&hg_input_skeleton, "{\"count\":3,\"interval\":\"1ms\"}", 1);
    hg_input_open(in);
    hg_input_run(in);
    read_all(&sum);
    assert_int_equal(in_stats(in).num_parse_errors, 3);
    kit_close(in, 1);
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_to_its_end),
        cmocka_unit_test(a_small_limit_makes_small_chunks),
        cmocka_unit_test(a_missing_file_and_a_folder_are_clear_fatal_errors),
        cmocka_unit_test(a_followed_file_gives_what_is_appended_and_never_ends),
        cmocka_unit_test(a_followed_file_that_is_replaced_is_read_to_its_end_and_told),
        cmocka_unit_test(a_mark_is_the_end_of_the_last_whole_line),
        cmocka_unit_test(a_restored_file_goes_on_at_its_offset),
        cmocka_unit_test(a_file_that_was_replaced_is_noticed),
        cmocka_unit_test(a_position_by_hand_is_checked),
        cmocka_unit_test(a_file_can_be_held_and_run_again_at_any_moment),
        cmocka_unit_test(so_can_a_compressed_one),
        cmocka_unit_test(steps_are_in_the_file_when_they_are_delivered),
        cmocka_unit_test(a_restored_file_is_cut_back_and_written_on),
        cmocka_unit_test(a_fault_leaves_a_file_that_can_be_gone_on_with),
        cmocka_unit_test(a_full_disk_is_waited_out),
        cmocka_unit_test(an_impossible_output_file_is_a_clear_error),
        cmocka_unit_test(null_output_counts_without_a_format),
        cmocka_unit_test(empty_input_ends_at_once),
        cmocka_unit_test(the_skeleton_works),
    };
    hg_log_init((hg_log_opts_t){ .fd = 2, .level = HG_LOG_ERROR });
    snprintf(dir, sizeof dir, "/tmp/hg-test-file-XXXXXX");
    if (!mkdtemp(dir)) return 1;
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    static const char *const names[] = { "a", "small", "f", "m", "r", "h", "g", "out", "full" };
    for (size_t i = 0; i < HG_COUNT(names); i++) unlink(path_of(names[i]));
    rmdir(dir);
    return rc;
}
