/* firefox.c: see firefox_int.h. Tables are columns: an object of arrays that are equally long. */
#include "base/hg.h"

#include <sys/utsname.h>

#include "base/strmap.h"
#include "base/unwind.h"
#include "profile/firefox_int.h"

/* A column of the same everywhere. */
static void fill(hg_jw_t *w, const char *key, uint32_t n, const char *value)
{
    hg_jw_key(w, key);
    hg_jw_arr(w);
    for (uint32_t i = 0; i < n; i++) hg_jw_raw(w, hg_strz(value));
    hg_jw_end_arr(w);
}

static void table(hg_jw_t *w, const char *key, uint32_t n)
{
    hg_jw_key(w, key);
    hg_jw_obj(w);
    hg_jw_ku64(w, "length", n);
}

/* A column: value(i) for each of n. */
#define COLUMN(w, key, n, value)                                                                                       \
    do {                                                                                                               \
        hg_jw_key(w, key);                                                                                             \
        hg_jw_arr(w);                                                                                                  \
        for (uint32_t i = 0; i < (n); i++) hg_jw_i64(w, (int64_t)(value));                                             \
        hg_jw_end_arr(w);                                                                                              \
    } while (0)

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Breakpad's form of a build id: the first half as the bytes of a GUID, whose numbers are little-endian. */
static void breakpad_id(const char *build_id, char out[40])
{
    static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    out[0] = 0;
    if (strlen(build_id) < 32) return;
    for (unsigned i = 0; i < 32; i++) {
        char c = build_id[2 * order[i / 2] + i % 2];
        out[i] = c >= 'a' ? (char)(c - 'a' + 'A') : c;
    }
    out[32] = '0';
    out[33] = 0;
}

static void put_libs(const hg_symbols_t *s, const struct utsname *machine, hg_jw_t *w)
{
    hg_jw_key(w, "libs");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < s->n_objects; i++) {
        const hg_object_t *o = &s->objects[i];
        char id[40];
        breakpad_id(o->build_id, id);
        hg_jw_obj(w);
        hg_jw_kstr(w, "name", base_name(o->path));
        hg_jw_kstr(w, "path", o->path);
        hg_jw_kstr(w, "debugName", base_name(o->path));
        hg_jw_kstr(w, "debugPath", o->path);
        hg_jw_kstr(w, "breakpadId", id);
        hg_jw_kstr(w, "codeId", o->build_id);
        hg_jw_kstr(w, "arch", machine->machine);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
}

