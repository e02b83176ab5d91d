package main

import "golang.org/x/sys/windows"

// What the network of Windows says. Package syscall has numbers of its own for
// these, which nothing returns.
const (
	errRefused  = windows.WSAECONNREFUSED
	errReset    = windows.WSAECONNRESET
	errNoHost   = windows.WSAEHOSTUNREACH
	errNoNet    = windows.WSAENETUNREACH
	errDiskFull = windows.ERROR_DISK_FULL
	errReadOnly = windows.ERROR_WRITE_PROTECT
)
