/* curl_lib.c: libcurl, loaded when it is first needed.
 *
 * libcurl brings some thirty libraries (GnuTLS, Kerberos, LDAP, SSH …) whose relocations and touched pages are 7 MiB of
 * resident memory, and its start wakes all of OpenSSL. A daemon, and a pipeline that fetches no URL, never call it. So
 * it is not linked: the functions below carry its names and forward to the library that hg_curl_load opened; the other
 * files use libcurl's own header as ever. A function that is missing here does not link.
 *
 * hg_curl_load: any thread; everything else as libcurl says.
 */
#include "base/hg.h"
#include "base/library.h"
#include "net/net_int.h"
#include <curl/curl.h>
#include <stdarg.h>

#define SONAME "libcurl.so.4" /* the ABI of curl/curl.h since 2006 */

#define FUNCTIONS(F)                                                                                                   \
    F(curl_easy_cleanup)                                                                                               \
    F(curl_easy_getinfo)                                                                                               \
    F(curl_easy_init)                                                                                                  \
    F(curl_easy_pause)                                                                                                 \
    F(curl_easy_perform)                                                                                               \
    F(curl_easy_recv)                                                                                                  \
    F(curl_easy_reset)                                                                                                 \
    F(curl_easy_send)                                                                                                  \
    F(curl_easy_setopt)                                                                                                \
    F(curl_easy_strerror)                                                                                              \
    F(curl_free)                                                                                                       \
    F(curl_global_init)                                                                                                \
    F(curl_multi_add_handle)                                                                                           \
    F(curl_multi_assign)                                                                                               \
    F(curl_multi_cleanup)                                                                                              \
    F(curl_multi_info_read)                                                                                            \
    F(curl_multi_init)                                                                                                 \
    F(curl_multi_remove_handle)                                                                                        \
    F(curl_multi_setopt)                                                                                               \
    F(curl_multi_socket_action)                                                                                        \
    F(curl_slist_append)                                                                                               \
    F(curl_slist_free_all)                                                                                             \
    F(curl_url)                                                                                                        \
    F(curl_url_cleanup)                                                                                                \
    F(curl_url_get)                                                                                                    \
    F(curl_url_set)                                                                                                    \
    F(curl_url_strerror)

static struct {
    FUNCTIONS(HG_LIB_POINTER)
} lib;
static const hg_lib_fn_t g_functions[] = { FUNCTIONS(HG_LIB_ROW) };

static char load_error[256]; /* empty: libcurl is there */
static uv_once_t load_once = UV_ONCE_INIT;

static void load(void)
{
    hg_err_t err = HG_ERR_INIT;
    if (hg_lib_load("libcurl", SONAME, g_functions, HG_COUNT(g_functions), &err) < 0) {
        snprintf(load_error, sizeof load_error, "%.255s", err.msg);
        return;
    }
    CURLcode rc = lib.curl_global_init_(CURL_GLOBAL_DEFAULT);
    if (rc != CURLE_OK) snprintf(load_error, sizeof load_error, "libcurl does not start: %s", curl_easy_strerror(rc));
}

int hg_curl_load(hg_err_t *err)
{
    uv_once(&load_once, load);
    return load_error[0] ? hg_err_set(err, HG_EIO, "%s", load_error) : 0;
}

/* --- libcurl's names --------------------------------------------------------------------------------------------- */

CURL *curl_easy_init(void)
{
    return lib.curl_easy_init_();
}
void curl_easy_cleanup(CURL *e)
{
    lib.curl_easy_cleanup_(e);
}
void curl_easy_reset(CURL *e)
{
    lib.curl_easy_reset_(e);
}
CURLcode curl_easy_perform(CURL *e)
{
    return lib.curl_easy_perform_(e);
}
CURLcode curl_easy_pause(CURL *e, int what)
{
    return lib.curl_easy_pause_(e, what);
}
CURLcode curl_easy_send(CURL *e, const void *p, size_t n, size_t *done)
{
    return lib.curl_easy_send_(e, p, n, done);
}
CURLcode curl_easy_recv(CURL *e, void *p, size_t n, size_t *done)
{
    return lib.curl_easy_recv_(e, p, n, done);
}
const char *curl_easy_strerror(CURLcode rc)
{
    return lib.curl_easy_strerror_(rc);
}
void curl_free(void *p)
{
    lib.curl_free_(p);
}

