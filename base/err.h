/* err.h: errors as values with a place.
 *
 * Every function that can fail returns 0 or a negative hg_code_t, writes results into ret_* arguments only on success,
 * and fills its last argument, an hg_err_t that is never NULL, only on failure. No result hides in errno or a global.
 *
 * The one list below yields the code, the name that Feldera's API uses in "error_code", and the HTTP status.
 */
#ifndef HG_BASE_ERR_H
#define HG_BASE_ERR_H

#include "base/hg.h"

/* X(code, value, API name, HTTP status): general codes come first, then those that Feldera's clients know by name. */
#define HG_CODES(X)                                                                                                    \
    X(HG_ENOMEM, -1, "OutOfMemory", 503)                                                                               \
    X(HG_ETOOBIG, -2, "PayloadTooLarge", 413)                                                                          \
    X(HG_EINVAL, -3, "InvalidParam", 400)                                                                              \
    X(HG_EPARSE, -4, "ParseError", 400)                                                                                \
    X(HG_ETYPE, -5, "TypeError", 400)                                                                                  \
    X(HG_ERANGE, -6, "OutOfRange", 400)                                                                                \
    X(HG_EIO, -7, "IoError", 500)                                                                                      \
    X(HG_ENET, -8, "NetworkError", 500)                                                                                \
    X(HG_ETIMEOUT, -9, "Timeout", 408)                                                                                 \
    X(HG_ECANCELED, -10, "Canceled", 500)                                                                              \
    X(HG_EAGAIN, -11, "TryAgain", 503)                                                                                 \
    X(HG_EEXIST, -12, "AlreadyExists", 409)                                                                            \
    X(HG_ENOTFOUND, -13, "NotFound", 404)                                                                              \
    X(HG_EBUSY, -14, "Busy", 409)                                                                                      \
    X(HG_EBUG, -15, "InternalError", 500)                                                                              \
    X(HG_EUNSUPPORTED, -16, "NotSupported", 501)                                                                       \
    X(HG_EUNKNOWNOPT, -17, "UnknownOption", 400)                                                                       \
    X(HG_EMISSINGOPT, -18, "MissingOption", 400)                                                                       \
    X(HG_EPERM, -19, "PermissionDenied", 403)                                                                          \
    X(HG_ECOMPILE, -20, "CompilationError", 400)                                                                       \
    X(HG_EEVAL, -21, "RuntimeError.WorkerPanic", 500)                                                                  \
    X(HG_EPROTO, -22, "ProtocolError", 400)                                                                            \
    X(HG_ECLOSED, -23, "Closed", 500)                                                                                  \
    X(HG_ECYCLE, -40, "ConfigError.CyclicDependency", 400)                                                             \
    X(HG_EEMPTYAFTER, -41, "ConfigError.EmptyStartAfter", 400)                                                         \
    X(HG_EUNKNOWNLABEL, -42, "ConfigError.UnknownLabel", 400)                                                          \
    X(HG_ENOMARK, -43, "ConfigError.HandoffNotSupported", 400)                                                         \
    X(HG_EINEXACT, -44, "ConfigError.HandoffNotExact", 400)                                                            \
    X(HG_EREFERENCE, -45, "ConfigError.PipelineConfigParseError", 400)                                                 \
    X(HG_EUNKNOWNINPUT, -50, "UnknownInputEndpoint", 404)                                                              \
    X(HG_EUNKNOWNOUTPUT, -51, "UnknownOutputEndpoint", 404)                                                            \
    X(HG_EUNKNOWNTABLE, -52, "ConfigError.UnknownInputStream", 404)                                                    \
    X(HG_EUNKNOWNVIEW, -53, "ConfigError.UnknownOutputStream", 404)                                                    \
    X(HG_EPARSEERRORS, -54, "ParseErrors", 400)                                                                        \
    X(HG_EADHOC, -55, "AdHocQueryError", 400)                                                                          \
    X(HG_ERESTARTED, -56, "PipelineRestarted", 410)                                                                    \
    X(HG_EGONE, -57, "UnknownEndpointInCompletionToken", 410)                                                          \
    X(HG_ETXNOPEN, -58, "TransactionInProgress", 409)                                                                  \
    X(HG_ENOTXN, -59, "NoTransactionInProgress", 400)                                                                  \
    X(HG_EUNKNOWNFORMAT, -60, "ConfigError.UnknownInputFormat", 400)                                                   \
    X(HG_EINVALPARSER, -61, "ConfigError.ParserConfigParseError", 400)                                                 \
    X(HG_EINVALENCODER, -62, "ConfigError.EncoderConfigParseError", 400)                                               \
    X(HG_EINVALTRANSPORT, -63, "ConfigError.InvalidTransportConfig", 400)                                              \
    X(HG_ETERMINATING, -64, "Terminating", 410)                                                                        \
    X(HG_EUNKNOWNOUTFORMAT, -65, "ConfigError.UnknownOutputFormat", 400)                                               \
    X(HG_ETOOMANY, -66, "ApiConnectionLimit", 429)                                                                     \
    X(HG_EREPLAY, -67, "ReplayFailure", 500)                                                                           \
    X(HG_EDAMAGED, -68, "StorageDamaged", 500)                                                                         \
    X(HG_ENOSTORAGE, -69, "FtRequiresStorage", 400)                                                                    \
    X(HG_ESUSPEND, -70, "SuspendError", 400)                                                                           \
    X(HG_EINCARNATION, -71, "IncarnationUuidMismatch", 400)                                                            \
    X(HG_EAPPROVAL, -72, "AwaitingApproval", 503)                                                                      \
    X(HG_EBOOTSTRAP, -73, "BootstrapInProgress", 503)                                                                  \
    X(HG_EREJECTED, -74, "BootstrapRejected", 409)                                                                     \
    X(HG_ENOBOOTSTRAP, -75, "BootstrapNotAllowed", 400)                                                                \
    X(HG_ETRANSITION, -76, "InvalidTransition", 400)                                                                   \
    X(HG_ERESTORING, -77, "RestoreInProgress", 503)                                                                    \
    X(HG_ESEQGONE, -78, "SequenceNumberGone", 410)                                                                     \
    X(HG_EHEAPPROFILE, -79, "HeapProfilerError", 400)                                                                  \
    X(HG_EREMOTE, -80, "CheckpointFetchError", 500)                                                                    \
    X(HG_EINITIALIZING, -81, "Initializing", 503)

