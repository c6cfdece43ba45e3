/* Bodies in, change streams and query results out, by many clients that come and leave as they like.
 * test-labels: threads */
#include "tests/unit/pipeline/kit.h"
#include "pipeline/server_int.h"

static const char TABLE[] = "CREATE TABLE t (id BIGINT NOT NULL, s VARCHAR) WITH ('materialized' = 'true');\n"
                            "CREATE MATERIALIZED VIEW v AS SELECT id, s FROM t;";

typedef struct client {
    rig_t *r;
    uint32_t seed;
    uint64_t n; /* records acknowledged, or heard */
    int *stop;  /* read with atomics */
    bool over;  /* it will not come again: with atomics */
    pthread_t thread;
} client_t;

static void many(rig_t *r, client_t *c, unsigned n, void *(*fn)(void *), int *stop)
{
    for (unsigned i = 0; i < n; i++) {
        c[i] = (client_t){ .r = r, .seed = i * 7919 + 1, .stop = stop };
        assert_int_equal(pthread_create(&c[i].thread, NULL, fn, &c[i]), 0);
    }
}

static uint64_t join(client_t *c, unsigned n)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++) {
        pthread_join(c[i].thread, NULL);
        sum += c[i].n;
    }
    return sum;
}

/* --- ingress --- */

static void put_rows(hg_buf_t *b, uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) hg_buf_addf(b, "{\"insert\":{\"id\":%u,\"s\":\"row %u\"}}\n", first + i, i);
}

