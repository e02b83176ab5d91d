//go:build unix

package redistest

import (
	"strconv"
	"strings"
)

// stat returns the number behind a text in the answer to INFO, or 0.
func stat(info, text string) int {
	_, rest, _ := strings.Cut(info, text)
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	n, _ := strconv.Atoi(rest[:end])
	return n
}
