#include "tests/ops/samples.h"

namespace marvin {

std::span<const Sample> optimizer_samples() {
  static const std::vector<Sample> samples = {
      {.name = "SGD",
       .graph =
           "graph g { input %w: f32[3,5] input %g: f32[3,5] input %lr: f32[] %next = SGD(%w, %g, %lr) output %next }",
       .differentiable = false},
      {.name = "SGD with momentum",
       .graph = R"(graph g {
         parameter %w: f32[3,5] input %g: f32[3,5] input %lr: f32[] parameter %v: f32[3,5]
         %w.next, %v.next = SGD(%w, %g, %lr, %v) {momentum=0.9, nesterov=1, weight_decay=0.01}
         update %w <- %w.next
         update %v <- %v.next
         output %w.next })",
       .differentiable = false},
      {.name = "Adam",
       .graph = R"(graph g {
         parameter %w: f32[3,5] input %g: f32[3,5] input %lr: f32[] input %step: f32[]
         parameter %m: f32[3,5] parameter %v: f32[3,5]
         %w.next, %m.next, %v.next = Adam(%w, %g, %lr, %step, %m, %v) {weight_decay=0.01, decoupled=1}
         update %w <- %w.next
         update %m <- %m.next
         update %v <- %v.next
         output %w.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "Adagrad",
       .graph = R"(graph g {
         parameter %w: f32[3,5] input %g: f32[3,5] input %lr: f32[] input %step: f32[] parameter %s: f32[3,5]
         %w.next, %s.next = Adagrad(%w, %g, %lr, %step, %s) {lr_decay=0.1, weight_decay=0.01}
         update %w <- %w.next
         update %s <- %s.next
         output %w.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "RMSprop",
       .graph = R"(graph g {
         parameter %w: f32[3,5] input %g: f32[3,5] input %lr: f32[] parameter %s: f32[3,5]
         %w.next, %s.next = RMSprop(%w, %g, %lr, %s) {weight_decay=0.01}
         update %w <- %w.next
         update %s <- %s.next
         output %w.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "RMSprop, centered, with momentum",
       .graph = R"(graph g {
         parameter %w: f32[3,5] input %g: f32[3,5] input %lr: f32[]
         parameter %s: f32[3,5] parameter %m: f32[3,5] parameter %b: f32[3,5]
         %w.next, %s.next, %m.next, %b.next = RMSprop(%w, %g, %lr, %s, %m, %b) {centered=1, momentum=0.9}
         update %w <- %w.next
         update %s <- %s.next
         update %m <- %m.next
         update %b <- %b.next
         output %w.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "TrainingAdagrad of two parameters",
       .graph = R"(graph g {
         input %r: f32[] input %t: i64[]
         input %x: f32[2,3] input %y: f32[4] input %gx: f32[2,3] input %gy: f32[4] input %hx: f32[2,3] input %hy: f32[4]
         %x.next, %y.next, %hx.next, %hy.next = TrainingAdagrad(%r, %t, %x, %y, %gx, %gy, %hx, %hy)
           {decay_factor=0.1, norm_coefficient=0.001}
         output %x.next output %y.next output %hx.next output %hy.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "TrainingAdam",
       .graph = R"(graph g {
         input %r: f32[] input %t: i64[] input %x: f32[4] input %g: f32[4] input %v: f32[4] input %h: f32[4]
         %x.next, %v.next, %h.next = TrainingAdam(%r, %t, %x, %g, %v, %h)
           {norm_coefficient=0.001, norm_coefficient_post=0.01}
         output %x.next output %v.next output %h.next })",
       .low = 0.5f,
       .differentiable = false},
      {.name = "TrainingMomentum, Nesterov's",
       .graph = R"(graph g {
         input %r: f32[] input %t: i64[] input %x: f32[4] input %g: f32[4] input %v: f32[4]
         %x.next, %v.next = TrainingMomentum(%r, %t, %x, %g, %v)
           {alpha=0.9, beta=1.0, mode="nesterov", norm_coefficient=0.0}
         output %x.next output %v.next })",
       .differentiable = false},
  };
  return samples;
}

}  // namespace marvin