/* A body of 100 rows, whole or cut at a random byte. */
static void *push_and_cut(void *arg)
{
    client_t *c = arg;
    for (int k = 0; k < 30; k++) {
        hg_buf_t b, answer;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hg_buf_init(&answer, HG_BUF_NOMAX);
        put_rows(&b, dice(&c->seed, 1000), 100);
        bool whole = dice(&c->seed, 2);
        int fd = dial(c->r, "POST /ingress/t?format=json%s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                      dice(&c->seed, 2) ? "&force=true" : "", b.len);
        assert_true(fd >= 0);
        assert_true(say(fd, b.p, whole ? b.len : dice(&c->seed, (uint32_t)b.len)));
        if (whole) {
            assert_true(hear(fd, &answer, "\"token\""));
            c->n += 100;
        }
        close(fd);
        hg_buf_release(&b);
        hg_buf_release(&answer);
    }
    return NULL;
}

static void test_ingress_cut(void **state)
{
    (void)state;
    rig_t r;
    client_t c[8];
    rig_init(&r);
    rig_up(&r, TABLE, true);
    many(&r, c, 8, push_and_cut, NULL);
    uint64_t n = join(c, 8);
    wait_processed(&r, n);
    wait_complete(&r);
    hg_pipeline_totals_t t = totals(&r);
    assert_true(t.completed_records >= n && t.completed_records <= 8 * 30 * 100);
    rig_down(&r, true);
}

static void *push_one(void *arg)
{
    client_t *c = arg;
    if (http(c->r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":1}}\n", NULL) == 200) c->n = 1;
    return NULL;
}

/* A paused pipeline lets bodies wait, those with force pass; peers that leave meanwhile are forgotten. */
static void test_ingress_paused(void **state)
{
    (void)state;
    rig_t r;
    client_t c[6];
    rig_init(&r);
    rig_up(&r, TABLE, false);
    many(&r, c, 6, push_one, NULL);
    for (int i = 0; i < 20; i++) {
        int fd = dial(&r, "POST /ingress/t?format=json HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
        assert_true(fd >= 0);
        close(fd);
    }
    assert_int_equal(http(&r, "POST", "ingress/t?format=json&force=true", "{\"insert\":{\"id\":2}}\n", NULL), 200);
    wait_processed(&r, 1);
    assert_int_equal(totals(&r).processed_records, 1); /* nobody else's */
    assert_int_equal(http(&r, "POST", "start", NULL, NULL), 200);
    assert_int_equal(join(c, 6), 6);
    wait_processed(&r, 7);
    rig_down(&r, true);
}

/* Those that still wait when the pipeline stops get an answer. */
static void test_ingress_stop_while_paused(void **state)
{
    (void)state;
    rig_t r;
    client_t c[4];
    rig_init(&r);
    rig_up(&r, TABLE, false);
    many(&r, c, 4, push_one, NULL);
    assert_int_equal(http(&r, "GET", "stats", NULL, NULL), 200);
    hg_loop_post(r.control, rig_stop_soft, &r);
    assert_int_equal(join(c, 4), 0);
    rig_join(&r);
}

static void test_ingress_refusals(void **state)
{
    (void)state;
    rig_t r;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    assert_int_equal(http(&r, "POST", "ingress/nope?format=json", "{}", NULL), 404);
    assert_int_equal(http(&r, "POST", "ingress/v?format=json", "{}", NULL), 404);
    assert_int_equal(http(&r, "POST", "ingress/t?format=what", "{}", NULL), 400);
    assert_int_equal(http(&r, "POST", "ingress/t?format=json&force=maybe", "{}", NULL), 400);
    assert_int_equal(http(&r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":\"x\"}}\n", NULL), 400);
    rig_down(&r, true);
}

/* What was acknowledged before or during a graceful stop has been delivered at its end. */
static void *push_until_refused(void *arg)
{
    client_t *c = arg;
    while (http(c->r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":1}}\n{\"insert\":{\"id\":2}}\n", NULL) ==
           200)
        c->n += 2;
    return NULL;
}

static void test_drain_delivers_acknowledged(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        rig_t r;
        client_t c[4];
        char sql[512], keep[128], cmd[300];
        rig_init(&r);
        snprintf(keep, sizeof keep, "%s.out", r.dir);
        snprintf(sql, sizeof sql,
                 "CREATE TABLE t (id BIGINT NOT NULL); CREATE VIEW v WITH ('connectors' = '[{\"name\":\"f\",\"transport"
                 "\":{\"name\":\"file_output\",\"config\":{\"path\":\"%s\"}},\"format\":{\"name\":\"csv\"}}]') AS "
                 "SELECT id FROM t;",
                 keep);
        rig_up(&r, sql, true);
        many(&r, c, 4, push_until_refused, NULL);
        wait_processed(&r, (uint64_t)round * 50 + 1);
        hg_loop_post(r.control, rig_stop_soft, &r);
        uint64_t n = join(c, 4);
        rig_join(&r);
        assert_true(count_lines("", keep) >= n);
        snprintf(cmd, sizeof cmd, "rm -f %s", keep);
        assert_int_equal(system(cmd), 0);
    }
}

static void fill(rig_t *r, uint32_t n)
{
    hg_buf_t b;
    hg_buf_init(&b, HG_BUF_NOMAX);
    put_rows(&b, 0, n);
    hg_buf_t answer;
    hg_buf_init(&answer, HG_BUF_NOMAX);
    int status = http(r, "POST", "ingress/t?format=json", b.p, &answer);
    if (status != 200) fail_msg("%d: %.500s", status, answer.p);
    hg_buf_release(&answer);
    hg_buf_release(&b);
    wait_processed(r, n);
}

/* --- egress --- */

/* An assertion in a thread would end the process without a word: what may fail here is counted and left. */
static void *subscribe(void *arg)
{
    client_t *c = arg;
    while (!__atomic_load_n(c->stop, __ATOMIC_ACQUIRE)) {
        hg_buf_t b;
        static const char *const fmt[] = { "json", "csv" };
        hg_buf_init(&b, HG_BUF_NOMAX);
        int fd = dial(c->r,
                      "POST /egress/%s?format=%s&backpressure=%s&send_snapshot=%s HTTP/1.1\r\nHost: x\r\n"
                      "Connection: close\r\nContent-Length: 0\r\n\r\n",
                      dice(&c->seed, 2) ? "v" : "t", fmt[dice(&c->seed, 2)], dice(&c->seed, 2) ? "true" : "false",
                      dice(&c->seed, 2) ? "true" : "false");
        bool fine = fd >= 0;
        switch (dice(&c->seed, 4)) {
        case 0:
            break; /* gone before the answer */
        case 1:
            fine = fine && hear(fd, &b, "\"sequence_number\":0");
            break;
        case 2:
            fine = fine && hear(fd, &b, "\"sequence_number\":2");
            break;
        default: { /* opened, then nothing is read for a while */
            char one;
            fine = fine && recv(fd, &one, 1, 0) == 1;
            nap();
        }
        }
        if (fd >= 0) close(fd);
        hg_buf_release(&b);
        c->n += !fine;
    }
    __atomic_store_n(&c->over, true, __ATOMIC_RELEASE);
    return NULL;
}

static void test_subscribers_come_and_go(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    client_t subs[6];
    int stop = 0;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    many(&r, subs, 6, subscribe, &stop);
    for (int i = 0; i < 100; i++) {
        hg_buf_init(&b, HG_BUF_NOMAX);
        put_rows(&b, (uint32_t)i * 200, 200);
        assert_int_equal(http(&r, "POST", "ingress/t?format=json", b.p, NULL), 200);
        hg_buf_release(&b);
        assert_int_equal(http(&r, "GET", i % 2 ? "stats" : "metrics", NULL, NULL), 200);
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    for (int i = 0; i < 6; i++) /* those who wait for lines get some */
        while (!__atomic_load_n(&subs[i].over, __ATOMIC_ACQUIRE))
            assert_int_equal(http(&r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":1}}\n", NULL), 200);
    assert_int_equal(join(subs, 6), 0);
    int fd = dial(&r, "POST /egress/v?format=json HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_true(hear(fd, &b, "\"sequence_number\":0"));
    rig_down(&r, true);
    assert_false(hear(fd, &b, "never said")); /* the stop has ended the stream */
    assert_memory_equal(b.p + b.len - 5, "0\r\n\r\n", 5);
    hg_buf_release(&b);
    close(fd);
}

/* A place where loops stop until it is opened. */
typedef struct hold {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    unsigned there; /* under lock */
    bool open;      /* the same */
} hold_t;
#define HOLD_INIT                                                                                                      \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER                                            \
    }

