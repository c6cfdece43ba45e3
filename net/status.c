/* status.c: what the status of an answer means to who asked. */
#include "base/hg.h"
#include "net/client.h"

bool hg_http_is_transient(int status)
{
    return status == 429 || status == 502 || status == 503 || status == 504;
}

const char *hg_http_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = { { 400, "Bad Request" },
                  { 401, "Unauthorized" },
                  { 403, "Forbidden" },
                  { 404, "Not Found" },
                  { 410, "Gone" },
                  { 412, "Precondition Failed" },
                  { 429, "Too Many Requests" },
                  { 500, "Internal Server Error" },
                  { 502, "Bad Gateway" },
                  { 503, "Service Unavailable" },
                  { 504, "Gateway Timeout" } };
    for (size_t i = 0; i < HG_COUNT(known); i++)
        if (known[i].status == status) return known[i].text;
    return "";
}
