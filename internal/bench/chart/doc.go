// Package chart draws what the benchmarks found: an SVG for the README, and a page
// with every figure.
//
//	make chart
//
// runs the contests of internal/bench in which distlock meets a peer or the bare
// protocol, and writes docs/benchmarks.svg and docs/benchmarks.md. Each panel is one
// benchmark, so that all its bars come from one run on one machine. A run that is
// made several times counts by its median.
package chart
