//go:build unix && !linux

package testenv

import "syscall"

// parentDeathSignals tells that dieWithParent works.
const parentDeathSignals = false

// dieWithParent does nothing where the kernel offers nothing of the kind: a
// server outlives a test process that was killed with SIGKILL.
func dieWithParent(*syscall.SysProcAttr) {}
