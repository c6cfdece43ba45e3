/* pprof.c: see pprof_int.h. */
#include "base/hg.h"

#include "profile/pprof_int.h"

/* Protocol Buffers: a field is its number and kind, and then a number of 7 bits a byte, or a length and bytes. */
enum { VARINT = 0, BYTES = 2 };
/* Fields of Profile, and of the messages in it. */
enum { P_SAMPLE_TYPE = 1, P_SAMPLE, P_MAPPING, P_LOCATION, P_FUNCTION, P_STRING, P_DROP_FRAMES, P_TIME_NANOS = 9 };
enum { P_PERIOD_TYPE = 11, P_PERIOD, P_COMMENT, P_DEFAULT_SAMPLE_TYPE };
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE };
enum { MAP_ID = 1, MAP_START, MAP_LIMIT, MAP_OFFSET, MAP_FILE, MAP_BUILD_ID, MAP_HAS_FUNCTIONS };
enum { LOC_ID = 1, LOC_MAPPING, LOC_ADDRESS, LOC_LINE };
enum { LINE_FUNCTION = 1 };
enum { FN_ID = 1, FN_NAME, FN_SYSTEM_NAME };

static void put_varint(hg_buf_t *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) hg_buf_addc(b, (char)(v | 0x80));
    hg_buf_addc(b, (char)v);
}

static void put_number(hg_buf_t *b, unsigned field, uint64_t v)
{
    if (!v) return; /* the default */
    put_varint(b, field << 3 | VARINT);
    put_varint(b, v);
}

static void put_bytes(hg_buf_t *b, unsigned field, hg_str_t s)
{
    put_varint(b, field << 3 | BYTES);
    put_varint(b, s.n);
    hg_buf_addstr(b, s);
}

/* The message that stands in scratch. */
static void put_scratch(hg_pprof_t *p, unsigned field)
{
    put_bytes(p->out, field, hg_buf_str(&p->scratch));
    hg_buf_clear(&p->scratch);
}

static uint64_t string(hg_pprof_t *p, hg_str_t s)
{
    uint32_t id = hg_strmap_get(&p->strings, s), next = p->strings.n;
    if (id != HG_STRMAP_NONE) return id;
    put_bytes(&p->table, P_STRING, s);
    return hg_strmap_put(&p->strings, hg_arena_str(p->a, s), next);
}

void hg_pprof_begin(hg_pprof_t *p, hg_buf_t *out)
{
    *p = (hg_pprof_t){ .out = out, .a = hg_arena_new() };
    hg_strmap_init(&p->strings);
    hg_buf_init(&p->table, HG_BUF_NOMAX);
    hg_buf_init(&p->scratch, HG_BUF_NOMAX);
    string(p, HG_S("")); /* number 0 is the empty one */
}

static void put_value_type(hg_pprof_t *p, unsigned field, const char *type, const char *unit)
{
    put_number(&p->scratch, VALUE_TYPE, string(p, hg_strz(type)));
    put_number(&p->scratch, VALUE_UNIT, string(p, hg_strz(unit)));
    put_scratch(p, field);
}

void hg_pprof_value_type(hg_pprof_t *p, const char *type, const char *unit)
{
    put_value_type(p, P_SAMPLE_TYPE, type, unit);
    put_number(p->out, P_DEFAULT_SAMPLE_TYPE, string(p, hg_strz(type))); /* of several, the last */
}

void hg_pprof_period(hg_pprof_t *p, const char *type, const char *unit, int64_t period)
{
    put_value_type(p, P_PERIOD_TYPE, type, unit);
    put_number(p->out, P_PERIOD, (uint64_t)period);
}

void hg_pprof_comment(hg_pprof_t *p, const char *text)
{
    put_number(p->out, P_COMMENT, string(p, hg_strz(text)));
}

void hg_pprof_drop(hg_pprof_t *p, const char *pattern)
{
    put_number(p->out, P_DROP_FRAMES, string(p, hg_strz(pattern)));
}

void hg_pprof_sample(hg_pprof_t *p, const uint32_t *frames, unsigned n, const int64_t *values, unsigned n_values)
{
    /* Numbers of their own, field by field: packed ones would need their length before them. */
    for (unsigned i = 0; i < n; i++) put_number(&p->scratch, SAMPLE_LOCATION, frames[i] + 1u);
    for (unsigned i = 0; i < n_values; i++) {
        put_varint(&p->scratch, SAMPLE_VALUE << 3 | VARINT);
        put_varint(&p->scratch, (uint64_t)values[i]);
    }
    put_scratch(p, P_SAMPLE);
}

static void put_mapping(hg_pprof_t *p, uint64_t id, const hg_object_t *o)
{
    hg_buf_t *b = &p->scratch;
    put_number(b, MAP_ID, id);
    put_number(b, MAP_START, o->start);
    put_number(b, MAP_LIMIT, o->limit);
    put_number(b, MAP_OFFSET, o->off);
    put_number(b, MAP_FILE, string(p, hg_strz(o->path)));
    put_number(b, MAP_BUILD_ID, string(p, hg_strz(o->build_id)));
    put_number(b, MAP_HAS_FUNCTIONS, o->named);
    put_scratch(p, P_MAPPING);
}

static void put_location(hg_pprof_t *p, uint64_t id, const hg_frame_t *f)
{
    hg_buf_t *b = &p->scratch;
    put_number(b, LOC_ID, id);
    if (f->object != HG_NO_SYMBOL) put_number(b, LOC_MAPPING, f->object + 1u);
    put_number(b, LOC_ADDRESS, f->pc);
    if (f->function != HG_NO_SYMBOL) {
        hg_buf_t line;
        hg_buf_init(&line, 64);
        put_number(&line, LINE_FUNCTION, f->function + 1u);
        put_bytes(b, LOC_LINE, hg_buf_str(&line));
        hg_buf_release(&line);
    }
    put_scratch(p, P_LOCATION);
}

void hg_pprof_end(hg_pprof_t *p, const hg_symbols_t *s, int64_t time_us)
{
    put_number(p->out, P_TIME_NANOS, (uint64_t)time_us * 1000);
    for (uint32_t i = 0; i < s->n_objects; i++) put_mapping(p, i + 1u, &s->objects[i]);
    for (uint32_t i = 0; i < s->n_frames; i++) put_location(p, i + 1u, &s->frames[i]);
    for (uint32_t i = 0; i < s->n_functions; i++) {
        uint64_t name = string(p, s->functions[i].name);
        put_number(&p->scratch, FN_ID, i + 1u);
        put_number(&p->scratch, FN_NAME, name);
        put_number(&p->scratch, FN_SYSTEM_NAME, name);
        put_scratch(p, P_FUNCTION);
    }
    hg_buf_addstr(p->out, hg_buf_str(&p->table));
    hg_buf_release(&p->table);
    hg_buf_release(&p->scratch);
    hg_strmap_release(&p->strings);
    hg_arena_free(p->a);
}
