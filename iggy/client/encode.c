/* encode.c: commands as bytes, of both protocols, refused before they are written when no server would take them.
 *
 * The bodies are the same but for what the functions named *_classic and the marks of wire.h say. */
#define XXH_INLINE_ALL
#include "base/hg.h"
#include "iggy/client/wire_int.h"
#include <xxhash.h>

#define SDK_NAME HG_S("headgate")

/* --- checks --- */

static int check_length(const char *what, hg_str_t s, size_t min, size_t max, hg_err_t *err)
{
    if (s.n >= min && s.n <= max) return 0;
    return hg_err_set(err, HG_EINVAL, "%s has %zu bytes; Iggy takes %zu to %zu", what, s.n, min, max);
}

static int check_id(const char *what, hg_iggy_id_t id, hg_err_t *err)
{
    return id.name.n ? check_length(what, id.name, 1, HG_IGGY_MAX_NAME, err) : 0;
}

static int check(const hg_iggy_cmd_t *c, hg_err_t *err)
{
    int rc = check_id("the name of a stream", c->stream, err);
    if (rc == 0) rc = check_id("the name of a topic", c->topic, err);
    if (rc == 0) rc = check_id("the name of a consumer group", c->group, err);
    if (rc == 0) rc = check_id("the name of a consumer", c->consumer.id, err);
    if (rc == 0 && iggy_cmds[c->op].bits & HG_IGGY_N) rc = check_length("a name", c->name, 1, HG_IGGY_MAX_NAME, err);
    if (rc == 0 && c->op == HG_IGGY_LOGIN) rc = check_length("a user name", c->name, 3, 50, err);
    if (rc == 0 && c->op == HG_IGGY_LOGIN) rc = check_length("a password", c->secret, 3, 100, err);
    if (rc == 0 && c->op == HG_IGGY_LOGIN_TOKEN)
        rc = check_length("a personal access token", c->secret, 1, HG_IGGY_MAX_NAME, err);
    if (rc < 0) return rc;
    bool partitions =
        c->op == HG_IGGY_CREATE_TOPIC || c->op == HG_IGGY_CREATE_PARTITIONS || c->op == HG_IGGY_DELETE_PARTITIONS;
    if (partitions && c->count > 1000)
        return hg_err_set(err, HG_EINVAL, "%u partitions at once; Iggy takes 1000", (unsigned)c->count);
    if (c->op == HG_IGGY_SEND && !c->batch->count)
        return hg_err_set(err, HG_EINVAL, "there is no message in the batch");
    return 0;
}

/* --- parts of bodies --- */

static void w_id(iggy_out_t *o, hg_iggy_id_t id)
{
    if (id.name.n) {
        iggy_w8(o, 2);
        iggy_wname(o, id.name);
        return;
    }
    iggy_w8(o, 1);
    iggy_w8(o, 4);
    iggy_w32(o, id.num);
}

static void w_topic(iggy_out_t *o, const hg_iggy_cmd_t *c)
{
    w_id(o, c->stream);
    w_id(o, c->topic);
}

static void w_consumer(iggy_out_t *o, const hg_iggy_cmd_t *c)
{
    iggy_w8(o, c->consumer.group ? 2 : 1);
    w_id(o, c->consumer.id);
    w_topic(o, c);
    iggy_w8(o, !c->any_partition);
    iggy_w32(o, c->any_partition ? 0 : c->partition);
}

/* value: of n bytes, little-endian where it is a number */
static void w_option(iggy_out_t *o, hg_str_t key, uint8_t kind, const void *value, size_t n)
{
    iggy_w8(o, HG_IGGY_H_STRING);
    iggy_wstr32(o, key);
    iggy_w8(o, kind);
    iggy_wstr32(o, (hg_str_t){ value, n });
}

static void w_option_u64(iggy_out_t *o, hg_str_t key, uint64_t v)
{
    uint8_t p[8];
    iggy_put64(p, v);
    if (v) w_option(o, key, HG_IGGY_H_UINT64, p, sizeof p); /* 0: the server's default */
}

static void w_topic_options(iggy_out_t *o, const hg_iggy_topic_opts_t *t, bool create)
{
    hg_str_t gzip = t->compression == HG_IGGY_GZIP ? HG_S("gzip") : HG_S("none");
    if (t->compression) w_option(o, HG_S("compression_algorithm"), HG_IGGY_H_STRING, gzip.p, gzip.n);
    w_option_u64(o, HG_S("message_expiry"), t->expiry);
    w_option_u64(o, HG_S("max_topic_size"), t->max_size);
    if (create && t->saved == HG_IGGY_SAVED_BY_FSYNC) {
        w_option(o, HG_S("messages_required_to_save"), HG_IGGY_H_UINT32, "\1\0\0", 4);
        w_option(o, HG_S("enforce_fsync"), HG_IGGY_H_BOOL, "\1", 1);
    }
    if (create && t->saved == HG_IGGY_SAVED_PERSISTED)
        w_option(o, HG_S("durability"), HG_IGGY_H_STRING, "persisted", 9);
}

