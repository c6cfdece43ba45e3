/* mock_broker.c: a Kafka cluster in a process, for the demo and for tests without a real broker: librdkafka's mock
 * cluster.
 *
 *   mock_broker [topic:partitions…]
 *
 * Prints "bootstrap HOST:PORT" when it is ready. Then reads lines from standard input:
 *   produce TOPIC PARTITION PAYLOAD…     append a message (payload up to the end of the line)
 *   flush                                wait until all are in, print "flushed N"
 *   down | up                            the broker refuses connections / takes them again
 *   fail REQUEST ERROR TIMES MS          the next requests of this kind (Kafka's number) are answered with this error,
 *                                        after so many ms
 * Ends at the end of its input.
 */
#include "base/hg.h"
#include "base/mem.h"
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

static rd_kafka_t *new_client(rd_kafka_conf_t *conf)
{
    char err[256];
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, err, sizeof err);
    if (!rk) {
        fprintf(stderr, "mock_broker: %s\n", err);
        exit(1);
    }
    return rk;
}

static void produce(rd_kafka_t *rk, char *args)
{
    char *save = NULL, *topic = strtok_r(args, " ", &save), *part = strtok_r(NULL, " ", &save);
    char *payload = save ? save : args + strlen(args);
    if (!topic || !part) {
        fprintf(stderr, "mock_broker: produce TOPIC PARTITION PAYLOAD\n");
        exit(2);
    }
    rd_kafka_topic_t *t = rd_kafka_topic_new(rk, topic, NULL);
    if (rd_kafka_produce(t, (int32_t)strtol(part, NULL, 10), RD_KAFKA_MSG_F_COPY | RD_KAFKA_MSG_F_BLOCK, payload,
                         strlen(payload), NULL, 0, NULL) < 0)
        fprintf(stderr, "mock_broker: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
    rd_kafka_topic_destroy(t);
    rd_kafka_poll(rk, 0);
}

static void fail(rd_kafka_mock_cluster_t *mc, const char *args)
{
    long api = 0, error = 0, times = 0, ms = 0;
    if (sscanf(args, "%ld %ld %ld %ld", &api, &error, &times, &ms) != 4) {
        fprintf(stderr, "mock_broker: fail REQUEST ERROR TIMES MS\n");
        exit(2);
    }
    for (long i = 0; i < times; i++)
        rd_kafka_mock_broker_push_request_error_rtts(mc, 1, (int16_t)api, 1, (rd_kafka_resp_err_t)error, (int)ms);
}

int main(int argc, char **argv)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char err[256];
    HG_ASSERT(rd_kafka_conf_set(conf, "log_level", "0", err, sizeof err) == RD_KAFKA_CONF_OK);
    rd_kafka_t *host = new_client(conf);
    rd_kafka_mock_cluster_t *mc = rd_kafka_mock_cluster_new(host, 1);
    for (int i = 1; i < argc; i++) {
        char *colon = strchr(argv[i], ':');
        int parts = colon ? (int)strtol(colon + 1, NULL, 10) : 1;
        if (colon) *colon = 0;
        rd_kafka_mock_topic_create(mc, argv[i], parts, 1);
    }
    conf = rd_kafka_conf_new();
    HG_ASSERT(rd_kafka_conf_set(conf, "bootstrap.servers", rd_kafka_mock_cluster_bootstraps(mc), err, sizeof err) ==
              RD_KAFKA_CONF_OK);
    HG_ASSERT(rd_kafka_conf_set(conf, "linger.ms", "1", err, sizeof err) == RD_KAFKA_CONF_OK);
    rd_kafka_t *rk = new_client(conf);
    printf("bootstrap %s\n", rd_kafka_mock_cluster_bootstraps(mc));
    fflush(stdout);

    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        if (strncmp(line, "produce ", 8) == 0)
            produce(rk, line + 8);
        else if (strcmp(line, "flush") == 0) {
            rd_kafka_flush(rk, 30000);
            printf("flushed %d\n", rd_kafka_outq_len(rk));
            fflush(stdout);
        } else if (strncmp(line, "fail ", 5) == 0) {
            fail(mc, line + 5);
            printf("failing\n");
            fflush(stdout);
        } else if (strcmp(line, "down") == 0)
            rd_kafka_mock_broker_set_down(mc, 1);
        else if (strcmp(line, "up") == 0)
            rd_kafka_mock_broker_set_up(mc, 1);
    }
    rd_kafka_flush(rk, 5000);
    free(line);
    rd_kafka_destroy(rk);
    rd_kafka_mock_cluster_destroy(mc);
    rd_kafka_destroy(host);
    return 0;
}
