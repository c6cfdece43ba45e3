/* s3_position.c: positions: `after`, the key up to which all objects are done, and what is known of those behind it
 * that have been begun: how far each one was read, and what it was then (size, ETag). s3_saved.c reads them. */
#include "base/hg.h"
#include "connectors/transport/s3_int.h"

static uint64_t taken_of(const s3_obj_t *o, const hg_range_t *consumed, uint32_t n)
{
    for (uint32_t i = 0; o->lane_id && i < n; i++)
        if (consumed[i].lane == o->lane_id) return consumed[i].end;
    return o->start;
}

static void save_partial(hg_jw_t *w, const char *key, uint64_t offset, hg_member_t from, uint64_t size,
                         const char *etag)
{
    hg_jw_obj(w);
    hg_jw_kstr(w, "key", key);
    hg_jw_ku64(w, "offset", offset);
    hg_member_save(from, w);
    hg_jw_ku64(w, "size", size);
    if (etag[0]) hg_jw_kstr(w, "etag", etag);
    hg_jw_end_obj(w);
}

/* Those behind the leading done ones that are done, or begun. */
static void save_objects(const s3_t *s, hg_list_t *from, const hg_range_t *consumed, uint32_t n, bool done, hg_jw_t *w)
{
    for (hg_list_t *it = from; it != &s->objects; it = it->next) {
        s3_obj_t *o = HG_ENTRY(it, s3_obj_t, link);
        uint64_t end = taken_of(o, consumed, n);
        bool is_done = o->state == S3_ENDED && end == o->body.off;
        if (is_done && done) hg_jw_strz(w, o->key);
        if (!is_done && !done && end)
            save_partial(w, o->key, end, o->body.members.n ? hg_members_at(&o->body.members, end) : o->from, o->size,
                         o->etag);
    }
    for (uint32_t i = 0; i < s->n_saved; i++) {
        const s3_saved_t *v = &s->saved[i];
        if (v->seen || v->done != done) continue;
        if (done)
            hg_jw_strz(w, v->key);
        else
            save_partial(w, v->key, v->offset, v->from, v->size, v->etag);
    }
}

void hg_s3_save(hg_input_t *in, const hg_range_t *consumed, uint32_t n, hg_jw_t *w)
{
    const s3_t *s = hg_in_inst(in);
    const char *after = s->after;
    hg_list_t *it = s->objects.next;
    for (; it && it != &s->objects; it = it->next) {
        const s3_obj_t *o = HG_ENTRY(it, s3_obj_t, link);
        if (o->state != S3_ENDED || taken_of(o, consumed, n) != o->body.off) break;
        after = o->key;
    }
    hg_jw_obj(w);
    if (after) hg_jw_kstr(w, "after", after);
    hg_jw_key(w, "objects");
    hg_jw_arr(w);
    save_objects(s, it, consumed, n, false, w);
    hg_jw_end_arr(w);
    hg_jw_key(w, "done");
    hg_jw_arr(w);
    save_objects(s, it, consumed, n, true, w);
    hg_jw_end_arr(w);
    hg_jw_end_obj(w);
}

int hg_s3_restore(hg_input_t *in, const hg_json_t *position, hg_err_t *err)
{
    return hg_s3_read_position(hg_in_cfg(in), position, hg_in_inst(in), err);
}
