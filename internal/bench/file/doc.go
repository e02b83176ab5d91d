// Package file measures the file backend beside gofrs/flock and beside the bare
// system calls, in one run, so that the ratios mean something:
//
//	go test -run - -bench . ./internal/bench/file
package file
