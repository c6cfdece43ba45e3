/* What a bucket says about a checkpoint, from bytes. The first byte says what: 'd' a description, behind the first line
 * that is made for it; 'r' one as it is; 'k' the key of an object; 'p' a bucket with its folder. What is read can be
 * written and read again, and names no file outside of the folder. */
#include "base/hg.h"
#include "base/mem.h"
#include "pipeline/remote_format.h"
#include "s3/s3.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define UUID "0190b5a6-1111-7222-8333-444455556666"

static int parse(hg_arena_t *a, hg_str_t text, hg_remote_desc_t *d)
{
    hg_err_t err = HG_ERR_INIT;
    int rc = hg_remote_desc_parse(a, text, UUID, d, &err);
    HG_ASSERT(rc == 0 || (rc == HG_EDAMAGED && err.msg[0]));
    return rc;
}

static void description(hg_str_t text)
{
    hg_arena_t *a = hg_arena_new();
    hg_remote_desc_t d, again;
    hg_buf_t out;
    hg_buf_init(&out, HG_REMOTE_DESC_MAX);
    if (parse(a, text, &d) == 0) {
        HG_ASSERT(d.n_files && hg_remote_is_uuid(hg_strz(d.uuid)));
        for (uint32_t i = 0; i < d.n_files; i++)
            HG_ASSERT(d.files[i].name[0] && !strchr(d.files[i].name, '/') && d.files[i].name[0] != '.');
        HG_ASSERT(hg_remote_desc_write(&d, &out) == 0);
        HG_ASSERT(parse(a, hg_buf_str(&out), &again) == 0 && again.n_files == d.n_files && again.number == d.number);
    }
    hg_buf_release(&out);
    hg_arena_free(a);
}

static void with_head(hg_str_t body)
{
    hg_buf_t text;
    char sha[65];
    hg_buf_init(&text, HG_BUF_NOMAX);
    hg_s3_sha256(body, sha);
    hg_buf_addf(&text, "headgate remote 1 %s %zu\n", sha, body.n);
    hg_buf_addstr(&text, body);
    description(hg_buf_str(&text));
    hg_buf_release(&text);
}

static void key(const char *text)
{
    char uuid[37], sha[65];
    if (hg_remote_key_uuid("a/", text, uuid)) {
        char *back = hg_remote_desc_key("a/", uuid);
        HG_ASSERT(strcmp(back, text) == 0 && hg_remote_uuid_us(uuid) >= 0);
        hg_free(back);
    }
    if (hg_remote_key_sha256("a/", text, sha)) {
        char *back = hg_remote_file_key("a/", sha);
        HG_ASSERT(strcmp(back, text) == 0);
        hg_free(back);
    }
}

static void place(const char *text)
{
    char *bucket, *prefix;
    hg_remote_place(text, &bucket, &prefix);
    size_t n = strlen(prefix);
    HG_ASSERT(!strchr(bucket, '/') && (n == 0 || (n > 1 && prefix[0] != '/' && prefix[n - 1] == '/')));
    hg_free(bucket);
    hg_free(prefix);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) return 0;
    hg_str_t in = { (const char *)data + 1, size - 1 };
    if (data[0] == 'd') with_head(in);
    if (data[0] == 'r') description(in);
    char *text = hg_xstrndup(in.p, in.n);
    if (data[0] == 'k') key(text);
    if (data[0] == 'p') place(text);
    hg_free(text);
    return 0;
}
