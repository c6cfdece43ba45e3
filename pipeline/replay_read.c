/* replay_read.c: journals into steps and entries; see replay.h.
 *
 * Only metadata comes into memory, some 100 bytes for 256 KiB of input; payloads stay in the file until their turn.
 *
 * Which steps count. With exactly_once they must follow each other without a gap, from the checkpoint on. Steps with
 * entries that another program made cannot be done by this one: that is refused. Steps without entries only count.
 * With at_least_once rows for a table that still means the same are good whatever program was running; cuts of another
 * program are a hole (replay.h).
 */
#include "base/hg.h"
#include "base/log.h"
#include "base/mem.h"
#include "pipeline/replay.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FRAME_HEAD 16 /* before a payload in the file: base/durable.h */

typedef struct {
    hg_jreplay_t *r;
    const char *path;
    uint32_t *numbers, n_numbers; /* number in this log → name + 1 */
    bool begun, same_program, same_level, all_steps;
    hg_err_t *err;
} reader_t;

/* The index of this endpoint and relation: an old one, or the next. */
static uint32_t find_name(hg_jreplay_t *r, hg_str_t endpoint, hg_str_t relation)
{
    size_t n = endpoint.n + 1 + relation.n;
    char *key = hg_arena_alloc(r->arena, n);
    memcpy(key, endpoint.p, endpoint.n);
    key[endpoint.n] = 0;
    memcpy(key + endpoint.n + 1, relation.p, relation.n);
    return hg_strmap_put(&r->by_name, (hg_str_t){ key, n }, r->n_names);
}

static hg_str_t keep(hg_jreplay_t *r, const hg_json_t *v)
{
    if (!v || v->kind != HG_J_STRING) return (hg_str_t){ "", 0 };
    return (hg_str_t){ hg_arena_strndup(r->arena, v->str.p, v->str.n), v->str.n };
}

static int read_begin(reader_t *x, const hg_json_t *v, hg_err_t *err)
{
    hg_pipeline_t *p = x->r->p;
    uint64_t program;
    hg_hashkey_t key;
    const char *level = hg_json_str(hg_json_get(v, "fault_tolerance"), NULL);
    if (!level || !hg_json_get_hex(v, "program", &program) || !hg_json_get_hex(v, "hash_key_0", &key.k0) ||
        !hg_json_get_hex(v, "hash_key_1", &key.k1))
        return hg_err_set(err, HG_EDAMAGED, "a beginning without its members");
    x->begun = true;
    x->same_program = program == p->durable->program_hash;
    x->same_level = strcmp(level, hg_ft_name(p->cfg.ft)) == 0;
    x->all_steps = strcmp(level, hg_ft_name(HG_FT_EXACTLY_ONCE)) == 0;
    if (!x->r->has_hash_key) {
        x->r->has_hash_key = true;
        x->r->hash_key = key;
    }
    x->n_numbers = 0;                        /* numbers begin anew with each opening */
    if (!x->same_program) x->r->n_fills = 0; /* outputs have had rows of another one since */
    return 0;
}

static int read_endpoint(reader_t *x, const hg_json_t *v, hg_err_t *err)
{
    hg_jreplay_t *r = x->r;
    uint64_t no;
    hg_str_t name = keep(r, hg_json_get(v, "name")), relation = keep(r, hg_json_get(v, "relation"));
    if (hg_json_u64(hg_json_get(v, "number"), &no) < 0 || no != x->n_numbers + 1 || relation.n == 0)
        return hg_err_set(err, HG_EDAMAGED, "an endpoint without a number that follows, or without a relation");
    uint32_t i = find_name(r, name, relation);
    if (i == r->n_names) {
        hg_rname_t n = { .endpoint = name, .relation = relation, .format = keep(r, hg_json_get(v, "format")) };
        HG_APUSH(r->arena, r->names, r->n_names, n);
    }
    x->numbers = hg_xgrow(x->numbers, (no + 1) * sizeof *x->numbers);
    x->numbers[x->n_numbers++] = i;
    return 0;
}

static int check_step(const reader_t *x, const hg_jstep_t *s, hg_err_t *err)
{
    const hg_jreplay_t *r = x->r;
    bool exactly = r->p->cfg.ft == HG_FT_EXACTLY_ONCE;
    if (!x->begun) return hg_err_set(err, HG_EDAMAGED, "a step before the beginning of a log");
    if (s->number <= r->last || (exactly && x->all_steps && s->number != r->last + 1))
        return hg_err_set(err, HG_EDAMAGED, "step %" PRIu64 " where %" PRIu64 " is due", s->number, r->last + 1);
    return 0;
}

static int check_entry(const reader_t *x, const hg_jentry_t *e, hg_err_t *err)
{
    if (e->endpoint == 0 || e->endpoint > x->n_numbers)
        return hg_err_set(err, HG_EDAMAGED, "an entry of an endpoint that has not been named");
    if (e->kind == HG_JE_FILL || x->r->p->cfg.ft != HG_FT_EXACTLY_ONCE) return 0;
    if (!x->same_level)
        return hg_err_set(err, HG_EREPLAY,
                          "what came after the last checkpoint was journalled with another fault_tolerance: start once "
                          "with that and stop without force, or clear the pipeline's state");
    if (!x->same_program)
        return hg_err_set(err, HG_EREPLAY,
                          "steps after the last checkpoint were done by another program, and only that can do them "
                          "again: start it once and stop it without force, or clear the pipeline's state");
    return 0;
}

