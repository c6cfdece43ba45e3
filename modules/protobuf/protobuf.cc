/* protobuf.cc: headgate-protobuf.so: iggy/codec/protobuf_module.h on Google's C++ library.
 *
 * A type is a descriptor pool, the message's descriptor in it, and a factory of messages; none of it changes after it
 * was made. JSON is read by the library, and
 * written by reflection.
 */
#include "iggy/codec/protobuf_module.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <google/protobuf/compiler/importer.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/stubs/logging.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver.h>
#include <google/protobuf/util/type_resolver_util.h>
#include <memory>
#include <string>
#include <vector>

namespace pb = google::protobuf;

namespace {

constexpr const char *kPrefix = "type.headgate";

/* The first complaint of a compilation, with its place. */
class Complaints : public pb::compiler::MultiFileErrorCollector, public pb::DescriptorPool::ErrorCollector {
  public:
    std::string first;

    void AddError(const std::string &file, int line, int column, const std::string &message) override
    {
        if (!first.empty()) return;
        first = file;
        if (line >= 0) first += ":" + std::to_string(line + 1) + ":" + std::to_string(column + 1);
        first += ": " + message;
    }

    void AddError(const std::string &file, const std::string &element, const pb::Message *, ErrorLocation,
                  const std::string &message) override
    {
        if (first.empty()) first = file + ": " + element + ": " + message;
    }
};

int failed(char *why, const std::string &text)
{
    std::snprintf(why, HG_PROTOBUF_WHY, "%s", text.c_str());
    return -1;
}

} // namespace

struct hg_protobuf_type {
    pb::compiler::DiskSourceTree tree;
    Complaints complaints;
    std::unique_ptr<pb::compiler::Importer> importer; /* of a file; owns its pool */
    std::unique_ptr<pb::DescriptorPool> own_pool;     /* of a descriptor set */
    const pb::DescriptorPool *pool = nullptr;
    const pb::Descriptor *message = nullptr;
    std::unique_ptr<pb::DynamicMessageFactory> factory;
    const pb::Message *prototype = nullptr;
    std::unique_ptr<pb::util::TypeResolver> resolver;
    std::string url;
};

namespace {

int from_set(hg_protobuf_type *t, const hg_protobuf_source_t *src, const pb::FileDescriptor **file, char *why)
{
    pb::FileDescriptorSet set;
    if (!set.ParseFromArray(src->set, static_cast<int>(src->set_n)) || set.file_size() == 0)
        return failed(why, "the descriptor set is no serialised FileDescriptorSet");
    t->own_pool = std::make_unique<pb::DescriptorPool>();
    for (const auto &f : set.file()) {
        *file = t->own_pool->BuildFileCollectingErrors(f, &t->complaints);
        if (!*file) return failed(why, "the descriptor set: " + t->complaints.first);
    }
    t->pool = t->own_pool.get();
    return 0;
}

int from_file(hg_protobuf_type *t, const hg_protobuf_source_t *src, const pb::FileDescriptor **file, char *why)
{
    std::string path = src->path, folder = ".", name = path;
    auto slash = path.rfind('/');
    if (slash != std::string::npos) {
        folder = slash ? path.substr(0, slash) : "/";
        name = path.substr(slash + 1);
    }
    for (uint32_t i = 0; i < src->n_includes; i++) t->tree.MapPath("", src->includes[i]);
    t->tree.MapPath("", folder);
    t->tree.MapPath("google/protobuf", "/usr/include/google/protobuf"); /* any.proto and the like */
    std::string virtual_path, shadowing;
    auto found = t->tree.DiskFileToVirtualFile(path, &virtual_path, &shadowing);
    if (found == pb::compiler::DiskSourceTree::SUCCESS) name = virtual_path;
    t->importer = std::make_unique<pb::compiler::Importer>(&t->tree, &t->complaints);
    *file = t->importer->Import(name);
    if (!*file) return failed(why, t->complaints.first.empty() ? "cannot read '" + path + "'" : t->complaints.first);
    t->pool = t->importer->pool();
    return 0;
}

int find_message(hg_protobuf_type *t, const hg_protobuf_source_t *src, const pb::FileDescriptor *file, char *why)
{
    std::string all;
    for (int i = 0; i < file->message_type_count() && i < 8; i++)
        all += (i ? ", " : "") + std::string(file->message_type(i)->full_name());
    if (src->message) {
        t->message = t->pool->FindMessageTypeByName(src->message);
        if (!t->message) return failed(why, "there is no message type '" + std::string(src->message) + "'; the file has " + all);
        return 0;
    }
    if (file->message_type_count() != 1) return failed(why, "message_type has to say which type it is: " + all);
    t->message = file->message_type(0);
    return 0;
}

int make(hg_protobuf_type *t, const hg_protobuf_source_t *src, char *why)
{
    const pb::FileDescriptor *file = nullptr;
    if ((src->set ? from_set(t, src, &file, why) : from_file(t, src, &file, why)) < 0) return -1;
    if (find_message(t, src, file, why) < 0) return -1;
    t->factory = std::make_unique<pb::DynamicMessageFactory>(t->pool);
    t->prototype = t->factory->GetPrototype(t->message);
    t->resolver.reset(pb::util::NewTypeResolverForDescriptorPool(kPrefix, t->pool));
    t->url = std::string(kPrefix) + "/" + t->message->full_name();
    return 0;
}

template <typename F> int guarded(char *why, F f)
{
    try {
        return f();
    } catch (const std::exception &e) {
        return failed(why, e.what());
    }
}

int type_new(const hg_protobuf_source_t *src, hg_protobuf_type_t **ret, char *why)
{
    return guarded(why, [&] {
        pb::SetLogHandler(nullptr);
        auto t = std::make_unique<hg_protobuf_type>();
        if (make(t.get(), src, why) < 0) return -1;
        *ret = t.release();
        return 0;
    });
}

void type_free(hg_protobuf_type_t *t)
{
    delete t;
}

const char *type_name(const hg_protobuf_type_t *t)
{
    return t->message->full_name().c_str();
}

int give(const std::string &s, hg_protobuf_put_fn put, void *arg, char *why)
{
    return put(arg, s.data(), s.size()) ? failed(why, "out of memory") : 0;
}

/* A message as JSON. Protobuf's own mapping but for 64-bit integers, which are numbers here and strings there: what reads
 * them keeps every digit. Messages of google.protobuf (Timestamp, Any, …) have spellings of their own, the library's. */
class Writer {
  public:
    Writer(const hg_protobuf_type_t *t) : t_(t) {}

