/* kafka_loop.c: `bench_kafka_loop BOOTSTRAP FROM TO N`: the yardstick of Kafka → Kafka: N messages are consumed from
 * partition 0 of FROM and produced to TO as they are, acks=all, with librdkafka's defaults as headgate uses them.
 */
#include "base/hg.h"
#include <librdkafka/rdkafka.h>
#include <sys/resource.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t delivered;
static void on_delivery(rd_kafka_t *rk, const rd_kafka_message_t *m, void *arg)
{
    (void)rk, (void)arg;
    if (m->err) {
        fprintf(stderr, "%s\n", rd_kafka_err2str(m->err));
        exit(1);
    }
    delivered++;
}

static rd_kafka_t *client(rd_kafka_type_t type, const char *bootstrap)
{
    char err[256];
    rd_kafka_conf_t *c = rd_kafka_conf_new();
    rd_kafka_conf_set(c, "bootstrap.servers", bootstrap, err, sizeof err);
    if (type == RD_KAFKA_PRODUCER) rd_kafka_conf_set_dr_msg_cb(c, on_delivery);
    rd_kafka_t *rk = rd_kafka_new(type, c, err, sizeof err);
    if (!rk) {
        fprintf(stderr, "%s\n", err);
        exit(1);
    }
    return rk;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_kafka_loop BOOTSTRAP FROM TO N\n");
        return 2;
    }
    uint64_t n = strtoull(argv[4], NULL, 10), sent = 0;
    double t0 = now();
    rd_kafka_t *in = client(RD_KAFKA_CONSUMER, argv[1]), *out = client(RD_KAFKA_PRODUCER, argv[1]);
    rd_kafka_topic_t *from = rd_kafka_topic_new(in, argv[2], NULL), *to = rd_kafka_topic_new(out, argv[3], NULL);
    rd_kafka_consume_start(from, 0, RD_KAFKA_OFFSET_BEGINNING);
    rd_kafka_message_t *batch[1000];
    while (sent < n) {
        ssize_t got = rd_kafka_consume_batch(from, 0, 100, batch, HG_COUNT(batch));
        for (ssize_t i = 0; i < got; i++) {
            if (!batch[i]->err) {
                while (rd_kafka_produce(to, 0, RD_KAFKA_MSG_F_COPY, batch[i]->payload, batch[i]->len, NULL, 0, NULL) !=
                       0)
                    rd_kafka_poll(out, 10);
                sent++;
            }
            rd_kafka_message_destroy(batch[i]);
        }
        rd_kafka_poll(out, 0);
    }
    while (delivered < n) rd_kafka_poll(out, 100);
    double wall = now() - t0;
    struct rusage ru;
    getrusage(RUSAGE_SELF, &ru);
    double cpu =
        (double)(ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) + (double)(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec) / 1e6;
    printf("rows %" PRIu64 " wall_s %.3f cpu_s %.3f rss_mib %.0f\n", n, wall, cpu, (double)ru.ru_maxrss / 1024.0);
    rd_kafka_consume_stop(from, 0);
    rd_kafka_topic_destroy(from);
    rd_kafka_topic_destroy(to);
    rd_kafka_destroy(in);
    rd_kafka_destroy(out);
    return 0;
}
