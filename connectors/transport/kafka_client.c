/* kafka_client.c: consumers shared by connectors with equal options, and the thread on which each may block.
 *
 * A librdkafka client costs some threads and a connection per broker, so connectors whose effective options are equal
 * use one. Each reads its own partitions into its own queues (the partition API, without a consumer group), so what
 * bounds the prefetch, and what holds it up, is the connector's queue: one that is paused stops nobody else. Inside one
 * client a partition has one position only. Two connectors that read the same partition therefore never share: a use
 * claims its topic, with the partitions it names or all of them, and a client whose claims overlap is passed over. So
 * n readers of one partition have n clients, and everybody else one.
 *
 * Questions do not go through the client that reads: a broker answers a connection in order, so each would wait behind
 * a fetch that waits for data. While there are questions there is a second client, the asker; it goes with the last
 * one.
 *
 * Threads. The registry, and who uses which client, are under `registry`. Each client has a thread: it runs, in order,
 * what connectors ask of the broker (each waits by slices, see kafka_ask.c), tells the client's errors to all its
 * users, and destroys the client after the last one. So a broker that is gone holds up the questions to it and nothing
 * else. Whoever leaves goes ahead of all questions.
 *
 * Invariants
 * 1. A client is in the registry while it has users; it is destroyed by its own thread, before the last done().
 * 2. A use is freed when it is closed and no notice of an error is under way to its loop.
 * 3. Jobs of one use are one at a time, so a close never overtakes a question of the same use.
 */
#include "base/hg.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_client.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

typedef struct {
    hg_list_t link;  /* in the registry */
    hg_list_t users; /* [registry] of hg_kafka_use_t */
    char *key;       /* the effective options, sorted */
    rd_kafka_t *rk;
    rd_kafka_t *asker; /* client's thread; NULL while nobody asks */
    int wake;          /* blocking event descriptor: a job, or something in the client's main queue */
    pthread_mutex_t mu;
    hg_list_t jobs, leaving; /* [mu] of job_t */
} client_t;

struct hg_kafka_use {
    hg_list_t link; /* client's users */
    client_t *client;
    hg_kafka_want_t want;
    unsigned refs;    /* [registry] the connector's, and a notice under way */
    bool gone;        /* loop: closed, tell nothing more */
    bool bad, posted; /* [registry] an error is to be told; its notice is under way */
    hg_err_t err;     /* [registry] */
};

typedef struct {
    hg_list_t link;
    void (*work)(void *arg), (*done)(void *arg);
    void *arg;
    hg_loop_t *loop;
    hg_kafka_use_t *leaver; /* not NULL: this use ends */
} job_t;

static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER;
static hg_list_t clients = { &clients, &clients }; /* [registry] of client_t */

/* --- errors: from the client's thread to every user's loop --- */

static void use_unref(hg_kafka_use_t *u)
{
    pthread_mutex_lock(&registry);
    bool last = --u->refs == 0;
    pthread_mutex_unlock(&registry);
    if (last) hg_free(u);
}

static void notice(void *arg)
{
    hg_kafka_use_t *u = arg;
    pthread_mutex_lock(&registry);
    hg_err_t err = u->err;
    u->bad = u->posted = false;
    pthread_mutex_unlock(&registry);
    if (!u->gone) u->want.failed(u->want.arg, &err);
    use_unref(u);
}

/* Runs inside a poll of the client, on its thread. A fatal error is not covered by a later one. */
static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    client_t *c = opaque;
    hg_err_t err = HG_ERR_INIT;
    char fatal[512];
    if (code == RD_KAFKA_RESP_ERR__FATAL) {
        rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        hg_err_set(&err, HG_ENET, "%s", fatal);
        err.fatal = 1;
    } else {
        hg_err_retry(&err, HG_ENET, "%s", reason);
    }
    pthread_mutex_lock(&registry);
    for (hg_list_t *it = c->users.next; it != &c->users; it = it->next) {
        hg_kafka_use_t *u = HG_ENTRY(it, hg_kafka_use_t, link);
        if (!(u->bad && u->err.fatal)) u->err = err;
        u->bad = true;
        if (u->posted) continue;
        u->posted = true;
        u->refs++;
        hg_loop_post(u->want.loop, notice, u);
    }
    pthread_mutex_unlock(&registry);
}

static void setup(rd_kafka_conf_t *conf, void *opaque)
{
    (void)opaque;
    rd_kafka_conf_set_error_cb(conf, on_error);
}

/* --- the client's thread --- */

