/* conv_choice.cpp: which way each convolution is computed: measured once, on the real tensors, and remembered. */
#include "base/text.h"
#include "conv.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

namespace {

constexpr const char *kNames[kConvWays] = {
    "library",         "rows",         "onednn rows",         "winograd",        "pairs",
    "float32 library", "float32 rows", "float32 onednn rows", "float32 winograd"};

/* Times differ from run to run, and more so on a busy machine. Another way than the guess must be faster by so much; */
constexpr double kMargin = .85;
/* each way is run so often, those that take little time more often, */
constexpr int kRounds = 3, kMostRounds = 12;
constexpr double kLittle = 20; /* ms, of all ways together */
/* but one that took so many times as long as the fastest is not run again. */
constexpr double kHopeless = 5;

struct choice {
  conv_way way;
  std::string times; /* "library 20.38, winograd 9.44 ms" */
  bool used;
};

} // namespace

struct at_choices : at_taken {
  std::map<std::string, choice> list;
  double seconds = 0; /* spent on measuring */
};

namespace {

__thread at_choices *current;

const char *name_of(conv_way way) { return kNames[(int)way]; }

template <class F> double milliseconds(F &&f) {
  const auto began = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
}

choice measure(const conv_way *ways, int n, const std::function<void(conv_way)> &run) {
  double times[kConvWays], best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < n; i++) best = std::min(best, times[i] = milliseconds([&] { run(ways[i]); }));
  const double most = kHopeless * best + kLittle;
  double spent = 0;
  for (int round = 0; round < kRounds || (round < kMostRounds && spent < kLittle); round++)
    for (int i = 0; i < n; i++) {
      if (times[i] > most) continue;
      const double now = milliseconds([&] { run(ways[i]); });
      times[i] = std::min(times[i], now);
      spent += now;
    }
  int fastest = 0;
  for (int i = 1; i < n; i++)
    if (times[i] < times[fastest] * (fastest ? 1 : kMargin)) fastest = i;
  choice made{ways[fastest], {}, true};
  for (int i = 0; i < n; i++) {
    char text[64];
    text_print(text, sizeof text, "%s%s %.3g", i ? ", " : "", name_of(ways[i]), times[i]);
    made.times += text;
  }
  made.times += " ms";
  return made;
}

bool can(conv_way way, const conv_way *ways, int n) { return std::find(ways, ways + n, way) != ways + n; }

/* "WHAT: WAY (TIMES)"; other lines are left out. */
void read_line(at_choices *c, const std::string &line) {
  const size_t colon = line.find(": "), open = line.find(" (", colon);
  if (colon == std::string::npos || open == std::string::npos || line.back() != ')') return;
  const std::string name = line.substr(colon + 2, open - colon - 2);
  for (int i = 0; i < kConvWays; i++)
    if (name == kNames[i])
      c->list[line.substr(0, colon)] = {(conv_way)i, line.substr(open + 2, line.size() - open - 3), false};
}

} // namespace

conv_way conv_choose(const std::function<std::string()> &describe, const conv_way *ways, int n, int fast,
                     const std::function<void(conv_way)> &run) {
  if (!current) return ways[0];
  const std::string what = describe();
  const auto known = current->list.find(what);
  if (known != current->list.end() && can(known->second.way, ways, n)) {
    known->second.used = true;
    return known->second.way;
  }
  if (fast == 1) return ways[0];
  const double spent = milliseconds([&] { current->list[what] = measure(ways, fast, run); });
  current->seconds += spent / 1e3;
  return current->list[what].way;
}

at_choices *at_choices_new(const char *text) {
  auto make = [&] {
    at_choices *c = new at_choices;
    const std::string_view all(text);
    for (size_t from = 0; from < all.size();) {
      const size_t end = std::min(all.find('\n', from), all.size());
      read_line(c, std::string(all.substr(from, end - from)));
      from = end + 1;
    }
    return c;
  };
  return at_try(make, (at_choices *)nullptr);
}

void at_choices_free(at_choices *choices) { delete choices; }

at_choices *at_choices_use(at_choices *choices) {
  at_choices *before = current;
  current = choices;
  return before;
}

int64_t at_choices_count(const at_choices *choices) {
  int64_t n = 0;
  if (choices)
    for (const auto &c : choices->list) n += c.second.used;
  return n;
}

double at_choices_seconds(const at_choices *choices) { return choices ? choices->seconds : 0; }

char *at_choices_text(const at_choices *choices) {
  auto write = [&] {
    std::string text;
    for (const auto &c : choices->list)
      if (c.second.used) text += c.first + ": " + name_of(c.second.way) + " (" + c.second.times + ")\n";
    char *copy = (char *)at_take(text.size() + 1);
    memcpy(copy, text.c_str(), text.size() + 1);
    return copy;
  };
  return at_try(write, (char *)nullptr);
}
