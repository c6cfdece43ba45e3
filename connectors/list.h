/* list.h: every connector and format of this build, one line each. Adding a connector is its file and its line here.
 *
 * X(symbol): a const hg_input_type_t, hg_output_type_t or hg_format_type_t with external linkage.
 */
#ifndef HG_CONNECTORS_LIST_H
#define HG_CONNECTORS_LIST_H

#define HG_INPUT_LIST(X)                                                                                               \
    X(hg_input_datagen)                                                                                                \
    X(hg_input_file)                                                                                                   \
    X(hg_input_url)                                                                                                    \
    X(hg_input_s3)                                                                                                     \
    X(hg_input_kafka)                                                                                                  \
    X(hg_input_nats)                                                                                                   \
    X(hg_input_iggy)                                                                                                   \
    X(hg_input_postgres)                                                                                               \
    X(hg_input_empty)                                                                                                  \
    X(hg_input_http)                                                                                                   \
    X(hg_input_ad_hoc)                                                                                                 \
    X(hg_input_clock)

#define HG_OUTPUT_LIST(X)                                                                                              \
    X(hg_output_file)                                                                                                  \
    X(hg_output_kafka)                                                                                                 \
    X(hg_output_iggy)                                                                                                  \
    X(hg_output_redis)                                                                                                 \
    X(hg_output_postgres)                                                                                              \
    X(hg_output_null)                                                                                                  \
    X(hg_output_http)

#define HG_FORMAT_LIST(X)                                                                                              \
    X(hg_format_json)                                                                                                  \
    X(hg_format_csv)                                                                                                   \
    X(hg_format_raw)                                                                                                   \
    X(hg_format_avro)                                                                                                  \
    X(hg_format_parquet)

#endif