static void stand(void *arg)
{
    hold_t *h = arg;
    pthread_mutex_lock(&h->lock);
    h->there++;
    pthread_cond_broadcast(&h->cond);
    while (!h->open) pthread_cond_wait(&h->cond, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

static void stand_in_circuit(hg_pipeline_t *p, void *arg)
{
    (void)p;
    stand(arg);
}

static void hold_wait(hold_t *h, unsigned n)
{
    pthread_mutex_lock(&h->lock);
    while (h->there < n) pthread_cond_wait(&h->cond, &h->lock);
    pthread_mutex_unlock(&h->lock);
}

static void hold_open(hold_t *h)
{
    pthread_mutex_lock(&h->lock);
    h->open = true;
    pthread_cond_broadcast(&h->cond);
    pthread_mutex_unlock(&h->lock);
}

typedef struct room {
    rig_t *r;
    bool full;
} room_t;

static void look_for_room(void *arg)
{
    room_t *x = arg;
    hg_err_t err = HG_ERR_INIT;
    x->full = hg_api_endpoint_room(x->r->p, &err) < 0;
}

/* The limit counts those who are there: a circuit that is busy, so that leaving takes its time, refuses nobody. */
static void test_leaving_subscribers_do_not_count(void **state)
{
    (void)state;
    rig_t r;
    hold_t gate = HOLD_INIT;
    int fd[100];
    rig_init(&r);
    rig_up(&r, TABLE, true);
    room_t room = { .r = &r };
    for (int i = 0; i < 100; i++) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        fd[i] = dial(&r, "POST /egress/v?format=json HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_true(hear(fd[i], &b, "\"sequence_number\":0"));
        hg_buf_release(&b);
    }
    hg_loop_call(r.control, look_for_room, &room);
    assert_true(room.full);
    hg_circuit_post(r.p, stand_in_circuit, &gate);
    for (int i = 0; i < 100; i++) close(fd[i]);
    while (room.full) hg_loop_call(r.control, look_for_room, &room);
    hold_open(&gate);
    rig_down(&r, true);
}

