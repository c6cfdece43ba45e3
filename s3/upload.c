/* upload.c: a file becomes an object: at once, or in parts where it is large. An upload in parts that does not come to
 * its end is given up, so that the parts cost nothing; where that fails too, the bucket's rule for incomplete uploads
 * removes them. */
#include "base/hg.h"
#include "base/fault.h"
#include "base/mem.h"
#include "s3/client_int.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define PART      ((size_t)8 << 20) /* S3: at least 5 MiB but for the last */
#define PARTS_MAX 10000u            /* S3 */

/* So large that all of them are at most PARTS_MAX. */
static size_t part_size(uint64_t size)
{
    size_t part = PART;
    while (size / part >= PARTS_MAX) part *= 2;
    return part;
}

static int read_part(int fd, const char *path, uint64_t at, char *to, size_t n, hg_err_t *err)
{
    for (size_t have = 0; have < n;) {
        ssize_t r = hg_fault(HG_FAULT_READ) ? (errno = EIO, -1) : pread(fd, to + have, n - have, (off_t)(at + have));
        if (r < 0 && errno == EINTR) continue;
        if (r < 0) return hg_err_errno(err, errno, "cannot read %s", path);
        if (r == 0) return hg_err_set(err, HG_EIO, "%s ends at byte %" PRIu64, path, at + have);
        have += (size_t)r;
    }
    return 0;
}

static int answer(hg_s3_client_t *c, const char *what, hg_s3_answer_t *a, hg_err_t *err)
{
    hg_s3_xml_t *x = hg_s3_xml_new_upload();
    int rc = hg_s3_xml_feed(x, c->answer.p, c->answer.len, err);
    if (rc == 0) rc = hg_s3_xml_end(x, a, err);
    hg_s3_xml_free(x);
    if (rc == 0 && a->is_error) /* S3 may say so with status 200 */
        rc = hg_err_retry(err, HG_ENET, "%s: %.300s", a->code ? a->code : "an error without a code",
                          a->message ? a->message : "");
    return rc < 0 ? hg_err_wrap(err, "%s of s3://%s", what, c->bucket_name) : 0;
}

static int begin(hg_s3_client_t *c, const char *key, char **ret_id, hg_err_t *err)
{
    const char *const params[][2] = { { "uploads", "" } };
    const hg_s3_call_t call = {
        .method = "POST", .what = "CreateMultipartUpload", .key = key, .params = params, .n_params = 1
    };
    hg_s3_answer_t a = { 0 };
    int rc = hg_s3_client_call(c, &call, err);
    if (rc == 0) rc = answer(c, call.what, &a, err);
    if (rc == 0 && (!a.upload_id || !a.upload_id[0]))
        rc = hg_err_set(err, HG_EPROTO, "%s of s3://%s: the answer has no <UploadId>", call.what, c->bucket_name);
    if (rc == 0) *ret_id = hg_xstrdup(a.upload_id);
    hg_s3_answer_release(&a);
    return rc;
}

static int put_part(hg_s3_client_t *c, const char *key, const char *id, unsigned number, hg_str_t bytes, hg_buf_t *list,
                    hg_err_t *err)
{
    char text[16];
    snprintf(text, sizeof text, "%u", number);
    const char *const params[][2] = { { "partNumber", text }, { "uploadId", id } };
    const hg_s3_call_t call = { .method = "PUT",
                                .what = "UploadPart",
                                .key = key,
                                .params = params,
                                .n_params = 2,
                                .body = bytes,
                                .etag_of = "ETag" };
    int rc = hg_s3_client_call(c, &call, err);
    if (rc < 0) return rc;
    if (!c->header.len || strpbrk(c->header.p, "<&"))
        return hg_err_set(err, HG_EPROTO, "UploadPart of s3://%s/%.150s: the answer has no ETag", c->bucket_name, key);
    return hg_buf_addf(list, "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag></Part>", number, c->header.p);
}

static int complete(hg_s3_client_t *c, const char *key, const char *id, hg_str_t list, hg_err_t *err)
{
    const char *const params[][2] = { { "uploadId", id } };
    const hg_s3_call_t call = {
        .method = "POST", .what = "CompleteMultipartUpload", .key = key, .params = params, .n_params = 1, .body = list
    };
    hg_s3_answer_t a = { 0 };
    int rc = hg_s3_client_call(c, &call, err);
    if (rc == 0) rc = answer(c, call.what, &a, err);
    hg_s3_answer_release(&a);
    return rc;
}

static void give_up(hg_s3_client_t *c, const char *key, const char *id)
{
    const char *const params[][2] = { { "uploadId", id } };
    const hg_s3_call_t call = {
        .method = "DELETE", .what = "AbortMultipartUpload", .key = key, .params = params, .n_params = 1
    };
    hg_err_t no = HG_ERR_INIT;
    if (!hg_s3_client_cancelled(c)) (void)hg_s3_client_call(c, &call, &no);
}

static int in_parts(hg_s3_client_t *c, const char *key, int fd, const char *path, uint64_t size, char *room,
                    size_t part, hg_err_t *err)
{
    hg_buf_t list;
    char *id = NULL;
    unsigned number = 0;
    hg_buf_init(&list, HG_BUF_NOMAX);
    hg_buf_adds(&list, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    int rc = begin(c, key, &id, err);
    for (uint64_t at = 0; rc == 0 && at < size; at += part) {
        size_t n = (size_t)HG_MIN(size - at, (uint64_t)part);
        rc = read_part(fd, path, at, room, n, err);
        if (rc == 0) rc = put_part(c, key, id, ++number, (hg_str_t){ room, n }, &list, err);
    }
    hg_buf_adds(&list, "</CompleteMultipartUpload>");
    if (rc == 0) rc = complete(c, key, id, hg_buf_str(&list), err);
    if (rc < 0 && id) give_up(c, key, id);
    hg_buf_release(&list);
    hg_free(id);
    return rc;
}

int hg_s3_client_upload(hg_s3_client_t *c, const char *key, const char *path, uint64_t size, hg_err_t *err)
{
    size_t part = part_size(size);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return hg_err_errno(err, errno, "cannot open %s", path);
    char *room = hg_xnew(HG_MAX((size_t)HG_MIN(size, (uint64_t)part), (size_t)1));
    int rc = 0;
    if (size > part) {
        rc = in_parts(c, key, fd, path, size, room, part, err);
    } else {
        rc = read_part(fd, path, 0, room, (size_t)size, err);
        if (rc == 0) rc = hg_s3_client_put(c, key, (hg_str_t){ room, (size_t)size }, err);
    }
    hg_free(room);
    close(fd);
    return rc;
}