    std::string out, why;

    bool message(const pb::Message &m)
    {
        if (m.GetDescriptor()->full_name().compare(0, 16, "google.protobuf.") == 0) return well_known(m);
        std::vector<const pb::FieldDescriptor *> fields;
        const auto *r = m.GetReflection();
        bool first = true;
        r->ListFields(m, &fields);
        out += '{';
        for (const auto *f : fields) {
            if (!first) out += ',';
            first = false;
            quote(f->is_extension() ? "[" + f->full_name() + "]" : f->name());
            out += ':';
            if (!(f->is_map() ? map(m, f) : f->is_repeated() ? list(m, f) : value(m, f, -1))) return false;
        }
        out += '}';
        return true;
    }

  private:
    const hg_protobuf_type_t *t_;

    bool well_known(const pb::Message &m)
    {
        std::string json;
        auto status = pb::util::BinaryToJsonString(t_->resolver.get(), std::string(kPrefix) + "/" + m.GetDescriptor()->full_name(),
                                                   m.SerializePartialAsString(), &json);
        if (!status.ok()) why = status.message().ToString();
        out += json;
        return status.ok();
    }

    bool list(const pb::Message &m, const pb::FieldDescriptor *f)
    {
        int n = m.GetReflection()->FieldSize(m, f);
        out += '[';
        for (int i = 0; i < n; i++) {
            if (i) out += ',';
            if (!value(m, f, i)) return false;
        }
        out += ']';
        return true;
    }

    bool map(const pb::Message &m, const pb::FieldDescriptor *f)
    {
        const auto *r = m.GetReflection();
        const auto *key = f->message_type()->map_key(), *of = f->message_type()->map_value();
        int n = r->FieldSize(m, f);
        out += '{';
        for (int i = 0; i < n; i++) {
            const auto &entry = r->GetRepeatedMessage(m, f, i);
            bool text = key->cpp_type() == pb::FieldDescriptor::CPPTYPE_STRING;
            if (i) out += ',';
            if (!text) out += '"';
            if (!value(entry, key, -1)) return false;
            out += text ? ":" : "\":";
            if (!value(entry, of, -1)) return false;
        }
        out += '}';
        return true;
    }