/* Streams of samples: some are left, the others end with the pipeline. */
static void *watch_series(void *arg)
{
    client_t *c = arg;
    while (!__atomic_load_n(c->stop, __ATOMIC_ACQUIRE)) {
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        int fd = dial(c->r, "GET /time_series_stream HTTP/1.1\r\nHost: x\r\n\r\n");
        if (fd < 0) break;
        switch (dice(&c->seed, 8)) {
        case 0:
            hear(fd, &b, "never said"); /* until it ends */
            c->n += b.len > 5 && memcmp(b.p + b.len - 5, "0\r\n\r\n", 5) == 0;
            break;
        case 1:
            hear(fd, &b, "\"m\":");
            break;
        default:
            break;
        }
        close(fd);
        hg_buf_release(&b);
    }
    return NULL;
}

/* One that goes on by number and does not read: the circuit waits for it, although each step is one chunk. */
static void test_stuck_resumable(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b, body;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    hg_buf_init(&b, HG_BUF_NOMAX);
    int fd = dial(&r, "POST /egress/v?format=csv&resumable=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_true(hear(fd, &b, "\"snapshot\":false"));
    hg_buf_init(&body, HG_BUF_NOMAX);
    put_rows(&body, 1000000, 5000);
    uint64_t n = 0;
    for (; n < 500 && !atomic_load(&r.p->stall_since_us); n++) {
        assert_int_equal(http(&r, "POST", "ingress/t?format=json", body.p, NULL), 200);
        while (!atomic_load(&r.p->stall_since_us) && totals(&r).processed_records < (n + 1) * 5000) nap();
    }
    assert_true(n < 500);
    rig_down(&r, true);
    close(fd);
    hg_buf_release(&b);
    hg_buf_release(&body);
}

static void test_series_streams(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        rig_t r;
        client_t c[6];
        int stop = 0;
        rig_init(&r);
        rig_up(&r, TABLE, true);
        int fd = dial(&r, "GET /time_series_stream HTTP/1.1\r\nHost: x\r\n\r\n");
        many(&r, c, 6, watch_series, &stop);
        for (int i = 0; i < 50; i++) assert_int_equal(http(&r, "GET", "time_series", NULL, NULL), 200);
        rig_down(&r, round % 2);
        __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
        join(c, 6);
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        hear(fd, &b, "never said");
        assert_non_null(strstr(b.p, "\"r\":0"));
        assert_string_equal(b.p + b.len - 5, "0\r\n\r\n");
        hg_buf_release(&b);
        close(fd);
    }
}

static void nothing(void *arg)
{
    (void)arg;
}

/* On both I/O loops of a rig. */
static void io_post(rig_t *r, void (*fn)(void *), void *arg)
{
    for (unsigned i = 0; i < 2; i++) hg_loop_post(hg_host_io_loop(r->p->host, i), fn, arg);
}

static uint64_t first_output_memory(rig_t *r)
{
    hg_output_stats_t st = { 0 };
    pthread_mutex_lock(&r->p->lock);
    hg_output_get_stats(r->p->outputs[0]->out, &st);
    pthread_mutex_unlock(&r->p->lock);
    return st.memory;
}

