/* err.c: see err.h. */
#include "base/hg.h"
#include "base/buf.h"
#define HG_ERR_INTERNAL /* defined here */
#include "base/err.h"
#include <errno.h>

HG_PRINTF(3, 0) static void err_fill(hg_err_t *err, hg_code_t code, const char *fmt, va_list ap)
{
    *err = HG_ERR_INIT;
    err->code = code;
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    hg_utf8_mend(err->msg);
}

int hg_err_set(hg_err_t *err, hg_code_t code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, fmt, ap);
    va_end(ap);
    return code;
}

int hg_err_at(hg_err_t *err, hg_code_t code, hg_pos_t pos, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, fmt, ap);
    va_end(ap);
    err->pos = pos;
    return code;
}

int hg_err_retry(hg_err_t *err, hg_code_t code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, fmt, ap);
    va_end(ap);
    err->retry = 1;
    return code;
}

int hg_err_option(hg_err_t *err, hg_code_t code, const char *option, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code, fmt, ap);
    va_end(ap);
    snprintf(err->path, sizeof err->path, "%s", option);
    return code;
}

static hg_code_t code_of_errno(int e)
{
    switch (e) {
    case ENOMEM:
        return HG_ENOMEM;
    case ENOENT:
        return HG_ENOTFOUND;
    case EEXIST:
        return HG_EEXIST;
    case EACCES:
    case EPERM:
    case EROFS:
        return HG_EPERM;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EPIPE:
        return HG_ENET;
    case ETIMEDOUT:
        return HG_ETIMEOUT;
    default:
        return HG_EIO;
    }
}

int hg_err_errno(hg_err_t *err, int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(err, code_of_errno(errnum), fmt, ap);
    va_end(ap);
    size_t n = strlen(err->msg);
    char text[128];
    snprintf(err->msg + n, sizeof err->msg - n, ": %s", strerror_r(errnum, text, sizeof text));
    hg_utf8_mend(err->msg);
    return err->code;
}

int hg_err_wrap(hg_err_t *err, const char *fmt, ...)
{
    char tmp[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(tmp, sizeof tmp, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof tmp) return err->code;
    snprintf(tmp + n, sizeof tmp - (size_t)n, ": %.*s", (int)(sizeof tmp - (size_t)n), err->msg);
    memcpy(err->msg, tmp, sizeof tmp);
    hg_utf8_mend(err->msg);
    return err->code;
}

const char *hg_code_name(int code)
{
    switch (code) {
#define X(c, v, name, http)                                                                                            \
    case c:                                                                                                            \
        return name;
        HG_CODES(X)
#undef X
    default:
        return "InternalError";
    }
}

int hg_code_http(int code)
{
    switch (code) {
#define X(c, v, name, http)                                                                                            \
    case c:                                                                                                            \
        return http;
        HG_CODES(X)
#undef X
    default:
        return 500;
    }
}
