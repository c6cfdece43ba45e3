// toml.cc: headgate-toml.so: iggy/config/toml_abi.h on toml++. The library keeps tables sorted by key and remembers where
// each key and value stood, so siblings are put back into the order of the text here. Exceptions are compiled out.
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include "iggy/config/toml_abi.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

struct Walk {
    void (*fn)(void *, const hg_toml_event_t *);
    void *arg;

    void say(hg_toml_event_t e, hg_toml_kind_t kind, std::string_view text = {}) const
    {
        e.kind = kind;
        e.text = text.data();
        e.text_len = text.size();
        fn(arg, &e);
    }

    static void number(double v, std::string *out)
    {
        char digits[32];
        auto end = std::to_chars(digits, digits + sizeof digits, v).ptr;
        out->assign(digits, end);
        if (out->find_first_of(".e") == std::string::npos) *out += ".0"; // it stays a fraction in JSON
    }

    template <class T> static std::string written(const T &v)
    {
        std::ostringstream s;
        s << v;
        return s.str();
    }

    void scalar(const hg_toml_event_t &e, const toml::node &n) const
    {
        if (auto s = n.as_string()) return say(e, HG_TOML_STRING, s->get());
        if (auto b = n.as_boolean()) return say(e, b->get() ? HG_TOML_TRUE : HG_TOML_FALSE);
        if (auto i = n.as_integer()) return say(e, HG_TOML_NUMBER, std::to_string(i->get()));
        if (auto f = n.as_floating_point()) {
            std::string text;
            double v = f->get();
            if (!std::isfinite(v)) return say(e, HG_TOML_TEXT, std::isnan(v) ? "nan" : v < 0 ? "-inf" : "inf");
            number(v, &text);
            return say(e, HG_TOML_NUMBER, text);
        }
        if (auto d = n.as_date()) return say(e, HG_TOML_TEXT, written(d->get()));
        if (auto t = n.as_time()) return say(e, HG_TOML_TEXT, written(t->get()));
        if (auto t = n.as_date_time()) return say(e, HG_TOML_TEXT, written(t->get()));
    }

    void value(hg_toml_event_t e, const toml::node &n) const
    {
        e.line = static_cast<uint32_t>(n.source().begin.line);
        e.col = static_cast<uint32_t>(n.source().begin.column);
        if (auto t = n.as_table())
            table(e, *t);
        else if (auto a = n.as_array())
            array(e, *a);
        else
            scalar(e, n);
    }

    void array(const hg_toml_event_t &e, const toml::array &a) const
    {
        say(e, HG_TOML_ARRAY);
        for (const toml::node &n : a) value({}, n);
        say({}, HG_TOML_END);
    }

    void table(const hg_toml_event_t &e, const toml::table &t) const
    {
        std::vector<std::pair<const toml::key *, const toml::node *>> members;
        for (auto &&[k, n] : t) members.emplace_back(&k, &n);
        std::stable_sort(members.begin(), members.end(), [](const auto &x, const auto &y) {
            const auto &a = x.first->source().begin, &b = y.first->source().begin;
            return a.line != b.line ? a.line < b.line : a.column < b.column;
        });
        say(e, HG_TOML_TABLE);
        for (auto &[k, n] : members) {
            hg_toml_event_t m = {};
            m.key = k->data();
            m.key_len = k->length();
            m.key_line = static_cast<uint32_t>(k->source().begin.line);
            m.key_col = static_cast<uint32_t>(k->source().begin.column);
            value(m, *n);
        }
        say({}, HG_TOML_END);
    }
};

} // namespace

extern "C" __attribute__((visibility("default"))) int hg_toml_walk(const char *text, size_t n,
                                                                   void (*fn)(void *, const hg_toml_event_t *),
                                                                   void *arg, hg_toml_error_t *err)
{
    toml::parse_result r = toml::parse(std::string_view(text, n));
    if (!r) {
        const auto &e = r.error();
        auto d = e.description();
        size_t m = std::min(d.size(), sizeof err->msg - 1);
        std::memcpy(err->msg, d.data(), m);
        err->msg[m] = 0;
        err->line = static_cast<uint32_t>(e.source().begin.line);
        err->col = static_cast<uint32_t>(e.source().begin.column);
        return -1;
    }
    Walk{ fn, arg }.table({}, r.table());
    return 0;
}
