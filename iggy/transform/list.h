/* list.h: every transform of this build, one line each. Adding one is its file and its line here.
 *
 * X(symbol): a const hg_transform_type_t with external linkage.
 */
#ifndef HG_IGGY_TRANSFORM_LIST_H
#define HG_IGGY_TRANSFORM_LIST_H

#define HG_TRANSFORM_LIST(X)                                                                                           \
    X(hg_transform_add_fields)                                                                                         \
    X(hg_transform_delete_fields)                                                                                      \
    X(hg_transform_filter_fields)                                                                                      \
    X(hg_transform_update_fields)                                                                                      \
    X(hg_transform_unwrap_envelope)                                                                                    \
    X(hg_transform_proto_convert)                                                                                      \
    X(hg_transform_flat_buffer_convert)                                                                                \
    X(hg_transform_avro_convert)

#endif
