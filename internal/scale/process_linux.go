package scale

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// A process is what the kernel says of one.
type process struct {
	parent int
	cpu    time.Duration // its own
	ended  time.Duration // of its children that have ended
}

func readProcess(pid int) (process, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, err
	}
	// Its name, in parentheses, may hold anything. The fields that follow it begin
	// with the third, proc_pid_stat(5).
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	ticks := func(field int) time.Duration {
		n, _ := strconv.ParseInt(f[field-3], 10, 64)
		return time.Duration(n) * 10 * time.Millisecond // of 1/100 s, on every Linux
	}
	parent, err := strconv.Atoi(f[4-3])
	return process{parent, ticks(14) + ticks(15), ticks(16) + ticks(17)}, err
}

// memory returns the process's share of the memory that it has, what it shares with
// others divided among them.
func memory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0 // It has ended.
	}
	_, rest, _ := strings.Cut(string(text), "\nPss:")
	kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
	return kb << 10
}

// family sums up a process and its children.
func family(pid int) (cpu time.Duration, bytes int64, err error) {
	root, err := readProcess(pid)
	if err != nil {
		return 0, 0, err
	}
	cpu, bytes = root.cpu+root.ended, memory(pid)
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, 0, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := readProcess(child); err == nil && p.parent == pid {
			cpu, bytes = cpu+p.cpu, bytes+memory(child)
		}
	}
	return cpu, bytes, nil
}
