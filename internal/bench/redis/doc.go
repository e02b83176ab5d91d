// Package redis measures the redis backend beside other lockers and beside the
// bare protocol, in one run on one server, so that the ratios mean something:
//
//	go test -run - -bench . ./internal/bench/redis
package redis