    /* at: of a repeated field, else -1 */
    bool value(const pb::Message &m, const pb::FieldDescriptor *f, int at)
    {
        const auto *r = m.GetReflection();
        using F = pb::FieldDescriptor;
        switch (f->cpp_type()) {
        case F::CPPTYPE_INT32:
            out += std::to_string(at < 0 ? r->GetInt32(m, f) : r->GetRepeatedInt32(m, f, at));
            return true;
        case F::CPPTYPE_INT64:
            out += std::to_string(at < 0 ? r->GetInt64(m, f) : r->GetRepeatedInt64(m, f, at));
            return true;
        case F::CPPTYPE_UINT32:
            out += std::to_string(at < 0 ? r->GetUInt32(m, f) : r->GetRepeatedUInt32(m, f, at));
            return true;
        case F::CPPTYPE_UINT64:
            out += std::to_string(at < 0 ? r->GetUInt64(m, f) : r->GetRepeatedUInt64(m, f, at));
            return true;
        case F::CPPTYPE_DOUBLE:
            real(at < 0 ? r->GetDouble(m, f) : r->GetRepeatedDouble(m, f, at));
            return true;
        case F::CPPTYPE_FLOAT:
            real(at < 0 ? r->GetFloat(m, f) : r->GetRepeatedFloat(m, f, at));
            return true;
        case F::CPPTYPE_BOOL:
            out += (at < 0 ? r->GetBool(m, f) : r->GetRepeatedBool(m, f, at)) ? "true" : "false";
            return true;
        case F::CPPTYPE_ENUM: {
            int number = at < 0 ? r->GetEnumValue(m, f) : r->GetRepeatedEnumValue(m, f, at);
            const auto *e = f->enum_type()->FindValueByNumber(number);
            if (e)
                quote(e->name());
            else
                out += std::to_string(number);
            return true;
        }
        case F::CPPTYPE_STRING: {
            std::string scratch;
            const auto &s = at < 0 ? r->GetStringReference(m, f, &scratch) : r->GetRepeatedStringReference(m, f, at, &scratch);
            if (f->type() == F::TYPE_BYTES)
                base64(s);
            else
                quote(s);
            return true;
        }
        case F::CPPTYPE_MESSAGE:
            return message(at < 0 ? r->GetMessage(m, f) : r->GetRepeatedMessage(m, f, at));
        }
        return false;
    }

    template <typename T> void real(T v)
    {
        char text[40];
        if (std::isfinite(v))
            out.append(text, std::to_chars(text, text + sizeof text, v).ptr);
        else
            out += std::isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    }

    void quote(const std::string &s)
    {
        static const char hex[] = "0123456789abcdef";
        out += '"';
        for (char c : s) {
            auto u = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') {
                out += '\\';
                out += c;
            } else if (u >= 0x20) {
                out += c;
            } else {
                out += "\\u00";
                out += hex[u >> 4];
                out += hex[u & 15];
            }
        }
        out += '"';
    }

    void base64(const std::string &s)
    {
        static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        out += '"';
        for (size_t i = 0; i < s.size(); i += 3) {
            size_t n = std::min<size_t>(3, s.size() - i);
            unsigned v = 0;
            for (size_t k = 0; k < 3; k++) v = v << 8 | (k < n ? static_cast<unsigned char>(s[i + k]) : 0);
            for (size_t k = 0; k < 4; k++) out += k <= n ? digit[v >> (18 - 6 * k) & 63] : '=';
        }
        out += '"';
    }
};

int to_json(const hg_protobuf_type_t *t, const char *p, size_t n, hg_protobuf_put_fn put, void *arg, char *why)
{
    return guarded(why, [&] {
        std::unique_ptr<pb::Message> m(t->prototype->New());
        if (!m->ParsePartialFromArray(p, static_cast<int>(n))) return failed(why, "the bytes are not of its wire format");
        if (!m->IsInitialized()) return failed(why, "a required field is missing: " + m->InitializationErrorString());
        Writer w(t);
        if (!w.message(*m)) return failed(why, w.why);
        return give(w.out, put, arg, why);
    });
}

int from_json(const hg_protobuf_type_t *t, const char *json, size_t n, bool strict, hg_protobuf_put_fn put, void *arg,
              char *why)
{
    return guarded(why, [&] {
        pb::util::JsonParseOptions options;
        options.ignore_unknown_fields = !strict;
        std::string bytes, sorted;
        auto status = pb::util::JsonToBinaryString(t->resolver.get(), t->url, pb::StringPiece(json, n), &bytes, options);
        if (!status.ok()) return failed(why, status.message().ToString());
        std::unique_ptr<pb::Message> m(t->prototype->New());
        if (!m->ParsePartialFromString(bytes)) return failed(why, "it does not fit");
        if (!m->IsInitialized()) return failed(why, "a required field is missing: " + m->InitializationErrorString());
        {
            pb::io::StringOutputStream stream(&sorted);
            pb::io::CodedOutputStream coded(&stream);
            coded.SetSerializationDeterministic(true);
            m->SerializeToCodedStream(&coded);
        }
        return give(sorted, put, arg, why);
    });
}

const hg_protobuf_api_t table = { HG_PROTOBUF_ABI, type_new, type_free, type_name, to_json, from_json };

} // namespace

extern "C" __attribute__((visibility("default"))) const hg_protobuf_api_t *hg_protobuf_module(uint32_t abi)
{
    return abi == HG_PROTOBUF_ABI ? &table : nullptr;
}
