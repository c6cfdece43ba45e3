/* flatbuffers.cc: headgate-flatbuffers.so: iggy/codec/flatbuffers_module.h on Google's C++ library.
 *
 * A type is a schema in its binary form, which reads buffers by reflection (our own walk: the library prints doubles
 * with 12 digits only). JSON is parsed by the library's parser, which remembers what it parsed: there is one per call
 * that is going on, taken from a list.
 */
#include "iggy/codec/flatbuffers_module.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <flatbuffers/idl.h>
#include <flatbuffers/reflection.h>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace fb = flatbuffers;

struct hg_flatbuffers_type {
    std::string schema_bytes; /* binary */
    const reflection::Schema *schema = nullptr;
    const reflection::Object *root = nullptr;
    std::string name;
    std::map<const reflection::Object *, std::vector<const reflection::Field *>> fields; /* in the order of their ids */
    mutable std::mutex lock;
    mutable std::vector<std::unique_ptr<fb::Parser>> idle;
};

namespace {

int failed(char *why, const std::string &text)
{
    std::string one = text;
    std::replace(one.begin(), one.end(), '\n', ' ');
    std::snprintf(why, HG_FLATBUFFERS_WHY, "%s", one.c_str());
    return -1;
}

template <typename F> int guarded(char *why, F f)
{
    try {
        return f();
    } catch (const std::exception &e) {
        return failed(why, e.what());
    }
}

/* --- schemas --- */

fb::IDLOptions parser_options()
{
    fb::IDLOptions options;
    options.strict_json = true;
    options.lang_to_generate = fb::IDLOptions::kBinary; /* unions may hold structs and strings */
    return options;
}

bool is_binary(const std::string &path)
{
    return path.size() > 5 && path.compare(path.size() - 5, 5, ".bfbs") == 0;
}

/* The library asks for an include whether it exists: what may not be read does not. */
thread_local bool (*may_read)(const char *path);

bool exists(const char *path)
{
    return (!may_read || may_read(path)) && std::ifstream(path).good();
}

int compile(hg_flatbuffers_type *t, const hg_flatbuffers_source_t *src, char *why)
{
    std::string path = src->path, text(src->bytes, src->n);
    auto slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    std::vector<const char *> includes(src->includes, src->includes + src->n_includes);
    includes.push_back(folder.c_str());
    includes.push_back(nullptr);
    fb::Parser parser(parser_options());
    may_read = src->may;
    fb::SetFileExistsFunction(exists);
    if (!parser.Parse(text.c_str(), includes.data(), path.c_str())) return failed(why, parser.error_);
    parser.Serialize();
    t->schema_bytes.assign(reinterpret_cast<const char *>(parser.builder_.GetBufferPointer()), parser.builder_.GetSize());
    return 0;
}

const uint8_t *bytes_of(const std::string &s)
{
    return reinterpret_cast<const uint8_t *>(s.data());
}

int find_root(hg_flatbuffers_type *t, const char *root, char *why)
{
    t->root = root ? t->schema->objects()->LookupByKey(root) : t->schema->root_table();
    if (t->root && !t->root->is_struct()) {
        t->name = t->root->name()->str();
        return 0;
    }
    std::string all;
    for (auto o : *t->schema->objects())
        if (!o->is_struct()) all += (all.empty() ? "" : ", ") + o->name()->str();
    if (!root) return failed(why, "the schema has no root_type, so root_table_name has to say it; its tables: " + all);
    return failed(why, "there is no table '" + std::string(root) + "'; the schema has " + all);
}

std::unique_ptr<fb::Parser> new_parser(const hg_flatbuffers_type *t)
{
    auto p = std::make_unique<fb::Parser>(parser_options());
    if (!p->Deserialize(bytes_of(t->schema_bytes), t->schema_bytes.size()) || !p->SetRootType(t->name.c_str()))
        return nullptr;
    return p;
}

int make(hg_flatbuffers_type *t, const hg_flatbuffers_source_t *src, char *why)
{
    if (is_binary(src->path))
        t->schema_bytes.assign(src->bytes, src->n);
    else if (compile(t, src, why) < 0)
        return -1;
    fb::Verifier v(bytes_of(t->schema_bytes), t->schema_bytes.size());
    if (!reflection::VerifySchemaBuffer(v)) return failed(why, "the file is no binary FlatBuffers schema");
    t->schema = reflection::GetSchema(t->schema_bytes.data());
    if (find_root(t, src->root, why) < 0) return -1;
    for (auto o : *t->schema->objects()) {
        auto &list = t->fields[o];
        for (auto f : *o->fields()) list.push_back(f);
        std::sort(list.begin(), list.end(), [](auto a, auto b) { return a->id() < b->id(); });
    }
    auto p = new_parser(t);
    if (!p) return failed(why, "the library cannot parse JSON by this schema");
    t->idle.push_back(std::move(p));
    return 0;
}

int type_new(const hg_flatbuffers_source_t *src, hg_flatbuffers_type_t **ret, char *why)
{
    return guarded(why, [&] {
        auto t = std::make_unique<hg_flatbuffers_type>();
        if (make(t.get(), src, why) < 0) return -1;
        *ret = t.release();
        return 0;
    });
}

void type_free(hg_flatbuffers_type_t *t)
{
    delete t;
}

const char *type_name(const hg_flatbuffers_type_t *t)
{
    return t->name.c_str();
}

/* --- a buffer as JSON --- */

class Writer {
  public:
    Writer(const hg_flatbuffers_type *t, bool defaults) : t_(t), defaults_(defaults) {}

