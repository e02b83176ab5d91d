#!/usr/bin/env bash
# Runs the benchmarks in which distlock meets a peer or the bare protocol, each with
# as many rounds, and as often, as it needs to mean something: what takes seconds a
# round runs once. make chart draws what it prints.
set -euo pipefail
cd "$(dirname "$0")"

contest() { go test -run '^$' -count "${4:-3}" -timeout 30m -bench "$1" -benchtime "$2" "./$3"; }

contest '^BenchmarkPair$' 2s file
contest '^BenchmarkHandover$' 300x file
contest '^Benchmark(RoundTrip|Throughput|HandOver|Fairness)$' 1x postgres
contest '^BenchmarkPair$' 2s redis
contest '^BenchmarkDistinct$' 20x redis
contest '^BenchmarkDistinctFar$' 5x redis
contest '^BenchmarkHandOver$' 100x redis
contest '^BenchmarkContended$' 1x redis 1
contest '^BenchmarkUncontended$' 300x redlock
contest '^BenchmarkContended$' 1x redlock 1
