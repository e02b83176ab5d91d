//go:build unix

package testenv

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
)

const dirPrefix = "distlock-env-"

var dirPattern = regexp.MustCompile(`^` + dirPrefix + `(\d+)-`)

// sweep removes the directories of processes that were killed before they could
// do it themselves.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), dirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		match := dirPattern.FindStringSubmatch(filepath.Base(dir))
		if match == nil {
			continue
		}
		pid, err := strconv.Atoi(match[1])
		if err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = removeMemory(dir)
			_ = os.RemoveAll(dir) // Somebody else's is not ours to remove, and stays.
		}
	}
}