    std::string out;

    void table(const reflection::Object &o, const fb::Table &table)
    {
        bool first = true;
        out += '{';
        for (auto f : t_->fields.at(&o)) {
            if (f->deprecated() || !wanted(table, *f)) continue;
            member(*f, first);
            field(o, table, *f);
        }
        out += '}';
    }

  private:
    const hg_flatbuffers_type *t_;
    bool defaults_;

    bool wanted(const fb::Table &table, const reflection::Field &f) const
    {
        if (f.type()->base_type() == reflection::Union) {
            auto type = union_member(table, f);
            return type && table.CheckField(f.offset());
        }
        if (table.CheckField(f.offset())) return true;
        return defaults_ && !f.optional() && f.type()->base_type() <= reflection::Double;
    }

    void member(const reflection::Field &f, bool &first)
    {
        if (!first) out += ',';
        first = false;
        quote(f.name()->c_str(), f.name()->size());
        out += ':';
    }

    void quote(const char *p, size_t n)
    {
        static const char hex[] = "0123456789abcdef";
        out += '"';
        for (size_t i = 0; i < n; i++) {
            unsigned char c = static_cast<unsigned char>(p[i]);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += p[i];
            } else if (c >= 0x20) {
                out += p[i];
            } else {
                out += "\\u00";
                out += hex[c >> 4];
                out += hex[c & 15];
            }
        }
        out += '"';
    }

    void real(double v, bool is_float)
    {
        char text[40];
        if (!std::isfinite(v)) {
            out += "null";
            return;
        }
        auto r = is_float ? std::to_chars(text, text + sizeof text, static_cast<float>(v))
                          : std::to_chars(text, text + sizeof text, v);
        out.append(text, r.ptr);
    }

    /* index: of the enum that the type is, or -1 */
    void integer(reflection::BaseType type, int32_t index, int64_t v)
    {
        if (type == reflection::Bool) {
            out += v ? "true" : "false";
            return;
        }
        auto e = index >= 0 ? t_->schema->enums()->Get(static_cast<uint32_t>(index))->values()->LookupByKey(v) : nullptr;
        if (e)
            quote(e->name()->c_str(), e->name()->size());
        else if (type == reflection::ULong)
            out += std::to_string(static_cast<uint64_t>(v));
        else
            out += std::to_string(v);
    }

    const reflection::Object &object(int32_t index) const
    {
        return *t_->schema->objects()->Get(static_cast<uint32_t>(index));
    }