/* Only at_least_once gets here with another program. */
static bool is_reread(reader_t *x, const hg_jentry_t *e, uint64_t step)
{
    hg_jreplay_t *r = x->r;
    if (e->kind != HG_JE_CUT && e->kind != HG_JE_RAW) {
        if (!x->same_program) r->foreign = true;
        return false;
    }
    if (!x->same_program && !r->hole) { /* with all of this step */
        r->hole = true;
        r->hole_step = step - 1;
        r->hole_entry = UINT32_MAX;
    }
    return r->hole;
}

static int read_step(reader_t *x, hg_str_t payload, uint64_t offset, hg_err_t *err)
{
    hg_jreplay_t *r = x->r;
    hg_str_t in = payload;
    hg_jstep_t s;
    int rc = hg_jstep_read_head(&in, &s, err);
    if (rc == 0) rc = check_step(x, &s, err);
    if (rc < 0) return rc;
    hg_rstep_t step = { .number = s.number, .now_us = s.now_us, .first = r->n_entries };
    for (uint64_t i = 0; i < s.n; i++) {
        hg_jentry_t e;
        rc = hg_jstep_read_entry(&in, &e, err);
        if (rc == 0) rc = check_entry(x, &e, err);
        if (rc < 0) return rc;
        if (e.kind == HG_JE_FILL) {
            hg_rfill_t fill = { s.number, s.now_us, e.records };
            if (x->same_program) HG_APUSH(r->arena, r->fills, r->n_fills, fill);
            continue;
        }
        hg_rentry_t entry = { .kind = e.kind,
                              .name = x->numbers[e.endpoint - 1],
                              .log = r->n_logs - 1,
                              .lane_key = e.lane_key,
                              .begin = e.begin,
                              .end = e.end,
                              .records = e.records,
                              .hash = e.hash,
                              .len = (uint32_t)e.data.n,
                              .after_len = (uint32_t)e.after.n,
                              .reread = is_reread(x, &e, s.number) };
        if (e.kind == HG_JE_CUT)
            entry.start = (hg_str_t){ hg_arena_strndup(r->arena, e.data.p, e.data.n), e.data.n };
        else
            entry.off = offset + FRAME_HEAD + (uint64_t)(e.data.p - payload.p);
        HG_APUSH(r->arena, r->entries, r->n_entries, entry);
        step.n++;
    }
    if (in.n) return hg_err_set(err, HG_EDAMAGED, "%zu bytes behind the last entry of a step", in.n);
    r->last = s.number;
    HG_APUSH(r->arena, r->steps, r->n_steps, step);
    return 0;
}

static void reread_from(hg_jreplay_t *r, uint64_t number, uint32_t entry)
{
    for (uint32_t i = r->n_steps; i > 0 && r->steps[i - 1].number >= number; i--) {
        const hg_rstep_t *s = &r->steps[i - 1];
        bool here = s->number == number; /* what is kept of this step has one position, behind all of it */
        for (uint32_t k = here ? entry : 0; k < s->n; k++) {
            hg_rentry_t *e = &r->entries[s->first + k];
            if (e->kind == HG_JE_CUT || (e->kind == HG_JE_RAW && !here)) e->reread = true;
        }
    }
}

/* An earlier start had a hole there. What follows begins behind it, so it is none for us. */
static int read_reread(reader_t *x, const hg_json_t *v, hg_err_t *err)
{
    hg_jreplay_t *r = x->r;
    uint64_t step, entry;
    if (hg_json_u64(hg_json_get(v, "step"), &step) < 0 || hg_json_u64(hg_json_get(v, "entry"), &entry) < 0 ||
        entry > UINT32_MAX)
        return hg_err_set(err, HG_EDAMAGED, "a place to read again from, without its members");
    reread_from(r, step, (uint32_t)entry);
    if (r->hole && (r->hole_step > step || (r->hole_step == step && r->hole_entry >= entry))) r->hole = false;
    return 0;
}

void hg_jreplay_hole(hg_jreplay_t *r, uint32_t step, uint32_t entry)
{
    r->hole = true;
    r->hole_step = r->steps[step].number;
    r->hole_entry = entry;
    reread_from(r, r->hole_step, entry);
}

uint32_t hg_jreplay_wanted(const hg_jreplay_t *r)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n_entries; i++) n += !r->entries[i].reread;
    return n;
}

