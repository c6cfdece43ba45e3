/* kafka_input through the host, against librdkafka's mock cluster: shared clients, filters, merged partitions,
 * positions. test-labels: threads */
#include "tests/unit/connectors_host/mock_kafka.h"
#include "connectors/transport/kafka_client.h"

/* The next n values that the circuit gets, chunks whole: fails if there are more. */
static void take(int64_t *v, uint64_t n)
{
    for (uint64_t got = 0; got < n;) {
        hg_chunk_t *c = kit_take_wait();
        assert_true(got + c->records <= n);
        for (uint64_t i = 0; i < c->records; i++) v[got++] = HG_COL(c->change->rows->cols[0], int64_t)[i];
        hg_chunk_done(c);
    }
}

static hg_input_t *restore(hg_input_t *in, const char *position)
{
    hg_json_t *pos;
    hg_err_t err = HG_ERR_INIT;
    assert_int_equal(hg_json_parse(kit->arena, hg_strz(position), &pos, &err), 0);
    assert_int_equal(hg_input_restore(in, pos, &err), 0);
    return in;
}

#define FROM_START ",\"start_from\":\"earliest\""

static void connectors_with_equal_options_share_a_client(void **st)
{
    (void)st;
    int64_t v;
    kit_up((hg_host_opts_t){ 0 });
    put_number("a", 0, 1, 1);
    flush();
    hg_input_t *a = start(make(0, "\"topic\":\"a\"" FROM_START));
    take(&v, 1);
    assert_int_equal(hg_kafka_clients(), 1);
    hg_input_t *b = start(make(1, "\"topic\":\"b\"" FROM_START));
    /* what each reads of the third topic is disjoint, so this is the same client too */
    hg_input_t *c = start(make(2, "\"topic\":\"three\",\"partitions\":[0]" FROM_START));
    hg_input_t *d = start(make(3, "\"topic\":\"three\",\"partitions\":[2,1]" FROM_START));
    put_number("b", 0, 1, 2);
    put_number("three", 0, 1, 3);
    put_number("three", 2, 1, 4);
    flush();
    int64_t three[3];
    take(three, 3);
    assert_int_equal(three[0] + three[1] + three[2], 9);
    assert_int_equal(hg_kafka_clients(), 1);
    /* paused: its neighbours go on, it keeps its place */
    hg_input_hold(a);
    put_number("a", 0, 1, 5);
    put_number("b", 0, 1, 6);
    flush();
    take(&v, 1);
    assert_int_equal(v, 6);
    hg_input_run(a);
    take(&v, 1);
    assert_int_equal(v, 5);
    /* a partition has one position in a client: a second reader from the start needs a second client */
    hg_input_t *again = start(make(4, "\"topic\":\"a\"" FROM_START));
    int64_t both[2];
    take(both, 2);
    assert_int_equal(both[0], 1);
    assert_int_equal(both[1], 5);
    assert_int_equal(hg_kafka_clients(), 2);
    /* other options: another client */
    hg_input_t *other = start(make(5, "\"topic\":\"a\",\"fetch.min.bytes\":\"1\"" FROM_START));
    take(both, 2);
    assert_int_equal(hg_kafka_clients(), 3);
    kit_close(other, 5);
    kit_close(again, 4);
    assert_int_equal(hg_kafka_clients(), 1);
    /* who leaves takes nothing from the others */
    kit_close(a, 0);
    kit_close(c, 2);
    put_number("b", 0, 1, 7);
    flush();
    take(&v, 1);
    assert_int_equal(v, 7);
    kit_close(b, 1);
    kit_close(d, 3);
    assert_int_equal(hg_kafka_clients(), 0);
    kit_down();
}

static void a_mark_holds_no_client(void **st)
{
    (void)st;
    int64_t v;
    kit_up((hg_host_opts_t){ 0 });
    put_number("a", 0, 1, 1);
    flush();
    hg_input_t *in = make(0, "\"topic\":\"a\"");
    hg_input_open(in);
    hg_input_mark(in);
    KIT_WAIT(kit->c[0].marked);
    assert_string_equal(kit->c[0].mark, "{\"a[0]\":1}");
    KIT_WAIT(hg_kafka_clients() == 0);
    put_number("a", 0, 1, 2);
    flush();
    hg_input_run(in);
    take(&v, 1);
    assert_int_equal(v, 2); /* from the mark */
    kit_close(in, 0);
    kit_down();
}

static void header_filter_lets_through_what_matches(void **st)
{
    (void)st;
    int64_t v[3];
    kit_up((hg_host_opts_t){ 0 });
    put("a", 0, 1, "1", "red");
    put("a", 0, 1, "2", "blue");
    put("a", 0, 1, "3", NULL);
    put("a", 0, 1, "4", "redder");
    put("a", 0, 1, "5", "");
    flush();
    hg_input_t *in =
        start(make(0, "\"topic\":\"a\",\"header_filter\":{\"or\":[{\"header\":{\"name\":\"h\",\"pattern\":"
                      "\"red|green\"}},{\"not\":{\"header\":{\"name\":\"h\",\"pattern\":\".+\"}}}]}" FROM_START));
    take(v, 3);
    assert_int_equal(v[0], 1); /* the whole value: not "redder" */
    assert_int_equal(v[1], 3); /* no header matches nothing, so its negation does */
    assert_int_equal(v[2], 5);
    kit_close(in, 0);
    kit_down();
}

static uint32_t prng = 7;
static uint32_t below(uint32_t n)
{
    prng = prng * 1664525u + 1013904223u;
    return (prng >> 8) % n;
}

