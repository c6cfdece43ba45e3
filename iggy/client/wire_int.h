/* wire_int.h: bytes of the wire, for the files of this folder: writing, reading, frames. No I/O.
 *
 * A writer remembers its first failure, so that a body is written without a look at each field; a reader likewise. */
#ifndef HG_IGGY_CLIENT_WIRE_INT_H
#define HG_IGGY_CLIENT_WIRE_INT_H

#include "iggy/client/types.h"

/* --- numbers: little-endian, wherever they stand --- */
static inline uint16_t iggy_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}
static inline uint32_t iggy_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t iggy_get64(const uint8_t *p)
{
    return iggy_get32(p) | (uint64_t)iggy_get32(p + 4) << 32;
}
static inline hg_u128 iggy_get128(const uint8_t *p)
{
    return (hg_u128)iggy_get64(p + 8) << 64 | iggy_get64(p);
}
static inline void iggy_put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static inline void iggy_put64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) p[i] = (uint8_t)(v >> 8 * i);
}
static inline void iggy_put128(uint8_t *p, hg_u128 v)
{
    iggy_put64(p, (uint64_t)v);
    iggy_put64(p + 8, (uint64_t)(v >> 64));
}

/* --- writing --- */
typedef struct iggy_out {
    hg_buf_t *b;
    int rc; /* of the first write that failed */
} iggy_out_t;

void iggy_w(iggy_out_t *o, const void *p, size_t n);
void iggy_w8(iggy_out_t *o, uint8_t v);
void iggy_w32(iggy_out_t *o, uint32_t v);
void iggy_w64(iggy_out_t *o, uint64_t v);
void iggy_wzero(iggy_out_t *o, size_t n);
void iggy_wname(iggy_out_t *o, hg_str_t s);  /* u8 length */
void iggy_wstr32(iggy_out_t *o, hg_str_t s); /* u32 length */

/* --- frames --- */
#define IGGY_HEAD         ((size_t)256)        /* of VSR, both ways */
#define IGGY_CHEAD        ((size_t)8)          /* of classic, both ways */
#define IGGY_BATCH        ((size_t)256)        /* header of a batch, VSR */
#define IGGY_FRAME        ((size_t)48)         /* header of a message, VSR */
#define IGGY_CFRAME       ((size_t)64)         /* header of a message, classic */
#define IGGY_VERSION      ((uint32_t)11 << 10) /* of the protocol: 0.11.0 */
#define IGGY_VERSION_TEXT "0.11.0"
#define IGGY_NONREP       2

typedef struct iggy_cmd_info {
    const char *name; /* "create topic": in messages */
    uint32_t code;
    uint8_t operation;
    uint8_t bits; /* HG_IGGY_R … */
} iggy_cmd_info_t;

extern const iggy_cmd_info_t iggy_cmds[HG_IGGY_N_COMMANDS];

/* Checks the command and appends its whole request to out; of a SEND of VSR what comes before cmd->batch->frames.
 * Client, session and request are 0: iggy_stamp. */
int iggy_encode(hg_iggy_proto_t proto, const hg_iggy_cmd_t *cmd, hg_buf_t *out, hg_err_t *err);
/* VSR only. */
void iggy_stamp(char *frame, const uint8_t client[16], uint64_t session, uint64_t request);

/* How an answer begins. */
typedef enum { IGGY_REPLY, IGGY_EVICTION } iggy_kind_t;
typedef struct iggy_head {
    iggy_kind_t kind;
    size_t head, size; /* of the header; of the whole frame */
    uint32_t status;   /* the error code; of an eviction what its reason stands for */
    uint8_t operation; /* VSR */
    uint64_t request;
    uint8_t reason;          /* of an eviction */
    uint32_t newest, oldest; /* versions an eviction names; 0: it does not */
} iggy_head_t;

/* 1: *ret is filled; 0: more bytes are needed; HG_EPROTO, HG_ETOOBIG: this is no answer. */
int iggy_head_parse(hg_iggy_proto_t proto, const uint8_t *p, size_t n, size_t max, iggy_head_t *ret, hg_err_t *err);

/* The payload of a VSR answer without status: takes the result section off where the command has one. *ret_code: the
 * error that it names. HG_EPROTO. */
int iggy_result(hg_iggy_op_t op, hg_iggy_in_t *in, uint32_t *ret_code, hg_err_t *err);

typedef struct iggy_login {
    uint64_t session;
    uint32_t version;
    hg_str_t server;
} iggy_login_t;
int iggy_read_login(hg_iggy_in_t *in, iggy_login_t *ret, hg_err_t *err);

/* Some lists begin with their length (of a cluster: with its name, too), others do not. Afterwards in->p is at the
 * first thing. 0, 1 or HG_EPROTO. */
int iggy_read_count(hg_iggy_in_t *in, hg_iggy_op_t op, hg_err_t *err);

/* --- batches --- */
int iggy_batch_seal(hg_iggy_batch_t *b, hg_err_t *err);                         /* once; makes b->head */
int iggy_batch_classic(const hg_iggy_batch_t *b, hg_buf_t *out, hg_err_t *err); /* index and messages, appended */
/* Are these the messages, and so many of them? */
int iggy_messages_check(hg_iggy_proto_t proto, const uint8_t *p, const uint8_t *end, uint32_t count, hg_err_t *err);

#endif
