/* What a NATS server says in words, from bytes. The first byte says what: 'i' INFO, 's' the description of a stream,
 * 'c' that of a consumer, 'e' a complaint. It is refused with a sentence, or what was read can be used: numbers that
 * can be counted on from, a name that can stand in a subject. */
#include "base/hg.h"
#include "base/buf.h"
#include "connectors/transport/nats_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void refused(const hg_err_t *err)
{
    HG_ASSERT(err->msg[0] && (err->code == HG_EPARSE || err->code == HG_EPROTO || err->code == HG_ENET));
    HG_ASSERT(!err->retry || err->code == HG_ENET);
}

static void info(hg_arena_t *a, hg_str_t text)
{
    hg_nats_info_t s;
    hg_err_t err = HG_ERR_INIT;
    if (hg_nats_info(a, text, &s, &err) < 0)
        refused(&err);
    else
        HG_ASSERT(s.nonce && s.major <= 9999 && s.minor <= 9999);
}

static void stream(const hg_json_t *v)
{
    hg_nats_state_t s;
    hg_err_t err = HG_ERR_INIT;
    if (hg_nats_stream_state(v, "S", &s, &err) < 0)
        refused(&err);
    else
        HG_ASSERT(s.last + 1 > s.last && strlen(s.created) < HG_NATS_CREATED);
}

static void consumer(const hg_json_t *v)
{
    const char *name;
    hg_err_t err = HG_ERR_INIT;
    if (hg_nats_consumer_name(v, &name, &err) < 0)
        refused(&err);
    else
        HG_ASSERT(name[0] && !strpbrk(name, " \t\r\n.*>"));
}

static void complaint(hg_str_t text)
{
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_nats_complaint(text, &err) < 0 && err.msg[0] && (err.code == HG_EPERM || err.code == HG_ENET));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    hg_str_t text = { (const char *)data + 1, size - 1 };
    hg_arena_t *a = hg_arena_new();
    const hg_json_t *v;
    hg_err_t err = HG_ERR_INIT;
    if (data[0] == 'i')
        info(a, text);
    else if (data[0] == 'e')
        complaint(text);
    else if (hg_nats_answer(a, text, "the stream", &v, &err) < 0)
        refused(&err);
    else if (data[0] == 'c')
        consumer(v);
    else
        stream(v);
    hg_arena_free(a);
    return 0;
}
