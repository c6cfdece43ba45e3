/* names.c: the words of the configuration: kinds, schemas, formats, durations. */
#include "base/hg.h"
#include "iggy/config/config_int.h"

const char *hg_iggy_kind_name(hg_iggy_kind_t k)
{
    return k == HG_IGGY_SINK ? "sink" : "source";
}

static const char *const schemas[HG_IGGY_N_SCHEMA] = { "json", "raw", "text", "proto", "flat_buffer", "avro" };

const char *hg_iggy_schema_name(hg_iggy_schema_t s)
{
    return schemas[s];
}

bool hg_iggy_schema_find(hg_str_t name, hg_iggy_schema_t *ret)
{
    if (hg_str_eqz(name, "flatbuffer")) name = hg_strz(schemas[HG_IGGY_FLAT_BUFFER]);
    for (int i = 0; i < HG_IGGY_N_SCHEMA; i++) {
        if (!hg_str_eqz(name, schemas[i])) continue;
        *ret = (hg_iggy_schema_t)i;
        return true;
    }
    return false;
}

static const char *const formats[] = { "json", "yaml", "toml", "text" };

const char *hg_iggy_format_name(hg_iggy_format_t f)
{
    return formats[f];
}

bool hg_iggy_format_find(hg_str_t name, hg_iggy_format_t *ret)
{
    for (size_t i = 0; i < HG_COUNT(formats); i++) {
        if (!hg_str_eqz(name, formats[i])) continue;
        *ret = (hg_iggy_format_t)i;
        return true;
    }
    return false;
}

int hg_iggy_duration(hg_str_t text, uint64_t *ret_us)
{
    static const char *const zeros[] = { "0", "none", "disabled", "unlimited" };
    for (size_t i = 0; i < HG_COUNT(zeros); i++)
        if (hg_str_ieq(hg_str_trim(text), hg_strz(zeros[i]))) {
            *ret_us = 0;
            return 0;
        }
    return hg_duration_us(text, ret_us);
}
