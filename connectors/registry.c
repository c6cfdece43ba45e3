/* registry.c: finds connectors and formats by the name users write. The lists are in list.h; everything here is
 * constant. */
#include "base/hg.h"
#include "connectors/connector.h"
#include "connectors/format.h"
#include "connectors/list.h"

#define X(s) extern const hg_input_type_t s;
HG_INPUT_LIST(X)
#undef X
#define X(s) extern const hg_output_type_t s;
HG_OUTPUT_LIST(X)
#undef X
#define X(s) extern const hg_format_type_t s;
HG_FORMAT_LIST(X)
#undef X

#define X(s) &s,
static const hg_input_type_t *const inputs[] = { HG_INPUT_LIST(X) };
static const hg_output_type_t *const outputs[] = { HG_OUTPUT_LIST(X) };
static const hg_format_type_t *const formats[] = { HG_FORMAT_LIST(X) };
#undef X

const hg_input_type_t *hg_input_type_find(hg_str_t name)
{
    for (size_t i = 0; i < HG_COUNT(inputs); i++)
        if (hg_str_eqz(name, inputs[i]->name)) return inputs[i];
    return NULL;
}

const hg_output_type_t *hg_output_type_find(hg_str_t name)
{
    for (size_t i = 0; i < HG_COUNT(outputs); i++)
        if (hg_str_eqz(name, outputs[i]->name)) return outputs[i];
    return NULL;
}

const hg_format_type_t *hg_format_find(hg_str_t name)
{
    for (size_t i = 0; i < HG_COUNT(formats); i++)
        if (hg_str_eqz(name, formats[i]->name)) return formats[i];
    return NULL;
}

const hg_input_type_t *const *hg_input_types(uint32_t *ret_n)
{
    *ret_n = HG_COUNT(inputs);
    return inputs;
}

const hg_output_type_t *const *hg_output_types(uint32_t *ret_n)
{
    *ret_n = HG_COUNT(outputs);
    return outputs;
}

const hg_format_type_t *const *hg_formats(uint32_t *ret_n)
{
    *ret_n = HG_COUNT(formats);
    return formats;
}
