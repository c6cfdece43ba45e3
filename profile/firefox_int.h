/* firefox_int.h: the format of Firefox's profiler.
 * Source: github.com/firefox-devtools/profiler, docs-developer/processed-profile-format.md; version 62 of it. */
#ifndef HG_PROFILE_FIREFOX_INT_H
#define HG_PROFILE_FIREFOX_INT_H

#include "base/json.h"
#include "profile/symbols.h"

typedef struct hg_cpu_sample {
    int64_t at_us; /* since the profile began */
    uint32_t stack, weight;
} hg_cpu_sample_t;

typedef struct hg_cpu_thread {
    uint32_t tid;
    char name[16];
    hg_cpu_sample_t *samples; /* in the order of their time */
    uint32_t n_samples;
} hg_cpu_thread_t;

/* Stacks are a tree: one is another, and the frame that it has called. */
typedef struct hg_cpu_stack {
    uint32_t prefix; /* an earlier one; HG_NO_SYMBOL: begins a thread */
    uintptr_t pc;    /* within the instruction */
} hg_cpu_stack_t;

typedef struct hg_cpu_recording {
    const hg_cpu_thread_t *threads;
    const hg_cpu_stack_t *stacks;
    uint32_t n_threads, n_stacks, pid;
    int64_t start_us;  /* wall clock */
    int64_t length_us; /* how long it took */
    uint64_t lost;     /* samples that did not fit */
    unsigned interval_ms;
} hg_cpu_recording_t;

void hg_firefox_json(const hg_cpu_recording_t *r, hg_jw_t *w);

#endif