static void merged_partitions_come_in_order_of_time(void **st)
{
    (void)st;
    enum { N = 5000 };
    static int64_t all[N];
    kit_up((hg_host_opts_t){ 0 });
    for (int64_t i = 0; i < N; i++) put_number("three", (int32_t)below(3), 1000 + i, i);
    flush();
    hg_input_t *in = start(
        make(0, "\"topic\":\"three\",\"synchronize_partitions\":true,\"enable.partition.eof\":\"true\"" FROM_START));
    take(all, N);
    for (int64_t i = 0; i < N; i++) assert_int_equal(all[i], i);
    kit_close(in, 0);
    kit_down();
}

/* Without an end, the partition with the oldest last message holds the others back. */
static void merged_partitions_wait_for_each_other(void **st)
{
    (void)st;
    int64_t v[4];
    kit_up((hg_host_opts_t){ 0 });
    hg_input_t *in = start(make(0, "\"topic\":\"three\",\"synchronize_partitions\":true" FROM_START));
    put_number("three", 0, 1010, 1);
    put_number("three", 1, 1020, 2);
    put_number("three", 1, 1040, 4);
    put_number("three", 2, 1030, 3);
    put_number("three", 2, 1050, 5);
    flush();
    take(v, 1);
    assert_int_equal(v[0], 1); /* and then partition 0 shows none */
    put_number("three", 0, 1060, 6);
    flush();
    take(v, 3); /* 2 3 4: then partition 1 shows none */
    assert_int_equal(v[0], 2);
    assert_int_equal(v[1], 3);
    assert_int_equal(v[2], 4);
    const char *saved = kit_save(in);
    assert_string_equal(saved, "{\"offsets\":[{\"start\":0,\"end\":1},{\"start\":0,\"end\":2},{\"start\":0,\"end\":1}],"
                               "\"sequence\":4}");
    kit_close(in, 0);
    in = start(restore(make(1, "\"topic\":\"three\",\"synchronize_partitions\":true"), saved));
    put_number("three", 1, 1070, 7);
    flush();
    take(v, 1);
    assert_int_equal(v[0], 5); /* and then partition 2 shows none */
    kit_close(in, 1);
    kit_down();
}

static void a_restored_input_goes_on_per_partition(void **st)
{
    (void)st;
    int64_t v[6], sum = 0;
    kit_up((hg_host_opts_t){ 0 });
    for (int i = 0; i < 6; i++) put_number("three", i % 2, 1, i);
    flush();
    hg_input_t *in = start(make(0, "\"topic\":\"three\"" FROM_START));
    take(v, 6);
    const char *saved = kit_save(in);
    assert_string_equal(saved,
                        "{\"offsets\":[{\"start\":0,\"end\":3},{\"start\":0,\"end\":3},{\"start\":0,\"end\":0}]}");
    kit_close(in, 0);
    for (int i = 0; i < 3; i++) put_number("three", i, 1, 10 + i);
    flush();
    /* latest, but the position says otherwise; a partition that is younger than it is read from its beginning */
    in = start(
        restore(make(1, "\"topic\":\"three\""), "{\"offsets\":[{\"start\":0,\"end\":3},{\"start\":0,\"end\":3}]}"));
    take(v, 3);
    for (int i = 0; i < 3; i++) sum += v[i];
    assert_int_equal(sum, 33);
    kit_close(in, 1);
    in = start(restore(make(2, "\"topic\":\"three\""), saved));
    take(v, 3);
    kit_close(in, 2);
    kit_down();
}

static void a_position_that_is_gone_is_an_error(void **st)
{
    (void)st;
    enum { N = 80, SIZE = 100000 };
    kit_up((hg_host_opts_t){ 0 });
    char *big = hg_xzero(SIZE + 1);
    memset(big, '7', SIZE);
    for (int i = 0; i < N; i++) {
        put("a", 0, 1, big, NULL);
        flush(); /* batches of one, and the mock broker keeps 5 MiB of them */
    }
    hg_free(big);
    hg_input_t *in = start(restore(make(0, "\"topic\":\"a\""), "{\"offsets\":[{\"end\":2}]}"));
    KIT_WAIT(kit->c[0].failed);
    assert_non_null(strstr(kit->c[0].error, "position 2 of a[0] is gone, oldest is "));
    kit_close(in, 0);
    in = start(restore(make(1, "\"topic\":\"a\""), "{\"offsets\":[{\"end\":81}]}"));
    KIT_WAIT(kit->c[1].failed);
    assert_non_null(strstr(kit->c[1].error, "position 81 of a[0] is gone, newest is 80"));
    kit_close(in, 1);
    in = start(restore(make(2, "\"topic\":\"a\""), "{\"offsets\":[{\"end\":80},{\"end\":0}]}"));
    KIT_WAIT(kit->c[2].failed);
    assert_non_null(strstr(kit->c[2].error, "deleted and created again"));
    kit_close(in, 2);
    in = start(
        restore(make(3, "\"topic\":\"a\",\"resume_earliest_if_data_expires\":true"), "{\"offsets\":[{\"end\":2}]}"));
    hg_chunk_t *c = kit_take_wait();
    assert_true(c->records > 0);
    hg_chunk_done(c);
    kit_close(in, 3);
    kit_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connectors_with_equal_options_share_a_client, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(a_mark_holds_no_client, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(header_filter_lets_through_what_matches, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(merged_partitions_come_in_order_of_time, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(merged_partitions_wait_for_each_other, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(a_restored_input_goes_on_per_partition, cluster_up, cluster_down),
        cmocka_unit_test_setup_teardown(a_position_that_is_gone_is_an_error, cluster_up, cluster_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
