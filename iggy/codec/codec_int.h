/* codec_int.h: what a codec is made of. One file per schema, one row in codec.c.
 *
 * decode gets at least one byte. encode appends nothing by itself: it answers with bytes that are borrowed from the
 * payload or stand in the scratch.
 */
#ifndef HG_IGGY_CODEC_CODEC_INT_H
#define HG_IGGY_CODEC_CODEC_INT_H

#include "base/mem.h"
#include "iggy/codec/any.h"
#include "iggy/codec/codec.h"
#include "iggy/codec/jobj.h"
#include "iggy/codec/scratch_int.h"

typedef struct hg_codec_type {
    hg_plkind_t kind;
    const hg_opt_t *opts; /* NULL: none */
    size_t cfg_size;
    int (*make)(hg_arena_t *a, const void *cfg, void **ret, hg_err_t *err); /* NULL: nothing to make */
    void (*free)(void *made);
    int (*decode)(const void *made, hg_scratch_t *s, hg_str_t bytes, hg_payload_t *ret, hg_err_t *err);
    int (*encode)(const void *made, hg_scratch_t *s, hg_payload_t *p, hg_str_t *ret, hg_err_t *err);
} hg_codec_type_t;

extern const hg_codec_type_t hg_codec_json, hg_codec_raw, hg_codec_text, hg_codec_proto, hg_codec_flat_buffer,
    hg_codec_avro;

/* Set err, for all: out of memory while a message was worked on. */
int hg_codec_nomem(hg_err_t *err);
/* "schema 'raw' takes raw messages, not json" */
int hg_codec_refuse(hg_plkind_t schema, const char *takes, const hg_payload_t *p, hg_err_t *err);
/* err is about this option: its code. */
int hg_codec_option(hg_err_t *err, const char *option);
/* A file that an option names, whole; NUL-ended, in the arena. HG_EIO. */
int hg_codec_file(hg_arena_t *a, const char *option, const char *path, size_t max, hg_str_t *ret, hg_err_t *err);

#endif
