//go:build unix

// Package redlocktest tests RedLock while its servers are killed, frozen, cut off
// and restarted without their data.
package redlocktest
