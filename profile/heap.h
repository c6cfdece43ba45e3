/* heap.h: what this process's memory is for, as pprof reads it. */
#ifndef HG_PROFILE_HEAP_H
#define HG_PROFILE_HEAP_H

#include "base/buf.h"
#include "base/err.h"

/* Any thread; takes some 10 ms. Appends a profile.proto, gzipped, of the blocks that base/mem_sample.h has drawn: the
 * samples are inuse_objects and inuse_space, counted up to what is in use by all likelihood. HG_EHEAPPROFILE: nothing
 * is drawn, by the user's word; HG_ENOMEM. */
int hg_heap_profile(hg_buf_t *out, hg_err_t *err);

#endif