static void w_topic_options_classic(iggy_out_t *o, const hg_iggy_topic_opts_t *t)
{
    iggy_w8(o, t->compression == HG_IGGY_GZIP ? 2 : 1);
    iggy_w64(o, t->expiry);
    iggy_w64(o, t->max_size);
    iggy_w8(o, 0); /* replication factor: the default */
}

/* --- bodies --- */

static void w_login(iggy_out_t *o, bool vsr, const hg_iggy_cmd_t *c)
{
    if (vsr) {
        iggy_w32(o, IGGY_VERSION);
        iggy_wname(o, SDK_NAME);
        iggy_wname(o, HG_S(HG_VERSION));
    }
    if (c->op == HG_IGGY_LOGIN) iggy_wname(o, c->name);
    iggy_wname(o, c->secret);
    if (!vsr && c->op == HG_IGGY_LOGIN) iggy_wstr32(o, HG_S(HG_VERSION));
    if (vsr || c->op == HG_IGGY_LOGIN) iggy_w32(o, 0); /* no context */
}

static void w_create_topic(iggy_out_t *o, bool vsr, const hg_iggy_cmd_t *c)
{
    bool create = c->op == HG_IGGY_CREATE_TOPIC;
    w_id(o, c->stream);
    if (create)
        iggy_w32(o, c->count);
    else
        w_id(o, c->topic);
    if (!vsr) w_topic_options_classic(o, &c->topic_opts);
    iggy_wname(o, c->name);
    if (vsr) w_topic_options(o, &c->topic_opts, create);
}

static void w_send(iggy_out_t *o, bool vsr, const hg_iggy_cmd_t *c, hg_err_t *err)
{
    size_t at = o->b->len;
    iggy_w32(o, 0);
    w_topic(o, c);
    iggy_w8(o, 2); /* partitioning: this one */
    iggy_w8(o, 4);
    iggy_w32(o, c->partition);
    iggy_w32(o, c->batch->count);
    if (o->rc < 0) return;
    iggy_put32((uint8_t *)o->b->p + at, (uint32_t)(o->b->len - at - 4));
    o->rc = iggy_batch_seal(c->batch, err);
    if (o->rc < 0) return;
    if (vsr)
        iggy_w(o, c->batch->head.p, c->batch->head.len);
    else
        o->rc = iggy_batch_classic(c->batch, o->b, err);
}

static void w_offset(iggy_out_t *o, bool vsr, const hg_iggy_cmd_t *c)
{
    w_consumer(o, c);
    if (c->op == HG_IGGY_STORE_OFFSET) iggy_w64(o, c->offset);
    if (vsr && c->op != HG_IGGY_GET_OFFSET) iggy_w8(o, 1); /* acknowledged by a quorum */
}

static void w_poll(iggy_out_t *o, const hg_iggy_cmd_t *c)
{
    w_consumer(o, c);
    iggy_w8(o, (uint8_t)c->strategy.from);
    iggy_w64(o, c->strategy.from <= HG_IGGY_TIMESTAMP ? c->strategy.value : 0);
    iggy_w32(o, c->count);
    iggy_w8(o, c->auto_commit);
}