#define X(code, value, api, http) code = value,
typedef enum { HG_OK = 0, HG_CODES(X) HG_CODE_END = -1000 } hg_code_t;
#undef X

/* A place in a program, a file or a stream. line and col count from 1; line 0 means "no position". `off` is a byte
 * offset where lines mean nothing (a wire frame). path names an option inside JSON ("transport.config.topic"). */
typedef struct hg_pos {
    const char *file; /* borrowed, NULL = the program */
    uint32_t line, col;
    uint32_t end_line, end_col; /* inclusive; 0 = only the start is known */
    uint64_t off;
} hg_pos_t;

typedef struct hg_err {
    hg_code_t code;
    unsigned fatal : 1; /* this connector (or step) cannot go on */
    unsigned retry : 1; /* trying the same again later may work */
    hg_pos_t pos;
    char path[96]; /* the option that is wrong, "" = none */
    char msg[480]; /* one sentence, subject in 'quotes'; fixed room, so it works when memory is out */
} hg_err_t;

#define HG_ERR_INIT ((hg_err_t){ .code = HG_OK })

/* Any thread. Fill *err (code, formatted message, no position) and return the code. The tail is cut at the room;
 * what remains is UTF-8 (hg_utf8_mend). */
int hg_err_set(hg_err_t *err, hg_code_t code, const char *fmt, ...) HG_PRINTF(3, 4);
int hg_err_at(hg_err_t *err, hg_code_t code, hg_pos_t pos, const char *fmt, ...) HG_PRINTF(4, 5);

/* Like hg_err_set, marked retryable: bad surroundings, not a bad configuration. */
int hg_err_retry(hg_err_t *err, hg_code_t code, const char *fmt, ...) HG_PRINTF(3, 4);

/* Like hg_err_set, about one option of a configuration: who has its text can point at it. */
int hg_err_option(hg_err_t *err, hg_code_t code, const char *option, const char *fmt, ...) HG_PRINTF(4, 5);

/* Set "<what>: <strerror of errnum>". what is borrowed for the call. */
int hg_err_errno(hg_err_t *err, int errnum, const char *fmt, ...) HG_PRINTF(3, 4);

/* Put "prefix: " before the message that stands in err; the end is cut when there is no room. Returns err->code. */
int hg_err_wrap(hg_err_t *err, const char *fmt, ...) HG_PRINTF(2, 3);

/* The static analyser sees one file at a time; that an error is never 0 it has to be told. */
#if defined(__clang_analyzer__) && !defined(HG_ERR_INTERNAL)
#define hg_err_set(...)    (hg_err_set(__VA_ARGS__), HG_EINVAL)
#define hg_err_at(...)     (hg_err_at(__VA_ARGS__), HG_EINVAL)
#define hg_err_retry(...)  (hg_err_retry(__VA_ARGS__), HG_EINVAL)
#define hg_err_option(...) (hg_err_option(__VA_ARGS__), HG_EINVAL)
#define hg_err_errno(...)  (hg_err_errno(__VA_ARGS__), HG_EIO)
#define hg_err_wrap(...)   (hg_err_wrap(__VA_ARGS__), HG_EINVAL)
#endif

/* "UnknownOption" for HG_EUNKNOWNOPT; "InternalError" for a code that is not in the list. Static string. */
const char *hg_code_name(int code);
int hg_code_http(int code);

#endif