    void field(const reflection::Object &o, const fb::Table &table, const reflection::Field &f)
    {
        auto type = f.type();
        switch (type->base_type()) {
        case reflection::Float:
        case reflection::Double:
            return real(fb::GetAnyFieldF(table, f), type->base_type() == reflection::Float);
        case reflection::String:
            return string(fb::GetFieldS(table, f));
        case reflection::Vector:
            return vector(o, table, f);
        case reflection::Union:
            return any(*union_member(table, f)->union_type(), table.GetPointer<const uint8_t *>(f.offset()));
        case reflection::Obj:
            if (object(type->index()).is_struct()) return structure(object(type->index()), fb::GetFieldStruct(table, f));
            return this->table(object(type->index()), *fb::GetFieldT(table, f));
        default:
            return integer(type->base_type(), type->index(), fb::GetAnyFieldI(table, f));
        }
    }

    void string(const fb::String *s)
    {
        quote(s->c_str(), s->size());
    }

    const reflection::EnumVal *union_value(const reflection::Field &f, uint8_t which) const
    {
        if (!which) return nullptr;
        return t_->schema->enums()->Get(static_cast<uint32_t>(f.type()->index()))->values()->LookupByKey(which);
    }

    /* The field that says what a union holds is the one in front of it. */
    const reflection::EnumVal *union_member(const fb::Table &table, const reflection::Field &f) const
    {
        return union_value(f, table.GetField<uint8_t>(static_cast<fb::voffset_t>(f.offset() - sizeof(fb::voffset_t)), 0));
    }

    void any(const reflection::Type &type, const uint8_t *p)
    {
        if (type.base_type() == reflection::String) return string(reinterpret_cast<const fb::String *>(p));
        const auto &o = object(type.index());
        if (o.is_struct()) return structure(o, reinterpret_cast<const fb::Struct *>(p));
        table(o, *reinterpret_cast<const fb::Table *>(p));
    }

    void scalar_at(reflection::BaseType type, int32_t index, const uint8_t *p)
    {
        if (type == reflection::Float || type == reflection::Double)
            real(fb::GetAnyValueF(type, p), type == reflection::Float);
        else
            integer(type, index, fb::GetAnyValueI(type, p));
    }

    void structure(const reflection::Object &o, const fb::Struct *s)
    {
        bool first = true;
        auto base = reinterpret_cast<const uint8_t *>(s);
        out += '{';
        for (auto f : t_->fields.at(&o)) {
            auto type = f->type();
            const uint8_t *p = base + f->offset();
            member(*f, first);
            if (type->base_type() == reflection::Obj)
                structure(object(type->index()), reinterpret_cast<const fb::Struct *>(p));
            else if (type->base_type() == reflection::Array)
                array(*type, p);
            else
                scalar_at(type->base_type(), type->index(), p);
        }
        out += '}';
    }

    void array(const reflection::Type &type, const uint8_t *p)
    {
        size_t size = fb::GetTypeSizeInline(type.element(), type.index(), *t_->schema);
        out += '[';
        for (uint32_t i = 0; i < type.fixed_length(); i++, p += size) {
            if (i) out += ',';
            if (type.element() == reflection::Obj)
                structure(object(type.index()), reinterpret_cast<const fb::Struct *>(p));
            else
                scalar_at(type.element(), type.index(), p);
        }
        out += ']';
    }

    void element(const reflection::Type &type, const uint8_t *p)
    {
        auto to = p + fb::ReadScalar<fb::uoffset_t>(p); /* of what is not inline */
        if (type.element() == reflection::String) return string(reinterpret_cast<const fb::String *>(to));
        const auto &o = object(type.index());
        if (o.is_struct()) return structure(o, reinterpret_cast<const fb::Struct *>(p));
        table(o, *reinterpret_cast<const fb::Table *>(to));
    }