/* A loop that is busy when a stream begins loses nothing of it, although the first rows are encoded before its answer
 * has begun. A loop takes its posts as a batch: each hold below stands before one post, in the same batch. */
static void test_busy_loop_loses_nothing(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    hold_t circuit = HOLD_INIT, control = HOLD_INIT, io[3] = { HOLD_INIT, HOLD_INIT, HOLD_INIT };
    rig_init(&r);
    rig_up(&r, TABLE, true);
    unsigned refs = atomic_load(&r.s->refs);
    fill(&r, 3);
    while (atomic_load(&r.s->refs) != refs) nap();
    hg_circuit_post(r.p, stand_in_circuit, &circuit);
    hg_loop_post(r.control, stand, &control);
    int fd = dial(&r, "POST /egress/v?format=csv&backpressure=true&send_snapshot=true HTTP/1.1\r\nHost: x\r\n"
                      "Content-Length: 0\r\n\r\n");
    while (atomic_load(&r.s->refs) == refs) nap();
    for (unsigned i = 0; i < 2; i++) hg_loop_call(hg_host_io_loop(r.p->host, i), nothing, NULL);
    io_post(&r, stand, &io[0]); /* the endpoint is asked for */
    hold_wait(&io[0], 2);
    io_post(&r, stand, &io[1]);
    hold_open(&control);
    hg_loop_call(r.control, nothing, NULL);
    hold_open(&io[0]); /* it is made, and waits for the circuit */
    hold_wait(&io[1], 2);
    io_post(&r, stand, &io[2]);
    hold_open(&io[1]);
    hold_wait(&io[2], 2);
    hold_open(&circuit);
    while (first_output_memory(&r) == 0) nap();
    hold_open(&io[2]); /* the snapshot is encoded */
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(http(&r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":99,\"s\":\"last\"}}\n", NULL), 200);
    assert_true(hear(fd, &b, "99,last"));
    assert_non_null(strstr(b.p, "0,row 0,1\\n1,row 1,1\\n2,row 2,1\\n"));
    hg_buf_release(&b);
    close(fd);
    rig_down(&r, true);
}

/* A subscriber with a snapshot sees every row once, those that came before and those that come while it begins. */
static void test_snapshot_has_no_gap(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b, body;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    for (int k = 0; k < 4; k++) {
        hg_buf_init(&body, HG_BUF_NOMAX);
        put_rows(&body, (uint32_t)(1000000 + k * 20000), 20000);
        int fd = -1;
        if (k == 3)
            fd = dial(&r, "POST /egress/v?format=csv&backpressure=true&send_snapshot=true HTTP/1.1\r\nHost: x\r\n"
                          "Content-Length: 0\r\n\r\n");
        assert_int_equal(http(&r, "POST", "ingress/t?format=json", body.p, NULL), 200);
        hg_buf_release(&body);
        if (k < 3) continue;
        uint64_t n = 0;
        hg_buf_init(&b, HG_BUF_NOMAX);
        assert_true(hear(fd, &b, "1079999,row 19999"));
        for (const char *p = b.p; (p = memmem(p, b.len - (size_t)(p - b.p), ",row ", 5)); p += 5) n++;
        assert_int_equal(n, 80000);
        hg_buf_release(&b);
        close(fd);
    }
    rig_down(&r, true);
}

/* A subscriber with backpressure that reads everything gets every record, whatever the others do. */
static void test_subscriber_gets_all(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b, body;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    hg_buf_init(&b, HG_BUF_NOMAX);
    int fd = dial(&r, "POST /egress/v?format=csv&backpressure=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_true(hear(fd, &b, "\"sequence_number\":0"));
    hg_buf_init(&body, HG_BUF_NOMAX);
    put_rows(&body, 1000000, 20000);
    assert_int_equal(http(&r, "POST", "ingress/t?format=json", body.p, NULL), 200);
    assert_true(hear(fd, &b, "1019999,row 19999"));
    uint64_t n = 0;
    for (const char *p = b.p; (p = memmem(p, b.len - (size_t)(p - b.p), ",row ", 5)); p += 5) n++;
    assert_int_equal(n, 20000);
    close(fd);
    hg_buf_release(&b);
    hg_buf_release(&body);
    rig_down(&r, true);
}

