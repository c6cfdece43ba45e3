/* pprof_int.h: pprof's profile.proto, as far as a heap profile needs it.
 * Source: github.com/google/pprof, proto/profile.proto. One thread. */
#ifndef HG_PROFILE_PPROF_INT_H
#define HG_PROFILE_PPROF_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/strmap.h"
#include "profile/symbols.h"

typedef struct hg_pprof {
    hg_buf_t *out;
    hg_arena_t *a;
    hg_strmap_t strings; /* to their numbers; written as they are met */
    hg_buf_t table, scratch;
} hg_pprof_t;

void hg_pprof_begin(hg_pprof_t *p, hg_buf_t *out);
/* type and unit of the next value of each sample. */
void hg_pprof_value_type(hg_pprof_t *p, const char *type, const char *unit);
/* Frames: numbers of hg_symbols_frame, the leaf first. */
void hg_pprof_sample(hg_pprof_t *p, const uint32_t *frames, unsigned n, const int64_t *values, unsigned n_values);
void hg_pprof_period(hg_pprof_t *p, const char *type, const char *unit, int64_t period);
void hg_pprof_comment(hg_pprof_t *p, const char *text);
/* A pattern of names: functions that match are not shown, nor what they call. */
void hg_pprof_drop(hg_pprof_t *p, const char *pattern);
/* The rest: files, functions, places, strings. p is released. */
void hg_pprof_end(hg_pprof_t *p, const hg_symbols_t *s, int64_t time_us);

#endif
