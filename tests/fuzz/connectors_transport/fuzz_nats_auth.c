/* Any bytes as a credentials file, a seed and a JWT of NATS: what is taken is complete, and its key signs. */
#include "base/hg.h"
#include "base/buf.h"
#include "connectors/transport/nats_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const hg_nats_identity_t *id)
{
    char key[HG_NATS_PUBLIC_TEXT], signature[HG_NATS_SIGNATURE_TEXT];
    hg_err_t err = HG_ERR_INIT;
    HG_ASSERT(hg_nats_public(id->seed, key, &err) == 0 && key[0] == 'U' && strlen(key) == sizeof key - 1);
    HG_ASSERT(hg_nats_sign(id->seed, hg_buf_str(&id->jwt), signature, &err) == 0);
    HG_ASSERT(strlen(signature) == sizeof signature - 1 && !strpbrk(signature, "+/="));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hg_str_t text = { (const char *)data, size };
    hg_nats_identity_t id = { .signs = false };
    hg_err_t err = HG_ERR_INIT;
    hg_buf_init(&id.jwt, HG_BUF_NOMAX);
    int rc = hg_nats_creds(text, &id, &err);
    HG_ASSERT(rc == 0 ? id.signs && id.jwt.len : err.msg[0] != 0);
    if (rc == 0) use(&id);
    err = HG_ERR_INIT;
    rc = hg_nats_seed(text, id.seed, &err);
    HG_ASSERT(rc == 0 || err.msg[0]);
    if (rc == 0) use(&id);
    err = HG_ERR_INIT;
    rc = hg_nats_jwt(text, &id, &err);
    HG_ASSERT(rc == 0 ? id.jwt.len > 4 : err.msg[0] != 0);
    hg_nats_identity_release(&id);
    return 0;
}