static void w_body(iggy_out_t *o, bool vsr, const hg_iggy_cmd_t *c, hg_err_t *err)
{
    switch (c->op) {
    case HG_IGGY_PING:
    case HG_IGGY_GET_STATS:
    case HG_IGGY_GET_CLUSTER:
    case HG_IGGY_GET_ME:
    case HG_IGGY_GET_CLIENTS:
    case HG_IGGY_GET_TOKENS:
    case HG_IGGY_GET_STREAMS:
    case HG_IGGY_LOGOUT:
    case HG_IGGY_N_COMMANDS:
        break;
    case HG_IGGY_GET_OPTIONS:
        iggy_w8(o, (uint8_t)c->count);
        break;
    case HG_IGGY_GET_CLIENT:
        iggy_w32(o, c->count);
        break;
    case HG_IGGY_LOGIN:
    case HG_IGGY_LOGIN_TOKEN:
        w_login(o, vsr, c);
        break;
    case HG_IGGY_CREATE_TOKEN:
        iggy_wname(o, c->name);
        iggy_w64(o, c->expiry);
        break;
    case HG_IGGY_CREATE_STREAM:
    case HG_IGGY_DELETE_TOKEN:
        iggy_wname(o, c->name);
        break;
    case HG_IGGY_POLL:
        w_poll(o, c);
        break;
    case HG_IGGY_SEND:
        w_send(o, vsr, c, err);
        break;
    case HG_IGGY_FLUSH:
        w_topic(o, c);
        iggy_w32(o, c->partition);
        iggy_w8(o, 1);
        break;
    case HG_IGGY_GET_OFFSET:
    case HG_IGGY_STORE_OFFSET:
    case HG_IGGY_DELETE_OFFSET:
        w_offset(o, vsr, c);
        break;
    case HG_IGGY_UPDATE_STREAM:
        w_id(o, c->stream);
        iggy_wname(o, c->name);
        break;
    case HG_IGGY_GET_STREAM:
    case HG_IGGY_DELETE_STREAM:
    case HG_IGGY_PURGE_STREAM:
    case HG_IGGY_GET_TOPICS:
        w_id(o, c->stream);
        break;
    case HG_IGGY_CREATE_TOPIC:
    case HG_IGGY_UPDATE_TOPIC:
        w_create_topic(o, vsr, c);
        break;
    case HG_IGGY_GET_TOPIC:
    case HG_IGGY_DELETE_TOPIC:
    case HG_IGGY_PURGE_TOPIC:
    case HG_IGGY_GET_GROUPS:
        w_topic(o, c);
        break;
    case HG_IGGY_CREATE_PARTITIONS:
    case HG_IGGY_DELETE_PARTITIONS:
        w_topic(o, c);
        iggy_w32(o, c->count);
        break;
    case HG_IGGY_DELETE_SEGMENTS:
        w_topic(o, c);
        iggy_w32(o, c->partition);
        iggy_w32(o, c->count);
        break;
    case HG_IGGY_CREATE_GROUP:
        w_topic(o, c);
        iggy_wname(o, c->name);
        break;
    case HG_IGGY_GET_GROUP:
    case HG_IGGY_DELETE_GROUP:
    case HG_IGGY_JOIN_GROUP:
    case HG_IGGY_LEAVE_GROUP:
    case HG_IGGY_SYNC_GROUP:
        w_topic(o, c);
        w_id(o, c->group);
        break;
    }
}

/* --- frames --- */

/* The size, the sum and the operation are known when the body stands. */
static void finish_vsr(const hg_iggy_cmd_t *c, uint8_t *p, size_t n, size_t behind)
{
    const iggy_cmd_info_t *info = &iggy_cmds[c->op];
    bool summed = info->operation != IGGY_NONREP && !(info->operation >= 160);
    iggy_put32(p + 48, (uint32_t)(n + behind));
    p[60] = 5; /* a request */
    if (summed) iggy_put64(p + 144, XXH3_64bits(p + IGGY_HEAD, n - IGGY_HEAD));
    p[176] = info->operation;
    if (info->operation == IGGY_NONREP) iggy_put32(p + 196, info->code);
}

static int encode(bool vsr, const hg_iggy_cmd_t *c, hg_buf_t *out, hg_err_t *err)
{
    const iggy_cmd_info_t *info = &iggy_cmds[c->op];
    iggy_out_t o = { .b = out };
    size_t at = out->len, behind = vsr && c->op == HG_IGGY_SEND ? c->batch->frames.len : 0;
    err->code = HG_OK;
    if (vsr) {
        iggy_wzero(&o, IGGY_HEAD);
    } else {
        iggy_w32(&o, 0);
        iggy_w32(&o, info->code);
    }
    w_body(&o, vsr, c, err);
    if (o.rc < 0) return err->code ? err->code : hg_err_set(err, HG_ENOMEM, "out of memory for a request");
    uint8_t *p = (uint8_t *)out->p + at;
    size_t n = out->len - at;
    if (n + behind > HG_IGGY_MAX_FRAME)
        return hg_err_set(err, HG_ETOOBIG, "a request of %zu bytes; Iggy takes %zu", n + behind, HG_IGGY_MAX_FRAME);
    if (vsr)
        finish_vsr(c, p, n, behind);
    else
        iggy_put32(p, (uint32_t)(n - 4));
    return 0;
}

int iggy_encode(hg_iggy_proto_t proto, const hg_iggy_cmd_t *c, hg_buf_t *out, hg_err_t *err)
{
    bool vsr = proto == HG_IGGY_VSR;
    uint8_t bits = iggy_cmds[c->op].bits;
    if (bits & (vsr ? HG_IGGY_C : HG_IGGY_V))
        return hg_err_set(err, HG_EUNSUPPORTED, "%s is not in the protocol of this server", iggy_cmds[c->op].name);
    if (vsr && c->op == HG_IGGY_POLL && c->consumer.group && c->any_partition)
        return hg_err_set(err, HG_EINVAL, "a member of a group polls one of its partitions");
    size_t at = out->len;
    int rc = check(c, err);
    if (rc == 0) rc = encode(vsr, c, out, err);
    if (rc < 0 && out->len > at) {
        out->len = at;
        out->p[at] = 0;
    }
    return rc;
}
