//go:build !race

package redlockmodel

const raced = false
