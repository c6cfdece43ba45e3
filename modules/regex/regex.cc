/* regex.cc: headgate-regex.so: RE2 behind iggy/codec/regex.h. */
#include "iggy/codec/regex.h"
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <new>
#include <re2/re2.h>

struct hg_regex {
    RE2 re;
};

namespace {

int make(const char *pattern, size_t n, hg_regex_t **ret, char *why)
{
    try {
        RE2::Options options;
        options.set_log_errors(false);
        auto *r = new hg_regex{ RE2(re2::StringPiece(pattern, n), options) };
        if (r->re.ok()) {
            *ret = r;
            return 0;
        }
        std::snprintf(why, HG_REGEX_WHY, "%s", r->re.error().c_str());
        delete r;
    } catch (const std::exception &e) {
        std::snprintf(why, HG_REGEX_WHY, "%s", e.what());
    }
    return -1;
}

void drop(hg_regex_t *r)
{
    delete r;
}

int search(const hg_regex_t *r, const char *p, size_t n)
{
    try {
        return r->re.Match(re2::StringPiece(p, n), 0, n, RE2::UNANCHORED, nullptr, 0);
    } catch (const std::exception &) {
        return 0;
    }
}

const hg_regex_api_t table = { HG_REGEX_ABI, make, drop, search };

} // namespace

extern "C" __attribute__((visibility("default"))) const hg_regex_api_t *hg_regex_module(uint32_t abi)
{
    return abi == HG_REGEX_ABI ? &table : nullptr;
}