static int read_mark(reader_t *x, hg_str_t payload, hg_err_t *err)
{
    hg_jreplay_t *r = x->r;
    hg_rstep_t step = { .first = r->n_entries, .is_mark = true };
    int rc = hg_jmark_read(payload, &step.mark, err);
    if (rc < 0) return rc;
    step.number = step.mark.step;
    if (step.mark.kind == HG_JMARK_COMMIT) {
        rc = check_step(x, &(hg_jstep_t){ .number = step.number }, err);
        if (rc < 0) return rc;
        r->last = step.number;
    } else if (!x->begun) {
        return hg_err_set(err, HG_EDAMAGED, "a transaction before the beginning of a log");
    }
    HG_APUSH(r->arena, r->steps, r->n_steps, step);
    return 0;
}

static int read_frame(void *arg, uint32_t kind, hg_str_t payload, uint64_t offset, hg_err_t *err)
{
    reader_t *x = arg;
    hg_json_t *v = NULL;
    int rc = 0;
    if (kind == HG_JF_BEGIN || kind == HG_JF_ENDPOINT || kind == HG_JF_REREAD) {
        rc = hg_json_parse(x->r->arena, payload, &v, err);
        if (rc == 0)
            rc = kind == HG_JF_BEGIN      ? read_begin(x, v, err)
                 : kind == HG_JF_ENDPOINT ? read_endpoint(x, v, err)
                                          : read_reread(x, v, err);
    } else if (kind == HG_JF_STEP) {
        rc = read_step(x, payload, offset, err);
    } else if (kind == HG_JF_MARK) {
        rc = read_mark(x, payload, err);
    } else {
        rc = hg_err_set(err, HG_EDAMAGED, "a frame of unknown kind %u", kind);
    }
    if (rc == 0) return 0;
    if (err->code != HG_EREPLAY) err->code = HG_EDAMAGED;
    hg_err_wrap(err, "%s, frame at byte %" PRIu64, x->path, offset);
    return err->code;
}

static int read_log(void *arg, const char *path, uint64_t number, hg_err_t *err)
{
    hg_jreplay_t *r = arg;
    reader_t x = { .r = r, .path = path };
    hg_framelog_t *l = NULL;
    (void)number;
    r->logs = hg_xgrow(r->logs, (r->n_logs + 1) * sizeof *r->logs);
    r->logs[r->n_logs++] = hg_xstrdup(path);
    int rc = hg_framelog_open(path, HG_JOURNAL_MAGIC, false, read_frame, &x, &l, err);
    hg_framelog_close(l);
    hg_free(x.numbers);
    return rc;
}

int hg_jreplay_load(hg_pipeline_t *p, hg_jreplay_t **ret, hg_err_t *err)
{
    const hg_durable_t *d = p->durable;
    hg_jreplay_t *r = HG_NEW(hg_jreplay_t);
    r->p = p;
    r->arena = hg_arena_new();
    hg_strmap_init(&r->by_name);
    r->last = atomic_load(&p->steps);
    r->fd = -1;
    int rc = hg_storage_logs(d->storage, "journal", d->number, read_log, r, err);
    if (rc == 0 && r->foreign && !hg_storage_manifest(d->storage))
        rc = hg_err_set(err, HG_EREPLAY,
                        "there is no checkpoint yet, and what was pushed so far went to another program: start that "
                        "once and stop it without force, or clear the pipeline's state");
    if (rc < 0) {
        hg_jreplay_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

void hg_jreplay_free(hg_jreplay_t *r)
{
    if (!r) return;
    if (r->fd >= 0) close(r->fd);
    for (uint32_t i = 0; i < r->n_logs; i++) hg_free(r->logs[i]);
    hg_free(r->logs);
    hg_free(r->chunks);
    hg_free(r->of_input);
    hg_strmap_release(&r->by_name);
    hg_arena_free(r->arena);
    hg_free(r);
}

static char *read_at(hg_jreplay_t *r, uint32_t log, uint64_t off, uint32_t len, hg_err_t *err)
{
    const char *path = r->logs[log];
    if (r->fd < 0 || r->fd_log != log) {
        if (r->fd >= 0) close(r->fd);
        r->fd = open(path, O_RDONLY | O_CLOEXEC);
        r->fd_log = log;
    }
    if (r->fd < 0) {
        hg_err_errno(err, errno, "cannot read %s", path);
        return NULL;
    }
    char *p = hg_trynew((size_t)len + 1);
    if (!p) {
        hg_err_set(err, HG_ENOMEM, "no memory for %u bytes of %s", len, path);
        return NULL;
    }
    for (size_t got = 0; got < len;) {
        ssize_t n = pread(r->fd, p + got, len - got, (off_t)(off + got));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            hg_err_errno(err, n < 0 ? errno : EIO, "cannot read %s at byte %" PRIu64, path, off + got);
            hg_free(p);
            return NULL;
        }
        got += (size_t)n;
    }
    p[len] = 0;
    return p;
}

char *hg_jreplay_data(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err)
{
    return read_at(r, e->log, e->off, e->len, err);
}

char *hg_jreplay_after(hg_jreplay_t *r, const hg_rentry_t *e, hg_err_t *err)
{
    uint64_t at = e->off + e->len + 1; /* behind the number that is its length */
    for (uint32_t n = e->after_len; n >= 0x80; n >>= 7) at++;
    return read_at(r, e->log, at, e->after_len, err);
}
