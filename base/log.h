/* log.h: log lines are events with fields.
 *
 *   2026-11-21T09:14:02.123456Z warn kafka price.live broker_down retry_ms=500 broker="b:9092"
 *
 * time level subsystem object event key=value…; JSON with hg_log_init(.json = true). Any thread. Lines are written
 * whole with one write(2). What references stand for is not in fields (hide.h). Repeats of one (subsystem, object,
 * event) within a second are folded into a count.
 */
#ifndef HG_BASE_LOG_H
#define HG_BASE_LOG_H

#include "base/hg.h"

typedef enum { HG_LOG_ERROR, HG_LOG_WARN, HG_LOG_INFO, HG_LOG_DEBUG } hg_log_level_t;

typedef struct hg_log_opts {
    int fd; /* where lines go; default 2 */
    hg_log_level_t level;
    bool json;
    const char *mute; /* lines of this event are not written: someone else tells it. NULL: none */
} hg_log_opts_t;

void hg_log_init(hg_log_opts_t opts); /* once, before threads start; without it: fd 2, level info, text */
bool hg_log_on(hg_log_level_t level);

/* object may be NULL ("-"). fmt gives the fields: "retry_ms=%u broker=\"%s\"" or "". */
void hg_log(hg_log_level_t level, const char *sub, const char *object, const char *event, const char *fmt, ...)
    HG_PRINTF(5, 6);

/* The same for what others have to say: fields as they are, of any length, and no line is folded into another. */
void hg_log_each(hg_log_level_t level, const char *sub, const char *object, const char *event, hg_str_t fields);

/* A second taker of every line that is written, after it was: an exporter (telemetry/otlp.h). The texts are the line's
 * own and live as long as the call; what references stand for is not in them, either. Calls come from any thread, one
 * at a time; the taker may not block and may not log. Where nobody takes lines it costs a load. */
typedef struct hg_log_line {
    hg_log_level_t level;
    int64_t us;                       /* wall clock, since 1970 */
    const char *sub, *object, *event; /* object "-": none */
    hg_str_t fields;                  /* as given: control characters are in it, and it need not be UTF-8 */
    unsigned repeated;                /* lines of the second before that were folded into this one */
} hg_log_line_t;
typedef void (*hg_log_taker_t)(void *arg, const hg_log_line_t *line);
/* The same for what was told in another way (a warning for people): the taker alone gets it, whatever the level. */
void hg_log_unwritten(hg_log_level_t level, const char *sub, const char *object, const char *event, hg_str_t fields);
/* Any thread. take NULL: nobody any more; when it returns, no call is under way. */
void hg_log_also(hg_log_taker_t take, void *arg);

/* RFC 3339 UTC with 6 digits and Z into out (>= 28 bytes); us = microseconds since 1970. */
void hg_time_rfc3339(char *out, int64_t us);
int64_t hg_now_us(void);  /* wall clock, microseconds since 1970; HG_FAULT-free */
int64_t hg_mono_us(void); /* monotonic */

/* Random bytes from the kernel; aborts when there are none. uuid: v7 (time ordered), 36 characters and the 0. */
void hg_random(void *p, size_t n);
void hg_uuid_v7(char out[37]);

#endif
