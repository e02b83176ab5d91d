//go:build race

package redlockmodel

// raced is set where the race detector makes the search ten times slower.
const raced = true
