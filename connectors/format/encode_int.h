/* encode_int.h: what the encoders share: the walk over a delta. */
#ifndef HG_CONNECTORS_FORMAT_ENCODE_INT_H
#define HG_CONNECTORS_FORMAT_ENCODE_INT_H

#include "connectors/format.h"

/* More copies of one row than this are a mistake in the view, and an error that says so. */
#define HG_ENCODE_MAX_WEIGHT 1000000

/* One row. An error leaves buf and key as they were before it: the row is left out, and the others go on. */
typedef int (*hg_encode_row_fn)(void *arg, hg_encode_sink_t *s, const hg_batch_t *b, uint32_t row, int64_t weight,
                                hg_err_t *err);

/* Deletes first, then inserts. unit: fn is called |weight| times with +1 or -1; else once with the weight. What fn
 * refuses is left out; an error is one of memory. */
int hg_encode_each(const hg_delta_t *delta, bool unit, hg_encode_row_fn fn, void *arg, hg_encode_sink_t *sink,
                   hg_err_t *err);

/* What is done about a row that cannot be written: 0, it is counted, and the first one's reason kept; or, for
 * HG_ENOMEM and a fatal error, which are no matter of the row, rc. Takes err. */
int hg_encode_leave_out(hg_encode_sink_t *s, int rc, hg_err_t *err);

/* Records of one step are packed into buffers: a byte transport gets one stream, a message transport a message per full
 * buffer. With `array` a buffer is "[e1,e2]", the last one of a step ends with a newline. */
typedef struct hg_packer {
    const char *what; /* for messages: "JSON" */
    bool array;
    uint32_t per_buffer, count; /* records in the open buffer */
    size_t max_message;         /* 0 = no limit */
    size_t open, at;            /* the record being written: with and without its separator */
    hg_buf_t spare;             /* a record that no longer fitted */
} hg_packer_t;

void hg_packer_init(hg_packer_t *p, const char *what, const hg_encode_env_t *env, uint32_t per_buffer, bool array);
void hg_packer_release(hg_packer_t *p);
void hg_pack_reset(hg_packer_t *p); /* a step begins */
int hg_pack_open(hg_packer_t *p, hg_encode_sink_t *s);
/* rc: how writing the record went; on failure its bytes are taken back and rc is returned, with err filled if it was
 * not. */
int hg_pack_close(hg_packer_t *p, hg_encode_sink_t *s, int rc, hg_err_t *err);
int hg_pack_flush(hg_packer_t *p, hg_encode_sink_t *s, bool last, hg_err_t *err);

#endif
