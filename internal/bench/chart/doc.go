// Package chart draws what the benchmarks found: an SVG for the README, and a page
// with every figure.
//
//	make chart
//
// runs the contests of internal/bench in which distlock meets a peer or the bare
// protocol, and writes docs/benchmarks.svg and docs/benchmarks.md. Each panel is one
// benchmark, so that its bars come from the same runs on one machine. A benchmark
// that is run several times counts by the median of each figure.
package chart