/* A client that keeps what it has read and where it was: each row must come to it once. */
#define KEEPER_ROWS 4000
typedef struct keeper {
    client_t c;
    bool seen[KEEPER_ROWS];
    uint32_t n;
    char after[24], stream[20]; /* "" = not yet */
    unsigned twice, refused;
} keeper_t;

/* A whole line. */
static void keep_line(keeper_t *k, const char *line, size_t n)
{
    const char *end = line + n, *at = line;
    while ((at = memmem(at, (size_t)(end - at), "\"id\":", 5)) != NULL) {
        at += 5;
        uint32_t id = (uint32_t)strtoul(at, NULL, 10);
        if (id >= KEEPER_ROWS || k->seen[id]) {
            k->twice++;
            continue;
        }
        k->seen[id] = true;
        k->n++;
    }
    if (!memmem(line, n, "\"snapshot\":false", 16)) return;
    snprintf(k->after, sizeof k->after, "%" PRIu64,
             (uint64_t)strtoull(line + sizeof "{\"sequence_number\":" - 1, NULL, 10));
    const char *stream = memmem(line, n, "\"stream\":\"", 10);
    snprintf(k->stream, sizeof k->stream, "%.16s", stream ? stream + 10 : "");
}

/* Reads whole lines until a random number of bytes and a row have come (a line may be longer than that number: it would
 * never be read whole), all rows are there, or the stream ends. */
static void keep_reading(keeper_t *k, int fd)
{
    char t[4096];
    hg_buf_t b;
    uint32_t left = 200 + dice(&k->c.seed, 30000);
    hg_buf_init(&b, HG_BUF_NOMAX);
    bool whole = !*k->after; /* a snapshot that is left half read is none */
    uint32_t had = k->n;
    while ((left || k->n == had || (whole && !*k->after)) && k->n < KEEPER_ROWS) {
        ssize_t got = recv(fd, t, sizeof t, 0);
        if (got <= 0) break;
        left -= HG_MIN(left, (uint32_t)got);
        hg_buf_add(&b, t, (size_t)got);
        for (char *nl; (nl = memchr(b.p, '\n', b.len)) != NULL; hg_buf_eat(&b, (size_t)(nl + 1 - b.p))) {
            k->refused += strncmp(b.p, "HTTP/1.1 ", 9) == 0 && strncmp(b.p + 9, "200", 3) != 0;
            if (*b.p == '{') keep_line(k, b.p, (size_t)(nl - b.p));
        }
    }
    hg_buf_release(&b);
}

static void *keep_up(void *arg)
{
    keeper_t *k = arg;
    while (k->n < KEEPER_ROWS && !k->twice && !k->refused) {
        char from[64];
        snprintf(from, sizeof from, *k->after ? "after=%s&stream=%s" : "send_snapshot=true&resumable=true", k->after,
                 k->stream);
        if (!*k->after) memset(k->seen, 0, sizeof k->seen), k->n = 0; /* half a snapshot is none */
        int fd = dial(k->c.r, "POST /egress/v?format=json&%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", from);
        if (fd < 0) break;
        keep_reading(k, fd);
        close(fd);
    }
    return NULL;
}

/* Clients that are cut again and again while rows come, and go on by number: no row is lost to them, none comes twice.
 */
