#include "cpu/dispatch.h"

#include <stdexcept>
#if defined(__linux__) && defined(PYDL_X86)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "cpu/dispatch_bits.h"

namespace pydl {

namespace scalar {
extern const KernelTable kTable;
}
#if defined(PYDL_X86)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
#endif

namespace {

struct Isa {
  const char* name;
  const KernelTable* table;
  bool (*supported)();
  bool bf16_dot = false, amx_bf16 = false;
};

#if defined(PYDL_X86)
bool emulated() {
#if defined(PYDL_EMULATE_AVX512)
  return true;
#else
  return false;
#endif
}

bool has_avx512() {
  return emulated() || (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                        __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"));
}

bool has_avx512_bf16() {
  return emulated() || (has_avx512() && __builtin_cpu_supports("avx512bf16"));
}

// NOTE: Linux saves the tiles of those processes only that ask for it.
bool has_amx() {
  if (emulated()) return true;
  if (!has_avx512_bf16() || !__builtin_cpu_supports("amx-tile") ||
      !__builtin_cpu_supports("amx-bf16")) {
    return false;
  }
#if defined(__linux__)
  constexpr long kAskPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kAskPermission, kTileData) == 0;
#else
  return false;
#endif
}
#endif

// NOTE: __builtin_cpu_supports reads XGETBV too, so an OS that does not save the wide registers
// counts as lacking them.
const Isa kIsas[] = {
    {"scalar", &scalar::kTable, [] { return true; }},
#if defined(PYDL_X86)
    {"avx2", &avx2::kTable,
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("f16c");
     }},
    {"avx512", &avx512::kTable, has_avx512},
    {"avx512_bf16", &avx512::kTable, has_avx512_bf16, true},
    {"avx512_amx", &avx512::kTable, has_amx, true, true},
#endif
};

const Isa* chosen = &kIsas[0];

}  // namespace

bool bf16_dot = false;

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const Isa& isa : kIsas) {
    if (isa.supported()) names.push_back(isa.name);
  }
  return names;
}

void choose_isa(const std::string& forced) {
  bool found = false;
  for (const Isa& isa : kIsas) {
    if (isa.supported() && (forced.empty() || forced == isa.name)) {
      chosen = &isa;
      found = true;
    }
  }
  bf16_dot = chosen->bf16_dot;
  if (found) return;
  std::string names;
  for (const std::string& name : available_isas()) names += " " + name;
  throw std::invalid_argument("PYDL_ISA=" + forced +
                              ": not available here; choose one of:" + names);
}

bool has_amx_bf16() { return chosen->amx_bf16; }
const char* isa_name() { return chosen->name; }
const KernelTable& cpu_table() { return *chosen->table; }

}  // namespace pydl
