/* The orchestrator behind a text protocol, for orch_model.py.
 *
 *   orch_driver gen SEED COUNT [flush]   makes COUNT random histories and plays them
 *   orch_driver run                      plays histories from stdin: "H <config>", then one event per line
 * flush: each event is written before it is played, to see which one kills the program.
 *
 * A config is one word per connector, labels/after/flags: "ab/c/m" carries labels a and b, waits for c, wants a mark
 * ("p": paused in the config, "i": never ends, "e": start_after is an empty list).
 * Printed per config: "K <config>|<complaints>", for each that is tried (those with errors are not played), per history
 * "H <config>", and per event "<event>|<connectors>|<commands>":
 *   events      T start  O opened  E ended  B buffered  F failed  S user start  P user pause  R run  H pause
 *               M marked  N mark failed  D durable  X rerun  V moving  W moved  A add  L save and load anew (n:
 * connectors that are changed) as <letter><connector>,<n> connectors  reason, flags (1 reading, 2 paused, 4 finished, 8
 * ended) in hex, since; then :<label><connector>[!] for each thing it waits for commands    o open  k mark  p persist
 * r run  h hold c close  s reason  a activated, as <letter><connector>,<n>
 */
#include "base/hg.h"
#include "base/buf.h"
#include "base/mem.h"
#include "orchestrator/orch.h"

enum { MAX_CONNS = 8, MAX_ALL = 12, MAX_LABELS = 6, MAX_TRIES = 50 };

typedef struct {
    hg_orch_conn_t conns[MAX_CONNS];
    uint32_t n;
    char text[256];
} config_t;

typedef struct {
    char letter;
    uint32_t conn;
    uint64_t n;
} event_t;

static const char g_letters[] = "abcdef";
static const char g_events[] = "OEBFSPRHMNDXVW";
static const hg_orch_ev_kind_t g_kinds[] = { HG_ORCH_OPENED,     HG_ORCH_ENDED,       HG_ORCH_BUFFERED, HG_ORCH_FAILED,
                                             HG_ORCH_USER_START, HG_ORCH_USER_PAUSE,  HG_ORCH_RUN,      HG_ORCH_PAUSE,
                                             HG_ORCH_MARKED,     HG_ORCH_MARK_FAILED, HG_ORCH_DURABLE,  HG_ORCH_RERUN,
                                             HG_ORCH_MOVING,     HG_ORCH_MOVED };
static const char *const g_names[MAX_ALL] = {
    "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9", "c10", "c11"
};

static hg_str_t g_label_names[MAX_LABELS];
static hg_str_t g_lists[MAX_CONNS][2][16];
static hg_buf_t g_out;

static bool g_flush;

static void flush_out(void)
{
    fwrite(g_out.p, 1, g_out.len, stdout);
    fflush(stdout);
    hg_buf_clear(&g_out);
}

