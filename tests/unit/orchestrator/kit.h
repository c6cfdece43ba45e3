/* kit.h: one orchestrator, fed and read as text.
 *
 * Connectors are written "name labels > after flags": "hist back", "live > back mark", "x a,b > c,d paused". Events are
 * words: "run", "pause", "opened hist", "ended hist", "buffered hist 1", "start live", "hold live" (the user's pause),
 * "failed hist", "marked live", "mark_failed live", "durable 1", "rerun hist 1", "moving hist 1", "moved hist".
 * kit_feed() returns the commands of all events given, one per word: "open:hist run:hist reason:live=waiting". Every
 * event is followed by hg_orch_check. */
#ifndef HG_TESTS_ORCH_KIT_H
#define HG_TESTS_ORCH_KIT_H

#include "tests/lib/test.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "orchestrator/orch.h"

typedef struct {
    hg_arena_t *arena;
    hg_orch_conn_t conns[32];
    uint32_t n;
    hg_orch_t *o;
    int64_t now;
    hg_buf_t out;
} kit_t;

static hg_str_t *kit_list(kit_t *k, char *text, uint32_t *ret_n)
{
    hg_str_t *list = HG_ANEWN(k->arena, hg_str_t, 33);
    *ret_n = 0;
    for (char *save = NULL, *w = strtok_r(text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
        assert_true(*ret_n < 32);
        list[(*ret_n)++] = hg_strz(strcmp(w, "''") == 0 ? "" : w);
    }
    return list;
}

/* flags: mark, paused, endless, empty (start_after is []) */
static void kit_conn(kit_t *k, const char *text)
{
    char *copy = hg_arena_strndup(k->arena, text, strlen(text)), *save = NULL;
    hg_orch_conn_t *c = &k->conns[k->n];
    bool after = false;
    *c = (hg_orch_conn_t){ .finite = true,
                           .pos = { .line = k->n + 1, .col = 1 },
                           .after_pos = { .line = k->n + 1, .col = 20 } };
    for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
        if (c->name.n == 0)
            c->name = hg_strz(w);
        else if (strcmp(w, ">") == 0)
            after = true;
        else if (strcmp(w, "mark") == 0)
            c->wants_mark = true;
        else if (strcmp(w, "paused") == 0)
            c->paused = true;
        else if (strcmp(w, "endless") == 0)
            c->finite = false;
        else if (strcmp(w, "empty") == 0)
            c->has_after = true;
        else if (after)
            c->after = kit_list(k, w, &c->n_after);
        else
            c->labels = kit_list(k, w, &c->n_labels);
    }
    c->has_after |= c->n_after > 0;
    k->n++;
}

static void kit_begin(kit_t *k)
{
    *k = (kit_t){ .arena = hg_arena_new() };
    hg_buf_init(&k->out, HG_BUF_NOMAX);
}

HG_UNUSED static void kit_new(kit_t *k, const char *const *conns)
{
    kit_begin(k);
    for (; *conns; conns++) kit_conn(k, *conns);
    k->o = hg_orch_new(k->conns, k->n);
}

#define KIT_NEW(k, ...) kit_new((k), (const char *const[]){ __VA_ARGS__, NULL })

static void kit_end(kit_t *k)
{
    hg_orch_free(k->o);
    hg_buf_release(&k->out);
    hg_arena_free(k->arena);
}

static void kit_commands(kit_t *k)
{
    static const char *const names[] = { "open", "mark", "persist", "run", "hold", "close", "reason", "activated" };
    hg_orch_cmd_t c;
    while (hg_orch_next(k->o, &c)) {
        hg_str_t name = { "?", 1 };
        for (uint32_t i = 0; i < k->n; i++)
            if (i == c.conn) name = k->conns[i].name;
        if (k->out.len) hg_buf_addc(&k->out, ' ');
        hg_buf_addf(&k->out, "%s:" HG_SF, names[c.kind], HG_SA(name));
        if (c.kind == HG_ORCH_DO_PERSIST) hg_buf_addf(&k->out, "=%" PRIu64, c.n);
        if (c.kind == HG_ORCH_DO_REASON) hg_buf_addf(&k->out, "=%s", hg_orch_reason_name((hg_orch_reason_t)c.n));
    }
    hg_orch_check(k->o);
}

HG_UNUSED static const char *kit_start(kit_t *k)
{
    hg_buf_clear(&k->out);
    hg_orch_start(k->o, ++k->now);
    kit_commands(k);
    return k->out.p;
}

static void kit_event(kit_t *k, const char *text)
{
    static const struct {
        const char *word;
        hg_orch_ev_kind_t kind;
    } words[] = { { "run", HG_ORCH_RUN },           { "pause", HG_ORCH_PAUSE },
                  { "opened", HG_ORCH_OPENED },     { "ended", HG_ORCH_ENDED },
                  { "buffered", HG_ORCH_BUFFERED }, { "failed", HG_ORCH_FAILED },
                  { "start", HG_ORCH_USER_START },  { "hold", HG_ORCH_USER_PAUSE },
                  { "marked", HG_ORCH_MARKED },     { "mark_failed", HG_ORCH_MARK_FAILED },
                  { "durable", HG_ORCH_DURABLE },   { "rerun", HG_ORCH_RERUN },
                  { "moving", HG_ORCH_MOVING },     { "moved", HG_ORCH_MOVED } };
    char word[16] = "", name[32] = "0";
    unsigned n = 0;
    int got = sscanf(text, "%15s %31s %u", word, name, &n);
    assert_true(got >= 1);
    hg_orch_ev_t ev = { .kind = HG_ORCH_EV_N, .n = n, .at_us = ++k->now };
    for (size_t i = 0; i < HG_COUNT(words); i++)
        if (strcmp(word, words[i].word) == 0) ev.kind = words[i].kind;
    assert_true(ev.kind != HG_ORCH_EV_N);
    if (ev.kind == HG_ORCH_DURABLE)
        ev.n = strtoull(name, NULL, 10);
    else if (ev.kind != HG_ORCH_RUN && ev.kind != HG_ORCH_PAUSE) {
        ev.conn = hg_orch_find(k->o, hg_strz(name));
        assert_true(ev.conn != UINT32_MAX);
    }
    hg_orch_feed(k->o, ev);
    kit_commands(k);
}

/* Several events, separated by ';'. */
HG_UNUSED static const char *kit_feed(kit_t *k, const char *events)
{
    char *copy = hg_arena_strndup(k->arena, events, strlen(events)), *save = NULL;
    hg_buf_clear(&k->out);
    for (char *e = strtok_r(copy, ";", &save); e; e = strtok_r(NULL, ";", &save)) kit_event(k, e);
    return k->out.p ? k->out.p : "";
}

HG_UNUSED static const char *kit_reason(const kit_t *k, const char *name)
{
    return hg_orch_reason_name(hg_orch_reason(k->o, hg_orch_find(k->o, hg_strz(name))));
}

HG_UNUSED static bool kit_reading(const kit_t *k, const char *name)
{
    return hg_orch_reading(k->o, hg_orch_find(k->o, hg_strz(name)));
}

#define FEED(k, events, want) assert_string_equal(kit_feed((k), (events)), (want))
#define REASON(k, name, want) assert_string_equal(kit_reason((k), (name)), (want))
#define START(k, want)        assert_string_equal(kit_start(k), (want))

#endif
