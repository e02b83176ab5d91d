package main

import (
	"os"

	"golang.org/x/sys/windows"
)

// enableEscapes asks the console to obey escape sequences, as it only does since
// Windows 10 and when it is asked.
func enableEscapes(f *os.File) bool {
	var mode uint32
	handle := windows.Handle(f.Fd())
	if err := windows.GetConsoleMode(handle, &mode); err != nil {
		return false
	}
	return windows.SetConsoleMode(handle, mode|windows.ENABLE_VIRTUAL_TERMINAL_PROCESSING) == nil
}
