/* url_secret.h: where a text has the password or the token of a URL in it. Any thread; nothing is kept. */
#ifndef HG_BASE_URL_SECRET_H
#define HG_BASE_URL_SECRET_H

#include "base/buf.h"
#include "base/err.h"

#define HG_HIDDEN "***" /* what stands for a secret */

/* What is secret of the URL that goes on at text[i]: behind its "://" the password (of http and https the user, too, if
 * there is no password: it is a token then), behind '?' or '&' the value of a parameter with a secret's name. It lies
 * in the text; empty if there is none, or something else stands there. */
hg_str_t hg_url_secret(hg_str_t text, size_t i);

/* Appends the text with HG_HIDDEN in the place of the secrets of all URLs in it. */
void hg_url_hide(hg_str_t text, hg_buf_t *out);

/* The error with its message made so. */
hg_err_t hg_url_hide_err(const hg_err_t *err);

#endif
