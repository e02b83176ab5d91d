package testenv

import "syscall"

// parentDeathSignals tells that dieWithParent works.
const parentDeathSignals = true

// dieWithParent has the kernel kill the process when we die, even by SIGKILL.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
