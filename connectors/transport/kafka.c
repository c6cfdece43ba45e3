/* kafka.c: what the Kafka input and output share. */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "connectors/transport/kafka_int.h"
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static bool is_reference(const char *v)
{
    return strncmp(v, "${", 2) == 0;
}

void hg_kafka_check(const hg_kvlist_t *extra, const char *kind, hg_diag_t *d)
{
    char msg[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    for (uint32_t i = 0; i < extra->n; i++) {
        const hg_kv_t *kv = &extra->v[i];
        if (is_reference(kv->value) || !hg_kafka_access(kv, d)) continue;
        rd_kafka_conf_res_t rc = rd_kafka_conf_set(conf, kv->key, kv->value, msg, sizeof msg);
        if (rc == RD_KAFKA_CONF_UNKNOWN)
            hg_diag(d, false, kv->node, true,
                    "Invalid Kafka %s connector configuration key \"%s\": neither an option of the connector nor one "
                    "of librdkafka",
                    kind, kv->key);
        else if (rc == RD_KAFKA_CONF_INVALID)
            hg_diag(d, false, kv->node, false, "option '%s': %s", kv->key,
                    hg_secret_name(hg_strz(kv->key)) ? "invalid value" : msg);
    }
    rd_kafka_conf_destroy(conf);
}

const char *hg_kafka_option(const hg_kvlist_t *extra, const char *key)
{
    for (uint32_t i = 0; i < extra->n; i++)
        if (strcmp(extra->v[i].key, key) == 0) return extra->v[i].value;
    return NULL;
}

static void on_log(const rd_kafka_t *rk, int level, const char *fac, const char *buf)
{
    (void)rk;
    hg_log(level <= 3 ? HG_LOG_WARN : HG_LOG_DEBUG, "kafka", NULL, fac, "%s", buf);
}

int hg_kafka_client(rd_kafka_type_t type, const hg_kvlist_t *extra, const hg_kafka_default_t *defaults,
                    size_t n_defaults, void (*setup)(rd_kafka_conf_t *, void *), void *opaque, rd_kafka_t **ret,
                    hg_err_t *err)
{
    char msg[512] = "";
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char *servers = getenv("REDPANDA_BROKERS");
    bool ok = rd_kafka_conf_set(conf, "bootstrap.servers", servers ? servers : "localhost", msg, sizeof msg) ==
              RD_KAFKA_CONF_OK;
    for (size_t i = 0; ok && i < n_defaults; i++)
        ok = rd_kafka_conf_set(conf, defaults[i].key, defaults[i].value, msg, sizeof msg) == RD_KAFKA_CONF_OK;
    for (uint32_t i = 0; ok && i < extra->n; i++)
        ok = rd_kafka_conf_set(conf, extra->v[i].key, extra->v[i].value, msg, sizeof msg) == RD_KAFKA_CONF_OK;
    if (ok) {
        rd_kafka_conf_set_opaque(conf, opaque);
        rd_kafka_conf_set_log_cb(conf, on_log);
        hg_kafka_access_guard(conf);
        setup(conf, opaque);
        rd_kafka_t *rk = rd_kafka_new(type, conf, msg, sizeof msg);
        if (rk) {
            *ret = rk;
            return 0;
        }
    }
    rd_kafka_conf_destroy(conf);
    hg_err_set(err, HG_EINVALTRANSPORT, "Kafka client: %s", msg);
    err->fatal = 1;
    return err->code;
}

/* --- what blocks --- */

typedef struct {
    void (*work)(void *arg), (*done)(void *arg);
    void *arg;
    hg_loop_t *loop;
} block_t;

static void *block_thread(void *arg)
{
    block_t b = *(block_t *)arg;
    hg_free(arg);
    b.work(b.arg);
    hg_loop_post(b.loop, b.done, b.arg);
    return NULL;
}

void hg_kafka_block(hg_loop_t *loop, void (*work)(void *), void (*done)(void *), void *arg)
{
    pthread_t thread;
    block_t *b = HG_NEW(block_t);
    *b = (block_t){ work, done, arg, loop };
    int e = pthread_create(&thread, NULL, block_thread, b);
    if (e) hg_log(HG_LOG_ERROR, "kafka", NULL, "thread", "errno=%d", e);
    HG_ASSERT(e == 0); /* as for memory: who cannot have a thread cannot go on */
    pthread_setname_np(thread, "hg-kafka-out");
    pthread_detach(thread);
}

/* --- queue events --- */

static void on_readable(uv_poll_t *poll, int status, int events)
{
    hg_kafka_wake_t *w = poll->data;
    uint64_t n;
    (void)status, (void)events;
    while (read(w->fd, &n, sizeof n) == (ssize_t)sizeof n) {
    }
    w->fn(w->arg);
}

static const uint64_t one = 1;

int hg_kafka_wake_open(hg_kafka_wake_t *w, hg_loop_t *loop, void (*fn)(void *), void *arg, hg_err_t *err)
{
    *w = (hg_kafka_wake_t){ .fn = fn, .arg = arg };
    w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (w->fd < 0) return hg_err_errno(err, errno, "cannot make an event descriptor");
    uv_poll_init(hg_loop_uv(loop), &w->poll, w->fd);
    w->poll.data = w;
    uv_poll_start(&w->poll, UV_READABLE, on_readable);
    return 0;
}

void hg_kafka_wake_on(hg_kafka_wake_t *w, rd_kafka_queue_t *q)
{
    rd_kafka_queue_io_event_enable(q, w->fd, &one, sizeof one);
    /* Events come when an empty queue gets something. What is in it already is looked at once: nothing would tell of
     * it, nor of anything behind it. */
    if (write(w->fd, &one, sizeof one) != (ssize_t)sizeof one)
        hg_log(HG_LOG_WARN, "kafka", NULL, "wake", "errno=%d", errno);
}

static void wake_closed(uv_handle_t *h)
{
    hg_kafka_wake_t *w = h->data;
    close(w->fd);
    w->closed(w->arg);
}

void hg_kafka_wake_off(rd_kafka_queue_t *q)
{
    rd_kafka_queue_io_event_enable(q, -1, NULL, 0);
}

void hg_kafka_wake_close(hg_kafka_wake_t *w, void (*closed)(void *))
{
    w->closed = closed;
    uv_close((uv_handle_t *)&w->poll, wake_closed);
}

uint64_t hg_kafka_option_ms(rd_kafka_t *rk, const char *key)
{
    char text[32];
    size_t n = sizeof text;
    if (rd_kafka_conf_get(rd_kafka_conf(rk), key, text, &n) != RD_KAFKA_CONF_OK) return 0;
    return strtoull(text, NULL, 10);
}

uint64_t hg_kafka_reconnect_ms(rd_kafka_t *rk)
{
    return hg_kafka_option_ms(rk, "reconnect.backoff.max.ms");
}

bool hg_kafka_transient(rd_kafka_resp_err_t e)
{
    switch ((int)e) {
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__WAIT_COORD:
    case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS:
    case RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
    case RD_KAFKA_RESP_ERR_BROKER_NOT_AVAILABLE:
    case RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION:
        return true;
    default:
        return false;
    }
}