static uint64_t g_seed;
static uint64_t rnd(uint64_t below)
{
    uint64_t z = g_seed += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

/* --- configs --- */

static uint32_t read_labels(const char **p, hg_str_t *list)
{
    uint32_t n = 0;
    for (; **p && **p != '/' && **p != ' '; (*p)++) {
        const char *at = strchr(g_letters, **p);
        if (at && n < 16) list[n++] = g_label_names[at - g_letters];
    }
    if (**p == '/') (*p)++;
    return n;
}

static void read_config(const char *text, config_t *ret)
{
    memset(ret, 0, sizeof *ret);
    snprintf(ret->text, sizeof ret->text, "%s", text);
    const char *p = ret->text;
    while (*p && ret->n < MAX_CONNS) {
        hg_orch_conn_t *c = &ret->conns[ret->n];
        c->name = hg_strz(g_names[ret->n]);
        c->finite = true;
        c->labels = g_lists[ret->n][0];
        c->n_labels = read_labels(&p, g_lists[ret->n][0]);
        c->after = g_lists[ret->n][1];
        c->n_after = read_labels(&p, g_lists[ret->n][1]);
        c->has_after = c->n_after > 0;
        for (; *p && *p != ' '; p++) {
            c->paused |= *p == 'p';
            c->wants_mark |= *p == 'm';
            c->has_after |= *p == 'e';
            if (*p == 'i') c->finite = false;
        }
        while (*p == ' ') p++;
        ret->n++;
    }
}

static void make_config(char *text, size_t cap)
{
    uint32_t n = 1 + (uint32_t)rnd(rnd(10) == 0 ? MAX_CONNS : 4), labels = 1 + (uint32_t)rnd(MAX_LABELS - 2);
    size_t len = 0;
    for (uint32_t i = 0; i < n && len + 40 < cap; i++) {
        if (i) text[len++] = ' ';
        for (uint32_t l = 0; l < labels; l++)
            if (rnd(3) == 0) text[len++] = g_letters[l];
        text[len++] = '/';
        bool waits = rnd(2);
        for (uint32_t k = 0, m = waits ? 1 + (uint32_t)rnd(3) / 2 : 0; k < m; k++)
            text[len++] = g_letters[rnd(labels + (rnd(8) == 0))];
        text[len++] = '/';
        if (waits && rnd(2)) text[len++] = 'm';
        if (rnd(6) == 0) text[len++] = 'p';
        if (rnd(6) == 0) text[len++] = 'i';
        if (!waits && rnd(60) == 0) text[len++] = 'e';
    }
    text[len] = 0;
}

/* Prints the complaints; true if there is no error. */
static bool check(const config_t *cfg)
{
    const hg_orch_issue_t *issues;
    hg_arena_t *a = hg_arena_new();
    uint32_t n = hg_orch_check_config(a, cfg->conns, cfg->n, true, &issues);
    bool ok = true;
    hg_buf_addf(&g_out, "K %s|", cfg->text);
    for (uint32_t i = 0; i < n; i++) {
        const hg_orch_issue_t *e = &issues[i];
        ok = ok && e->warning;
        hg_buf_addf(&g_out, "%s%c%u", i ? " " : "",
                    e->code == HG_ECYCLE          ? 'y'
                    : e->code == HG_EEMPTYAFTER   ? 'e'
                    : e->code == HG_EUNKNOWNLABEL ? 'u'
                                                  : 'w',
                    e->conn);
        for (uint32_t k = 0; k < e->n_loop; k++)
            hg_buf_addf(&g_out, ",%u" HG_SF, e->loop_conn[k], HG_SA(e->loop_label[k]));
    }
    hg_buf_addc(&g_out, '\n');
    hg_arena_free(a);
    return ok;
}

/* --- one history --- */

typedef struct {
    const config_t *cfg;
    hg_orch_t *o;
    int64_t now;
    bool started;
    /* what the host owes an answer to */
    bool opening[MAX_ALL], marking[MAX_ALL];
    uint64_t token, durable;
} play_t;

static void put_blocker(void *arg, const hg_orch_blocker_t *b)
{
    (void)arg;
    hg_buf_addf(&g_out, ":" HG_SF "%u%s%s", HG_SA(b->label), b->conn, b->mark ? "m" : "", b->failed ? "!" : "");
}

static void put_state(const hg_orch_t *o)
{
    for (uint32_t i = 0; i < hg_orch_count(o); i++) {
        unsigned flags = (hg_orch_reading(o, i) ? 1u : 0) | (hg_orch_paused(o, i) ? 2u : 0) |
                         (hg_orch_finished(o, i) ? 4u : 0) | (hg_orch_ended(o, i) ? 8u : 0);
        if (i) hg_buf_addc(&g_out, ' ');
        hg_buf_addc(&g_out, "RUWMFE"[hg_orch_reason(o, i)]);
        hg_buf_addc(&g_out, "0123456789abcdef"[flags]);
        hg_buf_addi64(&g_out, hg_orch_since(o, i));
        hg_orch_blockers(o, i, put_blocker, NULL);
    }
}

static void put_commands(play_t *p)
{
    hg_orch_cmd_t c;
    bool first = true;
    while (hg_orch_next(p->o, &c)) {
        if (!first) hg_buf_addc(&g_out, ' ');
        first = false;
        hg_buf_addc(&g_out, "okprhcsa"[c.kind]);
        hg_buf_addu64(&g_out, c.conn);
        hg_buf_addc(&g_out, ',');
        hg_buf_addu64(&g_out, c.n);
        if (c.kind == HG_ORCH_DO_OPEN) p->opening[c.conn] = true;
        if (c.kind == HG_ORCH_DO_CLOSE) p->opening[c.conn] = p->marking[c.conn] = false;
        if (c.kind == HG_ORCH_DO_MARK) p->marking[c.conn] = true;
        if (c.kind == HG_ORCH_DO_PERSIST) p->token = c.n;
    }
}

static bool is_changed(void *arg, hg_str_t name)
{
    const event_t *e = arg;
    for (uint32_t i = 0; i < MAX_CONNS; i++)
        if (hg_str_eqz(name, g_names[i])) return e->n >> i & 1;
    return false;
}

static void restart(play_t *p, event_t *e)
{
    hg_buf_t b;
    hg_jw_t w;
    hg_json_t *j;
    hg_err_t err = HG_ERR_INIT;
    hg_arena_t *a = hg_arena_new();
    hg_buf_init(&b, HG_BUF_NOMAX);
    hg_jw_init(&w, &b);
    hg_orch_save(p->o, &w);
    hg_orch_free(p->o);
    *p = (play_t){ .cfg = p->cfg, .now = p->now };
    p->o = hg_orch_new(p->cfg->conns, p->cfg->n);
    int rc = hg_json_parse(a, hg_buf_str(&b), &j, &err);
    if (rc == 0) rc = hg_orch_load(p->o, j, is_changed, e, &err);
    HG_ASSERT(rc == 0);
    hg_buf_release(&b);
    hg_arena_free(a);
}

static void play(play_t *p, event_t e)
{
    p->now++;
    const char *at = strchr(g_events, e.letter);
    hg_buf_addf(&g_out, "%c%u,%" PRIu64 "|", e.letter, e.conn, e.n);
    if (g_flush) flush_out(); /* the event that kills us is printed */
    if (at)
        hg_orch_feed(p->o, (hg_orch_ev_t){ g_kinds[at - g_events], e.conn, e.n, p->now });
    else if (e.letter == 'T' && !p->started) {
        p->started = true;
        hg_orch_start(p->o, p->now);
    } else if (e.letter == 'A' && hg_orch_count(p->o) < MAX_ALL)
        hg_orch_add(p->o, hg_strz(g_names[hg_orch_count(p->o)]), p->now);
    else if (e.letter == 'L')
        restart(p, &e);
    if (e.letter == 'O' && e.conn < MAX_ALL) p->opening[e.conn] = false;
    if (e.letter == 'M' && e.conn < MAX_ALL) p->marking[e.conn] = false;
    if (e.letter == 'D') p->durable = e.n;
    put_state(p->o);
    hg_buf_addc(&g_out, '|');
    put_commands(p);
    hg_buf_addc(&g_out, '\n');
    hg_orch_check(p->o);
}

static void begin(play_t *p, const config_t *cfg)
{
    *p = (play_t){ .cfg = cfg, .o = hg_orch_new(cfg->conns, cfg->n) };
    hg_buf_addf(&g_out, "H %s\n", cfg->text);
}

/* Half of the events are answers that the host owes, the others are anything. */
static event_t make_event(play_t *p)
{
    uint32_t n = hg_orch_count(p->o);
    if (!p->started && rnd(4)) return (event_t){ 'T', 0, 0 };
    for (uint32_t i = (uint32_t)rnd(n), k = 0; rnd(2) && k < n; k++, i = (i + 1) % n) {
        if (p->opening[i]) return (event_t){ 'O', i, 0 };
        if (p->marking[i]) return (event_t){ rnd(3) ? 'M' : 'N', i, 0 };
    }
    if (p->durable < p->token && rnd(3) == 0) return (event_t){ 'D', 0, p->durable + 1 + rnd(p->token - p->durable) };
    event_t e = { '?', (uint32_t)rnd(n), rnd(2) };
    static const char often[] = "EEEEBBBBSSPPRRRHFFXXOMNDALVVWW";
    e.letter = often[rnd(sizeof often - 1)];
    if (e.letter == 'D') e.n = rnd(p->token + 2);
    if (e.letter == 'L') e.n = rnd(4) ? 0 : rnd(1u << MAX_CONNS);
    if (rnd(100) == 0) e.conn = n + (uint32_t)rnd(2);
    return e;
}

static void gen(uint64_t seed, uint64_t count)
{
    g_seed = seed;
    for (uint64_t h = 0; h < count; h++) {
        config_t cfg;
        char text[256];
        play_t p;
        do {
            make_config(text, sizeof text);
            read_config(text, &cfg);
        } while (!check(&cfg));
        begin(&p, &cfg);
        uint32_t len = 4 + (uint32_t)rnd(rnd(12) ? 14 : 40);
        for (uint32_t i = 0; i < len; i++) play(&p, make_event(&p));
        hg_orch_free(p.o);
        if (g_out.len > 1u << 16) flush_out();
    }
}

static void run(void)
{
    char *line = NULL;
    size_t cap = 0;
    config_t cfg;
    play_t p = { 0 };
    bool ok = false;
    while (getline(&line, &cap, stdin) > 0) {
        line[strcspn(line, "|\n")] = 0;
        event_t e = { line[0], 0, 0 };
        if (line[0] == 'H' && line[1] == ' ') {
            hg_orch_free(p.o);
            p.o = NULL;
            read_config(line + 2, &cfg);
            ok = check(&cfg);
            if (ok) begin(&p, &cfg);
        } else if (ok && sscanf(line + 1, "%" SCNu32 ",%" SCNu64, &e.conn, &e.n) == 2)
            play(&p, e);
    }
    hg_orch_free(p.o);
    free(line);
}

int main(int argc, char **argv)
{
    for (int i = 0; i < MAX_LABELS; i++) g_label_names[i] = (hg_str_t){ &g_letters[i], 1 };
    hg_buf_init(&g_out, HG_BUF_NOMAX);
    g_flush = argc == 5 || argc == 2;
    if ((argc == 4 || argc == 5) && strcmp(argv[1], "gen") == 0)
        gen(strtoull(argv[2], NULL, 10), strtoull(argv[3], NULL, 10));
    else if (argc == 2 && strcmp(argv[1], "run") == 0)
        run();
    else {
        fputs("usage: orch_driver gen SEED COUNT [flush] | run\n", stderr);
        return 2;
    }
    flush_out();
    hg_buf_release(&g_out);
    return 0;
}
