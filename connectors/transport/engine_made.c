/* engine_made.c: the names of connectors that the engine makes by itself (HTTP push, INSERT, clock, HTTP change
 * streams).
 *
 * They are listed so that a program which names one is told what it is; HG_CAP_INTERNAL makes the compiler refuse them
 * in SQL, so none of their functions is ever called.
 */
#include "base/hg.h"
#include "connectors/connector.h"

static const hg_opt_t no_opts[] = { { .key = NULL } };

extern const hg_input_type_t hg_input_http, hg_input_ad_hoc, hg_input_clock;
extern const hg_output_type_t hg_output_http;

const hg_input_type_t hg_input_http = {
    .abi = HG_CONNECTOR_ABI,
    .name = "http_input",
    .summary = "data pushed by HTTP clients (POST .../ingress/{table})",
    .opts = no_opts,
    .caps = HG_CAP_INTERNAL,
};

const hg_input_type_t hg_input_ad_hoc = {
    .abi = HG_CONNECTOR_ABI,
    .name = "ad_hoc_input",
    .summary = "rows of an ad-hoc INSERT",
    .opts = no_opts,
    .caps = HG_CAP_INTERNAL | HG_CAP_BATCHES,
};

const hg_input_type_t hg_input_clock = {
    .abi = HG_CONNECTOR_ABI,
    .name = "clock_input",
    .summary = "the time that NOW() shows",
    .opts = no_opts,
    .caps = HG_CAP_INTERNAL | HG_CAP_BATCHES,
};

const hg_output_type_t hg_output_http = {
    .abi = HG_CONNECTOR_ABI,
    .name = "http_output",
    .summary = "a change stream read by an HTTP client (POST .../egress/{relation})",
    .opts = no_opts,
    .internal = true,
};
