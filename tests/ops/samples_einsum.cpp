#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> einsum_samples() {
  static const std::vector<Sample> samples = {
      {.name = "Einsum, one matrix product per batch", .graph = R"(graph g {
         input %a: f32[2,3,4] input %b: f32[2,4,5]
         %y = Einsum(%a, %b) {equation="bij, bjk -> bik"}
         output %y })"},
      {.name = "Einsum, both transposed, implicit output", .graph = R"(graph g {
         input %a: f32[4,3] input %b: f32[5,4]
         %y = Einsum(%a, %b) {equation="ji,kj"}
         output %y })"},
      {.name = "Einsum, weights of an attention", .graph = R"(graph g {
         input %x: f32[2,3,4] parameter %w: f32[4,2,3]
         %y = Einsum(%x, %w) {equation="bsd,dhk->bhsk"}
         output %y })"},
      {.name = "Einsum, ellipses that broadcast", .graph = R"(graph g {
         input %a: f32[2,1,3,4] input %b: f32[5,4,2]
         %y = Einsum(%a, %b) {equation="...ij,...jk"}
         output %y })"},
      {.name = "Einsum, diagonals", .graph = R"(graph g {
         input %a: f32[3,2,3]
         %y = Einsum(%a) {equation="iji->ij"}
         output %y })"},
      {.name = "Einsum, a trace",
       .graph = "graph g { input %a: f32[3,3] %y = Einsum(%a) {equation=\"ii\"} output %y }"},
      {.name = "Einsum, a transposed sum", .graph = R"(graph g {
         input %a: f32[2,3,4]
         %y = Einsum(%a) {equation="abc->ca"}
         output %y })"},
      {.name = "Einsum, three operands", .graph = R"(graph g {
         input %a: f32[2,3] input %b: f32[3,4] input %c: f32[4,2]
         %y = Einsum(%a, %b, %c) {equation="ij,jk,kl->il"}
         output %y })"},
      {.name = "Einsum, outer and elementwise products", .graph = R"(graph g {
         input %a: f32[2,3] input %b: f32[4,2]
         %y = Einsum(%a, %b) {equation="bi,jb->bij"}
         output %y })"},
      {.name = "Einsum, an axis of 1 that broadcasts", .graph = R"(graph g {
         input %a: f32[2,1] input %b: f32[3,4]
         %y = Einsum(%a, %b) {equation="ij,jk->ik"}
         output %y })"},
      {.name = "Einsum of integers",
       .graph = R"(graph g {
         input %a: i32[2,3] input %b: i32[3,4]
         %y = Einsum(%a, %b) {equation="ij,jk->ki"}
         output %y })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
