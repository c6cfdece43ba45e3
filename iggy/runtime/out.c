/* out.c: a producer on the I/O loop, and a thread that gives it messages and waits until the server has them.
 *
 * One job at a time. Its messages stay the caller's memory; the I/O loop copies them into the producer as that has
 * room, so a job that is given up is taken back on the loop before the call returns. What the producer holds of it then
 * may still be delivered: at least once.
 */
#include "base/hg.h"

#include "base/log.h"
#include "base/mem.h"
#include "iggy/runtime/runtime_int.h"

#define GIVE_UP_US 5000000 /* after being told to stop, how long the server may take */

struct hg_rt_out {
    hg_run_t *run;
    hg_iggy_producer_t *producer; /* I/O loop */
    hg_iggy_producer_opts_t opts;
    const hg_iggy_message_t *given; /* the next job, for do_send */
    uint32_t n_given;
    const hg_iggy_message_t *m; /* I/O loop from here: the job, NULL: none */
    uint32_t n, next;
    uint64_t tag; /* of the job */
    bool refused; /* a part of it */
    /* under the run's bell */
    bool done, dead, closed;
    hg_err_t err; /* of the job, or why nothing more is sent */
    int rc;
};

/* I/O loop from here. */
static void job_done(hg_rt_out_t *o, const hg_err_t *err)
{
    hg_bell_t *b = &o->run->bell;
    o->m = NULL;
    pthread_mutex_lock(&b->lock);
    o->done = true;
    o->rc = err ? err->code : 0;
    if (err) o->err = *err;
    pthread_cond_broadcast(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

static void pump(hg_rt_out_t *o)
{
    hg_err_t err = HG_ERR_INIT;
    while (o->m && o->next < o->n) {
        int rc = hg_iggy_producer_add(o->producer, &o->m[o->next], HG_S(""), o->tag, &err);
        if (rc == HG_EAGAIN) return; /* ready or room come */
        if (rc < 0) {
            o->next = o->n; /* what was added goes; the job is refused as a whole */
            o->refused = true;
            pthread_mutex_lock(&o->run->bell.lock);
            o->err = err;
            pthread_mutex_unlock(&o->run->bell.lock);
            break;
        }
        o->next++;
    }
    if (!o->m) return;
    hg_iggy_producer_flush(o->producer);
    if (hg_iggy_producer_open_messages(o->producer) == 0) {
        pthread_mutex_lock(&o->run->bell.lock);
        err = o->err;
        pthread_mutex_unlock(&o->run->bell.lock);
        job_done(o, o->refused ? &err : NULL);
    }
}

static void on_ready(void *arg, const hg_iggy_server_t *server)
{
    hg_rt_out_t *o = arg;
    (void)server;
    hg_run_tell(o->run, HG_RUN_READY, NULL);
    hg_run_well(o->run);
    pump(o);
}

static void on_down(void *arg, const hg_err_t *err)
{
    hg_rt_out_t *o = arg;
    hg_run_tell(o->run, HG_RUN_TROUBLE, err);
}

static void on_fatal(void *arg, const hg_err_t *err)
{
    hg_rt_out_t *o = arg;
    hg_bell_t *b = &o->run->bell;
    o->m = NULL;
    pthread_mutex_lock(&b->lock);
    o->dead = true;
    o->err = *err;
    pthread_cond_broadcast(&b->rung);
    pthread_mutex_unlock(&b->lock);
}

static void on_delivered(void *arg, const hg_iggy_delivery_t *d)
{
    hg_rt_out_t *o = arg;
    if (!o->m || o->next < o->n || d->done <= o->tag) return;
    hg_err_t err;
    pthread_mutex_lock(&o->run->bell.lock);
    err = o->err;
    pthread_mutex_unlock(&o->run->bell.lock);
    job_done(o, o->refused ? &err : NULL);
}

static bool on_refused(void *arg, const hg_iggy_delivery_t *d, const hg_err_t *err)
{
    hg_rt_out_t *o = arg;
    o->refused = true;
    pthread_mutex_lock(&o->run->bell.lock);
    o->err = *err;
    pthread_mutex_unlock(&o->run->bell.lock);
    on_delivered(o, d);
    return true;
}

static void on_room(void *arg)
{
    pump(arg);
}

static const hg_iggy_producer_ops_t OPS = {
    .ready = on_ready,
    .down = on_down,
    .fatal = on_fatal,
    .delivered = on_delivered,
    .refused = on_refused,
    .room = on_room,
};

static void do_open(void *arg)
{
    hg_rt_out_t *o = arg;
    o->producer = hg_iggy_producer_open(o->run->spec.io, &o->run->conn, &o->opts, &OPS, o);
}

static void do_send(void *arg)
{
    hg_rt_out_t *o = arg;
    o->m = o->given;
    o->n = o->n_given;
    o->next = 0;
    o->refused = false;
    o->tag++;
    pump(o);
}

static void do_take_back(void *arg)
{
    hg_rt_out_t *o = arg;
    o->m = NULL;
}

static void on_closed(void *arg)
{
    hg_rt_out_t *o = arg;
    pthread_mutex_lock(&o->run->bell.lock);
    o->closed = true;
    pthread_cond_broadcast(&o->run->bell.rung);
    pthread_mutex_unlock(&o->run->bell.lock);
}

static void do_close(void *arg)
{
    hg_rt_out_t *o = arg;
    hg_iggy_producer_close(o->producer, on_closed, o);
}

/* The run's threads from here. */
hg_rt_out_t *hg_rt_out_open(hg_run_t *r, const char *stream, const char *topic, uint32_t batch_length)
{
    hg_rt_out_t *o = HG_NEW(hg_rt_out_t);
    o->run = r;
    o->opts = (hg_iggy_producer_opts_t){
        .stream = hg_iggy_id_of(hg_strz(stream)),
        .topic = hg_iggy_id_of(hg_strz(topic)),
        .partitioning = HG_IGGY_BALANCED,
        .batch_count = batch_length,
        .create = true,
        .partitions = 1,
    };
    hg_loop_call(r->spec.io, do_open, o);
    return o;
}

int hg_rt_out_send(hg_rt_out_t *o, const hg_iggy_message_t *m, uint32_t n, hg_err_t *err)
{
    hg_bell_t *b = &o->run->bell;
    if (n == 0) return 0;
    pthread_mutex_lock(&b->lock);
    bool over = o->dead; /* and o->err says why */
    o->done = false;
    o->rc = 0;
    if (over)
        *err = o->err;
    else
        o->err = HG_ERR_INIT;
    pthread_mutex_unlock(&b->lock);
    if (over) return err->code;
    o->given = m;
    o->n_given = n;
    hg_loop_post(o->run->spec.io, do_send, o);
    pthread_mutex_lock(&b->lock);
    while (!o->done && !o->dead) {
        bool late = b->stop && hg_mono_us() > b->stop_us + GIVE_UP_US;
        if (late) break;
        hg_bell_wait_until(b, b->stop ? b->stop_us + GIVE_UP_US + 1 : INT64_MAX);
    }
    bool done = o->done, dead = o->dead;
    int rc = o->rc;
    *err = o->err;
    pthread_mutex_unlock(&b->lock);
    if (done) return rc;
    hg_loop_call(o->run->spec.io, do_take_back, o);
    if (dead) return err->code;
    return hg_err_retry(err, HG_ECANCELED, "stopped before the server had taken the batch");
}

bool hg_rt_out_is_dead(hg_rt_out_t *o)
{
    pthread_mutex_lock(&o->run->bell.lock);
    bool dead = o->dead;
    pthread_mutex_unlock(&o->run->bell.lock);
    return dead;
}

void hg_rt_out_close(hg_rt_out_t *o)
{
    if (!o) return;
    hg_loop_post(o->run->spec.io, do_close, o);
    pthread_mutex_lock(&o->run->bell.lock);
    while (!o->closed) pthread_cond_wait(&o->run->bell.rung, &o->run->bell.lock);
    pthread_mutex_unlock(&o->run->bell.lock);
    hg_free(o);
}
