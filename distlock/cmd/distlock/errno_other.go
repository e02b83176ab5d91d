//go:build !windows

package main

import "syscall"

// What the network and the file system say.
const (
	errRefused  = syscall.ECONNREFUSED
	errReset    = syscall.ECONNRESET
	errNoHost   = syscall.EHOSTUNREACH
	errNoNet    = syscall.ENETUNREACH
	errDiskFull = syscall.ENOSPC
	errReadOnly = syscall.EROFS
)
