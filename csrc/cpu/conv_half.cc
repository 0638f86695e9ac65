// Convolutions of half types, by those of float32 over some images at a time: what goes in is
// widened into workspace, what comes out is rounded once, and all of it stays in the caches
// meanwhile.
//
// Where the machine multiplies pairs of bfloat16 (gemm_dot.h), two numbers that are summed up
// become one word of 32 bits instead: of two channels where channels are summed over, of two images
// in the weight gradient. The words are then convolved like floats, of half as many channels or
// images, only that the micro-kernel adds both products of a pair. Winograd's algorithm saves more
// than that.
#include "cpu/conv_half.h"

#include "cpu/conv_depthwise.h"
#include "cpu/conv_dots.h"
#include "cpu/conv_winograd.h"
#include "cpu/gemm_dot.h"
#include "cpu/halves.h"

namespace pydl {
namespace PYDL_ISA {

void conv2d(const Conv2dArgs& a);
void conv2d_grad_input(const Conv2dArgs& a);
void conv2d_grad_weight(const Conv2dArgs& a);
int64_t conv2d_work(const Conv2dArgs& a);
int64_t conv2d_grad_input_work(const Conv2dArgs& a);
int64_t conv2d_grad_weight_work(const Conv2dArgs& a);

namespace {

constexpr int64_t kChunkFloats = 1 << 20;  // of all images in workspace
constexpr int64_t kConvertPiece = 1 << 15;

// ---- to float32 or to words, and back ----------------------------------------------------------

// An array (outer, n, plane) of halves; as words, neighbours along n are paired, the last one
// perhaps with zeros.
struct Source {
  DType dtype;
  bool words;
  const void* x;
  int64_t outer, n, plane;
  float* to;