/* The options' numbers tell the type of the argument; all but longs and offsets are pointers. */
#undef curl_easy_setopt
CURLcode curl_easy_setopt(CURL *e, CURLoption o, ...)
{
    CURLcode rc;
    va_list ap;
    va_start(ap, o);
    if (o < CURLOPTTYPE_OBJECTPOINT)
        rc = lib.curl_easy_setopt_(e, o, va_arg(ap, long));
    else if (o >= CURLOPTTYPE_OFF_T && o < CURLOPTTYPE_BLOB)
        rc = lib.curl_easy_setopt_(e, o, va_arg(ap, curl_off_t));
    else
        rc = lib.curl_easy_setopt_(e, o, va_arg(ap, void *));
    va_end(ap);
    return rc;
}

#undef curl_easy_getinfo
CURLcode curl_easy_getinfo(CURL *e, CURLINFO what, ...)
{
    va_list ap;
    va_start(ap, what);
    CURLcode rc = lib.curl_easy_getinfo_(e, what, va_arg(ap, void *));
    va_end(ap);
    return rc;
}

CURLM *curl_multi_init(void)
{
    return lib.curl_multi_init_();
}
CURLMcode curl_multi_cleanup(CURLM *m)
{
    return lib.curl_multi_cleanup_(m);
}
CURLMcode curl_multi_add_handle(CURLM *m, CURL *e)
{
    return lib.curl_multi_add_handle_(m, e);
}
CURLMcode curl_multi_remove_handle(CURLM *m, CURL *e)
{
    return lib.curl_multi_remove_handle_(m, e);
}
CURLMcode curl_multi_assign(CURLM *m, curl_socket_t fd, void *arg)
{
    return lib.curl_multi_assign_(m, fd, arg);
}
CURLMcode curl_multi_socket_action(CURLM *m, curl_socket_t fd, int what, int *running)
{
    return lib.curl_multi_socket_action_(m, fd, what, running);
}
CURLMsg *curl_multi_info_read(CURLM *m, int *left)
{
    return lib.curl_multi_info_read_(m, left);
}

#undef curl_multi_setopt
CURLMcode curl_multi_setopt(CURLM *m, CURLMoption o, ...)
{
    CURLMcode rc;
    va_list ap;
    va_start(ap, o);
    if (o < (CURLMoption)CURLOPTTYPE_OBJECTPOINT)
        rc = lib.curl_multi_setopt_(m, o, va_arg(ap, long));
    else if (o >= (CURLMoption)CURLOPTTYPE_OFF_T)
        rc = lib.curl_multi_setopt_(m, o, va_arg(ap, curl_off_t));
    else
        rc = lib.curl_multi_setopt_(m, o, va_arg(ap, void *));
    va_end(ap);
    return rc;
}

struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    return lib.curl_slist_append_(list, text);
}
void curl_slist_free_all(struct curl_slist *list)
{
    lib.curl_slist_free_all_(list);
}

CURLU *curl_url(void)
{
    return lib.curl_url_();
}
void curl_url_cleanup(CURLU *u)
{
    lib.curl_url_cleanup_(u);
}
CURLUcode curl_url_get(CURLU *u, CURLUPart part, char **ret, unsigned flags)
{
    return lib.curl_url_get_(u, part, ret, flags);
}
CURLUcode curl_url_set(CURLU *u, CURLUPart part, const char *text, unsigned flags)
{
    return lib.curl_url_set_(u, part, text, flags);
}
const char *curl_url_strerror(CURLUcode rc)
{
    return lib.curl_url_strerror_(rc);
}
