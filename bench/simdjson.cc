// simdjson.cc: what bench_format does, with simdjson's On-Demand document stream into vectors of the same layout.
// `bench_simdjson FILE [ROUNDS]`
#include <simdjson.h>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

using namespace simdjson;

static double now(clockid_t c)
{
    timespec t;
    clock_gettime(c, &t);
    return double(t.tv_sec) + double(t.tv_nsec) / 1e9;
}

struct Text {
    std::vector<int32_t> offs{ 0 };
    std::vector<char> bytes;
    void add(std::string_view s)
    {
        bytes.insert(bytes.end(), s.begin(), s.end());
        offs.push_back(int32_t(bytes.size()));
    }
};
struct Columns {
    std::vector<int64_t> id, ts;
    std::vector<double> price;
    Text name, tag;
    std::vector<int32_t> tags{ 0 };
};

static int64_t days(int64_t y, unsigned m, unsigned d)
{
    y -= m <= 2;
    int64_t era = y / 400;
    unsigned yoe = unsigned(y - era * 400), doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + int64_t(yoe * 365 + yoe / 4 - yoe / 100 + doy) - 719468;
}
// "YYYY-MM-DD hh:mm:ss" to microseconds, digits checked
static int64_t timestamp(std::string_view s)
{
    static const char shape[] = "dddd-dd-dd dd:dd:dd";
    if (s.size() != 19) abort();
    for (size_t i = 0; i < 19; i++)
        if (shape[i] == 'd' ? unsigned(s[i] - '0') > 9 : s[i] != shape[i]) abort();
    auto two = [&](size_t i) { return unsigned(s[i] - '0') * 10 + unsigned(s[i + 1] - '0'); };
    return (days(two(0) * 100 + two(2), two(5), two(8)) * 86400 + two(11) * 3600 + two(14) * 60 + two(17)) * 1000000;
}

int main(int argc, char **argv)
{
    if (argc < 2) return 2;
    auto text = padded_string::load(argv[1]).value();
    int rounds = argc > 2 ? atoi(argv[2]) : 5;
    double best_cpu = 1e9, best_wall = 1e9;
    size_t rows = 0;
    ondemand::parser parser;
    const size_t CHUNK = 256 << 10;
    for (int round = 0; round < rounds; round++) {
        uint64_t sum = 0;
        rows = 0;
        double cpu = now(CLOCK_PROCESS_CPUTIME_ID), wall = now(CLOCK_MONOTONIC), checking = 0;
        for (size_t at = 0; at < text.size();) {
            size_t len = std::min(CHUNK, text.size() - at);
            while (text.data()[at + len - 1] != '\n') len--;
            Columns c;
            auto docs = parser.iterate_many(text.data() + at, len, CHUNK).value();
            for (auto doc : docs) {
                ondemand::object o = doc.get_object();
                c.id.push_back(o["id"].get_int64());
                c.name.add(o["name"].get_string());
                c.price.push_back(o["price"].get_double());
                c.ts.push_back(timestamp(o["ts"].get_string()));
                for (auto t : o["tags"].get_array()) c.tag.add(t.get_string());
                c.tags.push_back(int32_t(c.tag.offs.size()) - 1);
            }
            rows += c.id.size();
            if (round == 0) {
                double t = now(CLOCK_PROCESS_CPUTIME_ID);
                for (size_t r = 0; r < c.id.size(); r++)
                    sum += uint64_t(c.id[r]) + uint64_t(c.name.offs[r + 1] - c.name.offs[r]) + uint64_t(c.price[r]) + uint64_t(c.ts[r]) +
                           uint64_t(c.tags[r + 1] - c.tags[r]);
                checking += now(CLOCK_PROCESS_CPUTIME_ID) - t;
            }
            at += len;
        }
        if (round == 0) printf("checksum %llu\n", static_cast<unsigned long long>(sum));
        cpu = now(CLOCK_PROCESS_CPUTIME_ID) - cpu - checking;
        wall = now(CLOCK_MONOTONIC) - wall - checking;
        best_cpu = std::min(best_cpu, cpu);
        best_wall = std::min(best_wall, wall);
    }
    printf("rows %zu cpu_s %.4f wall_s %.4f mrec_per_cpu_s %.2f\n", rows, best_cpu, best_wall, double(rows) / best_cpu / 1e6);
}
