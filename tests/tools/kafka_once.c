/* kafka_once.c: kafka_output with exactly once, for a test that kills it.
 *
 *   kafka_once BOOTSTRAP TOPIC STEPS [KILL]
 *
 * Pushes the steps 1 to STEPS, three rows each: 10 × step and the two numbers after it. With KILL it ends by SIGKILL as
 * soon as that step is delivered, while later ones are on their way; else it waits for all of them and stops.
 * A later run with the same topic pushes all steps again, as a replay does: what the topic holds already must not come
 * twice. */
#include "tests/unit/connectors_host/kit.h"
#include "tests/unit/connectors_host/sink.h"
#include <signal.h>

extern const hg_output_type_t hg_output_kafka;

static void complain(void *arg, bool warning, const hg_json_t *node, bool at_key, const char *msg)
{
    (void)arg, (void)node, (void)at_key;
    if (!warning) fprintf(stderr, "kafka_once: %s\n", msg);
}

static hg_output_t *make(const char *bootstrap, const char *topic)
{
    hg_diag_t d = { .fn = complain };
    hg_err_t err = HG_ERR_INIT;
    hg_output_t *out;
    hg_json_t *j;
    char *text = hg_xprintf("{\"bootstrap.servers\":\"%s\",\"topic\":\"%s\"}", bootstrap, topic);
    hg_kvlist_t *cfg = hg_arena_alloc(kit->arena, hg_output_kafka.cfg_size);
    memset(cfg, 0, hg_output_kafka.cfg_size);
    HG_ASSERT(hg_json_parse(kit->arena, hg_strz(text), &j, &err) == 0);
    HG_ASSERT(hg_opts_parse(hg_output_kafka.opts, j, j, HG_EXTRA_TAKE, cfg, kit->arena, cfg, &d) == 0);
    hg_free(text);
    hg_conn_spec_t spec = kit_spec(cfg);
    spec.is_input = false;
    spec.out_type = &hg_output_kafka;
    HG_ASSERT(hg_output_new(kit->h, &spec, 0, &kit->schema, &out, &err) == 0);
    return out;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: kafka_once BOOTSTRAP TOPIC STEPS [KILL]\n");
        return 2;
    }
    uint64_t steps = strtoull(argv[3], NULL, 10), killed = argc > 4 ? strtoull(argv[4], NULL, 10) : 0;
    kit_up((hg_host_opts_t){ .exactly_once = true, .keep_owed = true, .durable_name = argv[2] });
    hg_output_t *out = make(argv[1], argv[2]);
    hg_output_start(out);
    for (uint64_t s = 1; s <= steps; s++) {
        hg_host_durable(kit->h, s);
        step_of(out, s, (int64_t)s * 10, 3);
        /* a few groups rather than one */
        if (s % 50 == 0) KIT_WAIT(hg_output_delivered_step(out) >= s - 20);
        if (killed && hg_output_delivered_step(out) >= killed) break;
    }
    uint64_t until = killed ? killed : steps;
    KIT_WAIT(hg_output_delivered_step(out) >= until);
    if (killed) raise(SIGKILL);
    hg_output_stats_t stats = out_stats(out);
    if (stats.fatal[0]) fprintf(stderr, "kafka_once: %s\n", stats.fatal);
    hg_output_stop(out, false);
    KIT_WAIT(kit->c[0].out_closed);
    hg_output_free(out);
    kit_down();
    return stats.fatal[0] != 0;
}