rd_kafka_t *hg_kafka_use_asker(hg_kafka_use_t *u)
{
    char why[256];
    client_t *c = u->client;
    if (c->asker) return c->asker;
    rd_kafka_conf_t *conf = rd_kafka_conf_dup(rd_kafka_conf(c->rk));
    c->asker = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof why);
    if (c->asker) return c->asker;
    rd_kafka_conf_destroy(conf);
    hg_log(HG_LOG_WARN, "kafka", NULL, "asker", "message=\"%s\"", why);
    return c->rk; /* slower, and as right */
}

static void drop_asker(client_t *c)
{
    if (c->asker) rd_kafka_destroy_flags(c->asker, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    c->asker = NULL;
}

static void serve(client_t *c)
{
    while (rd_kafka_poll(c->rk, 0) > 0) {
    }
    while (c->asker && rd_kafka_poll(c->asker, 0) > 0) {
    }
}

static job_t *next_job(client_t *c, bool leaving_only)
{
    pthread_mutex_lock(&c->mu);
    hg_list_t *it = hg_list_pop(&c->leaving);
    if (!it && !leaving_only) it = hg_list_pop(&c->jobs);
    pthread_mutex_unlock(&c->mu);
    return it ? HG_ENTRY(it, job_t, link) : NULL;
}

/* Returns true when the client had its last user and is no more. */
static bool leave(client_t *c, hg_kafka_use_t *u)
{
    pthread_mutex_lock(&registry);
    hg_list_del(&u->link);
    bool last = hg_list_empty(&c->users);
    if (last) hg_list_del(&c->link);
    pthread_mutex_unlock(&registry);
    use_unref(u);
    if (!last) return false;
    drop_asker(c);
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(c->rk);
    rd_kafka_queue_io_event_enable(q, -1, NULL, 0);
    rd_kafka_queue_destroy(q);
    rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    close(c->wake);
    pthread_mutex_destroy(&c->mu);
    hg_free(c->key);
    hg_free(c);
    return true;
}

static bool run_job(client_t *c, job_t *j)
{
    bool gone = false;
    if (j->work) j->work(j->arg);
    if (j->leaver) gone = leave(c, j->leaver);
    hg_loop_post(j->loop, j->done, j->arg);
    hg_free(j);
    return gone;
}

static void *client_thread(void *arg)
{
    client_t *c = arg;
    for (uint64_t n;;) {
        serve(c);
        job_t *j = next_job(c, false);
        if (j && run_job(c, j)) return NULL;
        if (j) continue;
        drop_asker(c);
        if (read(c->wake, &n, sizeof n) < 0 && errno != EINTR)
            hg_log(HG_LOG_WARN, "kafka", NULL, "wake", "errno=%d", errno);
    }
}

void hg_kafka_use_breathe(hg_kafka_use_t *u)
{
    client_t *c = u->client;
    serve(c);
    for (job_t *j; (j = next_job(c, true)) != NULL;) HG_ASSERT(!run_job(c, j)); /* the asker is still there */
}

static void submit(client_t *c, hg_list_t *list, job_t *job)
{
    static const uint64_t one = 1;
    hg_list_init(&job->link);
    pthread_mutex_lock(&c->mu);
    hg_list_add_tail(list, &job->link);
    /* inside the lock: the thread may destroy the client as soon as it has the job */
    if (write(c->wake, &one, sizeof one) < 0) hg_log(HG_LOG_WARN, "kafka", NULL, "wake", "errno=%d", errno);
    pthread_mutex_unlock(&c->mu);
}

/* --- the registry --- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const hg_kafka_default_t *)a)->key, ((const hg_kafka_default_t *)b)->key);
}

/* Defaults under the user's options, sorted; lengths keep values with any content apart. */
static char *key_of(const hg_kafka_want_t *w)
{
    hg_buf_t b;
    size_t n = 0;
    hg_kafka_default_t *all = HG_NEWN(hg_kafka_default_t, w->n_defaults + w->extra->n + 1);
    for (size_t i = 0; i < w->n_defaults; i++)
        if (!hg_kafka_option(w->extra, w->defaults[i].key)) all[n++] = w->defaults[i];
    for (uint32_t i = 0; i < w->extra->n; i++)
        all[n++] = (hg_kafka_default_t){ w->extra->v[i].key, w->extra->v[i].value };
    qsort(all, n, sizeof *all, by_key);
    hg_buf_init(&b, SIZE_MAX / 2);
    for (size_t i = 0; i < n; i++)
        hg_buf_addf(&b, "%zu:%s%zu:%s", strlen(all[i].key), all[i].key, strlen(all[i].value), all[i].value);
    hg_free(all);
    return hg_buf_take(&b, NULL);
}

static bool names(const hg_json_t *list, uint64_t id)
{
    uint64_t u;
    for (const hg_json_t *o = list->child; o; o = o->next)
        if (hg_json_u64(o, &u) == 0 && u == id) return true;
    return false;
}

static bool overlap(const hg_kafka_want_t *a, const hg_kafka_want_t *b)
{
    uint64_t u;
    if (strcmp(a->topic, b->topic) != 0) return false;
    if (!a->partitions || !b->partitions) return true;
    for (const hg_json_t *o = a->partitions->child; o; o = o->next)
        if (hg_json_u64(o, &u) == 0 && names(b->partitions, u)) return true;
    return false;
}

static bool fits(const client_t *c, const char *key, const hg_kafka_want_t *w)
{
    if (strcmp(c->key, key) != 0) return false;
    for (hg_list_t *it = c->users.next; it != &c->users; it = it->next)
        if (overlap(&HG_ENTRY(it, hg_kafka_use_t, link)->want, w)) return false;
    return true;
}

static int client_new(const hg_kafka_want_t *w, client_t **ret, hg_err_t *err)
{
    static const uint64_t one = 1;
    pthread_t thread;
    client_t *c = HG_NEW(client_t);
    c->wake = eventfd(0, EFD_CLOEXEC);
    int rc = c->wake < 0 ? hg_err_errno(err, errno, "cannot make an event descriptor") : 0;
    if (rc < 0) goto undo_client;
    rc = hg_kafka_client(RD_KAFKA_CONSUMER, w->extra, w->defaults, w->n_defaults, setup, c, &c->rk, err);
    if (rc < 0) goto undo_wake;
    hg_list_init(&c->link);
    hg_list_init(&c->users);
    hg_list_init(&c->jobs);
    hg_list_init(&c->leaving);
    pthread_mutex_init(&c->mu, NULL);
    rd_kafka_queue_t *q = rd_kafka_queue_get_main(c->rk);
    rd_kafka_queue_io_event_enable(q, c->wake, &one, sizeof one);
    rd_kafka_queue_destroy(q);
    int e = pthread_create(&thread, NULL, client_thread, c);
    if (e) {
        rc = hg_err_errno(err, e, "cannot start a thread");
        goto undo_rk;
    }
    pthread_setname_np(thread, "hg-kafka");
    pthread_detach(thread);
    *ret = c;
    return 0;
undo_rk:
    pthread_mutex_destroy(&c->mu);
    rd_kafka_destroy(c->rk);
undo_wake:
    close(c->wake);
undo_client:
    hg_free(c);
    return rc;
}

int hg_kafka_use_open(const hg_kafka_want_t *want, hg_kafka_use_t **ret, hg_err_t *err)
{
    client_t *c = NULL;
    char *key = key_of(want);
    int rc = 0;
    pthread_mutex_lock(&registry);
    for (hg_list_t *it = clients.next; it != &clients && !c; it = it->next)
        if (fits(HG_ENTRY(it, client_t, link), key, want)) c = HG_ENTRY(it, client_t, link);
    if (!c && (rc = client_new(want, &c, err)) == 0) {
        c->key = key;
        key = NULL;
        hg_list_add_tail(&clients, &c->link);
    }
    if (rc == 0) {
        hg_kafka_use_t *u = HG_NEW(hg_kafka_use_t);
        *u = (hg_kafka_use_t){ .client = c, .want = *want, .refs = 1, .err = HG_ERR_INIT };
        u->want.extra = NULL; /* the caller's, for this call only */
        u->want.defaults = NULL;
        hg_list_init(&u->link);
        hg_list_add_tail(&c->users, &u->link);
        *ret = u;
    }
    pthread_mutex_unlock(&registry);
    hg_free(key);
    return rc;
}

rd_kafka_t *hg_kafka_use_rk(const hg_kafka_use_t *u)
{
    return u->client->rk;
}

void hg_kafka_use_ask(hg_kafka_use_t *u, void (*work)(void *), void (*done)(void *))
{
    job_t *j = HG_NEW(job_t);
    *j = (job_t){ .work = work, .done = done, .arg = u->want.arg, .loop = u->want.loop };
    submit(u->client, &u->client->jobs, j);
}

void hg_kafka_use_close(hg_kafka_use_t *u, void (*stop)(void *), void (*done)(void *))
{
    job_t *j = HG_NEW(job_t);
    u->gone = true;
    *j = (job_t){ .work = stop, .done = done, .arg = u->want.arg, .loop = u->want.loop, .leaver = u };
    submit(u->client, &u->client->leaving, j);
}

unsigned hg_kafka_clients(void)
{
    unsigned n = 0;
    pthread_mutex_lock(&registry);
    for (hg_list_t *it = clients.next; it != &clients; it = it->next) n++;
    pthread_mutex_unlock(&registry);
    return n;
}
