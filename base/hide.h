/* hide.h: what references (${env:…}, ${secret:…}) stand for is not told to anybody.
 *
 * A library puts an address with its password into a complaint, a connector the path that it could not open. So what
 * goes out about connectors, their errors and every log line, passes by here, where each value that a reference stands
 * for becomes the reference again.
 *
 * Which values are looked for, and where one counts: secret_value.h. What is cut at the end of a message counts where
 * four bytes of it are left. Any thread. Without references it costs a comparison.
 */
#ifndef HG_BASE_HIDE_H
#define HG_BASE_HIDE_H

#include "base/buf.h"
#include "base/err.h"

/* `value` will be shown as `reference`, for as long as the process lives; without blanks at its ends, too. */
void hg_hide_learn(hg_str_t value, hg_str_t reference);
bool hg_hide_any(void);
/* Appends text. cut: its end may be missing. */
int hg_hide_copy(hg_str_t text, bool cut, hg_buf_t *out);
/* A copy of *err that may be told: passwords and tokens in URLs are hidden, too (url_secret.h). */
hg_err_t hg_hide_err(const hg_err_t *err);

#endif
