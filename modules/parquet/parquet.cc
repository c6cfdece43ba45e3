// parquet.cc: headgate-parquet.so: the functions of data/parquet.h on Arrow's C++ libraries.
//
// The only C++ that shares a process with the engine, behind a table of C functions: exceptions end in guarded(), types
// stay in this file. Memory is the process's malloc, so that limits, sanitizers and `memory` of the statistics see it.
// Threads: a file's metadata is shared and never changes; a scan or a writer belongs to one caller at a time.
#include "data/parquet.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <arrow/buffer.h>
#include <arrow/c/bridge.h>
#include <arrow/io/interfaces.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/reader.h>
#include <arrow/memory_pool.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>
#include <arrow/util/config.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/arrow/writer.h>
#include <parquet/file_reader.h>
#include <parquet/metadata.h>

struct hg_parquet_file {
    std::shared_ptr<parquet::FileMetaData> metadata;
    std::vector<hg_parquet_group_t> groups;
};

namespace {

constexpr int64_t kBatchRows = 8192;
constexpr int64_t kGroupRows = 128 * 1024; // of a written file: what a reader, and the writer, hold at once

arrow::MemoryPool *pool() { return arrow::system_memory_pool(); }

int refuse(char *why, const std::string &text)
{
    const size_t n = std::min(text.size(), size_t{HG_PARQUET_WHY - 1});
    std::memcpy(why, text.data(), n);
    why[n] = 0;
    std::replace(why, why + n, '\n', ' ');
    return -1;
}

int guarded(char *why, const std::function<arrow::Status()> &body)
{
    try {
        const arrow::Status status = body();
        return status.ok() ? 0 : refuse(why, status.message());
    } catch (const std::exception &e) {
        return refuse(why, e.what());
    } catch (...) {
        return refuse(why, "an unknown error");
    }
}

// --- reading ---

class Source : public arrow::io::RandomAccessFile {
public:
    explicit Source(const hg_parquet_source_t &src) : src_(src) {}
    arrow::Status Close() override
    {
        closed_ = true;
        return arrow::Status::OK();
    }
    bool closed() const override { return closed_; }
    arrow::Result<int64_t> Tell() const override { return at_; }
    arrow::Status Seek(int64_t at) override
    {
        at_ = at;
        return arrow::Status::OK();
    }
    arrow::Result<int64_t> GetSize() override { return static_cast<int64_t>(src_.size); }

    arrow::Result<int64_t> ReadAt(int64_t at, int64_t n, void *to) override
    {
        const auto from = static_cast<uint64_t>(at);
        const uint64_t want = from < src_.size ? std::min(static_cast<uint64_t>(n), src_.size - from) : 0;
        if (here(from, want)) {
            if (want) std::memcpy(to, src_.bytes + (from - src_.first), want);
        } else if (!src_.read) {
            return arrow::Status::IOError("bytes ", from, " to ", from + want, " are not those of a row group");
        } else if (src_.read(src_.arg, from, to, want) != 0) {
            return arrow::Status::IOError("bytes ", from, " to ", from + want, " cannot be read");
        }
        return static_cast<int64_t>(want);
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> ReadAt(int64_t at, int64_t n) override
    {
        const auto from = static_cast<uint64_t>(at);
        const uint64_t want = from < src_.size ? std::min(static_cast<uint64_t>(n), src_.size - from) : 0;
        if (here(from, want)) {
            const auto *p = reinterpret_cast<const uint8_t *>(src_.bytes + (from - src_.first));
            return std::make_shared<arrow::Buffer>(p, static_cast<int64_t>(want));
        }
        ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(static_cast<int64_t>(want), pool()));
        ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at, static_cast<int64_t>(want), buffer->mutable_data()));
        ARROW_RETURN_NOT_OK(buffer->Resize(got));
        return std::shared_ptr<arrow::Buffer>(std::move(buffer));
    }
    arrow::Result<int64_t> Read(int64_t n, void *to) override
    {
        ARROW_ASSIGN_OR_RAISE(const int64_t got, ReadAt(at_, n, to));
        at_ += got;
        return got;
    }
    arrow::Result<std::shared_ptr<arrow::Buffer>> Read(int64_t n) override
    {
        ARROW_ASSIGN_OR_RAISE(auto buffer, ReadAt(at_, n));
        at_ += buffer->size();
        return buffer;
    }

private:
    bool here(uint64_t from, uint64_t n) const
    {
        return src_.bytes && from >= src_.first && from + n <= src_.first + src_.n;
    }
    hg_parquet_source_t src_;
    int64_t at_ = 0;
    bool closed_ = false;
};

