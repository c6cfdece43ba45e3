/* kafka_filter.h: header_filter of the Kafka input. */
#ifndef HG_CONNECTORS_TRANSPORT_KAFKA_FILTER_H
#define HG_CONNECTORS_TRANSPORT_KAFKA_FILTER_H

#include "base/opts.h"
#include <librdkafka/rdkafka.h>

typedef struct hg_kfilter hg_kfilter_t;

/* Any thread. Complaints about the filter go to d, at the place that is wrong. */
void hg_kfilter_check(const hg_json_t *filter, hg_diag_t *d);

/* Any thread. Of a filter that was checked; hg_kfilter_free takes NULL too. A filter belongs to one thread at a time.
 */
hg_kfilter_t *hg_kfilter_new(const hg_json_t *filter);
void hg_kfilter_free(hg_kfilter_t *f);

/* headers may be NULL: a message without any. Allocates nothing of ours. */
bool hg_kfilter_match(const hg_kfilter_t *f, const rd_kafka_headers_t *headers);

#endif
