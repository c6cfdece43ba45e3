/* process_profile.c: where the process's memory and time go: profile/. */
#include "base/hg.h"

#include "pipeline/server_int.h"
#include "profile/heap.h"

static void do_heap_profile(call_t *c)
{
    c->content_type = "application/protobuf";
    hg_heap_profile(&c->body, &c->err);
}

void hg_serve_heap_profile(hg_pipeline_server_t *s, hg_req_t *r)
{
    hg_call_pool(s, r, do_heap_profile, NULL, false, 0);
}