arrow::Result<std::unique_ptr<parquet::arrow::FileReader>> reader(const hg_parquet_file *f,
                                                                  const hg_parquet_source_t &src)
{
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(
        builder.Open(std::make_shared<Source>(src), parquet::ReaderProperties(pool()), f->metadata));
    parquet::ArrowReaderProperties properties(/*use_threads=*/false);
    properties.set_batch_size(kBatchRows);
    properties.set_pre_buffer(false);
    builder.memory_pool(pool());
    builder.properties(properties);
    std::unique_ptr<parquet::arrow::FileReader> made;
    ARROW_RETURN_NOT_OK(builder.Build(&made));
    return made;
}

void leaves(const parquet::arrow::SchemaField &field, std::vector<int> *out)
{
    if (field.column_index >= 0) out->push_back(field.column_index);
    for (const auto &child : field.children) leaves(child, out);
}

arrow::Result<std::vector<int>> columns(const parquet::arrow::FileReader &r, const uint32_t *fields, uint32_t n)
{
    std::vector<int> out;
    const auto &all = r.manifest().schema_fields;
    for (uint32_t i = 0; i < n; i++) {
        if (fields[i] >= all.size()) return arrow::Status::Invalid("the file has no field ", fields[i]);
        leaves(all[fields[i]], &out);
    }
    return out;
}

// A stream needs its file reader to the end.
class Rows : public arrow::RecordBatchReader {
public:
    Rows(std::unique_ptr<parquet::arrow::FileReader> file, std::unique_ptr<arrow::RecordBatchReader> rows)
        : file_(std::move(file)), rows_(std::move(rows))
    {
    }
    std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
    arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch> *batch) override
    {
        try {
            return rows_->ReadNext(batch);
        } catch (const std::exception &e) {
            return arrow::Status::IOError(e.what());
        }
    }

private:
    std::unique_ptr<parquet::arrow::FileReader> file_; // goes last
    std::unique_ptr<arrow::RecordBatchReader> rows_;
};

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> rows(const hg_parquet_file *f, const hg_parquet_source_t &src,
                                                              uint32_t group, const uint32_t *fields, uint32_t n)
{
    ARROW_ASSIGN_OR_RAISE(auto file, reader(f, src));
    ARROW_ASSIGN_OR_RAISE(const auto wanted, columns(*file, fields, n));
    ARROW_ASSIGN_OR_RAISE(auto batches, file->GetRecordBatchReader({static_cast<int>(group)}, wanted));
    return std::shared_ptr<arrow::RecordBatchReader>(std::make_shared<Rows>(std::move(file), std::move(batches)));
}

hg_parquet_group_t place(const parquet::FileMetaData &metadata, int i)
{
    const auto g = metadata.RowGroup(i);
    hg_parquet_group_t p = {UINT64_MAX, 0, static_cast<uint64_t>(g->num_rows())};
    for (int c = 0; c < g->num_columns(); c++) {
        const auto chunk = g->ColumnChunk(c);
        auto begin = static_cast<uint64_t>(chunk->data_page_offset());
        if (chunk->has_dictionary_page() && chunk->dictionary_page_offset() > 0)
            begin = std::min(begin, static_cast<uint64_t>(chunk->dictionary_page_offset()));
        p.begin = std::min(p.begin, begin);
        p.end = std::max(p.end, begin + static_cast<uint64_t>(chunk->total_compressed_size()));
    }
    if (p.begin > p.end) p.begin = p.end; // no columns
    return p;
}

// What a footer says is looked at here, where it may be wrong.
int open(const hg_parquet_source_t *src, hg_parquet_file_t **ret, char *why)
{
    return guarded(why, [&] {
        auto f = std::make_unique<hg_parquet_file>();
        f->metadata = parquet::ReadMetaData(std::make_shared<Source>(*src));
        for (int i = 0; i < f->metadata->num_row_groups(); i++) f->groups.push_back(place(*f->metadata, i));
        *ret = f.release();
        return arrow::Status::OK();
    });
}

void close(hg_parquet_file_t *f) { delete f; }

uint32_t groups(const hg_parquet_file_t *f) { return static_cast<uint32_t>(f->groups.size()); }

void group(const hg_parquet_file_t *f, uint32_t i, hg_parquet_group_t *ret) { *ret = f->groups[i]; }

int schema(const hg_parquet_file_t *f, struct ArrowSchema *ret, char *why)
{
    return guarded(why, [&] {
        std::shared_ptr<arrow::Schema> s;
        ARROW_RETURN_NOT_OK(parquet::arrow::FromParquetSchema(f->metadata->schema(),
                                                              parquet::default_arrow_reader_properties(),
                                                              f->metadata->key_value_metadata(), &s));
        return arrow::ExportSchema(*s, ret);
    });
}