  int64_t rows() const { return outer * (words ? ceil_div(n, 2) : n); }
  int64_t floats() const { return rows() * plane; }
};

#if defined(PYDL_HAS_DOT)
void pair_run(const BF16* low, const BF16* high, int64_t n, float* to) {
  for (int64_t i = 0; i < n; i += kWidth) {
    const int64_t lanes = min64(kWidth, n - i);
    const __m256i none = _mm256_setzero_si256();
    const __m256i h = high == nullptr ? none : PairWords::bits(high + i, lanes);
    store_tail(to + i, PairWords::pair(PairWords::bits(low + i, lanes), h), lanes);
  }
}
#endif

void fetch_piece(const void* ctx, int64_t piece, void*) {
  const Source& s = *static_cast<const Source*>(ctx);
  int64_t i = piece * kConvertPiece;
  const int64_t end = min64(s.floats(), i + kConvertPiece);
  if (!s.words) return widen(s.dtype, s.x, i, end - i, s.to + i);
#if defined(PYDL_HAS_DOT)
  const int64_t pairs = ceil_div(s.n, 2);
  int64_t row = i / s.plane, at = i % s.plane, k = 2 * (row % pairs);
  const BF16* low = as<BF16>(s.x) + (row / pairs * s.n + k) * s.plane + at;
  for (int64_t count; i < end; i += count, at = 0) {
    count = min64(end - i, s.plane - at);
    const bool last = k + 1 == s.n;  // alone
    pair_run(low, last ? nullptr : low + s.plane, count, s.to + i);
    low += count + (last ? 0 : s.plane);
    k = k + 2 < s.n ? k + 2 : 0;
  }
#endif
}

void fetch(const Source& s) { parallel_for(ceil_div(s.floats(), kConvertPiece), fetch_piece, &s); }

struct Result {
  DType dtype;
  const float* x;
  int64_t n;
  void* to;
};

void round_piece(const void* ctx, int64_t piece, void*) {
  const Result& r = *static_cast<const Result*>(ctx);
  const int64_t i = piece * kConvertPiece, n = min64(kConvertPiece, r.n - i);
  narrow(r.dtype, Output(r.x, 0), r.x + i, i, n, r.to);
}

void give_back(const Result& r) { parallel_for(ceil_div(r.n, kConvertPiece), round_piece, &r); }

// total += part
struct Addition {
  float* total;
  const float* part;
  int64_t n;
};

void add_piece(const void* ctx, int64_t piece, void*) {
  const Addition& a = *static_cast<const Addition*>(ctx);
  const int64_t end = min64(a.n, (piece + 1) * kConvertPiece);
  for (int64_t i = piece * kConvertPiece; i < end; i += kWidth) {
    const int64_t lanes = min64(kWidth, end - i);
    store_tail(a.total + i, load_tail(a.total + i, lanes) + load_tail(a.part + i, lanes), lanes);
  }
}

// ---- what goes together ------------------------------------------------------------------------

enum class Pass { kForward, kGradInput, kGradWeight };

Conv2dArgs in_float32(Conv2dArgs a) {
  a.dtype = DType::kF32;
  a.rounds = 1;
  return a;
}

bool as_words(const Conv2dArgs& a, Pass pass) {
#if defined(PYDL_HAS_DOT)
  if (a.dtype != DType::kBF16 || !has_bf16_dot() || a.groups != 1) return false;
  const Conv2dArgs f = in_float32(a);
  if (winograd_saves(f, pass == Pass::kGradInput)) return false;
  if (pass == Pass::kForward) return a.C > 1;
  if (pass == Pass::kGradInput) return a.O > 1;
  return a.N > 1 && !dots_fit(f);
#else
  static_cast<void>(a);
  static_cast<void>(pass);
  return false;
#endif
}

// The workspace: copies of some images and of the weights, the sums, and that of the float32
// kernel.
struct Chunks {
  Conv2dArgs f;  // of a whole chunk
  bool words;
  int64_t images;  // in a chunk
  int64_t in[2];   // numbers of an image, or in all, of the operands
  int64_t out;     // floats of the sums of a chunk
  int64_t bytes;
  float* at[4];  // the operands, the sums, those of a chunk
  void* work;
};

int64_t work_of(const Conv2dArgs& f, Pass pass) {
  if (pass == Pass::kForward) return conv2d_work(f);
  return pass == Pass::kGradInput ? conv2d_grad_input_work(f) : conv2d_grad_weight_work(f);
}

// f over so many images: of words, pairs of them in the weight gradient.
Conv2dArgs of_images(Conv2dArgs f, Pass pass, int64_t images) {
  f.N = f.words != 0 && pass == Pass::kGradWeight ? ceil_div(images, 2) : images;
  return f;
}

Chunks chunks_of(const Conv2dArgs& a, Pass pass) {
  Chunks c = {};
  const int64_t x = a.C * a.H * a.W, y = a.O * a.OH * a.OW;
  const int64_t w = a.O * (a.C / a.groups) * a.KH * a.KW;
  c.words = as_words(a, pass);
  c.f = in_float32(a);
  c.f.words = c.words ? 1 : 0;
  const int64_t least = max64(kChunkFloats, 6 * w);  // weights are prepared for each chunk
  c.images = max64(1, min64(a.N, ceil_div(least, max64(1, x + y))));
  if (c.words && pass == Pass::kForward) c.f.C = ceil_div(a.C, 2);
  if (c.words && pass == Pass::kGradInput) c.f.O = ceil_div(a.O, 2);
  if (pass == Pass::kGradWeight) c.images = min64(max64(a.N, 1), c.images + c.images % 2);
  // Never more than the plain floats would be, and one more image or channel where words are odd.
  const int64_t n = c.images + 1;
  int64_t floats[4] = {};
  if (pass == Pass::kForward) {
    floats[0] = n * c.f.C * a.H * a.W;
    floats[1] = a.O * (c.f.C / a.groups) * a.KH * a.KW;
    floats[2] = c.images * y;
  } else if (pass == Pass::kGradInput) {
    floats[0] = n * c.f.O * a.OH * a.OW;
    floats[1] = c.f.O * (a.C / a.groups) * a.KH * a.KW;
    floats[2] = c.images * x;
  } else {
    floats[0] = n * y;
    floats[1] = n * x;
    floats[2] = floats[3] = w;
  }
  float* next = static_cast<float*>(a.work);
  for (int i = 0; i < 4; ++i) {
    const int64_t size = ceil_div(floats[i], 16) * 16;
    c.at[i] = next;
    if (next != nullptr) next += size;
    c.bytes += size * 4;
  }
  c.work = next;
  c.f.work = c.work;
  const int64_t rest = a.N % c.images;
  c.bytes += max64(work_of(of_images(c.f, pass, c.images), pass),
                   rest > 0 ? work_of(of_images(c.f, pass, rest), pass) : 0);
  return c;
}

const void* from(const float* halves, int64_t elements) {
  return reinterpret_cast<const uint16_t*>(halves) + elements;
}

// Forward or back: from images of so many channels and pixels to images of `result` numbers. Pairs
// are of what is summed over: input channels forward, output channels back.
void convolve(const Conv2dArgs& a, Pass pass, const float* images, int64_t channels, int64_t plane,
              int64_t result) {
  const Chunks c = chunks_of(a, pass);
  const bool back = pass == Pass::kGradInput;
  const int64_t taps = a.KH * a.KW, inputs = a.C / a.groups;
  if (back) {
    fetch({a.dtype, c.words, a.w, 1, a.O, inputs * taps, c.at[1]});
  } else {
    fetch({a.dtype, c.words, a.w, a.O, inputs, taps, c.at[1]});
  }
  for (int64_t n = 0; n < a.N; n += c.images) {
    const int64_t count = min64(c.images, a.N - n);
    fetch({a.dtype, c.words, from(images, n * channels * plane), count, channels, plane, c.at[0]});
    Conv2dArgs f = of_images(c.f, pass, count);
    f.x = f.gy = c.at[0];
    f.w = c.at[1];
    f.out = c.at[2];
    back ? conv2d_grad_input(f) : conv2d(f);
    give_back({a.dtype, f.out, count * result, reinterpret_cast<uint16_t*>(a.out) + n * result});
  }
}

}  // namespace

void half_forward(const Conv2dArgs& a) {
  convolve(a, Pass::kForward, a.x, a.C, a.H * a.W, a.O * a.OH * a.OW);
}

void half_grad_input(const Conv2dArgs& a) {
  convolve(a, Pass::kGradInput, a.gy, a.O, a.OH * a.OW, a.C * a.H * a.W);
}

void half_grad_weight(const Conv2dArgs& a) {
  Chunks c = chunks_of(a, Pass::kGradWeight);
  const int64_t x = a.C * a.H * a.W, y = a.O * a.OH * a.OW;
  const int64_t w = a.O * (a.C / a.groups) * a.KH * a.KW;
  if (a.N == 0) {
    Conv2dArgs f = c.f;
    f.out = c.at[2];
    conv2d_grad_weight(f);
  }
  for (int64_t n = 0; n < a.N; n += c.images) {
    const int64_t images = min64(c.images, a.N - n);
    fetch({a.dtype, c.words, from(a.gy, n * y), 1, images, y, c.at[0]});
    fetch({a.dtype, c.words, from(a.x, n * x), 1, images, x, c.at[1]});
    Conv2dArgs f = of_images(c.f, Pass::kGradWeight, images);
    f.gy = c.at[0];
    f.x = c.at[1];
    f.out = n == 0 ? c.at[2] : c.at[3];
    conv2d_grad_weight(f);
    const Addition sum = {c.at[2], c.at[3], w};
    if (n > 0) parallel_for(ceil_div(w, kConvertPiece), add_piece, &sum);
  }
  give_back({a.dtype, c.at[2], w, a.out});
}

int64_t half_forward_work(const Conv2dArgs& a) { return chunks_of(a, Pass::kForward).bytes; }
int64_t half_grad_input_work(const Conv2dArgs& a) { return chunks_of(a, Pass::kGradInput).bytes; }
int64_t half_grad_weight_work(const Conv2dArgs& a) { return chunks_of(a, Pass::kGradWeight).bytes; }

}  // namespace PYDL_ISA
}  // namespace pydl