    void vector(const reflection::Object &o, const fb::Table &table, const reflection::Field &f)
    {
        auto type = f.type();
        auto v = table.GetPointer<const fb::VectorOfAny *>(f.offset());
        size_t size = fb::GetTypeSizeInline(type->element(), type->index(), *t_->schema);
        const fb::Vector<uint8_t> *which = nullptr; /* of unions: what each holds */
        if (type->element() == reflection::Union) {
            auto types = o.fields()->LookupByKey((f.name()->str() + "_type").c_str());
            which = types ? table.GetPointer<const fb::Vector<uint8_t> *>(types->offset()) : nullptr;
        }
        out += '[';
        for (fb::uoffset_t i = 0; i < v->size(); i++) {
            const uint8_t *p = v->Data() + i * size;
            if (i) out += ',';
            if (type->element() == reflection::Union) {
                auto member = which && i < which->size() ? union_value(f, which->Get(i)) : nullptr;
                if (member)
                    any(*member->union_type(), p + fb::ReadScalar<fb::uoffset_t>(p));
                else
                    out += "null";
            } else if (type->element() == reflection::String || type->element() == reflection::Obj) {
                element(*type, p);
            } else {
                scalar_at(type->element(), type->index(), p);
            }
        }
        out += ']';
    }
};

/* Buffers are aligned to what they hold, messages to nothing: hence the copy. */
int verified(const hg_flatbuffers_type *t, const char *p, size_t n, std::vector<uint64_t> &copy, char *why)
{
    if (n >= FLATBUFFERS_MAX_BUFFER_SIZE) return failed(why, "the buffer is too large");
    copy.resize(n / 8 + 1);
    std::memcpy(copy.data(), p, n);
    if (n >= 8 && fb::Verify(*t->schema, *t->root, reinterpret_cast<const uint8_t *>(copy.data()), n)) return 0;
    return failed(why, "the buffer does not hold together");
}

int verify(const hg_flatbuffers_type_t *t, const char *p, size_t n, char *why)
{
    return guarded(why, [&] {
        std::vector<uint64_t> copy;
        return verified(t, p, n, copy, why);
    });
}

int to_json(const hg_flatbuffers_type_t *t, const char *p, size_t n, bool defaults, hg_flatbuffers_put_fn put, void *arg,
            char *why)
{
    return guarded(why, [&] {
        std::vector<uint64_t> copy;
        if (verified(t, p, n, copy, why) < 0) return -1;
        Writer w(t, defaults);
        w.table(*t->root, *fb::GetAnyRoot(reinterpret_cast<const uint8_t *>(copy.data())));
        return put(arg, w.out.data(), w.out.size()) ? failed(why, "out of memory") : 0;
    });
}

/* --- JSON as a buffer --- */

std::unique_ptr<fb::Parser> take_parser(const hg_flatbuffers_type *t)
{
    {
        std::lock_guard<std::mutex> guard(t->lock);
        if (!t->idle.empty()) {
            auto p = std::move(t->idle.back());
            t->idle.pop_back();
            return p;
        }
    }
    return new_parser(t);
}

int from_json(const hg_flatbuffers_type_t *t, const char *json, size_t n, bool strict, hg_flatbuffers_put_fn put,
              void *arg, char *why)
{
    return guarded(why, [&] {
        std::string text(json, n);
        auto p = take_parser(t);
        if (!p) return failed(why, "the library cannot parse JSON by this schema");
        p->opts.skip_unexpected_fields_in_json = !strict;
        if (!p->ParseJson(text.c_str())) return failed(why, p->error_); /* and this parser is not used again */
        int rc = put(arg, reinterpret_cast<const char *>(p->builder_.GetBufferPointer()), p->builder_.GetSize())
                     ? failed(why, "out of memory")
                     : 0;
        std::lock_guard<std::mutex> guard(t->lock);
        t->idle.push_back(std::move(p));
        return rc;
    });
}

const hg_flatbuffers_api_t table = { HG_FLATBUFFERS_ABI, type_new, type_free, type_name, verify, to_json, from_json };

} // namespace

extern "C" __attribute__((visibility("default"))) const hg_flatbuffers_api_t *hg_flatbuffers_module(uint32_t abi)
{
    return abi == HG_FLATBUFFERS_ABI ? &table : nullptr;
}