static void test_streams_are_gone_on_with(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    keeper_t *k = HG_NEWN(keeper_t, 5);
    rig_init(&r);
    rig_up(&r, TABLE, true);
    for (unsigned i = 0; i < 5; i++) {
        k[i].c = (client_t){ .r = &r, .seed = i * 7919 + 1 };
        assert_int_equal(pthread_create(&k[i].c.thread, NULL, keep_up, &k[i]), 0);
    }
    for (uint32_t i = 0; i < KEEPER_ROWS; i += 200) {
        hg_buf_init(&b, HG_BUF_NOMAX);
        put_rows(&b, i, 200);
        assert_int_equal(http(&r, "POST", "ingress/t?format=json", b.p, NULL), 200);
        hg_buf_release(&b);
    }
    for (unsigned i = 0; i < 5; i++) {
        pthread_join(k[i].c.thread, NULL);
        assert_int_equal(k[i].twice, 0);
        assert_int_equal(k[i].refused, 0);
        assert_int_equal(k[i].n, KEEPER_ROWS);
    }
    hg_free(k);
    rig_down(&r, true);
}

/* It reads nothing, so the circuit waits; a graceful stop does not wait for ever. */
static void test_stuck_subscriber(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b, body;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    hg_buf_init(&b, HG_BUF_NOMAX);
    int fd = dial(&r, "POST /egress/v?format=csv&backpressure=true HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_true(hear(fd, &b, "\"sequence_number\":0"));
    hg_buf_init(&body, HG_BUF_NOMAX);
    put_rows(&body, 1000000, 50000);
    for (int i = 0; i < 3; i++) assert_int_equal(http(&r, "POST", "ingress/t?format=json", body.p, NULL), 200);
    rig_down(&r, true);
    close(fd);
    hg_buf_release(&b);
    hg_buf_release(&body);
}

/* --- queries --- */