static void put_meta(const hg_cpu_recording_t *r, const struct utsname *machine, hg_jw_t *w)
{
    char os[2 * sizeof machine->machine + 2];
    snprintf(os, sizeof os, "%s %s", machine->sysname, machine->machine);
    hg_jw_key(w, "meta");
    hg_jw_obj(w);
    hg_jw_ku64(w, "version", 24);
    hg_jw_ku64(w, "preprocessedProfileVersion", 62);
    hg_jw_ku64(w, "interval", r->interval_ms);
    hg_jw_ki64(w, "startTime", r->start_us / 1000);
    hg_jw_ku64(w, "profilingStartTime", 0);
    hg_jw_ki64(w, "profilingEndTime", r->length_us / 1000);
    hg_jw_kstr(w, "product", "headgate " HG_VERSION);
    hg_jw_kstr(w, "oscpu", os);
    hg_jw_ku64(w, "stackwalk", 1);
    hg_jw_ku64(w, "processType", 0);
    hg_jw_kbool(w, "debug", false);
    hg_jw_kbool(w, "symbolicated", true);
    hg_jw_kbool(w, "usesOnlyOneStackType", true);
    hg_jw_kbool(w, "sourceCodeIsNotOnSearchfox", true);
    hg_jw_key(w, "categories");
    hg_jw_raw(w, HG_S("[{\"name\":\"Other\",\"color\":\"grey\",\"subcategories\":[\"Other\"]}]"));
    hg_jw_key(w, "extensions");
    hg_jw_raw(w, HG_S("{\"length\":0,\"id\":[],\"name\":[],\"baseURL\":[]}"));
    hg_jw_key(w, "sampleUnits");
    hg_jw_raw(w, HG_S("{\"time\":\"ms\",\"eventDelay\":\"ms\",\"threadCPUDelta\":\"µs\"}"));
    hg_jw_key(w, "markerSchema");
    hg_jw_raw(w, HG_S("[]"));
    hg_jw_key(w, "extra");
    hg_jw_arr(w);
    if (r->lost) { /* shown beside the profile */
        hg_jw_obj(w);
        hg_jw_kstr(w, "label", "headgate");
        hg_jw_key(w, "entries");
        hg_jw_arr(w);
        hg_jw_obj(w);
        hg_jw_kstr(w, "label", "Samples that were lost");
        hg_jw_kstr(w, "format", "integer");
        hg_jw_ku64(w, "value", r->lost);
        hg_jw_end_obj(w);
        hg_jw_end_arr(w);
        hg_jw_end_obj(w);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

/* --- what all threads share --- */

/* One func per function; of those without a name, one per place where one begins. Strings: those of libs, then those of
 * funcs. */
typedef struct funcs {
    const hg_symbols_t *s;
    uint32_t *of_frame; /* func of each frame */
    uint32_t *frame_of; /* a frame of each func */
    uintptr_t *begin;   /* of each func without a name */
    uint32_t n;
} funcs_t;

static void number_funcs(funcs_t *f, const hg_symbols_t *s, hg_arena_t *a)
{
    *f = (funcs_t){ .s = s, .of_frame = HG_ANEWN(a, uint32_t, s->n_frames + 1u) };
    f->frame_of = HG_ANEWN(a, uint32_t, s->n_frames + 1u);
    f->begin = HG_ANEWN(a, uintptr_t, s->n_frames + 1u);
    hg_strmap_t seen; /* by function, or by where it begins */
    hg_strmap_init(&seen);
    for (uint32_t i = 0; i < s->n_frames; i++) {
        struct {
            uint64_t named, at;
        } key = { s->frames[i].function != HG_NO_SYMBOL, s->frames[i].function };
        if (!key.named) key.at = hg_function_begin(s->frames[i].pc);
        if (!key.at && !key.named) key.at = s->frames[i].pc;
        uint32_t func = hg_strmap_put(&seen, hg_arena_str(a, (hg_str_t){ (const char *)&key, sizeof key }), f->n);
        f->of_frame[i] = func;
        if (func < f->n) continue;
        f->frame_of[f->n] = i;
        f->begin[f->n++] = (uintptr_t)key.at;
    }
    hg_strmap_release(&seen);
}

static uint64_t offset_in_object(const hg_symbols_t *s, const hg_frame_t *f, uintptr_t pc)
{
    if (f->object == HG_NO_SYMBOL) return pc;
    return pc - s->objects[f->object].start + s->objects[f->object].off;
}

static void put_frames(const funcs_t *f, hg_jw_t *w)
{
    const hg_symbols_t *s = f->s;
    uint32_t n = s->n_frames;
    table(w, "frameTable", n);
    COLUMN(w, "address", n, offset_in_object(s, &s->frames[i], s->frames[i].pc));
    COLUMN(w, "func", n, f->of_frame[i]);
    fill(w, "inlineDepth", n, "0");
    fill(w, "category", n, "0");
    fill(w, "subcategory", n, "0");
    fill(w, "innerWindowID", n, "0");
    fill(w, "nativeSymbol", n, "null");
    fill(w, "line", n, "null");
    fill(w, "column", n, "null");
    hg_jw_end_obj(w);
    table(w, "funcTable", f->n);
    COLUMN(w, "name", f->n, s->n_objects + i);
    COLUMN(w, "resource", f->n,
           s->frames[f->frame_of[i]].object == HG_NO_SYMBOL ? -1 : (int64_t)s->frames[f->frame_of[i]].object);
    fill(w, "isJS", f->n, "false");
    fill(w, "relevantForJS", f->n, "false");
    fill(w, "source", f->n, "null");
    fill(w, "lineNumber", f->n, "null");
    fill(w, "columnNumber", f->n, "null");
    hg_jw_end_obj(w);
}

static void put_strings(const funcs_t *f, hg_jw_t *w)
{
    const hg_symbols_t *s = f->s;
    hg_jw_key(w, "stringArray");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < s->n_objects; i++) hg_jw_strz(w, base_name(s->objects[i].path));
    for (uint32_t i = 0; i < f->n; i++) {
        const hg_frame_t *frame = &s->frames[f->frame_of[i]];
        char address[32];
        snprintf(address, sizeof address, "0x%" PRIx64, offset_in_object(s, frame, f->begin[i]));
        hg_jw_str(w, frame->function == HG_NO_SYMBOL ? hg_strz(address) : s->functions[frame->function].name);
    }
    hg_jw_end_arr(w);
}

static void put_shared(const hg_cpu_recording_t *r, const funcs_t *f, const uint32_t *frame_of_stack, hg_jw_t *w)
{
    uint32_t n = f->s->n_objects;
    hg_jw_key(w, "shared");
    hg_jw_obj(w);
    table(w, "stackTable", r->n_stacks);
    COLUMN(w, "frame", r->n_stacks, frame_of_stack[i]);
    hg_jw_key(w, "prefix");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < r->n_stacks; i++) {
        if (r->stacks[i].prefix == HG_NO_SYMBOL)
            hg_jw_null(w);
        else
            hg_jw_u64(w, r->stacks[i].prefix);
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
    put_frames(f, w);
    table(w, "resourceTable", n);
    COLUMN(w, "lib", n, i);
    COLUMN(w, "name", n, i);
    fill(w, "host", n, "null");
    fill(w, "type", n, "1"); /* a library */
    hg_jw_end_obj(w);
    hg_jw_key(w, "nativeSymbols");
    hg_jw_raw(w, HG_S("{\"length\":0,\"address\":[],\"functionSize\":[],\"libIndex\":[],\"name\":[]}"));
    hg_jw_key(w, "sources");
    hg_jw_raw(w,
              HG_S("{\"length\":0,\"id\":[],\"filename\":[],\"sourceMapURL\":[],\"startLine\":[],\"startColumn\":[]}"));
    put_strings(f, w);
    hg_jw_end_obj(w);
}

/* --- threads --- */

static void put_samples(const hg_cpu_recording_t *r, const hg_cpu_thread_t *t, hg_jw_t *w)
{
    int64_t before = 0;
    table(w, "samples", t->n_samples);
    COLUMN(w, "stack", t->n_samples, t->samples[i].stack);
    COLUMN(w, "weight", t->n_samples, t->samples[i].weight);
    hg_jw_kstr(w, "weightType", "samples");
    COLUMN(w, "threadCPUDelta", t->n_samples, t->samples[i].weight * r->interval_ms * 1000u);
    hg_jw_key(w, "timeDeltas");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < t->n_samples; i++) {
        char ms[32];
        int64_t us = HG_MAX(t->samples[i].at_us, before) - before;
        snprintf(ms, sizeof ms, "%" PRId64 ".%03d", us / 1000, (int)(us % 1000));
        hg_jw_raw(w, hg_strz(ms));
        before += us;
    }
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

static void put_thread(const hg_cpu_recording_t *r, const hg_cpu_thread_t *t, hg_jw_t *w)
{
    char id[16];
    hg_jw_obj(w);
    hg_jw_kstr(w, "name", t->name);
    hg_jw_kbool(w, "isMainThread", t->tid == r->pid);
    snprintf(id, sizeof id, "%u", r->pid);
    hg_jw_kstr(w, "pid", id);
    snprintf(id, sizeof id, "%u", t->tid);
    hg_jw_kstr(w, "tid", id);
    hg_jw_kstr(w, "processName", "headgate");
    hg_jw_kstr(w, "processType", "default");
    hg_jw_ku64(w, "processStartupTime", 0);
    hg_jw_knull(w, "processShutdownTime");
    hg_jw_ku64(w, "registerTime", 0);
    hg_jw_knull(w, "unregisterTime");
    hg_jw_kbool(w, "showMarkersInTimeline", false);
    hg_jw_key(w, "pausedRanges");
    hg_jw_raw(w, HG_S("[]"));
    hg_jw_key(w, "markers");
    hg_jw_raw(
        w, HG_S("{\"length\":0,\"category\":[],\"data\":[],\"endTime\":[],\"name\":[],\"phase\":[],\"startTime\":[]}"));
    put_samples(r, t, w);
    hg_jw_end_obj(w);
}

void hg_firefox_json(const hg_cpu_recording_t *r, hg_jw_t *w)
{
    hg_symbols_t s;
    funcs_t funcs;
    struct utsname machine = { .sysname = "" };
    hg_arena_t *a = hg_arena_new();
    uname(&machine);
    hg_symbols_init(&s);
    uint32_t *frame_of_stack = HG_ANEWN(a, uint32_t, r->n_stacks + 1u);
    for (uint32_t i = 0; i < r->n_stacks; i++) frame_of_stack[i] = hg_symbols_frame(&s, r->stacks[i].pc);
    number_funcs(&funcs, &s, a);
    hg_jw_obj(w);
    put_meta(r, &machine, w);
    put_libs(&s, &machine, w);
    put_shared(r, &funcs, frame_of_stack, w);
    hg_jw_key(w, "threads");
    hg_jw_arr(w);
    for (uint32_t i = 0; i < r->n_threads; i++)
        if (r->threads[i].n_samples) put_thread(r, &r->threads[i], w);
    hg_jw_end_arr(w);
    hg_jw_key(w, "pages");
    hg_jw_raw(w, HG_S("[]"));
    hg_jw_key(w, "counters");
    hg_jw_raw(w, HG_S("[]"));
    hg_jw_key(w, "profilerOverhead");
    hg_jw_raw(w, HG_S("[]"));
    hg_jw_end_obj(w);
    hg_symbols_release(&s);
    hg_arena_free(a);
}
