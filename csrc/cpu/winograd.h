// Winograd's minimal filtering F(T, R): T outputs of a filter of R taps from T + R - 1 products
// instead of T R. In two dimensions F(4, 3) takes 36 products instead of 144, F(4, 2) 25 instead of
// 64, F(3, 2) 16 instead of 36, F(2, 2) 9 instead of 16.
//
//   y = A^T [(G w G^T) . (B^T x B)] A    x: (T + R - 1)^2 pixels, w: R^2 taps, y: T^2 pixels
//
// The matrices evaluate polynomials at 0, 1, -1, 2, -1/2 and infinity, at 0, 1, -2, -1/2 and
// infinity, at 0, 1, -1/2 and infinity, and at 0, -1 and infinity. These points keep the rounding
// errors of sums over some tens of terms below what their length allows. All is linear, so the
// gradients are made of the transposed matrices.
//
// Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2016); the choice of
// points: Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution
// (2020).
#pragma once
#include <type_traits>

#include "cpu/vec.h"

namespace pydl {
namespace PYDL_ISA {
namespace {

struct F22 {
  static constexpr int kTile = 2, kTaps = 2, kPoints = 3;
  static constexpr float kInput[3][3] = {{1, 1, 0}, {0, 1, 0}, {0, 1, 1}};
  static constexpr float kFilter[3][2] = {{1, 0}, {-1, 1}, {0, 1}};
  static constexpr float kOutput[2][3] = {{1, 1, 0}, {0, -1, 1}};
};

// On points of F42: tiles of both, side by side, share the transformed weights.
struct F32 {
  static constexpr int kTile = 3, kTaps = 2, kPoints = 4;
  static constexpr int kPoint[4] = {0, 1, 3, 4};  // of F42
  static constexpr float kInput[4][4] = {
      {1, 1, -2, 0}, {0, 1.5f, 3, 0}, {0, -1.5f, 1.5f, 0}, {0, -0.5f, -0.5f, 1}};
  static constexpr float kFilter[4][2] = {
      {1, 0}, {2.0f / 9, 2.0f / 9}, {8.0f / 9, -4.0f / 9}, {0, 1}};
  static constexpr float kOutput[3][4] = {{1, 1, 1, 0}, {0, 1, -0.5f, 0}, {0, 1, 0.25f, 1}};
};

struct F42 {
  static constexpr int kTile = 4, kTaps = 2, kPoints = 5;
  static constexpr int kLargeOnly = 2;  // the point that F32 does without
  static constexpr float kInput[5][5] = {{1, 1.5f, -1.5f, -1, 0},
                                         {0, 1, 2.5f, 1, 0},
                                         {0, -0.5f, -0.5f, 1, 0},
                                         {0, -2, 1, 1, 0},
                                         {0, -1, -1.5f, 1.5f, 1}};
  static constexpr float kFilter[5][2] = {
      {1, 0}, {2.0f / 9, 2.0f / 9}, {-1.0f / 9, 2.0f / 9}, {8.0f / 9, -4.0f / 9}, {0, 1}};
  static constexpr float kOutput[4][5] = {
      {1, 1, 1, 1, 0}, {0, 1, -2, -0.5f, 0}, {0, 1, 4, 0.25f, 0}, {0, 1, -8, -0.125f, 1}};
};

struct F43 {
  static constexpr int kTile = 4, kTaps = 3, kPoints = 6;
  static constexpr float kInput[6][6] = {{1, 1.5f, -2, -1.5f, 1, 0}, {0, -1, -2.5f, -0.5f, 1, 0},
                                         {0, 1, 0.5f, -2.5f, 1, 0},  {0, -0.5f, -1, 0.5f, 1, 0},
                                         {0, 2, -1, -2, 1, 0},       {0, 1, 1.5f, -2, -1.5f, 1}};
  static constexpr float kFilter[6][3] = {{1, 0, 0},
                                          {-1.0f / 3, -1.0f / 3, -1.0f / 3},
                                          {1.0f / 3, -1.0f / 3, 1.0f / 3},
                                          {1.0f / 15, 2.0f / 15, 4.0f / 15},
                                          {-16.0f / 15, 8.0f / 15, -4.0f / 15},
                                          {0, 0, 1}};
  static constexpr float kOutput[4][6] = {{1, 1, 1, 1, 1, 0},
                                          {0, 1, -1, 2, -0.5f, 0},
                                          {0, 1, 1, 4, 0.25f, 0},
                                          {0, 1, -1, 8, -0.125f, 1}};
};

// Tiles of F may have smaller ones beside them, on some of the same points.
template <class F>
struct Kinds {
  using Small = F;
  static constexpr int point(F, int i) { return i; }
};
template <>
struct Kinds<F42> {
  using Small = F32;
  static constexpr int point(F42, int i) { return i; }
  static constexpr int point(F32, int i) { return F32::kPoint[i]; }
};

// fn(F of the rows, F of the columns) of a tile.
template <class F, class Fn>
inline void with_kinds(bool large_y, bool large_x, Fn fn) {
  using Small = typename Kinds<F>::Small;
  if constexpr (std::is_same_v<F, Small>) {
    fn(F(), F());
  } else if (large_y) {
    large_x ? fn(F(), F()) : fn(F(), Small());
  } else {
    large_x ? fn(Small(), F()) : fn(Small(), Small());
  }
}

// The matrices as types, so that their elements are known where loops over them are unrolled.
template <class F>
struct InputMatrix {  // B^T
  static constexpr int kRows = F::kPoints, kCols = F::kPoints;
  static constexpr float at(int i, int k) { return F::kInput[i][k]; }
};
template <class F>
struct FilterMatrix {  // G
  static constexpr int kRows = F::kPoints, kCols = F::kTaps;
  static constexpr float at(int i, int k) { return F::kFilter[i][k]; }
};
template <class F>
struct OutputMatrix {  // A^T
  static constexpr int kRows = F::kTile, kCols = F::kPoints;
  static constexpr float at(int i, int k) { return F::kOutput[i][k]; }
};
template <class M>
struct Transposed {
  static constexpr int kRows = M::kCols, kCols = M::kRows;
  static constexpr float at(int i, int k) { return M::at(k, i); }
};

// Row i of M times x: nothing is multiplied by 0 or 1.
template <class M>
inline Vec row_times(int i, const Vec* x) {
  Vec sum = set1(0.0f);
  bool first = true;
#pragma GCC unroll 6
  for (int k = 0; k < M::kCols; ++k) {
    const float m = M::at(i, k);
    if (m == 0.0f) continue;
    if (first) {
      sum = m == 1.0f ? x[k] : x[k] * set1(m);
    } else if (m == 1.0f) {
      sum = sum + x[k];
    } else if (m == -1.0f) {
      sum = sum - x[k];
    } else {
      sum = fma(set1(m), x[k], sum);
    }
    first = false;
  }
  return sum;
}

// y = M x N^T, element by element: x(i, j) gives one, y(i, j, v) takes one.
template <class M, class N, class X, class Y>
inline void both_sides(X x, Y y) {
  Vec t[M::kRows][N::kCols];
#pragma GCC unroll 6
  for (int j = 0; j < N::kCols; ++j) {
    Vec column[M::kCols];
#pragma GCC unroll 6
    for (int k = 0; k < M::kCols; ++k) column[k] = x(k, j);
#pragma GCC unroll 6
    for (int i = 0; i < M::kRows; ++i) t[i][j] = row_times<M>(i, column);
  }
#pragma GCC unroll 6
  for (int i = 0; i < M::kRows; ++i) {
#pragma GCC unroll 6
    for (int j = 0; j < N::kRows; ++j) y(i, j, row_times<N>(j, t[i]));
  }
}

}  // namespace
}  // namespace PYDL_ISA
}  // namespace pydl