/* A WebSocket with one statement sent, masked with zeros. -1 as dial. */
static int dial_ws(rig_t *r, const char *json)
{
    hg_buf_t b;
    int fd = dial(r, "GET /query HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
    if (fd < 0) return fd;
    hg_buf_init(&b, HG_BUF_NOMAX);
    bool up = hear(fd, &b, "\r\n\r\n");
    hg_buf_release(&b);
    if (up && json) {
        size_t n = strlen(json);
        char head[8] = { (char)0x81, (char)(0x80 | 126), (char)(n >> 8), (char)n, 0, 0, 0, 0 };
        if (n < 126) memmove(head + 2, head + 4, 4), head[1] = (char)(0x80 | n);
        say(fd, head, n < 126 ? 6 : 8);
        say(fd, json, n);
    }
    return fd;
}

static void *ask(void *arg)
{
    client_t *c = arg;
    while (!__atomic_load_n(c->stop, __ATOMIC_ACQUIRE)) {
        static const char *const q[] = {
            "query?sql=SELECT%20*%20FROM%20v&format=json",        "query?sql=SELECT%20id%20FROM%20t&format=text",
            "query?sql=SELECT%20COUNT(*)%20FROM%20v&format=text", "query?sql=SELECT%20nope%20FROM%20v&format=json",
            "query?sql=INSERT%20INTO%20t%20VALUES%20(1,'x')",     "query?sql=SELECT%201%00&format=json",
        };
        hg_buf_t b;
        hg_buf_init(&b, HG_BUF_NOMAX);
        uint32_t k = dice(&c->seed, 8);
        int fd;
        switch (k) {
        case 6:
            fd = dial_ws(c->r, "{\"sql\":\"SELECT * FROM v\",\"format\":\"json\"}");
            break;
        case 7:
            fd = dial_ws(c->r, dice(&c->seed, 2) ? NULL : "{nonsense");
            break;
        default:
            fd = dial(c->r, "GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", q[k]);
        }
        if (fd < 0) break; /* the pipeline is gone */
        switch (k == 7 ? 0 : dice(&c->seed, 3)) {
        case 0:
            break;
        case 1:
            hear(fd, &b, "row 1");
            break;
        default:
            if (k == 4 && hear(fd, &b, "\r\n\r\n") && memmem(b.p, b.len, " 200 ", 5)) c->n++;
        }
        close(fd);
        hg_buf_release(&b);
    }
    return NULL;
}

static void test_queries_while_stepping(void **state)
{
    (void)state;
    rig_t r;
    client_t c[6];
    int stop = 0;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    fill(&r, 5000);
    many(&r, c, 6, ask, &stop);
    for (int i = 0; i < 60; i++)
        assert_int_equal(http(&r, "POST", "ingress/t?format=json", "{\"insert\":{\"id\":9}}\n", NULL), 200);
    __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
    uint64_t inserted = join(c, 6);
    assert_true(totals(&r).processed_records >= 5060 + inserted);
    rig_down(&r, true);
}

/* The stop comes while queries run, wait for slow readers, or have not begun. */
static void test_stop_while_queries_run(void **state)
{
    (void)state;
    for (int round = 0; round < 6; round++) {
        rig_t r;
        client_t c[4];
        int stop = 0;
        rig_init(&r);
        rig_up(&r, TABLE, true);
        fill(&r, 20000);
        int idle = dial_ws(&r, NULL), slow_ws = dial_ws(&r, "{\"sql\":\"SELECT * FROM v\",\"format\":\"text\"}");
        int slow = dial(&r, "GET /query?sql=SELECT%%20*%%20FROM%%20v&format=text HTTP/1.1\r\nHost: x\r\n\r\n");
        many(&r, c, 4, ask, &stop);
        assert_int_equal(http(&r, "GET", "status", NULL, NULL), 200);
        hg_loop_post(r.control, round % 2 ? rig_stop_soft : rig_stop_hard, &r);
        rig_join(&r);
        __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
        join(c, 4);
        close(idle);
        close(slow);
        close(slow_ws);
    }
}

static void test_query_results(void **state)
{
    (void)state;
    rig_t r;
    hg_buf_t b;
    rig_init(&r);
    rig_up(&r, TABLE, true);
    hg_buf_init(&b, HG_BUF_NOMAX);
    assert_int_equal(http(&r, "GET", "query?sql=INSERT%20INTO%20t%20VALUES%20(7,'seven')&format=json", NULL, &b), 200);
    assert_non_null(strstr(b.p, "{\"count\":1}"));
    hg_buf_clear(&b);
    assert_int_equal(http(&r, "GET", "query?sql=SELECT%20*%20FROM%20v&format=json", NULL, &b), 200);
    assert_non_null(strstr(b.p, "seven"));
    assert_int_equal(http(&r, "GET", "query?sql=SELECT%20nope%20FROM%20v&format=json", NULL, NULL), 400);
    assert_int_equal(http(&r, "GET", "query?format=json", NULL, NULL), 400);
    assert_int_equal(http(&r, "GET", "query?sql=SELECT%201%00&format=json", NULL, NULL), 400);
    hg_buf_release(&b);
    rig_down(&r, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ingress_cut),
        cmocka_unit_test(test_ingress_paused),
        cmocka_unit_test(test_ingress_stop_while_paused),
        cmocka_unit_test(test_ingress_refusals),
        cmocka_unit_test(test_drain_delivers_acknowledged),
        cmocka_unit_test(test_subscribers_come_and_go),
        cmocka_unit_test(test_leaving_subscribers_do_not_count),
        cmocka_unit_test(test_subscriber_gets_all),
        cmocka_unit_test(test_busy_loop_loses_nothing),
        cmocka_unit_test(test_snapshot_has_no_gap),
        cmocka_unit_test(test_streams_are_gone_on_with),
        cmocka_unit_test(test_stuck_resumable),
        cmocka_unit_test(test_series_streams),
        cmocka_unit_test(test_stuck_subscriber),
        cmocka_unit_test(test_queries_while_stepping),
        cmocka_unit_test(test_stop_while_queries_run),
        cmocka_unit_test(test_query_results),
    };
    cmocka_set_test_filter(getenv("HG_TEST_FILTER"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