int scan(const hg_parquet_file_t *f, const hg_parquet_source_t *src, uint32_t group, const uint32_t *fields,
         uint32_t n_fields, struct ArrowArrayStream *ret, char *why)
{
    return guarded(why, [&]() -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(auto r, rows(f, *src, group, fields, n_fields));
        return arrow::ExportRecordBatchReader(std::move(r), ret);
    });
}

uint32_t blame(const hg_parquet_file_t *f, const hg_parquet_source_t *src, uint32_t group, const uint32_t *fields,
               uint32_t n_fields, char *why)
{
    for (uint32_t i = 0; i < n_fields; i++) {
        const int rc = guarded(why, [&]() -> arrow::Status {
            ARROW_ASSIGN_OR_RAISE(auto r, rows(f, *src, group, &fields[i], 1));
            for (std::shared_ptr<arrow::RecordBatch> b;;) {
                ARROW_RETURN_NOT_OK(r->ReadNext(&b));
                if (!b) return arrow::Status::OK();
            }
        });
        if (rc != 0) return i;
    }
    return n_fields;
}

// --- writing ---

class Sink : public arrow::io::OutputStream {
public:
    Sink(int (*put)(void *, const char *, size_t), void *arg) : put_(put), arg_(arg) {}
    arrow::Status Close() override
    {
        closed_ = true;
        return arrow::Status::OK();
    }
    bool closed() const override { return closed_; }
    arrow::Result<int64_t> Tell() const override { return at_; }
    arrow::Status Write(const void *p, int64_t n) override
    {
        at_ += n;
        if (n && put_(arg_, static_cast<const char *>(p), static_cast<size_t>(n)) != 0)
            return arrow::Status::IOError("the bytes were not taken");
        return arrow::Status::OK();
    }

private:
    int (*put_)(void *, const char *, size_t);
    void *arg_;
    int64_t at_ = 0;
    bool closed_ = false;
};

arrow::Result<std::unique_ptr<arrow::ipc::Message>> message(const char *p, size_t n)
{
    arrow::io::BufferReader in(
        std::make_shared<arrow::Buffer>(reinterpret_cast<const uint8_t *>(p), static_cast<int64_t>(n)));
    return arrow::ipc::ReadMessage(&in);
}

} // namespace

struct hg_parquet_writer {
    std::shared_ptr<arrow::Schema> schema;
    arrow::ipc::DictionaryMemo memo;
    std::unique_ptr<parquet::arrow::FileWriter> file;
};

namespace {

int writer_new(const char *schema, size_t n, int (*put)(void *, const char *, size_t), void *arg,
               hg_parquet_writer_t **ret, char *why)
{
    return guarded(why, [&]() -> arrow::Status {
        auto w = std::make_unique<hg_parquet_writer>();
        ARROW_ASSIGN_OR_RAISE(auto m, message(schema, n));
        ARROW_ASSIGN_OR_RAISE(w->schema, arrow::ipc::ReadSchema(*m, &w->memo));
        const auto properties = parquet::WriterProperties::Builder()
                                    .memory_pool(pool())
                                    ->compression(parquet::Compression::SNAPPY)
                                    ->max_row_group_length(kGroupRows)
                                    ->build();
        const auto arrow_properties = parquet::ArrowWriterProperties::Builder().store_schema()->build();
        ARROW_ASSIGN_OR_RAISE(w->file,
                              parquet::arrow::FileWriter::Open(*w->schema, pool(), std::make_shared<Sink>(put, arg),
                                                               properties, arrow_properties));
        *ret = w.release();
        return arrow::Status::OK();
    });
}

int write(hg_parquet_writer_t *w, const char *batch, size_t n, char *why)
{
    return guarded(why, [&]() -> arrow::Status {
        ARROW_ASSIGN_OR_RAISE(auto m, message(batch, n));
        auto options = arrow::ipc::IpcReadOptions::Defaults();
        options.memory_pool = pool();
        options.use_threads = false;
        ARROW_ASSIGN_OR_RAISE(auto b, arrow::ipc::ReadRecordBatch(*m, w->schema, &w->memo, options));
        return w->file->WriteRecordBatch(*b);
    });
}

int finish(hg_parquet_writer_t *w, char *why)
{
    return guarded(why, [&] { return w->file->Close(); });
}

void writer_free(hg_parquet_writer_t *w) { delete w; }

} // namespace

extern "C" __attribute__((visibility("default"))) const hg_parquet_api_t *hg_parquet_module(uint32_t abi)
{
    static const hg_parquet_api_t api = {
        HG_PARQUET_ABI, ARROW_VERSION_STRING, open, close, groups, group, schema, scan, blame, writer_new, write, finish,
        writer_free,
    };
    return abi == HG_PARQUET_ABI ? &api : nullptr;
}
